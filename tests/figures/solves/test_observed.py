import numpy as np
import pytest

from limitlab import figures
from limitlab.errors import UnknownName
from limitlab.labels import labelled


def looked_at():
    rows = np.tile(np.arange(4.0), (2, 1))
    complete = np.arange(16.0).reshape(2, 4, 2)
    measured = complete.copy()
    measured[1, 2, 0] = np.nan
    return labelled(
        line=("sample time channel", np.zeros((2, 5, 2)), "path"),
        measured=("sample row channel", measured, "measured"),
        complete=("sample row channel", complete, "complete"),
        row_time=("sample row", rows, "time"),
        time=("time", np.linspace(0, 3, 5), "time"),
        channel=("channel", ["u", "v"], "channel"),
    )


def traces(figure, name):
    return [trace for trace in figure.data if trace.name == name]


def test_what_is_missing_is_a_ring_where_it_would_stand_and_no_point():
    figure = figures.observed(looked_at(), sample=1)
    measured, missing = traces(figure, "measured")[0], traces(figure, "missing")[0]
    assert measured.x.tolist() == [0, 1, 3]
    assert (missing.x.tolist(), missing.y.tolist()) == ([2], [12])
    assert missing.marker.symbol == "circle-open"


def test_a_channel_has_one_colour_and_measured_stands_once_in_the_legend():
    figure = figures.observed(looked_at())
    for number, name in enumerate(("u", "v")):
        (line,) = traces(figure, name)
        assert line.line.color == traces(figure, "measured")[number].marker.color
    assert [trace.showlegend for trace in traces(figure, "measured")] == [True, False]


def test_the_end_of_what_was_learned_is_a_line():
    figure = figures.observed(looked_at(), learned=2.0)
    assert figure.layout.shapes[0].x0 == 2.0


def test_paths_of_a_class_are_one_line_with_gaps_between_them():
    y = np.arange(18.0).reshape(3, 3, 2)
    found = labelled(
        y=("sample time state", y, "state"),
        label=("sample", [0, 1, 0], "class"),
        state=("state", ["x1", "x2"], "component"),
    )
    figure = figures.class_paths(found)
    line = traces(figure, "class 0")[0]
    assert np.isnan(line.x).tolist() == [False, False, False, True] * 2
    np.testing.assert_array_equal(line.x[:3], y[0, :, 0])
    assert traces(figure, "class 0")[1].y.tolist() == [5, 17]


def test_what_is_no_look_is_refused_by_name():
    with pytest.raises(UnknownName, match="variable 'row_time'"):
        figures.observed(looked_at().drop_vars("row_time"))
