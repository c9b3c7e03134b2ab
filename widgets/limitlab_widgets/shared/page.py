"""What a studio has to know of the page that it stands on, and what it adds there: theme, look, names, keys, news."""

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
.limitlab-studio :is(button, input, select, textarea, pre, [tabindex], [contenteditable]):focus-visible {
  outline: 2px solid var(--jp-brand-color1, #1976d2) !important; outline-offset: 1px;
}
.limitlab-studio .lm-TabBar-tab { color: var(--jp-ui-font-color1, #1f2328) !important; }
.limitlab-aloud { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
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
    """Draws nothing; `dark` follows the theme of JupyterLab, and what ipywidgets leaves mute or mouse-only is mended.

    Every slider, readout and picker gets its name: the tooltip of the control, or the label where there is none, as a
    screen reader cannot read a formula. Titles that unfold are buttons for the keyboard too. Bars of progress have a
    value, and what goes on (texts of the class limitlab-status) is said aloud, every few seconds at most.
    """

    dark = Bool(False).tag(sync=True)
    _css = STYLE
    _esm = """
    const NAMED = ".noUi-handle, .widget-readout, input, select, textarea";
    const FOLDED = ".jupyter-widget-Collapse-header";
    const NEWS_EVERY = 4000;

    function nameOf(part) {
      const control = part.closest(".widget-inline-hbox");
      const label = control?.querySelector(":scope > .widget-label");
      return control?.title || label?.title || control?.querySelector("[title]")?.title || label?.textContent;
    }
    function nameParts(studio) {
      for (const part of studio.querySelectorAll(NAMED)) {
        if (part.getAttribute("aria-label")) continue;
        const labels = [...(part.labels ?? [])];
        const readable = labels.some((l) => l.textContent.trim() && !l.querySelector("mjx-container"));
        const name = readable ? "" : part.title || nameOf(part);
        if (name) part.setAttribute("aria-label", name);
        if (name && part.classList.contains("widget-readout")) part.setAttribute("role", "textbox");
      }
      for (const bar of studio.querySelectorAll(".widget-hprogress .progress")) {
        const inner = bar.querySelector(".progress-bar");
        bar.setAttribute("role", "progressbar");
        bar.setAttribute("aria-label", "progress");
        bar.setAttribute("aria-valuenow", Math.round(parseFloat(inner?.style.width) || 0));
      }
      for (const head of studio.querySelectorAll(FOLDED)) unfoldByKeys(head);
    }
    function unfoldByKeys(head) {
      head.setAttribute("aria-expanded", String(head.parentElement.classList.contains("jupyter-widget-Collapse-open")));
      if (head.getAttribute("role") === "button") return;
      head.setAttribute("role", "button");
      head.tabIndex = 0;
      head.addEventListener("keydown", (event) => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        event.stopPropagation();
        head.click();
      });
    }
    function news(studio) {
      const texts = [...studio.querySelectorAll(".limitlab-status")].filter((e) => e.offsetParent);
      return texts.map((e) => e.textContent.trim()).filter(Boolean).join("; ");
    }
    export default {
      render({ model, el }) {
        el.classList.add("limitlab-aloud");
        el.setAttribute("role", "status");
        el.setAttribute("aria-live", "polite");
        const look = () => {
          const dark = document.body.dataset.jpThemeLight === "false";
          if (dark !== model.get("dark")) { model.set("dark", dark); model.save_changes(); }
        };
        look();
        const theme = new MutationObserver(look);
        theme.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light"] });
        let controls = null, frame = 0, aloud = 0;
        const begin = setInterval(() => {
          const studio = el.isConnected && el.closest(".limitlab-studio");
          if (!studio) return;
          clearInterval(begin);
          nameParts(studio);
          let told = news(studio);
          controls = new MutationObserver(() => {
            cancelAnimationFrame(frame);
            frame = requestAnimationFrame(() => nameParts(studio));
          });
          controls.observe(studio, { childList: true, subtree: true, attributes: true, attributeFilter: ["class"] });
          aloud = setInterval(() => {
            nameParts(studio);
            const now = news(studio);
            // what stood there when the page was opened is no news
            if (now !== told) el.textContent = told = now;
          }, NEWS_EVERY);
        }, 50);
        return () => {
          clearInterval(begin);
          clearInterval(aloud);
          cancelAnimationFrame(frame);
          theme.disconnect();
          controls?.disconnect();
        };
      },
    };
    """
