import json
import warnings

import numpy as np
import pytest
import xarray as xr

from limitlab import figures
from limitlab.errors import InvalidArgument, UnknownName

NAN = np.nan
NAMES = {"step_time": "time", "step_size": "step size", "error": "scaled error", "stiffness": "stiffness estimate"}


def logged(time, size, error, stiffness, accepted, *, units: str = "s", method: str = "tsit5") -> xr.Dataset:
    """A solution whose attempts are these rows, one a sample."""
    unit = {"step_time": units, "step_size": units, "error": "1", "stiffness": f"1/{units}"}
    rows = dict(zip(NAMES, (time, size, error, stiffness), strict=True))
    variables = {
        name: (("sample", "step"), np.array(values, dtype=float), {"long_name": NAMES[name], "units": unit[name]})
        for name, values in rows.items()
    }
    variables["accepted"] = (("sample", "step"), np.array(accepted, dtype=bool))
    variables["y"] = (("sample", "time", "state"), np.ones((len(time), 2, 1)))
    return xr.Dataset(variables, coords={"time": [0.0, 1.0]}, attrs={"method": method})


def decay() -> xr.Dataset:
    """Two samples of y' = -4 y: the first has one attempt rejected, the second needs fewer and is padded."""
    return logged(
        [[0.0, 0.25, 0.25, 0.5], [0.0, 0.5, NAN, NAN]],
        [[0.25, 0.5, 0.25, 0.5], [0.5, 0.5, NAN, NAN]],
        [[0.4, 2.5, 0.6, 0.9], [0.2, 0.3, NAN, NAN]],
        [[4.0, 4.0, 4.0, 4.0], [4.0, 4.0, NAN, NAN]],
        [[True, False, True, True], [True, True, False, False]],
    )


def panel(figure, name, axis="y"):
    return next(trace for trace in figure.data if trace.name == name and trace.yaxis == axis)


def test_accepted_sizes_are_a_step_line_that_ends_with_the_last_step():
    line = panel(figures.step_sizes(decay()), "tsit5")
    np.testing.assert_allclose(line.x, [0.0, 0.25, 0.5, 1.0])
    np.testing.assert_allclose(line.y, [0.25, 0.25, 0.5, 0.5])
    assert line.line.shape == "hv"


def test_rejected_attempts_and_only_they_are_red_crosses():
    figure = figures.step_ladder(decay())
    for axis, height in (("y", 0.5), ("y2", 2.5)):
        crosses = panel(figure, "rejected", axis)
        assert (list(crosses.x), list(crosses.y)) == ([0.25], [height])
        assert (crosses.marker.symbol, crosses.marker.color) == ("x", "#C1121F")
    others = [trace for trace in figure.data if trace.name != "rejected"]
    assert all(trace.marker.symbol != "x" for trace in others)


def test_padding_is_not_drawn():
    figure = figures.step_ladder(decay(), sample=1)
    np.testing.assert_allclose(panel(figure, "tsit5").x, [0.0, 0.5, 1.0])
    assert len(panel(figure, "rejected").x) == 0
    assert not any(trace.showlegend for trace in figure.data)


def test_errors_stand_beside_the_line_at_one():
    figure = figures.step_errors(decay())
    np.testing.assert_allclose(panel(figure, "tsit5").y, [0.4, 0.6, 0.9], rtol=1e-6)
    (level,) = figure.layout.shapes
    assert (level.y0, level.y1, level.yref) == (1, 1, "y")
    low, high = 10.0 ** np.array(figure.layout.yaxis.range)
    assert low < 0.4 < 2.5 < high


def test_the_line_at_one_is_in_sight_when_all_errors_are_small():
    solution = decay()
    solution["error"] = solution["error"] * 1e-6
    assert 10 ** figures.step_errors(solution).layout.yaxis.range[1] > 1


def test_stiffness_is_drawn_with_its_product_and_its_bound():
    figure = figures.step_stiffness(decay(), stability_bound=3.3)
    np.testing.assert_allclose(panel(figure, "tsit5").y, [1.0, 1.0, 2.0], rtol=1e-6)
    np.testing.assert_allclose(panel(figure, "tsit5, |λ|").y, [4.0, 4.0, 4.0], rtol=1e-6)
    (bound,) = figure.layout.shapes
    assert bound.y0 == 3.3
    assert figure.layout.annotations[0].text == "stability bound 3.3"


def test_the_ladder_stacks_the_three_over_one_time_axis():
    figure = figures.step_ladder(decay(), cursor=0.3, stability_bound=3.3)
    titles = [figure.layout[axis].title.text for axis in ("yaxis", "yaxis2", "yaxis3", "xaxis3")]
    assert titles == ["step size [s]", "scaled error", "h |λ|, and |λ| dotted", "time [s]"]
    assert figure.layout.xaxis.matches == figure.layout.xaxis2.matches == "x3"
    assert all(figure.layout[axis].type == "log" for axis in ("yaxis", "yaxis2", "yaxis3"))
    assert [shape.name for shape in figure.layout.shapes] == ["cursor", "level", "level"]
    assert (figure.layout.shapes[0].x0, figure.layout.shapes[0].yref) == (0.3, "paper")
    assert figure.layout.template.layout.colorway[0] == "#0072B2"


def test_several_methods_are_told_apart_by_colour_and_named_once():
    other = logged([[0.0]], [[1.0]], [[0.1]], [[4.0]], [[True]])
    solution = figures.by_method({"tsit5": decay().isel(sample=[0]), "rodas5": other})
    figure = figures.step_ladder(solution, stability_bound={"tsit5": 3.5})
    assert [trace.name for trace in figure.data if trace.showlegend] == ["tsit5", "rejected", "rodas5"]
    assert panel(figure, "tsit5").line.color != panel(figure, "rodas5").line.color
    np.testing.assert_allclose(panel(figure, "rodas5").x, [0.0, 1.0])
    bound = figure.layout.shapes[-1]
    assert (bound.y0, bound.line.color) == (3.5, panel(figure, "tsit5").line.color)


def test_a_method_without_estimates_says_so():
    solution = decay()
    solution["error"][:], solution["stiffness"][:] = NAN, NAN
    figure = figures.step_ladder(solution, stability_bound=3.3)
    assert [note.text for note in figure.layout.annotations] == ["no error estimate", "no stiffness estimate"]
    assert len(panel(figure, "rejected").x) == 1


def test_a_solve_without_steps_is_an_empty_ladder():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = figures.step_ladder(decay().isel(step=slice(0, 0)), cursor=0.0)
        json.loads(figure.to_json())
    assert [note.text for note in figure.layout.annotations] == ["no steps"] * 3


def test_a_first_attempt_that_failed_leaves_only_its_cross():
    figure = figures.step_sizes(logged([[0.0]], [[0.5]], [[np.inf]], [[NAN]], [[False]]))
    assert len(panel(figure, "tsit5").x) == 0
    assert list(panel(figure, "rejected").y) == [0.5]


def test_sizes_are_lengths_where_time_runs_backwards():
    line = panel(
        figures.step_sizes(logged([[0.0, -0.5]], [[-0.5, -1.5]], [[0.1, 0.2]], [[1, 1]], [[True, True]])), "tsit5"
    )
    np.testing.assert_allclose(line.x, [0.0, -0.5, -2.0])
    np.testing.assert_allclose(line.y, [0.5, 1.5, 1.5])


def test_huge_ranges_fit_a_log_axis():
    size = 10.0 ** np.arange(-60, 41, 10)
    time = np.concatenate([[0.0], np.cumsum(size)[:-1]])
    ones = np.ones((1, len(size)))
    figure = figures.step_ladder(logged([time], [size], ones, ones, ones), log_time=True)
    np.testing.assert_allclose(panel(figure, "tsit5").y[:-1], size[1:], rtol=1e-6)
    assert figure.layout.xaxis3.type == "log"
    assert figure.layout.yaxis.dtick > 1


def test_a_log_padded_without_a_bool_is_read():
    solution = decay()
    solution["accepted"] = solution["accepted"].astype(object).where(np.isfinite(solution["step_size"]))
    np.testing.assert_allclose(panel(figures.step_sizes(solution, sample=1), "tsit5").x, [0.0, 0.5, 1.0])


def test_long_logs_are_thinned_and_keep_their_smallest_step():
    count = 50_000
    size = np.full(count, 1e-3)
    size[31_234] = 1e-9
    time = np.cumsum(size) - size
    accepted = np.arange(count) % 10 != 0
    error = np.where(accepted, 0.5, 2.0)
    figure = figures.step_ladder(logged([time], [size], [error], [size / size], [accepted]))
    line = panel(figure, "tsit5")
    assert len(line.x) <= 1000
    assert line.y.min() == np.float32(1e-9)
    assert len(json.dumps(json.loads(figure.to_json()))) < 130_000


def test_what_the_step_figures_cannot_draw_is_named():
    with pytest.raises(UnknownName, match="unknown variable 'stiffness'"):
        figures.step_sizes(decay().drop_vars("stiffness"))
    with pytest.raises(InvalidArgument, match=r"needs the dims \('sample', 'step'\)"):
        figures.step_sizes(decay().rename(step="attempt"))
    with pytest.raises(UnknownName, match=r"method of stability_bound 'tsit'; did you mean 'tsit5'"):
        figures.step_ladder(decay(), stability_bound={"tsit": 3.5})
    with pytest.raises(InvalidArgument, match="stability_bound must be a number"):
        figures.step_ladder(decay(), stability_bound=0.0)
    with pytest.raises(InvalidArgument, match="cursor must be a number"):
        figures.step_ladder(decay(), cursor="now")
