"""Which components the phase figure shows: two or three, never the same one twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets as widgets

from limitlab_widgets.shared.layout import display

FLAT = "plane"


class AxisPickers(widgets.HBox):
    """A picker for each axis. A component that is picked leaves the axis where it was, which takes another one."""

    def __init__(self, picked: Callable[[], None]) -> None:
        self._picked = picked
        self._offered: tuple[str, ...] = ()
        self._settling = False
        self.axes = [widgets.Dropdown(layout=widgets.Layout(width="auto", flex="1 1 50px")) for _ in range(3)]
        for axis, name in zip(self.axes, ("across", "up", "deep; a plane without"), strict=True):
            axis.tooltip = f"the component that goes {name}"
            axis.observe(self._pick, "value")
        super().__init__([widgets.Label("phase"), *self.axes], layout=widgets.Layout(margin="0 16px"))

    @property
    def components(self) -> list[str]:
        """The components that are picked, in the order of the axes."""
        return [axis.value for axis in self.axes if axis.value not in (None, FLAT)]

    def offer(self, components: tuple[str, ...]) -> None:
        """Offer the components of a problem: three of them in space, else a plane of the first two."""
        if components == self._offered:
            return
        self._offered = components
        third = components[2] if len(components) == 3 else FLAT
        picked = (components[0], components[1] if len(components) > 1 else None, third)
        self._settling = True
        try:
            for axis, value in zip(self.axes, picked, strict=True):
                axis.options = [*([FLAT] if axis is self.axes[2] else []), *components] if value else []
                axis.value = value
        finally:
            self._settling = False
        display(self.axes[2], len(components) > 2)

    def _pick(self, change: dict[str, Any]) -> None:
        if self._settling:
            return
        self._settling = True
        try:
            for axis in self.axes:
                if axis is not change["owner"] and axis.value == change["new"]:
                    axis.value = self._another(axis, change["old"])
        finally:
            self._settling = False
        self._picked()

    def _another(self, axis: Any, left: str) -> str:
        """What an axis shows instead of a component that another one took: the one that it left, or one nobody has."""
        if left in axis.options:
            return left
        return next(name for name in self._offered if name not in self.components)
