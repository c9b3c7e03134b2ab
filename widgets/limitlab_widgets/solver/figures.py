"""What solutions look like, in figures that move together.

A change of the solutions brings every figure up to date; a change of the cursor moves only its line and its mark. All
of them show one answer, with the question that it answers: the traits of the state may have moved on.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets
import numpy as np

from limitlab import figures
from limitlab.problems import SDEProblem
from limitlab_widgets.shared.controls import linked
from limitlab_widgets.shared.figure_panel import FigurePanel
from limitlab_widgets.shared.layout import display, row, share
from limitlab_widgets.solver.arrows import direction_field
from limitlab_widgets.solver.axes import AxisPickers
from limitlab_widgets.solver.question import EARLIEST, Question, Solved
from limitlab_widgets.solver.state import SolverState
from limitlab_widgets.solver.table import legend

if TYPE_CHECKING:
    import plotly.graph_objects as go

MOST_ROWS = 4
MOST_MARKS = 200
BARE, LEGEND = 16, 48
EYE = {"x": 1.85, "y": 1.85, "z": 0.9}


class SolverFigures(widgets.VBox):
    """Components against time, phase plane or space, and the steps; of a stochastic problem the spread of its paths."""

    def __init__(self, state: SolverState) -> None:
        self._state = state
        self._top = BARE
        # the worker redraws after a solve, the kernel after a click
        self._drawing = threading.RLock()
        self.pickers = AxisPickers(self._redraw)
        self.refine = widgets.Checkbox(
            description="refine one Brownian path",
            tooltip="the same noise at more and more steps, and what the first method makes of it",
            indent=False,
        )
        linked(state, "refine", self.refine)
        self.time = share(FigurePanel(label="components against time, by every method"), 1.2)
        self.phase = FigurePanel(label="the same solutions in phase space")
        self.ladder = FigurePanel(height=480, label="size, error and stiffness of every step against time")
        self.fan = share(FigurePanel(height=330, label="spread of the paths against time"), 1.2)
        self.marginal = share(FigurePanel(height=330, label="where the paths are at the marked time"))
        self.noise = share(FigurePanel(height=330, label="one Brownian path at several numbers of steps"))
        self.refined = share(FigurePanel(height=330, label="solutions along that path"))
        self._phase = share(widgets.VBox([self.phase, self.pickers]))
        self.refinement = row([self.noise, self.refined])
        self.legend, self._spread = widgets.HTML(), widgets.HTML()
        rows = [row([self.time, self._phase]), self._spread, row([self.fan, self.marginal]), self.ladder]
        super().__init__([self.legend, *rows, self.refine, self.refinement])
        state.observe(self._redraw, "revision")
        state.observe(self._move, "cursor")
        self._redraw()

    @property
    def axes(self) -> list[Any]:
        """The pickers of the components that go across, up and deep in the phase figure."""
        return self.pickers.axes

    @property
    def components(self) -> list[str]:
        """The components of the phase figure, two or three."""
        return self.pickers.components

    def _redraw(self, _change: dict[str, Any] | None = None) -> None:
        with self._drawing:
            solved = self._state.solved
            if solved is None:
                return
            cursor = self._state.cursor
            self.pickers.offer(tuple(solved.question.problem.components))
            self._draw(solved, cursor)
            self._draw_refinement(solved, cursor)
            if self._state.cursor != cursor:
                self._move()

    def _draw(self, solved: Solved, cursor: float) -> None:
        question, solution = solved.question, solved.solution
        ladder = question.control == "tolerance" or not question.stochastic
        for part, suits in (
            (self.time, True),
            (self._phase, question.problem.dimension > 1),
            (self.ladder, ladder),
            (self.fan, question.stochastic),
            (self.marginal, question.stochastic),
            (self.refine, question.stochastic),
            (self._spread, question.stochastic),
        ):
            display(part, suits and solution is not None)
        if solution is None:
            self.legend.value = ""
            return
        self.legend.value = legend(solved, self._marked(solved))
        self._draw_time(solved, cursor)
        if question.problem.dimension > 1:
            self._draw_phase(solved, cursor)
        if question.stochastic:
            self._draw_spread(solved, cursor)
        if ladder:
            self.ladder.show(lambda: _ladder(solved, cursor))

    def _draw_time(self, solved: Solved, cursor: float) -> None:
        question, offered = solved.question, solved.question.problem.components
        names = list(offered) if len(offered) <= MOST_ROWS else self.components
        options: dict[str, Any] = {"components": names, "steps": self._marked(solved), "log_time": question.log_time}
        several = len(solved.solutions) > 1
        self.time.height = 210 + 60 * len(names) if several and len(names) > 1 else 350
        self._top = BARE if several or len(names) == 1 else LEGEND
        top, line = self._top, line_time(question, cursor)

        def sketch() -> figures.Sketch:
            assert solved.solution is not None
            figure = figures.trajectories.sketch(solved.solution, cursor=line, **options)
            return figure.update_layout(showlegend=top == LEGEND, margin={"t": top})

        self.time.show(sketch)

    def _draw_phase(self, solved: Solved, cursor: float) -> None:
        names, top = self.components, self._top
        options: Any = {"components": names, "steps": self._marked(solved), "cursor": min(cursor, solved.question.span)}
        self.phase.height = self.time.height

        def sketch() -> figures.Sketch:
            solution = solved.solution
            assert solution is not None
            if len(names) > 2:
                figure = figures.phase_space.sketch(solution, **options)
                turned = self.phase.figure is not None and self.phase.figure.layout.scene.camera.eye.x
                camera = self.phase.figure.layout.scene.camera.to_plotly_json() if turned else {"eye": EYE}
                figure.layout["scene"]["camera"] = camera
            else:
                plane = solved.question.problem.dimension == 2
                field = direction_field(solved.question, solution, names) if plane else None
                figure = figures.phase_plane.sketch(solution, field=field, **options)
            return figure.update_layout(showlegend=False, margin={"t": top})

        self.phase.show(sketch)

    def _marked(self, solved: Solved) -> bool:
        """Whether the steps are few enough to be told apart."""
        solution = solved.solution
        assert solution is not None
        return not solved.question.stochastic and int(solution["accepted"].sum("step").max()) <= MOST_MARKS

    def _draw_spread(self, solved: Solved, cursor: float) -> None:
        """The ensemble of the first method: its fan, and its histogram at the cursor."""
        question = solved.question
        method, solution = next(iter(solved.solutions.items()))
        name, exact = self.components[0], None
        assert isinstance(question.problem, SDEProblem)
        if question.problem.mean is not None:
            moments = question.problem.moments(solution["time"].values, question.start[0])
            exact = moments[["mean"]].sel(state=name, drop=True)
        dashed = "; dashed, the exact mean" if exact is not None else ""
        self._spread.value = (
            f"Spread of {question.paths} paths by {method}: median, middle 50 and 90 %, some paths{dashed}. "
            "Beside it, where they all are at time t."
        )
        fan = figures.fan_chart.sketch(solution, name, exact=exact, cursor=min(cursor, question.span))
        self.fan.show(fan.update_layout(showlegend=False, margin={"t": BARE}))
        self.marginal.show(figures.marginals.sketch(solution, [min(cursor, question.span)], name))

    def _draw_refinement(self, solved: Solved, cursor: float) -> None:
        levels = solved.levels
        display(self.refinement, levels is not None)
        if levels is None:
            return
        name = self.components[0]
        along = levels["state"].sel(component=name, drop=True).assign_attrs(long_name=name)
        for panel, values in ((self.noise, levels["noise"]), (self.refined, along)):
            panel.show(figures.brownian_refinement(values, cursor=min(cursor, solved.question.span)))

    def _move(self, _change: dict[str, Any] | None = None) -> None:
        with self._drawing:
            solved, cursor = self._state.solved, self._state.cursor
            if solved is None:
                return
            question = solved.question
            line, end = line_time(question, cursor), min(cursor, question.span)
            for panel in (self.time, self.ladder, self.fan, self.noise, self.refined):
                panel.change(lambda figure: _move_lines(figure, line))
            if solved.solution is None:
                return
            if question.problem.dimension > 1:
                marks = figures.states_at(solved.solution, end, self.components)
                self.phase.change(lambda figure: _move_marks(figure, marks.values))
            if question.stochastic:
                first = next(iter(solved.solutions.values()))
                self.marginal.show(figures.marginals.sketch(first, [end], self.components[0]))


def _ladder(solved: Solved, cursor: float) -> figures.Sketch:
    question = solved.question
    assert solved.solution is not None
    figure = figures.step_ladder.sketch(solved.solution, log_time=question.log_time, cursor=line_time(question, cursor))
    return figure.update_layout(showlegend=False, margin={"t": BARE})


def line_time(question: Question, cursor: float) -> float:
    """Where the line of the cursor stands: on a logarithmic axis not at zero, which is infinitely far away."""
    return max(cursor, EARLIEST * question.span) if question.log_time else cursor


def _move_lines(figure: go.FigureWidget, time: float) -> None:
    for line in figure.layout.shapes:
        if line.name == "cursor":
            line.x0 = line.x1 = time


def _move_marks(figure: go.FigureWidget, states: np.ndarray) -> None:
    for trace in figure.data:
        if trace.name == "cursor":
            trace.update(dict(zip("xyz", states.T, strict=False)))
