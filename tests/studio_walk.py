"""A random walk over the controls of a studio: what a reader might do, from a seed, and what must hold after each step.

`Walk(studio, seed)` gathers the controls that the studio shows; `step()` moves one of them as a page would. After every
step the controls show the state, and no thread has failed. Figures are compared by the test of each studio.
"""

import threading

import ipywidgets as widgets
import numpy as np

MOVABLE = (
    widgets.FloatSlider,
    widgets.FloatLogSlider,
    widgets.IntSlider,
    widgets.SelectionSlider,
    widgets.Dropdown,
    widgets.ToggleButtons,
    widgets.Checkbox,
    widgets.BoundedIntText,
)
BUTTONS = (widgets.Button,)


class Walk:
    """Moves the controls of a studio at random, those of `without` excepted; `trace` says what was done."""

    def __init__(self, studio, seed: int, without=()) -> None:
        self.studio, self.random = studio, np.random.default_rng(seed)
        self.without = set(without)
        self.trace: list[str] = []
        self.failed: list[str] = []
        self._hook = threading.excepthook

    def __enter__(self):
        threading.excepthook = lambda arguments: self.failed.append(repr(arguments.exc_value))
        return self

    def __exit__(self, *_error) -> None:
        threading.excepthook = self._hook

    def step(self) -> None:
        """Move one control that is shown and not disabled."""
        controls = self.controls()
        control = controls[self.random.integers(len(controls))]
        if isinstance(control, widgets.Button):
            self.trace.append(f"press {control.description}")
            control.click()
            return
        value = self._value(control)
        self.trace.append(f"{control.description or control.tooltip}: {control.value!r} -> {value!r}")
        control.set_state({"value": value} if not hasattr(control, "index") else {"index": self._index(control, value)})

    def controls(self) -> list:
        """The controls that a reader could move now, in the order of the page."""
        found = [part for part in _shown(self.studio) if isinstance(part, MOVABLE + BUTTONS)]
        return [c for c in found if not c.disabled and (c.description or c.tooltip) not in self.without]

    def _value(self, control):
        random = self.random
        if isinstance(control, widgets.FloatLogSlider):
            return float(control.base ** self._stop(control))
        if isinstance(control, widgets.FloatSlider):
            return float(self._stop(control))
        if isinstance(control, widgets.IntSlider | widgets.BoundedIntText):
            return int(random.integers(control.min, min(control.max, control.min + 10**4) + 1))
        if isinstance(control, widgets.Checkbox):
            return not control.value
        options = [option[1] if isinstance(option, tuple) else option for option in control.options]
        return options[random.integers(len(options))]

    def _stop(self, control) -> float:
        stops = round((control.max - control.min) / control.step)
        return min(control.max, control.min + int(self.random.integers(stops + 1)) * control.step)

    @staticmethod
    def _index(control, value) -> int:
        options = [option[1] if isinstance(option, tuple) else option for option in control.options]
        return options.index(value)


def _shown(part):
    """The parts of a widget in the order of the page, without those that are not displayed."""
    layout = part._trait_values.get("layout")
    if layout is not None and layout.display == "none":
        return
    yield part
    for child in getattr(part, "children", ()):
        yield from _shown(child)
