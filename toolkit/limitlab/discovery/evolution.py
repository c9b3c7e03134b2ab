"""A periodic equation with something in the place of a term that it lacks: u_t = K(u) + c u + ... + G(u, u_x, ...).

K is a problem of the catalogue or a typed one. Many G are solved at once, one a row: formulas with constants of their
own, or a network. What is linear in G goes with K's linear terms into the symbol of the exponential integrator, row by
row, so that a diffusion that was found costs no short steps; the rest of G is evaluated on the grid, and its products
are freed of aliases up to the third degree (Orszag 1971).

A row that leaves the box, or where G is no number, has left for good: it is held, and NaN. A term that holds u_xx in a
product is explicit here, and stable for short steps alone: rows that left are tried once more with steps of a quarter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from jaxtyping import Bool, Complex, Float, Int
from torch import Tensor

from limitlab.errors import InvalidArgument
from limitlab.problems.pde.periodic import PeriodicProblem
from limitlab.solvers.pde.spectral import integrate_spectral
from limitlab.spaces.grid import Grid
from limitlab.spaces.transforms import dealias_mask, derivative_symbol, fourier, inverse_fourier

KEPT = 1 / 2
FASTEST = 300.0
"""A wave that grows by more than exp(this) over the span leaves double precision."""
LARGEST = 1e100
SHORTER = 4
"""Times that the steps of a second attempt are shorter."""
Features = Mapping[str, Float[Tensor, "row x"]]
Part = Callable[[Features], Float[Tensor, "row x"]]
"""G on a grid, from the inputs by name."""


@dataclass(frozen=True)
class Completion:
    """What stands in the place of a term, in every row: `part` of `inputs`, and linear coefficients by order.

    inputs: the field and derivatives of it, such as ("u", "u_x"); names as in the text of the equation. rows(numbers)
    gives the completion of some rows alone. Raises InvalidArgument.

    >>> from limitlab.discovery.evolution import Completion
    >>> Completion(("u", "u_x"), lambda rows: lambda of: -of["u"] * of["u_x"]).orders
    (0, 1)
    """

    inputs: tuple[str, ...]
    part: Callable[[Int[Tensor, " row"]], Part]
    linear: Mapping[int, Float[Tensor, " row"]] = field(default_factory=dict)

    @property
    def orders(self) -> tuple[int, ...]:
        """Of the derivatives among the inputs."""
        return tuple(order_of(name) for name in self.inputs)


def order_of(name: str) -> int:
    """How often the field of a name such as "u_xx" is differentiated in x. Raises InvalidArgument.

    >>> from limitlab.discovery.evolution import order_of
    >>> order_of("u_xx")
    2
    """
    _, _, axes = name.partition("_")
    if set(axes) - {"x"}:
        raise InvalidArgument(f"an input must be the field or a derivative of it in x, such as u_xx; got {name!r:.40}")
    return len(axes)


def evolve(
    known: PeriodicProblem,
    completion: Completion,
    initial: Float[Tensor, "row x"],
    times: Sequence[float] | np.ndarray,
    *,
    reach: float = float("inf"),
) -> Float[Tensor, "row time x"]:
    """Solutions at times from 0 on, one a row, from initial values on a grid of the problem; NaN where a row has left.

    reach: how large a field may become. Float64. Raises InvalidArgument for times that do not grow from 0 or later.

    >>> from limitlab.discovery.evolution import Completion, evolve
    >>> heat = ll.problems.get("heat", nu=0.1)
    >>> growing = Completion(("u",), lambda rows: lambda of: 0.5 * of["u"])
    >>> u = evolve(heat, growing, torch.ones(1, 16).double(), [0.0, 1.0])
    >>> round(u[0, -1, 0].item(), 6)
    1.648721
    """
    moments = np.asarray(times, dtype=np.float64)
    if moments.ndim != 1 or not len(moments) or moments[0] < 0 or not (np.diff(moments) > 0).all():
        raise InvalidArgument(f"times must grow from 0 or later; got {moments[:8]}")
    if initial.dim() != 2:
        raise InvalidArgument(f"initial must be (row, x); got shape {tuple(initial.shape)}")
    initial = initial.double()
    every = torch.arange(len(initial))
    u, left = _attempt(known, completion, initial, moments, every, reach=reach, dt=known.dt)
    if bool(left.any()):
        again = every[left]
        u[again], left[again] = _attempt(
            known, completion, initial[again], moments, again, reach=reach, dt=known.dt / SHORTER
        )
        u[left] = torch.nan
    return u


def _attempt(
    known: PeriodicProblem,
    completion: Completion,
    initial: Float[Tensor, "row x"],
    times: np.ndarray,
    rows: Int[Tensor, " row"],
    *,
    reach: float,
    dt: float,
) -> tuple[Float[Tensor, "row time x"], Bool[Tensor, " row"]]:
    """Solutions of some rows, and which of them have left."""
    grid = known.grid(initial.shape[-1])
    symbol, nonlinear = known.tendency(grid, initial)
    linear = _symbol(symbol, completion, rows, grid)
    growth = linear.real.expand(len(rows), -1).amax(1) * float(times[-1])
    hopeless = (growth > FASTEST) | ~torch.isfinite(growth) | ~torch.isfinite(initial).all(1)
    rest = _Rest(grid, completion.inputs, completion.part(rows), nonlinear, reach, hopeless.clone())
    if linear.dim() > 1:
        linear = torch.where(hopeless[:, None], 0.0, linear)
    begun = torch.where(hopeless[:, None], 0.0, initial)
    first = times if times[0] == 0 else np.insert(times, 0, 0.0)
    u = integrate_spectral(begun, grid, linear, rest, first, dt=dt)
    u = u if times[0] == 0 else u[:, 1:]
    return u, rest.left | ~(u.abs() < reach).flatten(1).all(1)


def _symbol(
    known: Tensor, completion: Completion, rows: Int[Tensor, " row"], grid: Grid
) -> Float[Tensor, "*row mode"] | Complex[Tensor, "*row mode"]:
    """Of the linear terms: one for all rows where they agree, which saves the coefficients of each."""
    total = known
    for order, every in completion.linear.items():
        coefficients = every[rows]
        waves = derivative_symbol(grid, 0, order) if order else torch.ones_like(known).to(torch.complex128)
        waves = waves if order % 2 else waves.real
        same = bool((coefficients == coefficients[0]).all())
        total = total + (coefficients[0] if same else coefficients[:, None]) * waves
    return total


@dataclass(frozen=True)
class _Rest:
    """What is not linear, coefficients to coefficients; `left` notes the rows that have left."""

    grid: Grid
    inputs: tuple[str, ...]
    part: Part
    nonlinear: Callable[[Tensor], Tensor] | None
    reach: float
    left: Bool[Tensor, " row"]

    def __post_init__(self) -> None:
        waves = {name: derivative_symbol(self.grid, 0, n) if (n := order_of(name)) else 1.0 for name in self.inputs}
        mask = dealias_mask(self.grid, KEPT)
        object.__setattr__(self, "_features", {name: wave * mask for name, wave in waves.items()})
        object.__setattr__(self, "_mask", mask)

    def __call__(self, spectrum: Complex[Tensor, "row mode"]) -> Complex[Tensor, "row mode"]:
        back = partial(inverse_fourier, grid=self.grid)
        features = {name: back(spectrum * wave) for name, wave in self._features.items()}  # type: ignore[attr-defined]
        values = torch.as_tensor(self.part(features), dtype=torch.float64)
        values = values.expand(len(spectrum), self.grid.shape[0])
        # every stage is asked, since one of them may leave and the next come back
        good = (values.abs() < LARGEST).all(1) & (spectrum.abs().amax(1) < self.reach)
        self.left.logical_or_(~good)
        staying = ~self.left[:, None]
        rest = fourier(torch.where(staying, values, 0.0), self.grid) * self._mask  # type: ignore[attr-defined]
        if self.nonlinear is not None:
            rest = rest + torch.where(staying, self.nonlinear(spectrum), 0.0)
        return rest
