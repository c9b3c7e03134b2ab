"""The solver studio: pick an equation, ordinary or stochastic, and see how methods step through it.

`SolverStudio("lorenz")` as a cell's last line shows it. All numbers come from `limitlab.solvers`, with the settings of
its controls; `studio.state` holds everything, `studio.state.solution` what the figures show.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import ipywidgets as widgets
import numpy as np

from limitlab import problems
from limitlab_widgets.shared.code.panel import CodePanel
from limitlab_widgets.shared.controls import described
from limitlab_widgets.shared.layout import card, columns
from limitlab_widgets.shared.panels import ProblemPanel, StaleNote, error_text
from limitlab_widgets.shared.studio import Studio
from limitlab_widgets.shared.typed_equation import TypedEquation
from limitlab_widgets.solver.code import solver_code
from limitlab_widgets.solver.controls import MethodPanel, StartPanel
from limitlab_widgets.solver.figures import SolverFigures
from limitlab_widgets.solver.methods import SENSE, System
from limitlab_widgets.solver.question import EARLIEST
from limitlab_widgets.solver.state import SolverState
from limitlab_widgets.solver.table import cost_table

CURSOR_STOPS = 500


class SolverStudio(Studio):
    """Solve an ordinary or a stochastic problem by several methods at once, interactively.

    problem: a name of `limitlab.problems`, or an ODEProblem or SDEProblem, such as one from `problems.parse`; van der
    Pol's oscillator if left out. Raises UnknownName or InvalidArgument.

    >>> from limitlab_widgets import SolverStudio
    >>> studio = SolverStudio("linear_decay")
    >>> studio.summary()[-1]
    'up to t = 5, by tsit5, dopri8, tolerance 1.0e-03'
    >>> studio.close()
    """

    def __init__(self, problem: str | System | None = None) -> None:
        self.state = SolverState(problem)
        state = self.state
        self.kind = widgets.ToggleButtons(
            options=[("ordinary", "ode"), ("stochastic", "sde")],
            tooltips=["ordinary differential equations", "stochastic differential equations"],
            style={"button_width": "110px"},
            value=state.kind,
        )
        self.problem = ProblemPanel(
            _choices(state.kind), state.problem, tooltip="the equation to solve", continuous=True
        )
        self.typed = TypedEquation(state, senses=SENSE)
        self.start = StartPanel(state)
        self.methods = MethodPanel(state)
        # a range that never changes: a page answers a change of range with a value of its own
        self.cursor = described(
            widgets.IntSlider, "time $t$", "the time that every figure marks", max=CURSOR_STOPS, readout=False
        )
        self.cursor.layout.flex, self.cursor.layout.min_width, self.cursor.layout.max_width = "1 1 auto", "0", None
        self.cursor.style.description_width = "52px"
        self.time = widgets.Label(layout=widgets.Layout(width="76px"))
        self.failures = widgets.HTML()
        self.figures = SolverFigures(state)
        self.table = widgets.HTML()
        self.table.add_class("limitlab-wide")
        controls = [
            card("Equation", [self.kind, self.problem, self.typed]),
            card("Start and end", [self.start]),
            card("Methods", [self.methods]),
        ]
        self.answer = widgets.VBox([self.failures, self.figures, self.table])
        self.note = StaleNote(state, self.answer)
        moved = widgets.HBox([self.cursor, self.time])
        sheet = columns(controls, [card("", [moved, self.note, self.answer])])
        code = CodePanel(lambda: solver_code(state.solved), state)
        super().__init__([sheet], states=[state], main=self.figures.time, code=code)
        self._connect()
        self._tabulate()
        self._follow_cursor()

    def summary(self) -> list[str]:
        """Problem, parameters, span and methods, as the traits have them."""
        state = self.state
        values = ", ".join(f"{name} = {value:.4g}" for name, value in state.problem.values.items())
        how = f"tolerance {state.tolerance:.1e}" if state.control == "tolerance" else f"{state.steps} steps"
        return [
            f"{state.problem.title}: {values}" if values else state.problem.title,
            f"up to t = {state.span:.4g}, by {', '.join(state.methods)}, {how}",
        ]

    def _connect(self) -> None:
        state = self.state
        self.kind.observe(self._choose_kind, "value")
        self.problem.observe(self._choose_problem, "problem")
        self.cursor.observe(self._move_cursor, "value")
        state.observe(self._follow_problem, "problem")
        state.observe(self._follow_cursor, ["cursor", "settings_revision"])
        state.observe(self._tabulate, ["revision", "errors"])
        state.observe(self.renew_picture, "revision")

    def _choose_kind(self, change: dict[str, Any]) -> None:
        self.state.choose_kind(change["new"])

    def _choose_problem(self, change: dict[str, Any]) -> None:
        if change["new"] == self.state.problem:
            return
        if _base(change["new"]) == _base(self.state.problem):
            self.state.problem = change["new"]
        else:
            self.state.choose(change["new"])

    def _move_cursor(self, change: dict[str, Any]) -> None:
        if change["new"] != self._stop():
            state, part = self.state, change["new"] / CURSOR_STOPS
            state.cursor = state.span * (EARLIEST ** (1 - part) if state.log_time else part)

    def _stop(self) -> int:
        """Where the slider of the cursor should be: as far along the axis of time as the cursor."""
        part = self.state.cursor / self.state.span
        if self.state.log_time:
            part = 1 - np.log(max(part, EARLIEST)) / np.log(EARLIEST)
        return round(CURSOR_STOPS * part)

    def _follow_cursor(self, _change: dict[str, Any] | None = None) -> None:
        self.cursor.value = self._stop()
        self.time.value = f"{self.state.cursor:.4g}"

    def _follow_problem(self, change: dict[str, Any]) -> None:
        problem = change["new"]
        if problem == self.problem.problem:
            return
        if _base(problem) == _base(self.problem.problem):
            self.problem.show(problem)
            return
        self.problem.offer(_choices(problem.kind), problem)
        self.kind.value = problem.kind

    def _tabulate(self, _change: dict[str, Any] | None = None) -> None:
        solved = self.state.solved
        if solved is not None:
            self.failures.value = error_text("\n".join(solved.failures.values()))
            self.table.value = cost_table(solved, self.state.errors)


def _choices(kind: str) -> tuple[System, ...]:
    return problems.catalogue("sde") if kind == "sde" else problems.catalogue("ode")


def _base(problem: System) -> System:
    """The problem without the values of its parameters."""
    return dataclasses.replace(problem, values={})
