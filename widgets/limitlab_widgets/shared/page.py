"""What a studio has to know of the page that it stands on, and what it adds there: theme, look, names for controls."""

from __future__ import annotations

import anywidget
from traitlets import Bool

STYLE = """
.limitlab-studio { width: 100%; container-type: inline-size; overflow: visible; }
.limitlab-columns { display: flex; flex-flow: row nowrap; align-items: flex-start; gap: 8px; overflow: visible; }
.limitlab-controls { flex: 0 0 308px; min-width: 0; overflow: visible; }
.limitlab-figures { flex: 1 1 0; min-width: 0; overflow: visible; }
.limitlab-card { border: 1px solid var(--jp-border-color2, #d0d7de); border-radius: 6px; padding: 6px 10px; }
.limitlab-card .widget-html-content { line-height: 1.4; }
.limitlab-card h4 { margin: 0 0 2px 0; font-size: 13px; }
.limitlab-fold.jupyter-widget-Collapse { border: 0; }
.limitlab-row > .widget-inline-hbox { flex: 1 1 240px; }
.limitlab-note { opacity: 0.8; font-size: 90%; }
.limitlab-error { color: #b3261e; font-weight: 600; white-space: pre-wrap; overflow-wrap: anywhere; }
.limitlab-old { color: #8a4b00; font-weight: 600; }
body[data-jp-theme-light="false"] .limitlab-error { color: #ffb4ab; }
body[data-jp-theme-light="false"] .limitlab-old { color: #ffcf85; }
.limitlab-stale .limitlab-figure, .limitlab-stale .limitlab-table { opacity: 0.4; }
.limitlab-choice:has(input:disabled) { opacity: 0.45; }
.limitlab-table { border-collapse: collapse; width: 100%; line-height: 1.5; font-variant-numeric: tabular-nums; }
.limitlab-table th, .limitlab-table td { padding: 1px 8px; text-align: right; white-space: nowrap; }
.limitlab-table th { font-weight: 600; border-bottom: 1px solid var(--jp-border-color2, #d0d7de); }
.limitlab-table th:first-child, .limitlab-table td:first-child { text-align: left; padding-left: 0; }
.limitlab-wide { overflow-x: auto; }
@media (max-width: 900px) {
  .limitlab-columns { flex-flow: column nowrap; align-items: stretch; }
  .limitlab-controls, .limitlab-figures { flex: 0 0 auto; width: 100%; }
}
@container (max-width: 680px) {
  .limitlab-columns { flex-flow: column nowrap; align-items: stretch; }
  .limitlab-controls, .limitlab-figures { flex: 0 0 auto; width: 100%; }
}
"""


class Page(anywidget.AnyWidget):
    """Draws nothing; `dark` follows the theme of JupyterLab, and every slider of the studio gets its name.

    A slider's handle is a thing of its own in the page, which its label does not belong to: it takes the tooltip of the
    control, or the label where there is none, as a screen reader cannot read a formula.
    """

    dark = Bool(False).tag(sync=True)
    _css = STYLE
    _esm = """
    function nameSliders(studio) {
      for (const handle of studio.querySelectorAll(".noUi-handle:not([aria-label])")) {
        const control = handle.closest(".widget-inline-hbox");
        const label = control?.querySelector(":scope > .widget-label");
        const name = control?.title || label?.title || control?.querySelector("[title]")?.title || label?.textContent;
        if (name) handle.setAttribute("aria-label", name);
      }
    }
    export default {
      render({ model, el }) {
        el.style.display = "none";
        const look = () => {
          const dark = document.body.dataset.jpThemeLight === "false";
          if (dark !== model.get("dark")) { model.set("dark", dark); model.save_changes(); }
        };
        look();
        const theme = new MutationObserver(look);
        theme.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light"] });
        let controls = null;
        const begin = setInterval(() => {
          const studio = el.isConnected && el.closest(".limitlab-studio");
          if (!studio) return;
          clearInterval(begin);
          nameSliders(studio);
          controls = new MutationObserver(() => nameSliders(studio));
          controls.observe(studio, { childList: true, subtree: true });
        }, 50);
        return () => { clearInterval(begin); theme.disconnect(); controls?.disconnect(); };
      },
    };
    """
