import gc
import weakref
from functools import partial

import comm
import numpy as np
import plotly.graph_objects as go
import pytest
from ipywidgets.widgets.widget import _instances

from limitlab.figures import Sketch
from limitlab_widgets.shared.figure_panel import FigurePanel
from limitlab_widgets.shared.plotted.plotly_widget import PlotlyLibrary


def lines(*names: str, scale: float = 1.0, **layout) -> go.Figure:
    x = np.arange(4.0)
    return go.Figure([go.Scatter(x=x, y=scale * (k + x), name=name) for k, name in enumerate(names)], layout)


@pytest.fixture
def wire(monkeypatch):
    """What widgets send from now on, each message with its buffers."""
    sent = []

    class Wire(comm.DummyComm):
        def publish_msg(self, msg_type, data=None, metadata=None, buffers=None, **_keys):
            if data and data.get("method") == "update":
                sent.append((data, buffers or []))

    monkeypatch.setattr(comm, "create_comm", Wire)
    return sent


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


def test_a_figure_that_is_shown_again_sends_nothing(wire):
    panel = FigurePanel()
    figures = [lines("fno", title="loss"), Sketch(rows=2, cols=1, shared_xaxes=True)]
    figures[1].add([{"type": "scatter", "x": np.arange(3.0), "y": np.array([1.0, np.nan, 2.0])}], row=2)
    figures[1].update_layout(title={"text": None}, margin={"t": 20}, shapes=[{"type": "line", "x0": 0.0, "x1": 1.0}])
    for figure in figures:
        panel.show(figure)
        del wire[:]
        panel.show(figure)
        assert wire == []


def test_only_the_arrays_that_differ_are_sent_as_bytes(wire):
    panel = FigurePanel()
    panel.show(lines("fno", "mean", title="loss"))
    new = lines("fno", "mean", title="loss")
    new.data[1].y = np.arange(4.0, dtype=np.float32)
    del wire[:]
    panel.show(new)
    told = [message["state"]["_py2js_update"] for message, _ in wire if message["state"].get("_py2js_update")]
    assert [(each["style_traces"], list(each["style_data"]), each["layout_data"]) for each in told] == [
        ([1], ["y"], {})
    ]
    sent = [np.frombuffer(buffer, np.float32) for _, buffers in wire for buffer in buffers]
    np.testing.assert_array_equal(sent, [[0, 1, 2, 3]])
    np.testing.assert_array_equal(panel.figure.data[1].y, [0, 1, 2, 3])


def test_shapes_that_come_and_go_and_move_are_those_of_the_figure():
    panel = FigurePanel()
    panel.show(lines("fno"))
    for times in ([1.0, 2.0], [3.0, 2.0], [4.0], []):
        panel.show(lines("fno", shapes=[{"type": "line", "x0": time, "x1": time} for time in times]))
        assert [shape.x0 for shape in panel.figure.layout.shapes] == times


def test_a_table_is_sent_row_by_row_as_bytes(wire):
    panel = FigurePanel()
    panel.show(go.Figure(go.Heatmap(z=np.zeros((2, 3), np.float32))))
    del wire[:]
    panel.show(go.Figure(go.Heatmap(z=np.arange(6, dtype=np.float32).reshape(2, 3))))
    rows = [np.frombuffer(buffer, np.float32).tolist() for _, buffers in wire for buffer in buffers]
    assert rows == [[0, 1, 2], [3, 4, 5]]


def test_a_figure_out_of_view_waits_and_then_shows_the_newest(wire):
    panel, made = FigurePanel(), []
    panel.show(lines("fno"))
    panel.figure.in_view = False

    def make(scale):
        made.append(scale)
        return lines("fno", scale=scale)

    del wire[:]
    for scale in (2.0, 3.0):
        panel.show(partial(make, scale))
        for time in (1.0, 2.0):
            panel.change(lambda figure, time=time: figure.update_layout(title_text=f"t = {time}"))
    assert (made, wire) == ([], [])
    np.testing.assert_array_equal(panel.figure.data[0].y, [0, 1, 2, 3])
    panel.figure.in_view = True
    assert made == [3.0]
    np.testing.assert_array_equal(panel.figure.data[0].y, [0, 3, 6, 9])
    assert panel.figure.layout.title.text == "t = 2.0"


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
