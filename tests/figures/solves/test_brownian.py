import json
import warnings

import numpy as np
import pytest
import xarray as xr

from limitlab import figures
from limitlab.errors import InvalidArgument, UnknownName

TIME = {"long_name": "time", "units": "s"}


def refined(levels=(1, 3, 8)) -> xr.DataArray:
    """One path at 2^level steps, NaN between them."""
    finest = 2 ** max(levels)
    steps = np.random.default_rng(0).normal(size=finest) / np.sqrt(finest)
    path = np.concatenate([[0.0], np.cumsum(steps)])
    values = np.full((len(levels), finest + 1), np.nan)
    for place, level in enumerate(levels):
        stride = finest >> level
        values[place, ::stride] = path[::stride]
    return xr.DataArray(
        values,
        dims=("level", "time"),
        coords={"level": list(levels), "time": ("time", np.linspace(0, 1, finest + 1), TIME)},
        name="W",
        attrs={"long_name": "Brownian path", "units": "V"},
    )


def ensemble(samples: int = 2000) -> xr.Dataset:
    """Brownian motions at 21 times from 0 to 2, each W(t) = sqrt(t) times its own normal."""
    time = np.linspace(0, 2, 21)
    normals = np.random.default_rng(1).normal(size=(samples, 1, 1))
    states = np.concatenate([np.sqrt(time)[:, None] * normals, 0 * time[:, None] * normals + 7], axis=-1)
    return xr.Dataset(
        {"y": (("sample", "time", "state"), states, {"long_name": "state", "units": "V"})},
        coords={"time": ("time", time, TIME), "state": ["W", "seven"]},
    )


def exact() -> xr.Dataset:
    time, value = np.linspace(0, 2, 5), np.linspace(-5, 5, 101)
    variance = np.maximum(time, 1e-9)[:, None]
    density = np.exp(-(value**2) / (2 * variance)) / np.sqrt(2 * np.pi * variance)
    return xr.Dataset(
        {
            "mean": ("time", 0 * time),
            "quantile": (("probability", "time"), np.array([-1.645, 1.645])[:, None] * np.sqrt(time)),
            "density": (("time", "value"), density),
        },
        coords={"time": time, "value": value, "probability": [0.05, 0.95]},
    )


def named(figure, name):
    return next(trace for trace in figure.data if trace.name == name)


def test_every_level_is_drawn_where_it_has_values():
    paths = refined()
    figure = figures.brownian_refinement(paths)
    assert [trace.name for trace in figure.data] == ["2 steps", "8 steps", "256 steps"]
    for place, trace in enumerate(figure.data):
        level = paths.isel(level=place).dropna("time")
        np.testing.assert_allclose(trace.x, level["time"], rtol=1e-6)
        np.testing.assert_allclose(trace.y, level, rtol=1e-6)


def test_coarse_levels_lie_over_fine_ones():
    orders = [trace.zorder for trace in figures.brownian_refinement(refined()).data]
    assert orders == sorted(orders, reverse=True)


def test_axes_of_a_path_have_their_units():
    figure = figures.brownian_refinement(refined())
    assert (figure.layout.xaxis.title.text, figure.layout.yaxis.title.text) == ("time [s]", "Brownian path [V]")
    assert figure.layout.template.layout.colorway[0] == "#0072B2"


def test_the_slider_goes_through_the_levels_on_fixed_axes():
    paths = refined()
    figure = figures.brownian_refinement(paths, slider=True, cursor=0.5)
    assert [step.label for step in figure.layout.sliders[0].steps] == ["1", "3", "8"]
    before, this = figure.frames[1].data
    assert (len(before.x), len(this.x)) == (3, 9)
    low, high = figure.layout.yaxis.range
    assert low < float(paths.min()) < float(paths.max()) < high
    assert figure.layout.shapes[0].name == "cursor"


def test_a_level_of_one_point_or_none_is_no_error():
    paths = refined()
    paths[0, 1:] = np.nan
    paths[1] = np.nan
    assert [len(trace.x) for trace in figures.brownian_refinement(paths).data] == [1, 0, 257]


def test_a_long_path_is_thinned_and_keeps_its_extremes():
    paths = refined((4, 15))
    figure = figures.brownian_refinement(paths)
    assert len(figure.data[1].x) <= 1000
    assert figure.data[1].y.max() == np.float32(paths.max())
    assert len(json.dumps(json.loads(figure.to_json()))) < 40_000


def test_bands_are_the_quantiles_of_the_samples():
    solution = ensemble()
    band = named(figures.fan_chart(solution), "middle 90 %")
    values = solution["y"].sel(state="W")
    half = len(band.x) // 2
    np.testing.assert_allclose(band.y[:half], values.quantile(0.95, "sample"), atol=1e-6)
    np.testing.assert_allclose(band.y[half:][::-1], values.quantile(0.05, "sample"), atol=1e-6)
    np.testing.assert_allclose(named(figures.fan_chart(solution), "median").y, values.median("sample"), atol=1e-6)


def test_a_fan_shows_a_few_paths_and_names_them_once():
    figure = figures.fan_chart(ensemble(), paths=5)
    drawn = [trace for trace in figure.data if trace.name == "paths"]
    assert (len(drawn), sum(trace.showlegend for trace in drawn)) == (5, 1)
    np.testing.assert_allclose(drawn[4].y, ensemble()["y"].values[4, :, 0], rtol=1e-6)
    assert not [trace for trace in figures.fan_chart(ensemble(), paths=0).data if trace.name == "paths"]


def test_exact_moments_are_laid_over_the_fan():
    figure = figures.fan_chart(ensemble(), "W", exact=exact(), cursor=1.0)
    np.testing.assert_allclose(named(figure, "exact mean").y, 0)
    quantiles = named(figure, "exact quantiles").y.reshape(2, -1)
    np.testing.assert_allclose(quantiles[:, :-1], exact()["quantile"], rtol=1e-6)
    assert np.isnan(quantiles[:, -1]).all()
    assert figure.layout.shapes[0].name == "cursor"
    assert (figure.layout.xaxis.title.text, figure.layout.yaxis.title.text) == ("time [s]", "W [V]")


def test_failed_samples_leave_the_fan():
    solution = ensemble(50)
    solution["y"][10:, 5:] = np.nan
    solution["y"][:, 15:] = np.inf
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        median = named(figures.fan_chart(solution), "median")
    assert len(median.x) == 15
    assert median.y[10] == np.float32(np.median(solution["y"].values[:10, 10, 0]))


def test_samples_with_equal_times_of_their_own_are_an_ensemble():
    solution = ensemble(3)
    times = np.tile(solution["time"], (3, 1))
    own = solution.drop_vars("time").assign_coords(time=(("sample", "time"), times, TIME))
    np.testing.assert_allclose(named(figures.fan_chart(own), "median").x, times[0], rtol=1e-6)
    own = own.assign_coords(time=(("sample", "time"), times * [[1], [2], [3]]))
    with pytest.raises(InvalidArgument, match="times that all samples share"):
        figures.fan_chart(own)


def test_a_histogram_is_the_density_of_its_samples():
    bars = figures.marginals(ensemble(), [2.0]).data[0]
    # the bars hold the middle 99.6 %
    assert bars.y.sum() * bars.width == pytest.approx(0.996, abs=1e-3)
    expected = np.exp(-(bars.x**2) / 4) / np.sqrt(4 * np.pi)
    # forty-four bars of 2000 samples: noise of some 6 % of the highest in the mean
    assert np.abs(bars.y - expected).mean() < 0.1 * expected.max()


def test_marginals_have_a_panel_for_each_time_and_the_exact_density():
    figure = figures.marginals(ensemble(), [0.52, 2.0], exact=exact())
    assert [note.text for note in figure.layout.annotations] == ["t = 0.5 s", "t = 2 s"]
    lines = [trace for trace in figure.data if trace.name == "exact density"]
    np.testing.assert_allclose(lines[1].y, exact()["density"].sel(time=2.0), rtol=1e-6)
    assert figure.layout.xaxis2.title.text == "W [V]"
    assert [trace.name for trace in figure.data if trace.showlegend] == ["samples", "exact density"]


def test_a_marginal_of_equal_samples_is_one_narrow_peak():
    bars = figures.marginals(ensemble(20), [0.0], "seven").data[0]
    assert (bars.y > 0).sum() == 1
    assert bars.y.sum() * bars.width == pytest.approx(1)


def test_marginals_of_failed_samples_are_empty():
    solution = ensemble(5)
    solution["y"][:, 10:] = np.nan
    assert figures.marginals(solution, [2.0]).data[0].y.sum() == 0


def test_ensembles_stay_small():
    figure = figures.fan_chart(ensemble(20_000), exact=exact())
    assert len(json.dumps(json.loads(figure.to_json()))) < 40_000


def test_what_the_figures_of_noise_cannot_draw_is_named():
    with pytest.raises(InvalidArgument, match=r"needs the dims \('level', 'time'\)"):
        figures.brownian_refinement(refined().rename(level="depth"))
    with pytest.raises(InvalidArgument, match="at least one level"):
        figures.brownian_refinement(refined().isel(level=slice(0, 0)))
    with pytest.raises(InvalidArgument, match=r"needs the dims \('sample', 'time', 'state'\)"):
        figures.fan_chart(ensemble().isel(sample=0))
    with pytest.raises(UnknownName, match="unknown component 'w'"):
        figures.fan_chart(ensemble(), "w")
    with pytest.raises(InvalidArgument, match="at least one time"):
        figures.marginals(ensemble(), [])
    with pytest.raises(UnknownName, match="unknown variable 'density'"):
        figures.marginals(ensemble(), [1.0], exact=exact().drop_vars("density"))
    with pytest.raises(UnknownName, match="unknown variable 'mean'"):
        figures.fan_chart(ensemble(), exact=exact()[["density"]])
