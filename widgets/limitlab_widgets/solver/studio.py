"""The solver studio: pick an equation, ordinary or stochastic, and see how methods step through it.

`SolverStudio("lorenz")` as a cell's last line shows it. All numbers come from `limitlab.solvers`, with the settings of
its controls; `studio.state` holds everything, `studio.state.solution` what the figures show.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import ipywidgets as widgets

from limitlab import problems
from limitlab_widgets.shared.controls import described
from limitlab_widgets.shared.layout import card, row
from limitlab_widgets.shared.panels import ProblemPanel, error_text
from limitlab_widgets.shared.studio import Studio
from limitlab_widgets.solver.controls import MethodPanel, StartPanel
from limitlab_widgets.solver.figures import SolverFigures
from limitlab_widgets.solver.methods import System
from limitlab_widgets.solver.own_equation import OwnEquation
from limitlab_widgets.solver.state import SolverState
from limitlab_widgets.solver.table import cost_table

CURSOR_STOPS = 500


class SolverStudio(Studio):
    """Solve an ordinary or a stochastic problem by several methods at once, interactively.

    problem: a name of `limitlab.problems`, or an ODEProblem or SDEProblem, such as one from `problems.parse`; van der
    Pol's oscillator if left out. Raises UnknownName or InvalidArgument.
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
        self.own = OwnEquation(state)
        self.start = StartPanel(state)
        self.methods = MethodPanel(state)
        # a range that never changes: a page answers a change of range with a value of its own
        self.cursor = described(
            widgets.IntSlider, "time t", "the time that every figure marks", max=CURSOR_STOPS, readout=False
        )
        self.cursor.layout.flex, self.cursor.layout.min_width = "1 1 auto", "0"
        self.cursor.style.description_width = "52px"
        self.time = widgets.Label(layout=widgets.Layout(width="76px"))
        self.failures = widgets.HTML()
        self.figures = SolverFigures(state)
        self.table = widgets.HTML()
        controls = row(
            [
                card("1 &nbsp; Equation", [self.kind, self.problem, self.own], "1 1 330px"),
                card("2 &nbsp; Start and end", [self.start], "1 1 330px"),
                card("3 &nbsp; Methods", [self.methods], "1 1 330px"),
            ]
        )
        controls.layout.flex = "1 1 350px"
        look = card(
            "4 &nbsp; Solutions",
            [widgets.HBox([self.cursor, self.time]), self.failures, self.figures, self.table],
            "3 1 640px",
        )
        sheet = row([controls, look])
        sheet.layout.align_items = "flex-start"
        super().__init__([sheet], states=[state], main=self.figures.time)
        self._connect()
        self._follow()
        self._follow_cursor()

    def _connect(self) -> None:
        state = self.state
        self.kind.observe(self._take_kind, "value")
        self.problem.observe(self._take_problem, "problem")
        self.cursor.observe(self._take_cursor, "value")
        state.observe(self._follow_problem, "problem")
        state.observe(self._follow_cursor, ["cursor", "revision"])
        state.observe(self._follow, "revision")
        state.observe(self._tabulate, "errors")

    def _take_kind(self, change: dict[str, Any]) -> None:
        self.state.choose_kind(change["new"])

    def _take_problem(self, change: dict[str, Any]) -> None:
        if change["new"] == self.state.problem:
            return
        if _base(change["new"]) == _base(self.state.problem):
            self.state.problem = change["new"]
        else:
            self.state.choose(change["new"])

    def _take_cursor(self, change: dict[str, Any]) -> None:
        if change["new"] != self._stop():
            self.state.cursor = self.state.span * change["new"] / CURSOR_STOPS

    def _stop(self) -> int:
        """Where the slider of the cursor should be."""
        return round(CURSOR_STOPS * self.state.cursor / self.state.span)

    def _follow_cursor(self, _change: dict[str, Any] | None = None) -> None:
        self.cursor.value = self._stop()
        self.time.value = f"{self.state.cursor:.4g}"

    def _follow_problem(self, change: dict[str, Any]) -> None:
        problem = change["new"]
        if problem != self.problem.problem:
            self.problem.offer(_choices(problem.kind), problem)
            self.kind.value = problem.kind

    def _follow(self, _change: dict[str, Any] | None = None) -> None:
        state = self.state
        self.failures.value = error_text("\n".join(state.failures.values()))
        self._tabulate()

    def _tabulate(self, _change: dict[str, Any] | None = None) -> None:
        self.table.value = cost_table(self.state)


def _choices(kind: str) -> tuple[System, ...]:
    return problems.catalogue("sde") if kind == "sde" else problems.catalogue("ode")


def _base(problem: System) -> System:
    """The problem without the values of its parameters."""
    return dataclasses.replace(problem, values={})
