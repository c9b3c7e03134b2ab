import json

import numpy as np
import pytest
import xarray as xr

from limitlab import figures
from limitlab.errors import InvalidArgument, UnknownName

ORDERS = {"euler": 1.0, "heun": 2.0, "tsit5": 5.0}


def convergence() -> xr.Dataset:
    """Errors 0.1 h^p."""
    steps = 2.0 ** -np.arange(1, 8)
    errors = 0.1 * steps ** np.array(list(ORDERS.values()))[:, None]
    return xr.Dataset(
        {"error": (("method", "step_size"), errors, {"long_name": "error at the end", "units": "m"})},
        coords={
            "method": list(ORDERS),
            "step_size": ("step_size", steps, {"long_name": "step size", "units": "s"}),
        },
    )


def precision() -> xr.Dataset:
    tolerances = 10.0 ** -np.arange(2, 9)
    errors = np.stack([tolerances, 2 * tolerances])
    errors[1, -2:] = np.nan
    evaluations = np.stack([50 * tolerances ** (-1 / 5), 50 * tolerances ** (-1 / 3)])
    dims = ("method", "tolerance")
    return xr.Dataset(
        {
            "error": (dims, errors, {"long_name": "error at the end", "units": "m"}),
            "function_evaluations": (dims, evaluations, {"long_name": "evaluations of the field", "units": "1"}),
            "seconds": (dims, evaluations * 1e-4, {"long_name": "wall time", "units": "s"}),
        },
        coords={"method": ["tsit5", "bosh3"], "tolerance": tolerances},
    )


def test_fitted_slopes_are_the_orders():
    np.testing.assert_allclose(figures.fitted_orders(convergence()), list(ORDERS.values()), atol=1e-10)


def test_the_legend_gives_the_fitted_orders():
    names = [trace.name for trace in figures.convergence_orders(convergence()).data]
    assert names == ["euler, order 1.00", "heun, order 2.00", "tsit5, order 5.00"]


def test_errors_at_the_floor_take_no_part_in_the_fit_and_are_open():
    results = convergence()
    results["error"] = results["error"] + 1e-9
    fitted = figures.fitted_orders(results, floor=1e-7).sel({"method": "tsit5"})
    assert float(fitted) == pytest.approx(5, abs=0.02)
    assert float(figures.fitted_orders(results).sel({"method": "tsit5"})) < 4.5
    line = figures.convergence_orders(results, floor=1e-7).data[2]
    np.testing.assert_array_equal([symbol.endswith("-open") for symbol in line.marker.symbol], line.y <= 1e-7)


def test_points_are_the_errors_on_log_axes_with_units():
    results = convergence()
    figure = figures.convergence_orders(results)
    np.testing.assert_allclose(figure.data[1].x, results["step_size"])
    np.testing.assert_allclose(figure.data[1].y, results["error"].sel({"method": "heun"}), rtol=1e-6)
    assert (figure.layout.xaxis.type, figure.layout.yaxis.type) == ("log", "log")
    assert (figure.layout.xaxis.title.text, figure.layout.yaxis.title.text) == ("step size [s]", "error at the end [m]")
    assert figure.layout.template.layout.colorway[0] == "#0072B2"


@pytest.mark.parametrize("slope", [1, 2.5, 5])
def test_a_reference_line_has_its_slope(slope):
    line = figures.convergence_orders(convergence(), slopes=[slope]).data[-1]
    rise = np.diff(np.log(line.y)) / np.diff(np.log(line.x))
    assert rise == pytest.approx(slope)
    assert f"slope {slope}" in line.text


def test_standard_deviations_are_bars_above_zero():
    results = convergence()
    results["std"] = 2 * results["error"]
    bars = figures.convergence_orders(results).data[0]
    np.testing.assert_allclose(bars.error_y.array, 2 * results["error"][0])
    assert (bars.y - bars.error_y.arrayminus > 0).all()
    assert figures.convergence_orders(convergence()).data[0].error_y.array is None


def test_too_few_errors_have_no_order():
    results = convergence().isel(step_size=[0])
    assert figures.fitted_orders(results).isnull().all()
    assert figures.convergence_orders(results, slopes=[1]).data[0].name == "euler"
    results["error"][:] = np.nan
    assert len(figures.convergence_orders(results, slopes=[1]).data[0].x) == 0


def test_one_method_needs_no_dim():
    results = convergence().sel({"method": "heun"}, drop=True).assign_attrs(method="heun")
    assert figures.convergence_orders(results).data[0].name == "heun, order 2.00"


def test_work_precision_shows_error_against_evaluations_of_every_method():
    results = precision()
    figure = figures.work_precision(results)
    line = figure.data[0]
    np.testing.assert_allclose(line.x, results["function_evaluations"][0], rtol=1e-6)
    np.testing.assert_allclose(line.y, results["error"][0], rtol=1e-6)
    np.testing.assert_allclose(line.customdata, results["tolerance"])
    assert "tolerance %{customdata" in line.hovertemplate
    assert figure.layout.xaxis.title.text == "evaluations of the field"
    assert figure.layout.yaxis.title.text == "error at the end [m]"


def test_failed_tolerances_are_left_out():
    bosh3 = figures.work_precision(precision()).data[1]
    assert len(bosh3.x) == len(bosh3.y) == len(bosh3.customdata) == 5


def test_work_may_be_seconds():
    figure = figures.work_precision(precision(), cost="seconds")
    assert figure.layout.xaxis.title.text == "wall time [s]"
    assert len(json.dumps(json.loads(figure.to_json()))) < 20_000


def test_missing_dims_and_variables_of_a_convergence_are_named():
    with pytest.raises(InvalidArgument, match=r"needs the dims \('method', 'step_size'\)"):
        figures.convergence_orders(precision())
    with pytest.raises(InvalidArgument, match=r"isel\(sample=0\)"):
        figures.work_precision(precision().expand_dims(sample=3))
    with pytest.raises(UnknownName, match="did you mean 'seconds'"):
        figures.work_precision(precision(), cost="second")
