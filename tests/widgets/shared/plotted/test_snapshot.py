import re

import numpy as np
import plotly.graph_objects as go

from limitlab_widgets.shared.plotted.snapshot import POINTS, picture


def strokes(figure):
    return re.findall(r'<path d="([^"]*)"', picture(figure))


def test_a_line_with_gaps_lifts_the_pen_at_each_of_them_however_long_it_is():
    pieces = 5
    y = np.tile(np.append(np.arange(4.0 * POINTS), np.nan), pieces)
    (drawn,) = strokes(go.Figure(go.Scatter(x=np.arange(len(y)), y=y)))
    assert drawn.count("M") == pieces


def test_points_are_dots_and_no_line():
    (drawn,) = strokes(go.Figure(go.Scatter(x=[0, 1, 2, 3], y=[1, 2, np.nan, 4], mode="markers")))
    assert drawn.count("h0") == 3
    assert "L" not in drawn


def test_an_open_mark_has_the_colour_of_its_rim():
    open_marks = {"color": "#FFFFFF", "line": {"color": "#D55E00", "width": 2}}
    figure = go.Figure(go.Scatter(x=[0, 1], y=[1, 2], mode="markers", marker=open_marks))
    assert 'stroke="#D55E00"' in picture(figure)
    assert "FFFFFF" not in picture(figure)


def test_what_cannot_be_drawn_is_left_out():
    assert picture(go.Figure(go.Surface(z=[[1, 2], [3, 4]]))) == ""
