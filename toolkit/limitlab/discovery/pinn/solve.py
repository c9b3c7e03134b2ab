"""Physics-informed networks: forward and inverse problems from the text of an equation.

    L = sum over terms of lambda_i mean |rows_i|^2,
    rows: (u(z_i) - y_i)/s of the data, (B u - b)/s of soft conditions, (residual at z_j)/(s/T) of the equation,

with s the scale of each unknown and T the span, so that all rows are numbers about 1. Unknown parameters of the
equation are trained beside the networks. Training has two phases: Adam finds the basin, a quasi-Newton method on the
fixed points in float64 gets to its bottom (Adam alone leaves errors of per cents).

Source: Raissi, Perdikaris, Karniadakis, Physics-informed neural networks (2019).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from limitlab.discovery.pinn.conditions import Ansatz, Soft, evolution, initial_value
from limitlab.discovery.pinn.networks import Architecture, JetNetwork
from limitlab.discovery.pinn.points import domain
from limitlab.discovery.pinn.residual import Derivative, Equations
from limitlab.discovery.pinn.surrogate import Surrogate
from limitlab.discovery.pinn.weighting import Weighting
from limitlab.errors import InvalidArgument, check_number, check_numbers, one_of
from limitlab.problems.base import Problem
from limitlab.problems.ode.problem import ODEProblem
from limitlab.problems.pde.laws import TextLaw
from limitlab.problems.pde.problem import PDEProblem
from limitlab.saved import Saved


@dataclass(frozen=True)
class Unknown:
    """A parameter that is looked for, from a first guess, whose sign it keeps where `positive`: guess softplus(rho).

    >>> ll.discovery.pinn.Unknown(0.1).positive
    True
    """

    guess: float
    positive: bool = True

    def __post_init__(self) -> None:
        guess = check_number("guess of an unknown parameter", self.guess)
        if self.positive and guess == 0:
            raise InvalidArgument("the guess of a parameter that keeps its sign must not be 0; say positive=False")
        object.__setattr__(self, "guess", guess)  # a frozen dataclass

    def value(self, raw: Tensor) -> Tensor:
        """The parameter where what is trained, 0 at first and of size 1, is `raw`."""
        if not self.positive:
            return self.guess + (abs(self.guess) or 1.0) * raw
        # softplus is 1 here at raw = 0
        return self.guess * nn.functional.softplus(raw + math.log(math.e - 1))


class PINN(Saved):
    """Networks for the solutions of one equation, one a trajectory or field, with its unknown parameters.

    equations: of `equations_of`. forms: how each trajectory keeps its conditions, `Ansatz` by `Ansatz`; left out, one
    from the problem's initial value. scale: a size of each unknown. unknown: parameters to find, with their guess.
    soft: conditions that are terms of the loss. weighting: of the loss, with its weights of "data", "condition" and
    "residual". Raises InvalidArgument and UnknownName.

    >>> equations = ll.discovery.pinn.equations_of(ll.problems.get("logistic", span=2.0))
    >>> model = ll.discovery.pinn.PINN(equations, architecture=ll.discovery.pinn.Architecture(width=8), seed=0)
    >>> points = ll.discovery.pinn.collocation(equations.problem, 16)
    >>> model.residuals(points).shape
    torch.Size([1, 16])
    """

    def __init__(
        self,
        equations: Equations,
        forms: Ansatz | Sequence[Ansatz] | None = None,
        *,
        architecture: Architecture | None = None,
        scale: float | Sequence[float] | None = None,
        unknown: Mapping[str, Unknown | float] | None = None,
        soft: Sequence[Soft] = (),
        weighting: Weighting | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.equations, self.soft = equations, tuple(soft)
        problem, count = equations.problem, len(equations.unknowns)
        sizes = check_numbers("scale", _scale(problem) if scale is None else scale, count, low=1e-300)
        chosen = _forms(problem, sizes) if forms is None else forms
        every = (chosen,) if isinstance(chosen, Ansatz) else tuple(chosen)
        seed = int(check_number("seed", seed, low=0, integer=True))
        low, high = domain(problem)
        for condition in self.soft:
            _require_condition(condition, equations, len(every))
        wanted = self.wanted()
        self.surrogates = nn.ModuleList(
            Surrogate(
                JetNetwork(low, high, count, architecture, periods=form.periods or None, seed=seed + 1000 * k),
                form,
                equations.coordinates,
                equations.unknowns,
                wanted,
            )
            for k, form in enumerate(every)
        )
        guesses = {name: u if isinstance(u, Unknown) else Unknown(u) for name, u in (unknown or {}).items()}
        self._require_known(guesses)
        self.guesses = guesses
        self.raw = nn.ParameterDict({name: nn.Parameter(torch.zeros((), dtype=torch.float64)) for name in guesses})
        self.register_buffer("scale", torch.tensor(sizes, dtype=torch.float64))
        once = 1 / problem.span if problem.span > 0 else 4 / min(problem.lengths) ** 2  # type: ignore[attr-defined]
        rates = equations.rates or (once,) * count
        self.register_buffer("rates", torch.tensor(rates, dtype=torch.float64))
        self.weighting = weighting or Weighting()

    scale: Float[Tensor, " unknown"]
    rates: Float[Tensor, " unknown"]

    def residual_scale(self, points: Float[Tensor, "point axis"]) -> Float[Tensor, "unknown point"]:
        """What the residuals are divided by: the size of each unknown times how fast its equation is there."""
        fast = self.rates[:, None].expand(-1, len(points))
        if self.equations.onset:
            fast = fast + 1 / (points[:, 0] + self.equations.onset)
        return fast * self.scale[:, None]

    def surrogate(self, trajectory: int) -> Surrogate:
        """The network of a trajectory."""
        chosen = self.surrogates[trajectory]
        assert isinstance(chosen, Surrogate)
        return chosen

    def wanted(self) -> tuple[Derivative, ...]:
        """Derivatives that the surrogates hand on: those of the equations and of the soft conditions."""
        extra = [
            Derivative(name, tuple(sorted(condition.axes, key=self.equations.coordinates.index)))
            for condition in self.soft
            for name in self.equations.unknowns
        ]
        plain = [Derivative(name) for name in self.equations.unknowns]
        return tuple(sorted({*self.equations.derivatives, *plain, *extra}))

    @property
    def parameters_of_equation(self) -> dict[str, float | Tensor]:
        """The problem's values, with those that are looked for as they are now."""
        return {**self.equations.problem.values, **{n: u.value(self.raw[n]) for n, u in self.guesses.items()}}

    def forward(self, points: Float[Tensor, "point axis"], trajectory: int = 0) -> Float[Tensor, "point unknown"]:
        """The unknowns of a trajectory."""
        return self.surrogate(trajectory)(points)

    def residuals(self, points: Float[Tensor, "point axis"], trajectory: int = 0) -> Float[Tensor, "equation point"]:
        """Left minus right side of each equation, in its own units."""
        return self.residuals_of(points, self.surrogate(trajectory).fields(points))

    def residuals_of(self, points: Tensor, fields: Mapping[str, Tensor]) -> Float[Tensor, "equation point"]:
        """The same where the unknowns and their derivatives have these values."""
        return self.equations.evaluate(points, fields, self.parameters_of_equation)

    def rows(self, batch: Mapping[str, Any]) -> dict[str, Tensor]:
        """What the loss squares, by term and about 1: data, conditions flat, the residual (trajectory, row, point)."""
        self._require_fitting(batch)
        points, count = batch["points"], batch["points"].shape[1]
        measured = batch.get("data_points", points[:, :0])
        # without data there is nothing to cut, and a cut has a gradient of its own
        alone = not {"data_points", "data_values"} & batch.keys()
        residuals, values = [], []
        for trajectory, asked in enumerate(points if alone else torch.cat([points, measured], 1)):
            # one pass for both: on a few hundred points the number of calls is what costs
            fields = self.surrogate(trajectory).fields(asked)
            if not alone:
                values.append(torch.stack([fields[name][count:] for name in self.equations.unknowns], -1))
            inside = fields if alone else {name: field[:count] for name, field in fields.items()}
            residuals.append(self.residuals_of(asked[:count], inside) / self.residual_scale(asked[:count]))
        rows = {"residual": torch.stack(residuals)}
        if "data_values" in batch:
            difference = (torch.stack(values) - batch["data_values"]) / self.scale
            rows["data"] = difference[torch.isfinite(batch["data_values"])]
        if self.soft:
            rows["condition"] = torch.cat([self._condition(condition) for condition in self.soft])
        return rows

    def losses(self, batch: Mapping[str, Any]) -> dict[str, Tensor]:
        """The weighted terms of the loss."""
        rows = self.rows(batch)
        if "step" in batch:
            self.weighting.adapt(self, rows, batch)
        return self.weighting.terms(rows, batch["points"])

    def _condition(self, condition: Soft) -> Tensor:
        points, values = condition.points.to(self.scale), condition.values.to(self.scale)
        fields = self.surrogate(condition.trajectory).fields(points)
        axes = tuple(sorted(condition.axes, key=self.equations.coordinates.index))
        names = [Derivative(name, axes).name for name in self.equations.unknowns]
        size = self.residual_scale(points).T if axes else self.scale
        difference = (torch.stack([fields[name] for name in names], -1) - values) / size
        return difference[torch.isfinite(values)]

    def _require_fitting(self, batch: Mapping[str, Any]) -> None:
        """Points and values of every trajectory: with fewer of them a surrogate would stay as it began."""
        count, names = len(self.surrogates), {"points": self.equations.coordinates}
        names |= {"data_points": self.equations.coordinates, "data_values": self.equations.unknowns}
        for name in (name for name in names if name in batch):
            if batch[name].dim() != 3 or batch[name].shape[::2] != (count, len(names[name])):
                raise InvalidArgument(
                    f"{name} must hold {', '.join(names[name])} for each of {count} trajectories; got shape "
                    f"{tuple(batch[name].shape)}"
                )

    def _require_known(self, guesses: Mapping[str, Unknown]) -> None:
        held = {s.name for residual in self.equations.residuals for s in residual.free_symbols}
        for name in guesses:
            one_of(f"parameter of {self.equations.problem.name}", name, self.equations.parameters)
            if name not in held:
                raise InvalidArgument(
                    f"unknown must name parameters that the residual holds; {name!r} is in no known term"
                )


def loss(model: nn.Module, batch: Mapping[str, Any]) -> Mapping[str, Tensor]:
    """The loss of a PINN for a Recipe: its weighted terms.

    >>> equations = ll.discovery.pinn.equations_of(ll.problems.get("logistic", span=2.0))
    >>> model = ll.discovery.pinn.PINN(equations, seed=0)
    >>> points = ll.discovery.pinn.collocation(equations.problem, 16)
    >>> list(ll.discovery.pinn.loss(model, ll.discovery.pinn.batches(points).batch(0)))
    ['residual']
    """
    assert isinstance(model, PINN)
    return model.losses(batch)


def _require_condition(condition: Soft, equations: Equations, trajectories: int) -> None:
    axes, names = len(equations.coordinates), len(equations.unknowns)
    if condition.points.shape[1] != axes or condition.values.shape[1] != names:
        raise InvalidArgument(
            f"a soft condition of {equations.problem.name} has points (point, {axes}) and values (point, {names}); got "
            f"{tuple(condition.points.shape)} and {tuple(condition.values.shape)}"
        )
    for axis in condition.axes:
        one_of("axis of a soft condition", axis, equations.coordinates)
    check_number("trajectory of a soft condition", condition.trajectory, low=0, high=trajectories - 1, integer=True)


def _scale(problem: Problem) -> list[float] | float:
    """Sizes of the states from the initial value; a state that begins at 0 has that of the others."""
    if not isinstance(problem, ODEProblem):
        return 1.0
    start = problem.initial_value.abs()
    floor = start.square().mean().sqrt()
    return torch.maximum(start, floor if floor > 0 else torch.ones_like(floor)).tolist()


def _forms(problem: Problem, scale: Sequence[float]) -> Ansatz:
    if isinstance(problem, ODEProblem):
        return initial_value(problem, scale)
    law = getattr(problem, "initial", None)
    if not isinstance(problem, PDEProblem) or not isinstance(law, TextLaw):
        raise InvalidArgument(
            f"forms must be an Ansatz for {problem.name}, such as evolution(problem, 'sin(pi*x)', 'zero'): its initial "
            "value is no text"
        )
    return evolution(problem, law.text, "periodic", scale[0])
