import json

import numpy as np
import pytest
import xarray as xr

from limitlab import figures
from limitlab.errors import InvalidArgument, UnknownName


def space_time_array(times: int = 9, points: int = 16) -> xr.DataArray:
    t, x = np.linspace(0, 2, times), np.linspace(0, 1, points, endpoint=False)
    return xr.DataArray(
        np.sin(2 * np.pi * (x - t[:, None])).astype(np.float32),
        dims=("time", "x"),
        coords={
            "time": ("time", t, {"long_name": "time", "units": "s"}),
            "x": ("x", x, {"long_name": "position x", "units": "m"}),
        },
        name="u",
        attrs={"long_name": "velocity", "units": "m/s"},
    )


def test_space_time_shows_the_array_with_time_upwards():
    array = space_time_array()
    figure = figures.space_time(array)
    np.testing.assert_array_equal(figure.data[0].z, array.values)
    np.testing.assert_array_equal(figure.data[0].y, array["time"].values.astype(np.float32))
    assert figure.layout.xaxis.title.text == "position x [m]"
    assert figure.layout.yaxis.title.text == "time [s]"
    assert figure.layout.coloraxis.colorbar.title.text == "velocity [m/s]"


def test_space_time_does_not_depend_on_the_order_of_dims():
    array = space_time_array()
    np.testing.assert_array_equal(figures.space_time(array.transpose("x", "time")).data[0].z, array.values)


def test_field_2d_draws_x_across_and_y_up(maps_2d):
    field = maps_2d["target"].isel(sample=0)
    figure = figures.field_2d(field)
    np.testing.assert_array_equal(figure.data[0].z, field.values[0].T)
    assert figure.layout.xaxis.title.text == "position x [m]"
    assert figure.layout.yaxis.title.text == "position y [m]"
    assert figure.layout.yaxis.scaleanchor == "x"


def test_profiles_has_a_line_for_each_sample(profiles_1d):
    figure = figures.profiles(profiles_1d["target"])
    assert len(figure.data) == 3
    np.testing.assert_array_equal(figure.data[2].y, profiles_1d["target"].values[2, 0])
    assert figure.layout.yaxis.title.text == "pressure [kPa]"


def test_triptych_of_maps_shows_truth_prediction_and_their_difference(maps_2d):
    sample = maps_2d.isel(sample=1)
    figure = figures.triptych(sample)
    shown = {trace.name: trace.z for trace in figure.data}
    for name, variable in {"input": "input", "truth": "target", "prediction": "prediction"}.items():
        np.testing.assert_array_equal(shown[name], sample[variable].values[0].T)
    np.testing.assert_allclose(shown["error"], (sample["prediction"] - sample["target"]).values[0].T, rtol=1e-6)


def test_triptych_of_maps_has_one_scale_for_truth_and_prediction(maps_2d):
    sample = maps_2d.isel(sample=0)
    figure = figures.triptych(sample)
    axis = {trace.name: trace.coloraxis for trace in figure.data}
    assert axis["truth"] == axis["prediction"] != axis["error"]
    both = np.stack([sample["target"].values, sample["prediction"].values])
    assert (figure.layout.coloraxis.cmin, figure.layout.coloraxis.cmax) == (both.min(), both.max())
    assert figure.layout.coloraxis.colorbar.title.text == "pressure [kPa]"


def test_scale_of_the_error_is_centred_at_zero(maps_2d):
    figure = figures.triptych(maps_2d.isel(sample=0))
    scale = figure.layout.coloraxis2
    assert scale.cmin == -scale.cmax
    assert scale.cmax == pytest.approx(np.abs(figure.data[-1].z).max())
    assert scale.colorscale[len(scale.colorscale) // 2] == (0.5, "#F7F7F7")


def test_of_several_channels_a_triptych_shows_the_first_under_its_name(maps_2d):
    both = xr.concat([maps_2d, -maps_2d], xr.Variable("channel", ["h", "p"])).isel(sample=1)
    shown = figures.triptych(both)
    np.testing.assert_array_equal(shown.data[1].z, maps_2d["target"].isel(sample=1).values[0].T)
    assert shown.layout.coloraxis.colorbar.title.text.startswith("h")


def test_triptych_without_input_has_three_maps(maps_2d):
    figure = figures.triptych(maps_2d.isel(sample=0).drop_vars("input"))
    assert [trace.name for trace in figure.data] == ["truth", "prediction", "error"]


def test_triptych_of_space_time_fields(profiles_1d):
    array = space_time_array()
    dataset = xr.Dataset({"target": array, "prediction": 0.9 * array})
    figure = figures.triptych(dataset)
    np.testing.assert_array_equal(figure.data[0].z, array.values)
    assert figure.layout.yaxis.title.text == "time [s]"


def test_triptych_of_profiles_lays_the_prediction_over_the_truth(profiles_1d):
    sample = profiles_1d.isel(sample=2)
    figure = figures.triptych(sample)
    shown = {trace.name: trace for trace in figure.data}
    assert shown["truth"].xaxis == shown["prediction"].xaxis != shown["error"].xaxis
    np.testing.assert_array_equal(shown["truth"].y, sample["target"].values[0])
    np.testing.assert_array_equal(shown["prediction"].y, sample["prediction"].values[0])
    np.testing.assert_allclose(
        shown["error"].y, (sample["prediction"] - sample["target"]).values[0], rtol=1e-5, atol=1e-7
    )
    assert figure.layout.yaxis2.title.text == "pressure [kPa]"
    assert figure.layout.yaxis3.title.text == "error [kPa]"


def test_an_exact_prediction_still_has_a_scale(maps_2d):
    exact = maps_2d.isel(sample=0)
    exact = exact.assign(prediction=exact["target"])
    assert figures.triptych(exact).layout.coloraxis2.cmax > 0


def test_triptych_asks_for_one_sample(maps_2d):
    with pytest.raises(InvalidArgument, match=r"isel\(sample=0\)"):
        figures.triptych(maps_2d)


def test_triptych_names_the_missing_variable(maps_2d):
    with pytest.raises(UnknownName, match=r"unknown variable 'prediction'.*input, target"):
        figures.triptych(maps_2d.drop_vars("prediction"))


def test_a_map_without_its_dims_says_which_it_needs(profiles_1d):
    with pytest.raises(InvalidArgument, match=r"needs the dims \('x', 'y'\)"):
        figures.field_2d(profiles_1d["target"].isel(sample=0))


def test_fields_are_sent_with_no_more_points_than_pixels():
    array = space_time_array(600, 2000)
    figure = figures.space_time(array)
    z = figure.data[0].z
    assert z.dtype == np.float32
    assert max(z.shape) <= 200
    np.testing.assert_array_equal(z, array.values[2::3, 9::10][:, : z.shape[1]])
    assert len(figure.to_json()) < 300_000


def test_a_2d_triptych_of_256_points_stays_small():
    values = xr.DataArray(np.random.default_rng(0).normal(size=(256, 256)), dims=("x", "y"))
    figure = figures.triptych(xr.Dataset({"target": values, "prediction": values + 1}))
    assert len(json.dumps(json.loads(figure.to_json()))) < 300_000
