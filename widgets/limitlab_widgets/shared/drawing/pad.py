"""What pads have in common: what a reader does on the page comes as a trait, is read as a typed text would be, and
taken or refused by name.

A pad is reached by the tabulator, says aloud what it shows, and follows the mouse and the keys alike.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anywidget
from traitlets import Any as AnyTrait

from limitlab.errors import InvalidArgument

ON_PAGE = """
const SVG = "http://www.w3.org/2000/svg", ARROWS = {
  ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1],
};
const clip = (value, low, high) => Math.min(Math.max(value, low), high);
const made = (name) => document.createElementNS(SVG, name);
// the words that say what a pad shows
const said = (pad, style) => {
  const told = document.createElement("span");
  pad.classList.add(style);
  pad.setAttribute("tabindex", "0");
  pad.setAttribute("role", "application");
  told.className = "limitlab-note";
  told.setAttribute("role", "status");
  return told;
};
// stroke(event, whether it begins); press(arrow or nothing, key) answers false to a key that is the page's
const heard = (pad, stroke, press) => {
  pad.addEventListener("pointerdown", (event) => {
    pad.setPointerCapture(event.pointerId);
    stroke(event, true);
  });
  pad.addEventListener("pointermove", (event) => { if (event.buttons) stroke(event, false); });
  pad.addEventListener("keydown", (event) => {
    if (press(ARROWS[event.key], event.key) === false) return;
    event.preventDefault();
    event.stopPropagation();
  });
};
const send = (model, what) => {
  // as a trait: a page sends the newest only, when the kernel has answered the one before
  model.set("asked", what);
  model.save_changes();
};
// what it returns is called when the pad goes
const following = (model, names, follow) => {
  const changes = names.map((name) => `change:${name}`).join(" ");
  follow();
  model.on(changes, follow);
  return () => model.off(changes, follow);
};
"""
"""Before the code of every pad."""


class Pad(anywidget.AnyWidget):
    """Something to draw on; take(*read) is called with what `read` makes of a drawing, refuse(error) where it raises.

    >>> from limitlab_widgets.shared.drawing.pad import Pad
    >>> class Even(Pad):
    ...     def read(self, sent):
    ...         if sent % 2:
    ...             raise ll.errors.InvalidArgument(f"sent must be even; got {sent}")
    ...         return (sent // 2,)
    >>> pad = Even(print, refuse=print)
    >>> pad.put(8)
    4
    >>> pad.put(7)
    sent must be even; got 7
    """

    asked = AnyTrait(None, help="what a page drew last").tag(sync=True)

    def __init__(self, take: Callable[..., object], refuse: Callable[[Exception], object]) -> None:
        super().__init__()
        self._take, self._refuse = take, refuse
        self.observe(self._follow_page, "asked")

    def read(self, sent: Any) -> tuple[Any, ...]:
        """What a page sent, as the arguments of take. Raises InvalidArgument."""
        raise NotImplementedError(type(self).__name__)

    def put(self, sent: Any) -> None:
        """Do what a stroke does: take what was drawn, or refuse it."""
        try:
            read = self.read(sent)
        except InvalidArgument as error:
            self._refuse(error)
            return
        self._take(*read)

    def _follow_page(self, change: dict[str, Any]) -> None:
        # a pad that is offered anew forgets what was asked
        if change["new"] is not None:
            self.put(change["new"])
