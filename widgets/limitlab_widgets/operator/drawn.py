"""A drawn input of an operator, as state: the solver's truth for it, what the trained operators say, and their errors.

The drawing is a question like any other: each stroke replaces the one before, in a thread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import nn
from traitlets import Any as AnyTrait
from traitlets import Int, validate

from limitlab.errors import InvalidArgument, LimitlabError
from limitlab.interruption import interruptible
from limitlab.problems.pde.elliptic import TwoPhase
from limitlab.spaces import relative_l2
from limitlab_widgets.operator.drawings import Curve, Painting
from limitlab_widgets.operator.truths import answers_of, as_sample, pairs, solver_grid, source_of
from limitlab_widgets.shared.drawing.curve_pad import POINTS, height_around
from limitlab_widgets.shared.drawing.plane_pad import CELLS
from limitlab_widgets.shared.state import StudioState
from limitlab_widgets.shared.worker import Check

if TYPE_CHECKING:
    import xarray as xr

    from limitlab_widgets.operator.state import OperatorState

PATIENCE = 0.1
LEVELS = {"cells": 5, "periodic": 9}
"""Of a painted plane, from the least to the greatest value of the test set; a medium of two phases has two."""


@dataclass(frozen=True, eq=False)
class Ground:
    """What is drawn over: a problem, its test set at a resolution, and the values that a drawing may have.

    start: the test function, as a drawing. levels: of a plane, from the lowest; of a curve both ends.
    """

    problem: Any
    test: xr.Dataset
    start: Curve | Painting
    levels: tuple[float, ...]

    @property
    def size(self) -> int:
        """Points per axis of the test."""
        return int(self.test.sizes["x"])


@dataclass(frozen=True, eq=False)
class Answers:
    """Of a drawing: `input`, `target` and `prediction` (sample 1, channel 1, *grid) and the error, by operator."""

    functions: dict[str, xr.Dataset] = field(default_factory=dict)
    errors: dict[str, float] = field(default_factory=dict)


class DrawnState(StudioState):
    """A drawing, and what is said to it; forgotten when another problem is looked at."""

    decides = ("drawn",)

    drawn = AnyTrait(None, help="what is drawn, a Curve or a Painting; None before")
    revision = Int(0, help="raised when there are other answers, or none")
    offered = Int(0, help="raised when there is something else to draw over")

    def __init__(self, looked_at: OperatorState) -> None:
        super().__init__()
        self._looked_at = looked_at
        self.answers: Answers | None = None
        self.ground: Ground | None = None
        looked_at.observe(self._follow_models, "revision")
        looked_at.observe(self._follow_test, "resolution")

    @property
    def reason(self) -> str:
        """Why nothing can be drawn; empty where it can."""
        try:
            self._ground_now()
        except LimitlabError as error:
            return str(error)
        return ""

    def begin(self) -> None:
        """Draw over the test function that is looked at, anew."""
        self.drawn = None
        try:
            self.ground = self._ground_now()
        except LimitlabError:
            self.ground = None
        self.offered += 1

    def draw(self, values: Sequence[Any]) -> None:
        """Take what a pad read: the values of a curve, or the rows of a plane."""
        if self.ground is None:
            return
        curve = isinstance(self.ground.start, Curve)
        self.drawn = Curve(tuple(values)) if curve else Painting(tuple(values), self.ground.levels)

    def answer(self) -> None:
        """Ask the solver and the operators."""
        ground, drawing = self.ground, self.drawn
        if drawing is None or ground is None:
            self.settle()
            self._take(None)
            return
        state = self._looked_at
        with state.lock:
            models = dict(state.trained)
        learned = {name: model for name, model in models.items() if name != state.baseline}
        self.work(partial(self._solve, ground, drawing, learned or models), patience=PATIENCE)

    @validate("drawn")
    def _is_drawing(self, proposal: dict[str, Any]) -> Curve | Painting | None:
        drawing = proposal["value"]
        if drawing is None:
            return None
        if self.ground is None:
            raise InvalidArgument("nothing can be drawn yet: make data, or train")
        if type(drawing) is not type(self.ground.start):
            raise InvalidArgument(f"drawn must be a {type(self.ground.start).__name__}; got {drawing!r:.60}")
        return drawing

    def _solve(self, ground: Ground, drawing: Curve | Painting, models: Mapping[str, nn.Module], check: Check) -> None:
        problem, size = ground.problem, ground.size
        self.report(check, "solving for the truth")
        with interruptible(check):
            inputs, truth = pairs(problem, drawing.on(solver_grid(problem, size)), size)
        answers = Answers()
        for name, model in models.items():
            check()
            try:
                said = answers_of(model, inputs)
            except InvalidArgument:
                # it answers on its own grid alone
                continue
            answers.functions[name] = as_sample(ground.test, input=inputs[0], target=truth[0], prediction=said[0])
            answers.errors[name] = float(relative_l2(said[:, None], truth[:, None], problem.grid(size)))
        if not answers.functions:
            raise InvalidArgument(f"no operator answers at {size} points per axis: look at another test resolution")
        with self.lock:
            check()
            self._take(answers)

    def _take(self, answers: Answers | None) -> None:
        self.answers = answers
        self.revision += 1

    def _follow_models(self, _change: dict[str, Any]) -> None:
        try:
            now = self._ground_now()
        except LimitlabError:
            self.begin()
            return
        if self.ground is None or now.problem != self.ground.problem:
            self.begin()
        else:
            self.ground = now
            self._ask()

    def _follow_test(self, _change: dict[str, Any]) -> None:
        # at a resolution of the same data: the drawing stays
        if self.ground is not None and not self.reason:
            self.ground = self._ground_now()
            self._ask()

    def _ground_now(self) -> Ground:
        """What can be drawn over now. Raises InvalidArgument where nothing can."""
        state = self._looked_at
        with state.lock:
            test, origin = state.predictions.get(state.model, {}).get(state.resolution), state.origins.get(state.model)
            sample = state.sample
        if test is None or origin is None:
            raise InvalidArgument("nothing can be drawn yet: make data, or train")
        if state.steps:
            raise InvalidArgument("inputs of rollouts cannot be drawn: learn the map of one function to another")
        problem = source_of(origin)
        # raises for a problem without a solver for it
        solver_grid(problem, int(test.sizes["x"]))
        if problem.dimension == 2 and problem.axis_kind not in LEVELS:
            raise InvalidArgument(f"a start of {problem.name} cannot be painted: planes are in cells, or periodic")
        ground = _curve if problem.dimension == 1 else _painted
        return ground(problem, test, test["input"].values[:, 0].astype(float), sample)


def _curve(problem: Any, test: xr.Dataset, inputs: np.ndarray, sample: int) -> Ground:
    ends = height_around(float(inputs.min()), float(inputs.max()))
    (axis,) = problem.grid(inputs.shape[-1]).axes
    periodic = axis.kind == "periodic"
    points = axis.start + axis.length * np.arange(POINTS) / (POINTS if periodic else POINTS - 1)
    shown = np.interp(points, axis.points(), inputs[sample], period=axis.length if periodic else None)
    return Ground(problem, test, Curve(tuple(shown.tolist())), ends)


def _painted(problem: Any, test: xr.Dataset, inputs: np.ndarray, sample: int) -> Ground:
    if isinstance(getattr(problem, "medium", None), TwoPhase):
        levels: tuple[float, ...] = (problem.values["a_low"], problem.values["a_high"])
    else:
        between = np.linspace(inputs.min(), inputs.max(), LEVELS[problem.axis_kind])
        # short, since the code of a drawing holds them
        levels = tuple(float(f"{level:.3g}") for level in between)
    places = ((2 * np.arange(CELLS) + 1) * inputs.shape[-1]) // (2 * CELLS)
    shown = inputs[sample][np.ix_(places, places)]
    digits = np.abs(shown[..., None] - np.array(levels)).argmin(-1)
    return Ground(problem, test, Painting(tuple("".join(map(str, row)) for row in digits), levels), levels)
