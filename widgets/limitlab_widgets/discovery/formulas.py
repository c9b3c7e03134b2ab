"""Fronts to click at, and a forecast to move: views of what a search and a refit found."""

from __future__ import annotations

import html
import math
from typing import Any

import ipywidgets as widgets
import numpy as np

from limitlab import figures
from limitlab.discovery.symbolic import Completed, Refits
from limitlab.discovery.terms import unknowns_of
from limitlab.errors import LimitlabError
from limitlab.problems import ODEProblem, Parameter
from limitlab_widgets.discovery.drawing import FIGURES
from limitlab_widgets.discovery.forecast import LONGER, Forecast
from limitlab_widgets.discovery.learning import Learning
from limitlab_widgets.shared.controls import described, is_echo, offer, parameter_slider, show_value
from limitlab_widgets.shared.figure_panel import FigurePanel
from limitlab_widgets.shared.layout import display, row, share
from limitlab_widgets.shared.panels import StaleNote
from limitlab_widgets.shared.widget_tree import discard

MOST_REFITS = 6
LONGEST = 60
"""Characters of a formula in a list."""


class FrontPanel(widgets.VBox):
    """The front of one hidden term: a click at a point picks its formula, which is then fitted to the measurements."""

    def __init__(self, learning: Learning, height: int) -> None:
        self._state = learning
        self._settling = False
        self.equation = ""
        self.front = FigurePanel(height=height, label="error against complexity of the formulas; click at one")
        self.formula = described(
            widgets.Dropdown, "formula", "the formula that is picked, as a click at its point does"
        )
        self.latex = widgets.HTMLMath(layout=widgets.Layout(overflow="auto hidden"))
        self.fitted = widgets.HTMLMath()
        self.fitted.add_class("limitlab-wide")
        self.formula.observe(self._choose, "value")
        beside = widgets.VBox([self.formula, self.latex, self.fitted])
        super().__init__([row([share(self.front, 1.2), share(beside, 1.0)])])
        learning.observe(self._follow, ["fronts_revision", "picked"])
        learning.observe(self._show_fitted, "refits_revision")
        self._follow()
        self._show_fitted()

    def look_at(self, equation: str) -> None:
        """Show the front of another hidden term."""
        self.equation = equation
        self._follow()

    def _follow(self, _change: dict[str, Any] | None = None) -> None:
        state = self._state
        with state.lock:
            front, picked = state.fronts.get(self.equation), state.picked.get(self.equation)
            expr = state.formula(self.equation)
        if front is None or picked is None or expr is None:
            self.front.clear()
            self._offer([("no formulas yet", None)], None)
            self.latex.value = ""
            return
        self.front.show(figures.pareto_front(front.table, chosen={"picked": picked}))
        self.front.figure.data[0].on_click(self._click)
        texts = [f"{candidate.complexity:g}: {candidate.expr}" for candidate in front]
        rows = [(text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…", k) for k, text in enumerate(texts)]
        self._offer(rows, picked)
        self.latex.value = f"$$G_{{{self.equation}}} = {expr.latex()}$$"

    def _offer(self, options: list[tuple[str, Any]], value: Any) -> None:
        self._settling = True
        try:
            offer(self.formula, options)
            self.formula.value = value
        finally:
            self._settling = False

    def _click(self, _trace: Any, points: Any, _selector: Any) -> None:
        if points.point_inds:
            self._pick(int(points.point_inds[0]))

    def _choose(self, change: dict[str, Any]) -> None:
        if not self._settling and change["new"] is not None:
            self._pick(change["new"])

    def _pick(self, number: int) -> None:
        state = self._state
        with state.lock:
            there = self.equation in state.fronts and number < len(state.fronts[self.equation])
        if not there or (state.phase == "working" and state.stage == "searching"):
            self._follow()
            return
        state.pick(self.equation, number)
        state.refit_picked()

    def _show_fitted(self, _change: dict[str, Any] | None = None) -> None:
        state = self._state
        with state.lock:
            refits, completed, learned = state.refits, state.completed, state.learned
        if refits is None or completed is None or learned is None:
            self.fitted.value = ""
            return
        self.fitted.value = fitted_text(learned.equations, completed, refits)


class ForecastPanel(widgets.VBox):
    """Sliders of a new start and of the span, and what comes of it."""

    def __init__(self, forecasting: Forecast, height: int) -> None:
        self._state = forecasting
        self._following = False
        self._drawn: Any = None
        self.sliders: list[Any] = []
        self._rows = widgets.VBox()
        self.figure = FigurePanel(height=height, label="forecast from the new start, beside the truth")
        self.verdict = widgets.HTML("Search formulas, and pick one: its equation is solved from a new start here.")
        self.answer = widgets.VBox([self.verdict, self.figure])
        self.note = StaleNote(forecasting, self.answer)
        super().__init__([self._rows, self.note, self.answer])
        forecasting.observe(self._follow, ["taken", "start", "span"])
        forecasting.observe(self._draw, "revision")

    def _follow(self, _change: dict[str, Any] | None = None) -> None:
        state = self._state
        learned = state.learned
        display(self._rows, learned is not None)
        if learned is None or len(state.start) != len(unknowns_of(learned.plan.sampling.problem)):
            return
        self._following = True
        try:
            if self._drawn is not learned:
                self._make()
                self._drawn = learned
            for slider, value in zip(self.sliders, (*state.start, state.span), strict=True):
                show_value(slider, value)
        finally:
            self._following = False

    def _make(self) -> None:
        learned, old = self._state.learned, self._rows.children
        assert learned is not None
        problem = learned.plan.sampling.problem
        self.sliders = self._starts() if isinstance(problem, ODEProblem) else [self._text()]
        span = LONGER * problem.span
        end = Parameter("T", span, span / 10, 4 * span, "end of the forecast", getattr(problem, "time_unit", "1"))
        self.sliders.append(parameter_slider(end, self._state.span, continuous=True))
        for number, slider in enumerate(self.sliders):
            slider.style.description_width = "48px"
            slider.observe(lambda change, number=number: self._move(number, change), "value")
        self._rows.children = (row(self.sliders),)
        discard(old)

    def _text(self) -> widgets.Text:
        """How another field begins."""
        tooltip = "how the field of the forecast begins: a text in x, periodic"
        return described(widgets.Text, "$u(x, 0)$", tooltip, value=self._state.start[0], continuous_update=False)

    def _starts(self) -> list[Any]:
        """A slider for each state at the new start."""
        learned = self._state.learned
        assert learned is not None
        problem, seen = learned.plan.sampling.problem, learned.measured.seen
        mean, scale = seen.mean.numpy(), seen.scale.numpy()
        positive = np.nanmin(seen.values.numpy(), axis=(0, 1)) >= 0
        sliders: list[Any] = []
        for field, value, middle, spread, sign in zip(
            problem.states, self._state.start, mean, scale, positive, strict=True
        ):
            low, high = min(value, middle) - 2 * spread, max(value, middle) + 2 * spread
            name, latex = field.name, f"{field.latex or field.name}(0)"
            start = Parameter(
                name, value, max(low, 0.0) if sign else low, high, f"{name} at the new start", latex=latex
            )
            sliders.append(parameter_slider(start, value, continuous=True))
        return sliders

    def _move(self, number: int, change: dict[str, Any]) -> None:
        state = self._state
        # a training that begins anew takes the equation away, and a move may be on its way from the page
        if self._following or state.learned is None:
            return
        numbers = [*state.start, state.span]
        if is_echo(change["owner"], change["new"], numbers[number]):
            return
        numbers[number] = change["new"]
        try:
            with state.together():
                state.start, state.span = tuple(numbers[:-1]), numbers[-1]
        except LimitlabError as error:
            state.refuse(error)
            self._follow()

    def _draw(self, _change: dict[str, Any] | None = None) -> None:
        state = self._state
        with state.lock:
            forecasts, learned = state.forecasts, state.learned
        if forecasts is None or learned is None:
            self.figure.clear()
            self.verdict.value = "Search formulas, and pick one: its equation is solved from a new start here."
            return
        problem = learned.plan.sampling.problem
        self.figure.show(FIGURES[problem.kind].forecast(problem, forecasts, problem.span))
        shaded = isinstance(problem, ODEProblem)
        measured = "shaded is as long as was measured" if shaded else f"measured was until t = {problem.span:.3g}"
        errors = [(name, forecasts.error(name)) for name in ("formula", "network")]
        texts = [
            f"{name} <b>{'fails' if math.isinf(error) else f'{error:.2g}'}</b>"
            for name, error in errors
            if error is not None
        ]
        self.verdict.value = (
            f"Relative L2 distance from the truth: {', '.join(texts)}; {measured}."
            if texts
            else f"The truth is not known here; {measured}."
        )


def fitted_text(equations: tuple[str, ...], completed: Completed, refits: Refits) -> str:
    """The formulas as the measurements fit them, their constants with standard errors, and how others compare."""
    lines = []
    for equation, formula, errors in zip(equations, completed.formulas, completed.errors, strict=True):
        lines.append(f"$$G_{{{html.escape(equation)}}} = {formula.latex()}$$")
        numbers = zip(formula.values, errors, strict=True)
        constants = ", ".join(f"{value:.4g} &plusmn; {error:.1g}" for value, error in numbers)
        lines.append(f'<div class="limitlab-note">constants {constants or "none"}</div>')
    rows = "".join(_row(row, row is completed) for row in refits.rows[:MOST_REFITS])
    heads = "".join(f'<th scope="col">{head}</th>' for head in ("BIC", "constants", "mean square"))
    table = f'<table class="limitlab-table"><tr>{heads}</tr>{rows}</table>'
    return f"Fitted to the measurements by simulation:{''.join(lines)}{table}"


def _row(row: Completed, chosen: bool) -> str:
    mark = "&#9679; " if chosen else ""
    title = html.escape(row.equation)
    cells = (f"{mark}{row.bic:.1f}", f"{row.n_params}", f"{row.loss:.2g}")
    return f'<tr title="{title}">{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'
