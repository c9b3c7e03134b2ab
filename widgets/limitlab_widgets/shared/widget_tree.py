"""All widgets that a widget is made of: ipywidgets closes the one and keeps its layout, its style and its children."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import ipywidgets as widgets


def parts(root: widgets.Widget) -> Iterator[widgets.Widget]:
    """The widget and all that its traits hold: children, layout, style, and theirs."""
    seen: set[int] = set()
    waiting: list[Any] = [root]
    while waiting:
        part = waiting.pop()
        if isinstance(part, widgets.Widget):
            if id(part) not in seen:
                seen.add(id(part))
                yield part
                waiting += part._trait_values.values()
        elif isinstance(part, list | tuple):
            waiting += part
        elif isinstance(part, dict):
            waiting += part.values()


def discard(roots: Iterable[widgets.Widget]) -> None:
    """Close widgets with all their parts, so that nothing of them stays in the kernel or on the page."""
    for root in roots:
        for part in list(parts(root)):
            part.unobserve_all()
            part.close()
