"""Controls that are the same in every studio: how they look, what they are called, and how they follow a trait.

A control has a description, in LaTeX where it is mathematics, and a tooltip that says in words what it moves; a studio
gives the words to screen readers too. `linked` ties a control to a trait of a state.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets
from traitlets import HasTraits, TraitError

from limitlab.errors import LimitlabError
from limitlab_widgets.shared.command import Command

if TYPE_CHECKING:
    from limitlab.experiments import Option
    from limitlab.problems import Parameter

DESCRIPTION = "96px"
STOPS = 200
# a page computes stops in floating point, and sends them with a few digits less
SAME_STOP = 1e-3


def described(kind: type, description: str, tooltip: str, **options: Any) -> Any:
    """A control with a full description and a tooltip, as wide as its panel."""
    style = {"description_width": DESCRIPTION}
    layout = widgets.Layout(width="auto", max_width="460px")
    return kind(description=description, tooltip=tooltip, style=style, layout=layout, **options)


def button(text: str, icon: str, tooltip: str, *, primary: bool = False) -> Command:
    """A button as wide as its text; primary: the one that a reader should press first."""
    layout = widgets.Layout(width="auto", flex="0 0 auto")
    return Command(description=text, icon=icon, tooltip=tooltip, primary=primary, layout=layout)


def file_upload(text: str, tooltip: str, load: Callable[[str, bytes], object]) -> widgets.FileUpload:
    """A button that takes a text file of a table; load(name, content) is called with each."""
    upload = widgets.FileUpload(
        accept=".csv,.tsv,.txt",
        multiple=False,
        description=text,
        tooltip=tooltip,
        layout=widgets.Layout(width="auto"),
    )

    def take(change: dict[str, Any]) -> None:
        if change["new"]:
            (sent,) = change["new"]
            load(str(sent["name"]), bytes(sent["content"]))
            # the same file, mended, is a change again
            upload.value = ()

    upload.observe(take, "value")
    return upload


def offer(control: Any, options: Sequence[Any]) -> None:
    """Let a choice offer these; anew only where they differ, since a page would forget what is picked."""
    if tuple(control.options) != tuple(options):
        control.options = options


def linked(state: HasTraits, name: str, control: Any, *, read: Callable[[Any], Any] | None = None) -> Any:
    """The control, showing the trait `name` and setting it, through `read` if given.

    A value that the state refuses goes back to what it was, and the state says why. What a page only rounded to the
    stop next to it is no move.
    """
    sent = getattr(state, name)
    show_value(control, sent)

    def take(change: dict[str, Any]) -> None:
        current = getattr(state, name)
        # a page answers what the kernel sent, not what the reader typed
        if change["new"] == current or (current == sent and is_echo(control, change["new"], current)):
            return
        try:
            setattr(state, name, change["new"] if read is None else read(change["new"]))
        except (LimitlabError, TraitError) as error:
            control.value = current
            if hasattr(state, "refuse"):
                state.refuse(error)

    def show(change: dict[str, Any]) -> None:
        nonlocal sent
        if control.value != change["new"]:
            sent = change["new"]
        show_value(control, change["new"])

    control.observe(take, "value")
    state.observe(show, name)
    return control


def show_value(control: Any, value: Any) -> None:
    """Let a control show a value, widening its range where need be."""
    if isinstance(control, widgets.FloatSlider | widgets.IntSlider):
        # the range first: ipywidgets clips a value to the old one without a word
        control.min, control.max = min(control.min, value), max(control.max, value)
    elif isinstance(control, widgets.FloatLogSlider):
        # the ends of a logarithmic slider are exponents, its value is not
        exponent = math.log(value, control.base)
        control.min, control.max = min(control.min, exponent), max(control.max, exponent)
    elif isinstance(control, widgets.SelectionSlider) and value not in _values(control):
        control.options = sorted([*control.options, value])
    control.value = value


def is_echo(control: Any, value: Any, current: Any) -> bool:
    """Whether a page only answered the current value with the stop of the slider's track that lies next to it."""
    if not isinstance(control, widgets.FloatSlider | widgets.FloatLogSlider):
        return False
    logarithmic = isinstance(control, widgets.FloatLogSlider)
    if not math.isfinite(value) or (logarithmic and (value <= 0 or current <= 0)):
        return False
    here, there = (math.log(v, control.base) if logarithmic else v for v in (value, current))
    stop = control.min + round((there - control.min) / control.step) * control.step
    return abs(here - min(max(stop, control.min), control.max)) < SAME_STOP * control.step


def parameter_slider(parameter: Parameter, value: float, *, continuous: bool = False) -> Any:
    """A slider over a parameter's range, logarithmic where the parameter is; continuous: speaks while it is dragged."""
    shared = {"value": value, "continuous_update": continuous}
    name, low, high = f"${parameter.latex or parameter.name}$", parameter.low, parameter.high
    if parameter.scale == "log":
        least, most = math.log10(low), math.log10(high)
        ends = {"min": least, "max": most, "step": _step(least, math.log10(value), 0.01), "readout_format": ".3g"}
        return described(widgets.FloatLogSlider, name, meaning_of(parameter), base=10, **ends, **shared)
    step = _step(low, value, (high - low) / STOPS)
    digits = -math.floor(math.log10(step))
    readout = f".{max(digits, 0)}f" if digits < 6 and abs(high) < 1e5 else ".3g"
    ends = {"min": low, "max": high, "step": step, "readout_format": readout}
    return described(widgets.FloatSlider, name, meaning_of(parameter), **ends, **shared)


def option_control(option: Option, value: Any, *, low: float | None = None, high: float | None = None) -> Any:
    """The control of a setting: a choice, a logarithmic slider for rates, a slider where a range is given, else a box.

    low, high: the part of the setting's own range that a slider covers; widened to hold the value.
    """
    name = option.name.replace("_", " ")
    if option.choices:
        return described(widgets.Dropdown, name, option.help, options=list(option.choices), value=value)
    if low is None or high is None:
        bounds = {"min": option.low, "max": option.high}
        return described(widgets.BoundedIntText, name, option.help, value=value, **bounds)
    low, high = min(low, value), max(high, value)
    if option.type is int:
        return described(widgets.IntSlider, name, option.help, value=value, min=int(low), max=int(high))
    if high / max(low, 1e-12) > 100 and low > 0:
        ends = {"min": math.log10(low), "max": math.log10(high), "step": 0.01, "readout_format": ".2g"}
        return described(widgets.FloatLogSlider, name, option.help, value=value, base=10, **ends)
    return described(widgets.FloatSlider, name, option.help, value=value, min=low, max=high, step=(high - low) / 50)


def meaning_of(parameter: Parameter) -> str:
    """Meaning of a parameter with its unit, unless that is 1."""
    return parameter.meaning if parameter.unit in ("", "1") else f"{parameter.meaning} [{parameter.unit}]"


def seconds_text(seconds: float) -> str:
    """A duration as a reader says it."""
    return f"{math.ceil(seconds)} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def _step(low: float, value: float, about: float) -> float:
    """A step that leads from the low end to the value, so that a page shows the value and not the stop next to it."""
    stops = round((value - low) / about)
    return (value - low) / stops if stops else about


def _values(control: Any) -> list[Any]:
    return [option[1] if isinstance(option, tuple) else option for option in control.options]
