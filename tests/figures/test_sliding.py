import plotly.graph_objects as go
import pytest

from limitlab.errors import InvalidArgument
from limitlab.figures import with_slider


def line(*values):
    return go.Figure(go.Scatter(y=values))


def test_every_step_of_the_slider_shows_its_own_figure():
    figures = {"2": line(1, 2), "4": line(3, 4)}
    combined = with_slider(figures, label="layers")
    assert [frame.name for frame in combined.frames] == ["2", "4"]
    for step, frame in zip(combined.layout.sliders[0].steps, combined.frames, strict=True):
        assert step.args[0] == (frame.name,) or list(step.args[0]) == [frame.name]
        assert frame.data[0].y == figures[step.label].data[0].y
    assert combined.data[0].y == (1, 2)
    assert combined.layout.sliders[0].currentvalue.prefix == "layers: "


def test_figures_of_different_makes_are_refused():
    with pytest.raises(InvalidArgument, match="same number of traces"):
        with_slider({"one": line(1), "two": line(1).add_scatter(y=[2])}, label="n")
    with pytest.raises(InvalidArgument, match="at least one"):
        with_slider({}, label="n")
