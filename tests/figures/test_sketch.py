import numpy as np
import pytest
from plotly.subplots import make_subplots

from limitlab.figures import Sketch

LINE = {"type": "scatter", "y": np.arange(3.0)}


def plain(layout):
    return {name: value for name, value in layout.to_plotly_json().items() if name != "template"}


@pytest.mark.parametrize(
    "grid", [{"rows": 3, "cols": 1, "shared_xaxes": True}, {"rows": 2, "cols": 2, "column_titles": ("a", "b")}]
)
def test_a_sketch_is_the_figure_that_plotly_makes_step_by_step(grid):
    sketch, figure = Sketch(**grid), make_subplots(**grid)
    for row in range(1, grid["rows"] + 1):
        for col in range(1, grid["cols"] + 1):
            sketch.add([LINE], row, col)
            figure.add_scatter(y=LINE["y"], row=row, col=col)
    sketch.update_axes("x", showgrid=False)
    sketch.update_axes("y", row=2, title={"text": "height"})
    sketch.update_layout(margin={"t": 10}).update_layout(margin={"b": 20})
    figure.update_xaxes(showgrid=False)
    figure.update_yaxes(title_text="height", row=2)
    figure.update_layout(margin={"t": 10, "b": 20})
    made = sketch.figure()
    assert plain(made.layout) == plain(figure.layout)
    assert [(trace.xaxis, trace.yaxis) for trace in made.data] == [(trace.xaxis, trace.yaxis) for trace in figure.data]
    made.add_scatter(y=[1.0], row=2, col=1)
    assert made.data[-1].yaxis == f"y{grid['cols'] + 1}"


def test_one_panel_needs_no_grid():
    sketch = Sketch()
    sketch.add([LINE])
    sketch.update_axes("x", title={"text": "time"})
    made = sketch.figure()
    assert (made.data[0].xaxis, made.layout.xaxis.title.text, made.layout.xaxis.domain) == (None, "time", None)


def test_sketches_share_nothing():
    one, other = (Sketch(rows=2, cols=1) for _ in range(2))
    one.update_axes("x", range=[0, 1])
    assert "range" not in other.layout["xaxis"]
