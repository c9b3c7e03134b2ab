"""What completes the equation of a field: formulas refitted to its measurements, and fields from a new start.

The field with a formula, and with the network, is solved by the equation's own integrator, of which the term is a part.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from limitlab.discovery.evolution import Completion, Features, Part, evolve
from limitlab.discovery.symbolic import refit_field
from limitlab.discovery.symbolic.refit.field import HoledField, completion_of
from limitlab.discovery.symbolic.refit.forward import Fills
from limitlab.discovery.terms import known_part
from limitlab.errors import InvalidArgument
from limitlab.interruption import TimeIsUp
from limitlab.problems.pde.periodic import PeriodicProblem
from limitlab.spaces.grid import Grid
from limitlab.spaces.transforms import spectral_resample
from limitlab_widgets.discovery.completing import FARTHER, Solutions, checked_start, first_start, refitted, solutions
from limitlab_widgets.discovery.fields.sampling import POSITIONS, begun, text_of
from limitlab_widgets.discovery.learned import Learned

if TYPE_CHECKING:
    from limitlab.discovery.symbolic import Completed, Refits

RESOLUTION = 128
REACH = 1e3
"""Sizes of what was measured at which a forecast has left for good."""
PIECE = 10
"""Times of a forecast that are solved at once: what a clock interrupts is lost."""
MOST_WAVES, POINTS_PER_WAVE = 6, 12
"""Waves of a start that nobody knows: at most, and measurements that each of them needs."""
Field = Float[Tensor, "one x"]
Frames = Float[Tensor, "one time x"]


@refitted.register(PeriodicProblem)
def refitted_field(problem: PeriodicProblem, learned: Learned, candidates: Mapping[str, Any], most: int) -> Refits:
    """Formulas fitted to the measurements, and the first waves of the start with them where nobody knows it."""
    measured = learned.measured
    points, values = measured.seen.points[0].numpy(), measured.seen.values[0, :, 0].numpy()
    known = known_part(problem, learned.plan.hidden)
    options: dict[str, Any] = {"initial": _at_start(problem)[0].numpy()}
    if not measured.initial:
        waves = max(1, min(MOST_WAVES, len(points) // POINTS_PER_WAVE))
        options = {"initial": field_of(learned)[0], "waves": waves}
    (formulas,) = candidates.values()
    return refit_field(formulas, known, points, values, most=most, **options)


@first_start.register(PeriodicProblem)
def first_field(problem: PeriodicProblem, learned: Learned) -> tuple[Any, ...]:
    """The start that was measured from, or what the network makes of it, farther out."""
    return (f"{FARTHER}*({learned.measured.initial or text_of(field_of(learned)[0], problem)})",)


@checked_start.register(PeriodicProblem)
def checked_field(problem: PeriodicProblem, start: tuple[Any, ...]) -> tuple[Any, ...]:
    """A text in x, periodic. Raises InvalidArgument."""
    if len(start) != 1 or not isinstance(start[0], str):
        raise InvalidArgument(f"start must hold one text in x, such as ('sin(2*pi*x)',); got {start!r:.60}")
    begun(problem, start[0])
    return start


@solutions.register(PeriodicProblem)
def field_solutions(
    problem: PeriodicProblem,
    learned: Learned,
    completed: Completed,
    start: tuple[Any, ...],
    times: Tensor,
) -> Solutions:
    """Fields (time, x) from a text."""
    new = begun(problem, start[0])
    known = known_part(new, learned.plan.hidden)
    (formula,) = completed.formulas
    fills = Fills(HoledField(known), ((formula,),), np.array([[0]]))
    found = completion_of(fills, np.array([0]), np.array([formula.values], dtype=np.float64))
    truth: Solutions = {"truth": partial(_true, new, times)} if learned.plan.known else {}
    return {
        **truth,
        "formula": partial(_evolved, known, found, times),
        "network": partial(_evolved, known, network_part(learned), times),
    }


def network_part(learned: Learned) -> Completion:
    """The network of the hidden term, in the place of the term."""
    names = tuple(learned.model.hidden.inputs)

    def values(features: Features) -> Float[Tensor, "row x"]:
        columns = torch.stack([features[name] for name in names], -1)
        return learned.model.hidden_term(columns.flatten(0, 1))[:, 0].reshape(columns.shape[:2])

    def part(_rows: Int[Tensor, " row"]) -> Part:
        return values

    return Completion(names, part)


def field_of(learned: Learned) -> Float[np.ndarray, "time x"]:
    """What the network makes of the field."""
    measured = learned.measured
    return learned.states[0, :, 0].reshape(len(measured.times), len(measured.x)).numpy()


def _at_start(problem: PeriodicProblem, resolution: int = RESOLUTION) -> Float[Tensor, "one x"]:
    return problem.initial.sample(problem.grid(resolution), 1, 0, 0, problem.values)


def _true(problem: PeriodicProblem, times: Tensor) -> Float[np.ndarray, "time x"]:
    grid = problem.grid(problem.solver_resolution(POSITIONS))

    def solve(start: Field, moments: np.ndarray) -> Frames:
        return problem.integrate(start, grid, moments)

    return _as_far_as_it_goes(solve, _at_start(problem, grid.shape[0]), times, grid)


def _evolved(known: PeriodicProblem, completion: Completion, times: Tensor) -> Float[np.ndarray, "time x"]:
    begin = _at_start(known)
    reach = REACH * max(float(begin.abs().max()), 1e-300)

    def solve(start: Field, moments: np.ndarray) -> Frames:
        return evolve(known, completion, start, moments, reach=reach)

    return _as_far_as_it_goes(solve, begin, times, known.grid(RESOLUTION))


def _as_far_as_it_goes(
    solve: Callable[[Field, np.ndarray], Frames], start: Field, times: Tensor, grid: Grid
) -> Float[np.ndarray, "time x"]:
    """A field piece by piece of its times, each from where the last one ended; NaN where there was no time for it.

    No periodic equation holds the time, so each piece may begin at zero.
    """
    moments, reached = times.numpy(), [start[:, None]]
    try:
        for begin in range(0, len(moments) - 1, PIECE):
            piece = moments[begin : begin + PIECE + 1] - moments[begin]
            reached.append(solve(reached[-1][:, -1], piece)[:, 1:])
    except TimeIsUp:
        # the budget of the forecast says so
        pass
    u = torch.cat(reached, 1)
    u = torch.cat([u, u.new_full((len(u), len(moments) - u.shape[1], u.shape[2]), torch.nan)], 1)
    return spectral_resample(u[0], grid, POSITIONS).numpy()
