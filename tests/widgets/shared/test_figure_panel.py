import gc
import weakref

import numpy as np
import plotly.graph_objects as go
from ipywidgets.widgets.widget import _instances

from limitlab_widgets.shared.figure_panel import FigurePanel, _changes
from limitlab_widgets.shared.plotly_widget import PlotlyLibrary


def lines(*names: str, scale: float = 1.0, **layout) -> go.Figure:
    x = np.arange(4.0)
    return go.Figure([go.Scatter(x=x, y=scale * (k + x), name=name) for k, name in enumerate(names)], layout)


def test_a_panel_keeps_its_widget_when_values_change():
    panel = FigurePanel()
    panel.show(lines("fno"))
    widget = panel.figure
    panel.show(lines("fno", scale=2.0))
    assert panel.figure is widget
    np.testing.assert_array_equal(widget.data[0].y, [0, 2, 4, 6])


def test_a_panel_keeps_its_widget_when_lines_come_and_go():
    panel = FigurePanel()
    panel.show(lines("mean"))
    widget = panel.figure
    for names in (("fno", "mean"), ("fno", "unet", "mean"), ("mean",), ()):
        panel.show(lines(*names))
        assert panel.figure is widget
        assert tuple(trace.name for trace in widget.data) == names


def test_what_a_figure_no_longer_has_is_taken_away():
    panel = FigurePanel()
    panel.show(lines("fno", title="loss", shapes=[{"type": "line", "x0": 1, "x1": 1, "y0": 0, "y1": 1}]))
    panel.show(lines("fno"))
    assert not panel.figure.layout.shapes
    assert panel.figure.layout.title.text is None


def test_a_figure_with_other_axes_is_drawn_anew():
    panel = FigurePanel()
    panel.show(lines("fno", xaxis={"title": "x"}))
    widget = panel.figure
    panel.show(go.Figure(go.Heatmap(z=np.eye(3)), {"xaxis2": {}, "coloraxis": {}}))
    assert panel.figure is not widget
    assert panel.children[-1] is panel.figure
    np.testing.assert_array_equal(panel.figure.data[0].z, np.eye(3))


def test_only_what_differs_is_sent():
    old = lines("fno", title="loss").data[0].to_plotly_json()
    new = lines("fno", title="loss", scale=3.0).data[0].to_plotly_json()
    assert set(_changes(old, new)) == {"y"}
    assert _changes(old, old) == {}


def test_a_page_that_is_loaded_again_gets_the_figure_as_it_is():
    panel = FigurePanel(height=200)
    panel.show(lines("fno"))
    panel.show(lines("fno", scale=2.0, title="loss"))
    state = panel.figure.get_state()
    assert state["_widget_layout"]["title"] == {"text": "loss"}
    assert panel.figure._widget_data[0]["y"].tolist() == [0, 2, 4, 6]


def test_a_figure_that_was_replaced_is_freed():
    panel = FigurePanel()
    panel.show(lines("fno"))
    first, count = weakref.ref(panel.figure), len(_instances)
    panel.show(go.Figure(go.Heatmap(z=np.eye(3)), {"xaxis": {"title": "x"}}))
    gc.collect()
    assert first() is None
    assert len(_instances) == count


def test_figures_share_one_library_as_long_as_one_needs_it():
    def libraries():
        return [widget for widget in _instances.values() if isinstance(widget, PlotlyLibrary)]

    before, panels = len(libraries()), [FigurePanel(), FigurePanel()]
    assert len(libraries()) == 1
    panels[0].close()
    assert len(libraries()) == 1
    panels[1].close()
    assert len(libraries()) == before


def test_a_dark_page_makes_figures_dark(monkeypatch):
    panel = FigurePanel()
    panel.show(lines("fno"))
    light = panel.figure.layout.template.layout.paper_bgcolor
    monkeypatch.setattr(FigurePanel, "dark", True)
    panel.follow_theme()
    dark = panel.figure.layout.template.layout.paper_bgcolor
    assert (light, dark) == ("#FFFFFF", "#15191E")
    panel.show(lines("fno", template="limitlab"))
    assert panel.figure.layout.template.layout.paper_bgcolor == dark


def test_a_figure_that_has_followed_its_column_goes_on_to_do_so():
    """A page says `autosize` when a figure was fitted; taken back, plotly would pin the width that it has."""
    panel = FigurePanel()
    panel.show(lines("fno"))
    panel.figure.layout.autosize = True
    panel.show(lines("fno", scale=2.0))
    assert panel.figure.layout.autosize is True
    assert panel.figure.layout.width is None
