"""Functions of a reader's file in place of a problem: what was said of it, and the fields to say it in.

A file may be larger than a page could send, so it is named by its path on the machine of the kernel.
"""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ipywidgets as widgets

from limitlab.data.axes import KINDS
from limitlab.experiments.operators.own._functions import OwnFunctions, functions_of
from limitlab_widgets.shared.controls import button, described
from limitlab_widgets.shared.layout import display

KIND_TITLES = {"": "as its points tell", **{kind: kind for kind in KINDS}}


@dataclass(frozen=True)
class OwnFile:
    """The path of a file, its fields that are given and those that are learned, and what it does not say itself."""

    path: str
    inputs: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    dims: str = ""
    kind: str = ""

    def __post_init__(self) -> None:
        for role in ("inputs", "targets"):
            names = getattr(self, role)
            # a frozen dataclass; one name is a text
            object.__setattr__(self, role, tuple(names.replace(",", " ").split() if isinstance(names, str) else names))

    @property
    def functions(self) -> OwnFunctions:
        """What it holds. Raises InvalidArgument."""
        return functions_of(self.path, inputs=self.inputs, targets=self.targets, dims=self.dims, kind=self.kind)

    @property
    def options(self) -> dict[str, Any]:
        """The settings of the experiment that say so."""
        return {"data": self.path, **{name: getattr(self, name) for name in ("inputs", "targets", "dims", "kind")}}


class FilePanel(widgets.VBox):
    """Say which file, and take it; load(path, inputs=...) says whether it could be, leave() goes back."""

    def __init__(self, load: Callable[..., bool], leave: Callable[[], object]) -> None:
        self.path = described(widgets.Text, "path", ".npz, .pt, .mat, .h5, .nc or .zarr, on the machine of the kernel")
        self.inputs = described(widgets.Text, "inputs", "fields that are given, by name; none: what the file says")
        self.targets = described(widgets.Text, "targets", "fields that are learned, by name; none: what the file says")
        self.dims = described(widgets.Text, "dims", "such as sample x y, where sizes leave them open")
        kinds = [(title, kind) for kind, title in KIND_TITLES.items()]
        self.kind = described(widgets.Dropdown, "points", "how the points of its axes lie", options=kinds)
        self.take = button("Take the file", "folder-open", "learn from the functions of this file")
        self.leave = button("Leave the file", "undo", "go back to the equations of the studio")
        self.about = widgets.HTML()
        row = widgets.HBox([self.take, self.leave], layout=widgets.Layout(flex_flow="row wrap"))
        self._load = load
        super().__init__([self.path, self.inputs, self.targets, self.dims, self.kind, row, self.about])
        self.take.on_click(self._take)
        self.leave.on_click(lambda _button: leave())
        self.show(None)

    def enable(self, enabled: bool) -> None:
        """Whether another file can be taken."""
        for control in self.children[:5]:
            control.disabled = not enabled
        self.take.disabled = self.leave.disabled = not enabled

    def show(self, file: OwnFile | None) -> None:
        """Say what is learned from."""
        display(self.leave, file is not None)
        text = "or functions of your own, which are read and nothing else"
        if file is not None:
            own = file.functions
            points = " x ".join(map(str, own.grid.shape))
            text = f"{own.name}: {own.samples} functions on {points} {', '.join(dict.fromkeys(own.grid.kinds))} points"
        self.about.value = f'<span class="limitlab-note">{html.escape(text)}</span>'

    def _take(self, _button: Any) -> None:
        told = {name: getattr(self, name).value.strip() for name in ("inputs", "targets", "dims", "kind")}
        self._load(self.path.value.strip(), **told)
