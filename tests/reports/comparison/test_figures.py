"""Lines, bands and maps show the numbers of the runs, and whole numbers have whole ticks."""

import itertools

import pytest

from limitlab.reports import Point
from limitlab.reports.comparison.figures import figures, whole_scale, whole_ticks
from limitlab.reports.comparison.points import differences


def drawn(points):
    return figures(points, differences(points))


def product(metric, **axes):
    """A point for each choice of the axes, its result that of `metric`."""
    choices = (dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values()))
    return [Point(choice, metric(**choice)) for choice in choices]


def traces(figure, kind, **where):
    return [trace for trace in figure["data"] if trace["type"] == kind and where.items() <= trace.items()]


def test_a_line_goes_through_the_values_in_the_order_of_the_axis():
    (figure,) = drawn(product(lambda modes: {"error": 1 / modes}, modes=[16, 4, 8]))
    (line,) = figure["data"]
    assert (line["x"], line["y"]) == ([4, 8, 16], [0.25, 0.125, 0.0625])
    assert not figure["layout"]["showlegend"]


def test_two_axes_give_a_family_of_lines_and_a_map_of_the_same_numbers():
    points = product(lambda width, modes: {"error": 1 / (width * modes)}, width=[2, 4, 8], modes=[1, 3])
    lines, heat = drawn(points)
    assert {line["name"]: line["y"] for line in lines["data"]} == {
        "modes=1": [1 / 2, 1 / 4, 1 / 8],
        "modes=3": [1 / 6, 1 / 12, 1 / 24],
    }
    (cells,) = traces(heat, "heatmap")
    assert (cells["x"], cells["y"]) == (["2", "4", "8"], ["1", "3"])
    assert cells["z"] == [line["y"] for line in lines["data"]]


def test_a_run_that_failed_is_an_empty_cell_and_no_point_of_a_line():
    points = product(lambda width, modes: {"error": width * modes}, width=[2, 4], modes=[1, 3])
    points[3] = Point(points[3].parameters, failure="boom")
    lines, heat = drawn(points)
    assert [line["x"] for line in lines["data"]] == [[2, 4], [2]]
    assert heat["data"][0]["z"] == [[2.0, 4.0], [6.0, None]]


def test_seeds_are_a_band_from_the_lowest_to_the_highest_around_their_mean():
    points = product(lambda modes, seed: {"error": modes + (0, 1, 5)[seed]}, modes=[4, 8], seed=[0, 1, 2])
    (figure,) = drawn(points)
    (band,), (line,) = traces(figure, "scatter", mode="lines"), traces(figure, "scatter", mode="lines+markers")
    assert line["y"] == pytest.approx([6.0, 10.0])
    assert (band["x"], band["y"]) == ([4, 8, 8, 4], [9, 13, 8, 4])
    assert band["legendgroup"] == line["legendgroup"]


def test_seeds_on_an_axis_of_names_are_a_bar():
    (figure,) = drawn(product(lambda kind, seed: {"error": 2.0 * seed}, kind=["fno", "unet"], seed=[0, 1]))
    (marks,) = figure["data"]
    assert figure["layout"]["xaxis"]["type"] == "category"
    assert (marks["y"], marks["error_y"]["array"], marks["error_y"]["arrayminus"]) == ([1, 1], [1, 1], [1, 1])


def test_a_map_shows_the_mean_over_seeds():
    points = product(lambda width, modes, seed: {"error": width + seed}, width=[2, 4], modes=[1, 3], seed=[0, 1])
    _, heat = drawn(points)
    assert heat["data"][0]["z"] == [[2.5, 4.5], [2.5, 4.5]]


def test_the_menu_shows_one_metric_at_a_time():
    (figure,) = drawn(product(lambda modes: {"error": 1 / modes, "steps": 10 * modes}, modes=[4, 8]))
    (menu,) = figure["layout"]["updatemenus"]
    assert [button["args"][0]["visible"] for button in menu["buttons"]] == [[True, False], [False, True]]
    assert [button["args"][1]["yaxis.title.text"] for button in menu["buttons"]] == ["error", "steps"]
    assert figure["layout"]["yaxis"]["title"]["text"] == "error"


def test_what_is_no_number_has_no_figure():
    assert drawn(product(lambda modes: {"note": "ab"[modes > 4], "gap": float("nan")}, modes=[4, 8])) == []
    assert drawn([Point({"modes": 4}, {"error": 0.5})]) == []


@pytest.mark.parametrize("values", [(4, 8, 16, 32, 64), (1, 2, 3), tuple(range(300)), (1, 10, 1000, 1001)])
def test_ticks_of_whole_numbers_are_among_them_and_leave_room(values):
    ticks = whole_ticks(values)["tickvals"]
    assert set(ticks) <= set(values)
    assert ticks[-1] == max(values)
    gaps = [after - before for before, after in itertools.pairwise(ticks)]
    assert min(gaps) >= (max(values) - min(values)) / 24


def test_other_numbers_have_the_ticks_of_plotly():
    assert whole_ticks([0.5, 1]) == {}
    assert whole_scale([0.5, 1])["dtick"] is None


@pytest.mark.parametrize(("values", "step"), [([3, 4], 1), ([0, 17], 5), ([5, 5], 1), ([0, 8000], 1000)])
def test_counts_have_whole_and_few_ticks(values, step):
    scale = whole_scale(values)
    assert (scale["dtick"], scale["tickformat"]) == (step, "d")
