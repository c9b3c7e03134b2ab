"""One layout for all studios: a narrow column of controls beside the figures, one above the other on a narrow page."""

from __future__ import annotations

from collections.abc import Sequence

import ipywidgets as widgets


def columns(controls: Sequence[widgets.Widget], figures: Sequence[widgets.Widget]) -> widgets.Box:
    """Cards of controls in a column of about 300 px, and the figures that they move beside them."""
    left, right = widgets.VBox(controls), widgets.VBox(figures)
    left.add_class("limitlab-controls")
    right.add_class("limitlab-figures")
    sheet = widgets.Box([left, right], layout=widgets.Layout(overflow="visible"))
    sheet.add_class("limitlab-columns")
    return sheet


def card(title: str, children: Sequence[widgets.Widget], flex: str = "0 0 auto") -> widgets.VBox:
    """A framed part of a studio under its title."""
    layout = widgets.Layout(flex=flex, margin="2px", overflow="visible", min_width="0")
    heading = [widgets.HTML(f"<h4>{title}</h4>")] if title else []
    framed = widgets.VBox([*heading, *children], layout=layout)
    framed.add_class("limitlab-card")
    return framed


def fold(title: str, children: Sequence[widgets.Widget], *, unfolded: bool = False) -> widgets.Accordion:
    """Controls that are rarely moved, behind a title that unfolds them."""
    accordion = widgets.Accordion([widgets.VBox(children)], selected_index=0 if unfolded else None)
    accordion.set_title(0, title)
    accordion.add_class("limitlab-fold")
    return accordion


def row(children: Sequence[widgets.Widget]) -> widgets.HBox:
    """Parts side by side, one below the other where there is no room."""
    beside = widgets.HBox(children, layout=widgets.Layout(flex_flow="row wrap", overflow="visible"))
    beside.add_class("limitlab-row")
    return beside


def share(part: widgets.DOMWidget, weight: float = 1.0, least: int = 300) -> widgets.DOMWidget:
    """A part of a `row` with its share of the width, and the pixels below which it takes a row of its own."""
    part.layout.flex, part.layout.min_width, part.layout.overflow = f"{weight} 1 {least}px", "0", "hidden"
    return part


def display(part: widgets.Widget, visible: bool) -> None:
    """Show a part of a studio, or take it off the page."""
    part.layout.display = None if visible else "none"
