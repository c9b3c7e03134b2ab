"""The code of what is on the screen: a cell of library calls that gives the same numbers, to be copied.

A studio writes it from its state, in a module `code` of its own. The panel asks for it while it is open, whenever one
of the states changes; what cannot be written is refused by name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anywidget
import ipywidgets as widgets
from traitlets import All, HasTraits, Unicode

from limitlab.errors import LimitlabError
from limitlab_widgets.shared.controls import button
from limitlab_widgets.shared.layout import display
from limitlab_widgets.shared.panels import error_text


class Snippet(anywidget.AnyWidget):
    """A text that is copied by a button, and reached, scrolled and selected by keyboard.

    >>> from limitlab_widgets.shared.code.panel import Snippet
    >>> Snippet(text="import limitlab as ll").text
    'import limitlab as ll'
    """

    text = Unicode("").tag(sync=True)
    _css = """
    .limitlab-code { margin: 4px 0; padding: 8px 10px; overflow-x: auto; font-size: 12px; line-height: 1.45;
      font-family: var(--jp-code-font-family, monospace); color: var(--jp-content-font-color1, #1f2328);
      background: var(--jp-layout-color2, #f3f4f6); border: 1px solid var(--jp-border-color2, #d0d7de); }
    """
    _esm = """
    async function copy(text, code) {
      try {
        await navigator.clipboard.writeText(text);
      } catch {
        // a page without the right to the clipboard still copies what is selected
        getSelection().selectAllChildren(code);
        if (!document.execCommand("copy")) throw new Error("no clipboard");
      }
    }
    export default {
      render({ model, el }) {
        const code = document.createElement("pre"), button = document.createElement("button");
        const told = document.createElement("span");
        code.className = "limitlab-code";
        code.tabIndex = 0;
        code.setAttribute("role", "region");
        code.setAttribute("aria-label", "code of this state");
        button.className = "jupyter-widgets jupyter-button widget-button";
        button.style.width = "auto";
        button.textContent = "Copy";
        button.title = "copy the code, to be pasted into a cell";
        told.setAttribute("role", "status");
        told.className = "limitlab-note";
        told.style.marginLeft = "8px";
        const look = () => { code.textContent = model.get("text"); told.textContent = ""; };
        look();
        model.on("change:text", look);
        button.addEventListener("click", async () => {
          try {
            await copy(model.get("text"), code);
            told.textContent = "copied";
          } catch {
            told.textContent = "this page may not copy: the code is selected, press Ctrl+C";
          }
        });
        el.append(button, told, code);
        return () => model.off("change:text", look);
      },
    };
    """


class CodePanel(widgets.VBox):
    """A button that shows the code of the state as it is, and of every change after; `write()` gives it or raises.

    states: what the code is of.

    >>> from limitlab_widgets.shared.code.panel import CodePanel
    >>> panel = CodePanel(lambda: "import limitlab as ll")
    >>> panel.button.click()
    >>> panel.snippet.text
    'import limitlab as ll'
    """

    def __init__(self, write: Callable[[], str], *states: HasTraits) -> None:
        self._write = write
        self.unfolded = False
        self.button = button("Code", "code", "show a cell of library calls that gives the numbers on the screen")
        self.snippet, self.error = Snippet(), widgets.HTML()
        super().__init__([self.button, self.error, self.snippet])
        self.button.on_click(self._toggle)
        for state in states:
            state.observe(self.refresh, All)
        self._show("", "")

    def refresh(self, _change: Any = None) -> None:
        """Bring the code up to date, where it is shown."""
        if not self.unfolded:
            return
        try:
            self._show(self._write(), "")
        except LimitlabError as error:
            self._show("", str(error))

    def _show(self, text: str, reason: str) -> None:
        self.snippet.text, self.error.value = text, error_text(reason)
        display(self.snippet, bool(text))
        display(self.error, bool(reason))

    def _toggle(self, _button: Any) -> None:
        self.unfolded = not self.unfolded
        if self.unfolded:
            self.refresh()
        else:
            self._show("", "")
