"""A pad for a drawn input, and what the solver and the trained operators make of it."""

from __future__ import annotations

import html
from functools import partial
from typing import Any

import ipywidgets as widgets

from limitlab import figures
from limitlab_widgets.operator.drawings import Curve
from limitlab_widgets.operator.drawn import DrawnState
from limitlab_widgets.shared.controls import button
from limitlab_widgets.shared.drawing.curve_pad import CurvePad
from limitlab_widgets.shared.drawing.plane_pad import PlanePad
from limitlab_widgets.shared.figure_panel import FigurePanel
from limitlab_widgets.shared.layout import display
from limitlab_widgets.shared.panels import StaleNote
from limitlab_widgets.shared.state import StudioState

NOTE = (
    "Draw over the test function with the mouse, or by the arrow keys. The solver gives the drawing its truth; the "
    "operators have seen nothing like it."
)


class DrawnPanel(widgets.VBox):
    """A curve or a plane to draw, a button that begins anew, and truth, predictions and errors of the drawing.

    looked_at: whose sample is drawn over. titles: of the operators, by name.
    """

    def __init__(self, state: DrawnState, looked_at: StudioState, titles: dict[str, str]) -> None:
        self.state, self._titles = state, titles
        self.curve, self.plane = CurvePad(state.draw, state.refuse), PlanePad(state.draw, state.refuse)
        self.anew = button("Begin anew", "undo", "draw over the test function that is looked at, once more")
        self.anew.on_click(lambda _button: state.begin())
        self.about = widgets.HTML()
        self.verdict = widgets.HTML()
        self.figure = FigurePanel(label="the drawn input: truth, predictions and errors")
        self.answer = widgets.VBox([self.verdict, self.figure])
        pads = [self.curve, self.plane, self.anew]
        super().__init__([self.about, *pads, StaleNote(state, self.answer), self.answer])
        state.observe(self._offer, "offered")
        state.observe(self._show, "revision")
        looked_at.observe(self._follow_sample, "sample")
        self._offer()
        self._show()

    def _offer(self, _change: dict[str, Any] | None = None) -> None:
        ground, curve = self.state.ground, False
        if ground is not None:
            problem = ground.problem
            names = {field.name: field.meaning for field in problem.fields}
            name = problem.operator[0]
            curve = isinstance(ground.start, Curve)
            if isinstance(ground.start, Curve):
                (axis,) = problem.grid(ground.size).axes
                across = (axis.start, axis.start + axis.length)
                self.curve.periodic = axis.kind == "periodic"
                self.curve.offer((axis.name, name), across, (ground.levels[0], ground.levels[-1]), ground.start.values)
            else:
                self.plane.offer(name, [f"{level:g}" for level in ground.levels], ground.start.rows)
            text = f"{names[name]}: {NOTE}"
        else:
            text = self.state.reason
        self.about.value = f'<span class="limitlab-note">{html.escape(text)}</span>'
        display(self.curve, ground is not None and curve)
        display(self.plane, ground is not None and not curve)
        display(self.anew, ground is not None)

    def _follow_sample(self, _change: dict[str, Any]) -> None:
        if self.state.drawn is None and self.state.ground is not None:
            self.state.begin()

    def _show(self, _change: dict[str, Any] | None = None) -> None:
        with self.state.lock:
            answers = self.state.answers
        display(self.answer, answers is not None)
        if answers is None:
            self.figure.clear()
            return
        errors = [
            f"{html.escape(self._titles[name])} <b>{error:.4f}</b>"
            for name, error in sorted(answers.errors.items(), key=lambda pair: pair[1])
        ]
        self.verdict.value = f"relative L2 error of the drawing: {', '.join(errors)}"
        samples = {name: functions.isel(sample=0, channel=0) for name, functions in answers.functions.items()}
        if len(samples) > 1:
            self.figure.show(partial(figures.side_by_side.sketch, samples))
        else:
            self.figure.show(partial(figures.triptych.sketch, next(iter(samples.values()))))
