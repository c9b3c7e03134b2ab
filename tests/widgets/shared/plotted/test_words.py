import numpy as np
import plotly.graph_objects as go

from limitlab_widgets.shared.figure_panel import FigurePanel
from limitlab_widgets.shared.plotted.words import words

AXES = {"xaxis": {"title": {"text": "time [s]"}}, "yaxis": {"title": {"text": "<i>x</i>"}}}


def scatter(y, **more):
    return {"type": "scatter", "y": y, **more}


def test_lines_are_told_by_name_and_reach_and_gaps_are_left_out():
    told = words([scatter([1.0, np.nan, -2.0], name="tsit5"), scatter([0.0, 3.5], name="heun")], AXES)
    assert told == "x against time [s]: tsit5 from -2 to 1, heun from 0 to 3.5"


def test_unnamed_hidden_and_empty_traces_are_told_only_where_there_are_no_others():
    named, faint = scatter([0.0, 1.0], name="a"), scatter([-9.0, 9.0])
    hidden, empty = scatter([5.0], name="b", visible="legendonly"), scatter([], name="c")
    assert words([faint, named, hidden, empty], {}) == "a from 0 to 1"
    assert words([faint], {}) == "from -9 to 9"
    assert words([{"type": "scatter", "y": ["p", "q"]}], {}) == "nothing yet"


def test_a_name_that_stands_in_two_panels_is_told_in_both_and_a_map_by_its_values():
    layout = {**AXES, "yaxis2": {"title": {"text": "v"}}}
    traces = [scatter([0.0, 1.0], name="a"), scatter([4.0, 5.0], name="a", yaxis="y2")]
    assert words(traces, layout) == "x against time [s]: a from 0 to 1; v against time [s]: a from 4 to 5"
    assert words([{"type": "heatmap", "z": np.eye(3), "y": [7, 8, 9]}], {}) == "from 0 to 1"
    assert words([scatter([1.0], name=str(k)) for k in range(10)], {}).endswith("and 2 more")


def test_a_panel_says_what_it_shows_now():
    panel = FigurePanel(label="a line")
    panel.show(go.Figure(go.Scatter(y=[0.0, 1.0], name="u")))
    assert panel.figure.shown == "u from 0 to 1"
    panel.show(go.Figure(go.Scatter(y=[0.0, 4.0], name="u")))
    assert (panel.figure.label, panel.figure.shown) == ("a line", "u from 0 to 4")
    panel.change(lambda figure: figure.data[0].update(y=[2.0, 4.0]))
    assert panel.figure.shown == "u from 2 to 4"
