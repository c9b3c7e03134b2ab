"""Controls of the solver studio: where a solution starts and ends, and the methods with what decides their steps."""

from __future__ import annotations

import dataclasses
from typing import Any

import ipywidgets as widgets
import numpy as np

from limitlab.errors import LimitlabError
from limitlab.problems import Parameter, SDEProblem
from limitlab.problems.dynamical import NEARBY
from limitlab_widgets.shared.controls import described, is_echo, linked, parameter_slider, show_value
from limitlab_widgets.shared.drawing.point_pad import PointPad
from limitlab_widgets.shared.layout import display, fold
from limitlab_widgets.shared.widget_tree import discard
from limitlab_widgets.solver.methods import ABOUT, GROUPS, SENSE, System, refusal
from limitlab_widgets.solver.state import STEPS, SolverState

MOST_STARTS = 8
DRAWS = 64
ATTEMPTS = (500, 1000, 2000, 5000, 10_000)
SECONDS = (2.0, 10.0, 60.0)
PATHS = (1, 10, 30, 100, 300, 1000)


class StartPanel(widgets.VBox):
    """Sliders of the initial state, as far as there are no more than eight, and of the span."""

    def __init__(self, state: SolverState) -> None:
        self._state = state
        self._drawn: System | None = None
        self._following = False
        self.initial: list[Any] = []
        self.span: Any = None
        self._sliders = widgets.VBox()
        self.log_time = described(
            widgets.Checkbox,
            "logarithmic time",
            "times that are dense at the start, on a logarithmic axis",
            indent=False,
        )
        self.pad = PointPad(self._put, state.refuse)
        self.drawn_start = fold("put the start in a plane", [self.pad])
        super().__init__([self._sliders, self.drawn_start, linked(state, "log_time", self.log_time)])
        state.observe(self._follow, "settings_revision")
        self._follow()

    def _follow(self, _change: dict[str, Any] | None = None) -> None:
        state = self._state
        base = dataclasses.replace(state.problem, values={})
        self._following = True
        try:
            if base != self._drawn:
                self._draw(state.problem)
                self._drawn = base
            for slider, value in zip(self.initial, state.start[0].tolist(), strict=False):
                show_value(slider, value)
            show_value(self.span, state.span)
            self._show_point()
        finally:
            self._following = False

    def _draw(self, problem: System) -> None:
        old, note = self._sliders.children, []
        self.initial = []
        if not problem.sites and problem.dimension <= MOST_STARTS:
            self.initial = [
                parameter_slider(start, start.default, continuous=True) for start in initial_ranges(problem)
            ]
        else:
            text = f"{problem.dimension} components start by the formula of the problem"
            note = [widgets.HTML(f'<span class="limitlab-note">{text}</span>')]
        span = self._state.span
        end = Parameter("T", span, span / 20, 2 * span, "the end of time", problem.time_unit)
        self.span = parameter_slider(end, span, continuous=True)
        for slider in (*self.initial, self.span):
            slider.style.description_width = "48px"
            slider.observe(self._move, "value")
        display(self.log_time, not isinstance(problem, SDEProblem))
        self._sliders.children = (*self.initial, *note, self.span)
        discard(old)

    def _show_point(self) -> None:
        """Let the plane be that of the first two components, over the ranges of their sliders."""
        display(self.drawn_start, len(self.initial) > 1)
        if len(self.initial) > 1:
            ranges = [(slider.min, slider.max) for slider in self.initial[:2]]
            self.pad.offer(self._state.problem.components[:2], *ranges)
            self.pad.point = self._state.start[0, :2].tolist()

    def _put(self, across: float, up: float) -> None:
        try:
            self._state.initial = (across, up, *self._state.start[0, 2:].tolist())
        except LimitlabError as error:
            self._state.refuse(error)

    def _move(self, change: dict[str, Any]) -> None:
        if self._following:
            return
        slider, start = change["owner"], self._state.start[0].tolist()
        current = self._state.span if slider is self.span else start[self.initial.index(slider)]
        if is_echo(slider, change["new"], current):
            return
        try:
            if slider is self.span:
                self._state.span = change["new"]
            else:
                start[self.initial.index(slider)] = change["new"]
                self._state.initial = tuple(start)
        except LimitlabError as error:
            slider.value = current
            self._state.refuse(error)


class MethodPanel(widgets.VBox):
    """What decides the steps, and a box for each method; those that cannot be used are off, and say why."""

    def __init__(self, state: SolverState) -> None:
        self._state = state
        self._following = False
        self.control = widgets.ToggleButtons(
            options=[("tolerance", "tolerance"), ("fixed steps", "steps")],
            tooltips=["steps that keep the estimated error below a tolerance", "steps of one size"],
            style={"button_width": "110px"},
        )
        self.tolerance = described(
            widgets.FloatLogSlider,
            "tolerance",
            "relative tolerance of a step; the absolute one is a part of it",
            base=10,
            min=-10,
            max=-1,
            step=0.25,
            readout_format=".1e",
        )
        self.steps = described(widgets.SelectionSlider, "steps", "number of steps up to the end", options=STEPS)
        self.max_steps = described(
            widgets.SelectionSlider, "most steps", "attempts before a solve is given up", options=ATTEMPTS
        )
        self.seconds = described(
            widgets.SelectionSlider, "most seconds", "time for all methods; what they have by then is shown",
            options=SECONDS,
        )  # fmt: skip
        self.paths = described(widgets.SelectionSlider, "paths", "how often the noise is drawn", options=PATHS)
        self.seed = described(widgets.BoundedIntText, "seed", "of the noise: the same seed, the same paths", max=10**6)
        self.step_size, self.noise, self.refused = widgets.HTML(), widgets.HTML(), widgets.HTML()
        self.boxes: dict[str, widgets.Checkbox] = {}
        self._groups = widgets.VBox()
        for name in ("control", "steps", "max_steps", "seconds", "paths", "seed"):
            linked(state, name, getattr(self, name))
        linked(state, "tolerance", self.tolerance, read=lambda tolerance: float(f"{tolerance:.2e}"))
        self.more = fold("which methods cannot be used, and limits", [self.refused, self.max_steps, self.seconds])
        super().__init__(
            [
                *(self.control, self.tolerance, self.steps, self.step_size),
                *(self.noise, self.paths, self.seed, self._groups, self.more),
            ]
        )
        state.observe(self._follow, "settings_revision")
        self._follow()

    def _follow(self, _change: dict[str, Any] | None = None) -> None:
        state = self._state
        fixed, stochastic = state.control == "steps", isinstance(state.problem, SDEProblem)
        for control in (self.tolerance, self.max_steps):
            display(control, not fixed)
        for control in (self.steps, self.step_size):
            display(control, fixed)
        for control in (self.noise, self.paths, self.seed):
            display(control, stochastic)
        self.step_size.value = f'<span class="limitlab-note">step size h = {state.span / state.steps:.4g}</span>'
        if isinstance(state.problem, SDEProblem):
            noise = f"{state.problem.noise} noise in the sense of {SENSE[state.problem.calculus]}"
            self.noise.value = f'<span class="limitlab-note">{noise}</span>'
        self._following = True
        try:
            self._offer(GROUPS[state.kind])
            self._tick()
        finally:
            self._following = False

    def _tick(self) -> None:
        """Bring the boxes up to date: the methods that are looked at, and why the others cannot be."""
        state = self._state
        refused: dict[str, list[str]] = {}
        for method, box in self.boxes.items():
            reason = refusal(state.problem, method, state.control)
            box.disabled, box.value = bool(reason), method in state.methods
            box.tooltip = reason or f"solve with {method}"
            if reason:
                refused.setdefault(reason, []).append(method)
        # a page shows no tooltip of a box that has a description
        reasons = "<br>".join(f"{', '.join(methods)}: {reason}" for reason, methods in refused.items())
        self.refused.value = f'<span class="limitlab-note">{reasons or "all methods can be used"}</span>'

    def _offer(self, groups: dict[str, tuple[str, ...]]) -> None:
        if list(self.boxes) == [method for group in groups.values() for method in group]:
            return
        old = self._groups.children
        self.boxes = {
            method: widgets.Checkbox(description=method, indent=False, layout=widgets.Layout(width="auto"))
            for group in groups.values()
            for method in group
        }
        for box in self.boxes.values():
            box.add_class("limitlab-choice")
            box.observe(self._toggle, "value")
        rows: list[widgets.Widget] = []
        for name, group in groups.items():
            label = widgets.HTML(f'<span class="limitlab-note" title="{ABOUT[name]}">{name}</span>')
            columns = widgets.Layout(grid_template_columns=f"repeat({3 if name == 'explicit' else 2}, 1fr)")
            rows += [label, widgets.GridBox([self.boxes[method] for method in group], layout=columns)]
        self._groups.children = tuple(rows)
        discard(old)

    def _toggle(self, change: dict[str, Any]) -> None:
        if self._following:
            return
        method, methods = change["owner"].description, self._state.methods
        if change["new"]:
            self._state.methods = (*methods, method)
        elif len(methods) > 1:
            self._state.methods = tuple(name for name in methods if name != method)
        else:
            self._follow()


def initial_ranges(problem: System) -> list[Parameter]:
    """A range for each component of the initial state: where the problem's own law draws it, or up to twice its value.

    States that are never negative in a law of their own stay so.
    """
    drawn = problem.sample(DRAWS)[0].numpy()
    value = problem.initial_value.numpy()
    low, high = np.minimum(drawn.min(0), value), np.maximum(drawn.max(0), value)
    positive, scale = problem.law != NEARBY and bool((low >= 0).all()), float(np.abs(value).max()) or 1.0
    ranges = []
    for index, state in enumerate(problem.states):
        least, most = float(low[index]), float(high[index])
        if most - least < 0.5 * max(abs(least), abs(most)) or most == least:
            reach = abs(float(value[index])) or scale
            least, most = float(value[index]) - reach, float(value[index]) + reach
        letter = state.latex or state.name
        ranges.append(
            Parameter(
                state.name,
                float(value[index]),
                max(least, 0.0) if positive else least,
                most,
                f"{state.meaning} at the start",
                state.unit,
                f"{letter}(0)",
            )
        )
    return ranges
