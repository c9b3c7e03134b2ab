import math

import pytest

from limitlab.errors import InvalidArgument
from limitlab_widgets import SolverStudio
from limitlab_widgets.shared.drawing.point_pad import read_point

NAMES, ENDS = ("x", "v"), (-1.0, 1.0, 0.0, 4.0)
HOSTILE = [
    None,
    [],
    [0.5],
    [0.5, 1.0, 2.0],
    [math.nan, 1.0],
    [0.5, math.inf],
    [2.0, 1.0],
    [0.5, -0.1],
    ["0.5; import os", 1.0],
    [[0.5], 1.0],
    {"x": 0.5, "v": 1.0},
    [True, None],
]


@pytest.mark.parametrize("point", HOSTILE)
def test_what_is_no_point_of_the_plane_is_refused_by_name(point):
    with pytest.raises(InvalidArgument, match="must be"):
        read_point(point, NAMES, ENDS)


def test_both_ends_are_points_of_the_plane():
    assert read_point([-1, 4], NAMES, ENDS) == (-1.0, 4.0)


def test_a_point_that_is_put_is_where_the_solution_starts_and_a_hostile_one_is_not():
    studio = SolverStudio("lorenz")
    state, pad = studio.state, studio.start.pad
    third = state.start[0, 2].item()
    left, right, low, high = pad.ends
    across, up = 0.25 * left + 0.75 * right, 0.5 * low + 0.5 * high
    pad.set_state({"asked": [across, up]})
    assert state.start[0].tolist() == [across, up, third]
    assert [slider.value for slider in studio.start.initial] == pytest.approx([across, up, third])
    for solution in state.solutions.values():
        assert solution["y"][0, 0].values.tolist() == pytest.approx([across, up, third])
    outside = [[right + 1.0, up], [across, low - 1.0]]
    for point in [*HOSTILE[1:6], *outside]:
        pad.set_state({"asked": point})
        assert state.start[0].tolist() == [across, up, third]
        assert "must be" in state.error
    studio.close()


def test_the_point_follows_the_sliders_and_one_component_has_no_plane():
    studio = SolverStudio("lotka_volterra")
    studio.start.initial[0].value = studio.start.initial[0].max
    assert studio.start.pad.point[0] == pytest.approx(studio.start.initial[0].max)
    assert studio.start.pad.names == ["x", "y"]
    studio.state.choose("linear_decay")
    assert studio.start.drawn_start.layout.display == "none"
    studio.close()
