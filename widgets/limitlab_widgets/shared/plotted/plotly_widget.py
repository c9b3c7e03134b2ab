"""Plotly's figure widget for many figures on one page: its code travels once, each view is as wide as its column.

Plotly's own widget brings 5 MB of code in every figure, draws itself before it knows its width, and offers to upload
what it shows to a company's server. This one waits for its column, follows it, and offers no upload.
"""

from __future__ import annotations

import pathlib
from copy import deepcopy
from typing import Any, ClassVar

import anywidget
import plotly
import plotly.graph_objects as go
from plotly.serializers import custom_serializers
from traitlets import Any as AnyTrait
from traitlets import Bool, List, Unicode

from limitlab_widgets.shared.plotted.differences import as_bytes
from limitlab_widgets.shared.plotted.words import words
from limitlab_widgets.shared.widget_tree import discard

BUNDLE = pathlib.Path(plotly.__file__).parent / "package_data" / "widgetbundle.js"
CONFIG = {
    "responsive": True,
    "displaylogo": False,
    "showSendToCloud": False,
    "showEditInChartStudio": False,
    "modeBarButtonsToRemove": ["sendDataToCloud", "editInChartStudio", "select2d", "lasso2d"],
}


class PlotlyLibrary(anywidget.AnyWidget):
    """Plotly's code, loaded once by a page for all figures; draws nothing. Figures that share it `acquire` it."""

    code = Unicode().tag(sync=True)
    _esm = """
    export default {
      initialize({ model }) {
        const load = () => import(URL.createObjectURL(new Blob([model.get("code")], { type: "text/javascript" })));
        globalThis.limitlabPlotly ??= load();
      },
      render({ el }) { el.style.display = "none"; },
    };
    """
    _users: ClassVar[set[int]] = set()
    _shared: ClassVar[PlotlyLibrary | None] = None

    @classmethod
    def acquire(cls, user: object) -> None:
        """Make sure that the page gets the code, as long as `user` needs it."""
        cls._users.add(id(user))
        if cls._shared is None:
            cls._shared = cls(code=BUNDLE.read_text(encoding="utf-8"))

    @classmethod
    def release(cls, user: object) -> None:
        """`user` needs it no more; the last one closes it."""
        cls._users.discard(id(user))
        if not cls._users and cls._shared is not None:
            discard([cls._shared])
            cls._shared = None


def _heard() -> Any:
    """What a page tells of a figure; ipywidgets would send it back to the page, which may be all that it draws."""
    return AnyTrait(allow_none=True).tag(sync=True, echo_update=False, **custom_serializers)


class FigureWidget(go.FigureWidget):
    """Plotly's figure widget, drawn by the shared library as wide as its column.

    label: its accessible name, before `shown`, what it shows now in words. in_view: whether a page shows it on its
    screen; true before any page says so.
    """

    label = Unicode().tag(sync=True)
    shown = Unicode().tag(sync=True)
    in_view = Bool(True).tag(sync=True)
    # plotly's own traits, with numbers sent as bytes in tables and whole numbers too
    _widget_data: Any = List().tag(sync=True, to_json=as_bytes, from_json=lambda value, _manager: value)
    _py2js_addTraces = AnyTrait(allow_none=True).tag(sync=True, to_json=as_bytes)  # noqa: N815
    _py2js_update = AnyTrait(allow_none=True).tag(sync=True, to_json=as_bytes)
    _js2py_pointsCallback = _heard()  # noqa: N815
    _esm = """
    const library = async () => {
      while (!globalThis.limitlabPlotly) await new Promise((again) => setTimeout(again, 20));
      return (await globalThis.limitlabPlotly).default;
    };
    const MESSAGES = ["addTraces", "deleteTraces", "moveTraces", "restyle", "relayout", "update", "animate",
      "removeLayoutProps", "removeTraceProps"].map((name) => `_py2js_${name}`);

    // every property that plotly has filled in, numbers of a figure among them: nobody asks for these after each change
    const UNASKED = ["_js2py_traceDeltas", "_js2py_widget_layoutDelta"];

    // what the kernel sends before the library has come is kept, and told to it then
    function replaying(model) {
      const missed = [], listeners = {};
      let now = null;
      const record = MESSAGES.map((name) => [`change:${name}`, () => {
        if (model.get(name) !== null) missed.push([name, model.get(name)]);
      }]);
      for (const [event, listener] of record) model.on(event, listener);
      return {
        get: (name) => (now && now[0] === name ? now[1] : model.get(name)),
        set: (name, value) => { if (!UNASKED.includes(name)) model.set(name, value); },
        save_changes: () => model.save_changes(),
        on: (event, listener) => { (listeners[event] ??= []).push(listener); model.on(event, listener); },
        replay() {
          for (const [event, listener] of record) model.off(event, listener);
          for (now of missed) (listeners[`change:${now[0]}`] ?? []).forEach((listener) => listener());
          now = null;
        },
      };
    }

    export default () => {
      let ready;
      const views = new Set();
      const watch = (model, el, shown) => {
        if (shown) views.add(el);
        else views.delete(el);
        if (model.get("in_view") === views.size > 0) return;
        model.set("in_view", views.size > 0);
        model.save_changes();
      };
      return {
        initialize({ model }) {
          const replayed = replaying(model);
          ready = library().then((make) => {
            const figure = make();
            figure.initialize({ model: replayed });
            replayed.replay();
            return figure;
          });
        },
        render({ model, el }) {
          el.setAttribute("role", "img");
          const say = () => {
            el.setAttribute("aria-label", [model.get("label"), model.get("shown")].filter(Boolean).join(": "));
          };
          say();
          model.on("change:label change:shown", say);
          Object.assign(el.style, { width: "100%", minWidth: "0", overflow: "hidden" });
          let remove = null, figure = null, frame = 0;
          const fit = () => {
            if (!figure || !el.clientWidth) return;
            if (remove === null) remove = figure.render({ el });
            else el._responsiveChartHandler?.();
          };
          const observer = new ResizeObserver(() => {
            cancelAnimationFrame(frame);
            frame = requestAnimationFrame(fit);
          });
          observer.observe(el);
          const seen = new IntersectionObserver((entries) => watch(model, el, entries.at(-1).isIntersecting));
          seen.observe(el);
          ready.then((loaded) => { figure = loaded; fit(); });
          return () => {
            model.off("change:label change:shown", say);
            observer.disconnect();
            seen.disconnect();
            watch(model, el, false);
            cancelAnimationFrame(frame);
            remove?.();
          };
        },
      };
    };
    """

    def __init__(self, figure: go.Figure, label: str = "") -> None:
        super().__init__(figure)
        self._config = CONFIG
        self.label = label

    def describe(self) -> None:
        """Say in words what is shown now."""
        self.shown = words(self._data, self._layout_obj._props)

    def tell(self, styles: dict[str, list[Any]], layout: dict[str, Any], traces: list[int]) -> None:
        """Tell the page, in one message, what has changed of some traces and of the layout."""
        self._send_update_msg(styles, layout, traces)

    def get_state(self, key: Any = None, drop_defaults: bool = False) -> Any:
        """The state for a page; one that is loaded again gets the figure as it is now, not as it began."""
        if key is None and "_widget_data" in self._trait_values:
            # past the traits, whose change would be sent to every page
            self._trait_values["_widget_data"] = deepcopy(self._data)
            self._trait_values["_widget_layout"] = deepcopy(self._layout_obj._props)
        return super().get_state(key, drop_defaults)
