"""The input of a problem's own law on which an operator errs most: the worst of the test set, and a search from there.

    a' = cos(theta) a + sin(theta) xi,     xi another draw of the law,     kept where the error grows

A step turns the input towards a fresh draw (theta from 0.03 to pi/2, which is that draw itself), so that it stays in
the family: of a Gaussian law of mean zero both have the same law, a series of waves is scaled to its amplitude again.
A medium that is made point by point of a Gaussian field, such as two phases by its sign, is turned by that field.
Every candidate has a truth of its own by the problem's solver. No gradient is asked for.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, singledispatch
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from limitlab.errors import InvalidArgument
from limitlab.interruption import interruptible
from limitlab.problems import FourierLaw, GaussianLaw
from limitlab.problems.pde.elliptic import DarcyProblem, LogNormal, PoissonProblem, TwoPhase
from limitlab.problems.pde.navier_stokes import NavierStokesProblem
from limitlab.problems.pde.periodic import PeriodicProblem
from limitlab.problems.pde.spectral_system import SpectralSystem
from limitlab.problems.pde.system_laws import Independent, WaveLaw
from limitlab.spaces import relative_l2
from limitlab.spaces.fields import gaussian_field
from limitlab_widgets.operator.truths import answers_of, as_sample, pairs, solver_grid

if TYPE_CHECKING:
    import xarray as xr

EFFORT = {1: (20, 16), 2: (12, 8)}
"""Rounds, and candidates of each, by the dimension of the problem."""
LEAST_ANGLE = 0.03
FAR = 10**6
"""Numbers of draws from here on are in no test set."""
Draw = Callable[[int, int, int], Tensor]


@dataclass(frozen=True, eq=False)
class Worst:
    """The functions (sample 1), the error there, the largest and the median one of the test set, and the candidates."""

    functions: xr.Dataset
    error: float
    largest: float
    median: float
    candidates: int


@dataclass(frozen=True, eq=False)
class Family:
    """The inputs of a problem: `draw(count, seed, first)` gives what is turned, `of` makes inputs of it."""

    law: Any
    draw: Draw
    of: Callable[[Tensor], Tensor] = lambda drawn: drawn


@singledispatch
def turned(law: Any, a: Tensor, fresh: Float[Tensor, "batch *grid"], angles: Float[Tensor, " batch"]) -> Tensor:
    """Inputs between a and fresh draws of the law, in its family. Raises InvalidArgument for a law without such."""
    raise InvalidArgument(f"inputs of the law {type(law).__name__} cannot be searched: it has no steps in its family")


@turned.register(GaussianLaw)
@turned.register(TwoPhase)
@turned.register(LogNormal)
@turned.register(PoissonProblem)
def _turned_gaussian(law: Any, a: Tensor, fresh: Tensor, angles: Tensor) -> Tensor:
    across = angles.reshape(-1, *(1,) * (fresh.dim() - 1))
    return torch.cos(across) * a + torch.sin(across) * fresh


@turned.register
def _turned_series(law: FourierLaw, a: Tensor, fresh: Tensor, angles: Tensor) -> Tensor:
    return _scaled(_turned_gaussian(law, a, fresh, angles), law.amplitude)


@turned.register
def _turned_waves(law: WaveLaw, a: Tensor, fresh: Tensor, angles: Tensor) -> Tensor:
    return law.mean + _scaled(_turned_gaussian(law, a - law.mean, fresh - law.mean, angles), law.amplitude)


def _scaled(values: Float[Tensor, "batch *grid"], amplitude: float) -> Tensor:
    """Every sample with this maximum."""
    peak = values.flatten(1).abs().amax(1)
    return amplitude * values / peak.reshape(-1, *(1,) * (values.dim() - 1))


@singledispatch
def family_of(problem: Any, size: int) -> Family:
    """How inputs of a test with `size` points per axis are turned. Raises InvalidArgument for other problems."""
    name = getattr(problem, "name", "a file")
    raise InvalidArgument(f"inputs of {name} cannot be searched: it has no single random field that can be turned")


@family_of.register
def _periodic_family(problem: PeriodicProblem, size: int) -> Family:
    if problem.warm_up > 0:
        raise InvalidArgument(f"inputs of {problem.name} cannot be searched: they are on its attractor")
    return Family(problem.initial, _draws_of(problem, size))


@family_of.register
def _flow_family(problem: NavierStokesProblem, size: int) -> Family:
    grid = problem.grid(size)
    if problem.operator[0] == "f":
        return Family(problem.forcing, partial(problem.sample_forcing, grid))
    assert problem.initial is not None
    return Family(problem.initial, _draws_of(problem, size))


@family_of.register
def _system_family(problem: SpectralSystem, size: int) -> Family:
    law = problem.initial
    if not isinstance(law, Independent) or len(law.laws) > 1:
        raise InvalidArgument(f"inputs of {problem.name} cannot be searched: they are several fields, or no waves")
    draw = _draws_of(problem, size)
    return Family(law.laws[0], lambda count, seed, first: draw(count, seed, first)[:, 0])


@family_of.register
def _darcy_family(problem: DarcyProblem, size: int) -> Family:
    medium, values = problem.medium, problem.values
    if not isinstance(medium, TwoPhase | LogNormal):
        raise InvalidArgument(f"inputs of {problem.name} cannot be searched: its medium is of no Gaussian field")
    fine = solver_grid(problem, size)

    def draw(count: int, seed: int, first: int) -> Tensor:
        tau = values["tau"]
        return gaussian_field(fine, count, seed, alpha=medium.alpha, tau=tau, boundary="neumann", first=first)

    return Family(medium, draw, lambda field: medium.of(field, values))


@family_of.register
def _poisson_family(problem: PoissonProblem, size: int) -> Family:
    return Family(problem, partial(problem.sample_input, solver_grid(problem, size)))


def _draws_of(problem: Any, size: int) -> Draw:
    """Starts of the problem's law, on the grid of a test."""
    grid = problem.grid(size)

    def draw(count: int, seed: int, first: int) -> Tensor:
        starts: Tensor = problem.initial.sample(grid, count, seed, first, problem.values)
        return starts

    return draw


def require_searchable(problem: Any) -> None:
    """Raise InvalidArgument where inputs of the problem cannot be searched."""
    # a size that every grid has
    family = family_of(problem, 32)
    # raises for a law without steps
    turned(family.law, torch.ones(4), torch.ones(1, 4), torch.zeros(1))


def worst_input(
    problem: Any,
    model: nn.Module,
    test: xr.Dataset,
    *,
    rounds: int | None = None,
    check: Callable[[int], object] = lambda done: None,
) -> Worst:
    """Search from the worst input of a test set as `simulate` makes it; check(rounds done) may raise.

    test: `input` and `target`, dims (sample, channel, *grid), with the seed and the numbers of its samples. Raises
    InvalidArgument for a problem whose inputs cannot be searched, and for a model that is tied to another grid.
    """
    require_searchable(problem)
    size, seed = int(test.sizes["x"]), int(test.attrs["seed"])
    family, grid = family_of(problem, size), problem.grid(size)
    inputs, truths = (torch.from_numpy(test[name].values[:, 0]).double() for name in ("input", "target"))
    answers = answers_of(model, inputs)
    tested = relative_l2(answers[:, None], truths[:, None], grid)
    at = int(tested.nan_to_num(-1.0).argmax())
    error, functions = float(tested[at]), {"input": inputs[at], "target": truths[at], "prediction": answers[at]}
    a = family.draw(1, seed, int(test["sample"][at]))[0]
    planned, batch = EFFORT[problem.dimension]
    count = planned if rounds is None else rounds
    angles = torch.logspace(math.log10(LEAST_ANGLE), math.log10(math.pi / 2), batch, dtype=torch.float64)
    for done in range(count):
        check(done)
        candidates = turned(family.law, a, family.draw(batch, seed, FAR + done * batch), angles)
        with interruptible(partial(check, done)):
            inputs, truths = pairs(problem, family.of(candidates), size)
        answers = answers_of(model, inputs)
        errors = relative_l2(answers[:, None], truths[:, None], grid)
        at = int(errors.nan_to_num(-1.0).argmax())
        if float(errors[at]) > error:
            a, error = candidates[at], float(errors[at])
            functions = {"input": inputs[at], "target": truths[at], "prediction": answers[at]}
    known = tested[torch.isfinite(tested)]
    return Worst(as_sample(test, **functions), error, float(known.max()), float(known.median()), count * batch)
