"""A button that acts on what its reader sees: on a press, the kernel first hears every change that was made before.

A page sends the changes of a control one by one, each after the answer to the one before, and keeps the newest
meanwhile; the press of a button waits for nothing, and overtakes it. So a press is answered by a question, which a page
reads after the answers to those changes, and the command runs when the page has answered that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anywidget
from ipywidgets import CallbackDispatcher
from traitlets import Bool, Unicode


class Command(anywidget.AnyWidget):
    """A button with a text, the name of an icon and a tooltip; `on_click(handler)` calls handler(command) on a press.

    >>> from limitlab_widgets.shared.command import Command
    >>> command = Command(description="Train")
    >>> command.on_click(lambda pressed: print(pressed.description))
    >>> command.click()
    Train
    """

    description = Unicode("").tag(sync=True)
    icon = Unicode("", help="a name of Font Awesome's").tag(sync=True)
    tooltip = Unicode("").tag(sync=True)
    primary = Bool(False, help="whether it is the one to press first").tag(sync=True)
    disabled = Bool(False).tag(sync=True)
    _esm = """
    export default {
      initialize({ model }) {
        model.on("msg:custom", ({ press }) => model.send({ go: press }));
      },
      render({ model, el }) {
        const button = document.createElement("button");
        button.className = "jupyter-widgets jupyter-button widget-button";
        button.style.width = "auto";
        const look = () => {
          const icon = document.createElement("i");
          icon.className = `fa fa-${model.get("icon")}`;
          icon.setAttribute("aria-hidden", "true");
          button.replaceChildren(...(model.get("icon") ? [icon, " "] : []), model.get("description"));
          button.title = model.get("tooltip");
          button.disabled = model.get("disabled");
          button.classList.toggle("mod-primary", model.get("primary"));
        };
        look();
        model.on("change", look);
        button.addEventListener("click", (event) => { event.preventDefault(); model.send({ press: true }); });
        el.append(button);
        return () => model.off("change", look);
      },
    };
    """

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)
        self._handlers = CallbackDispatcher()
        self._presses, self._asked = 0, set[int]()
        self.on_msg(self._hear)

    def on_click(self, handler: Callable[..., Any]) -> None:
        """Call it at every press, too."""
        self._handlers.register_callback(handler)

    def click(self) -> None:
        """Do what a press does."""
        self._handlers(self)

    def _hear(self, _widget: Any, content: dict[str, Any], _buffers: Any) -> None:
        if "press" in content:
            self._presses += 1
            self._asked.add(self._presses)
            self.send({"press": self._presses})
        elif content.get("go") in self._asked:
            # every page that shows it answers; the first one counts
            self._asked.remove(content["go"])
            self.click()
