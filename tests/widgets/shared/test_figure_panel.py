import numpy as np
import plotly.graph_objects as go

from limitlab_widgets.shared.figure_panel import FigurePanel, _changes


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


def test_the_width_of_the_page_reaches_the_figure():
    panel = FigurePanel(height=200)
    panel.show(lines("fno"))
    panel._fit.width = 640
    assert panel.figure.layout.width == 640
    panel.show(lines("fno", scale=2.0))
    assert (panel.figure.layout.width, panel.figure.layout.height) == (640, 200)
