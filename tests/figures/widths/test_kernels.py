"""Figures of kernels: what is drawn is what was given, with labels and units."""

import numpy as np
import pytest
import xarray as xr

from limitlab import figures
from limitlab.errors import InvalidArgument, UnknownName


def matrices(count=2):
    values = np.random.default_rng(0).normal(size=(count, 4, 5))
    degrees = {"long_name": "angle", "units": "degrees"}
    return xr.DataArray(
        values,
        dims=("kernel", "row", "column"),
        coords={
            "kernel": ["one network", "limit"][:count],
            "row": ("row", np.arange(4.0), degrees),
            "column": ("column", np.arange(5.0), degrees),
        },
        attrs={"long_name": "tangent kernel", "units": "1"},
    )


def spectrum():
    return xr.Dataset(
        {
            "eigenvalue": ("mode", [10.0, 1.0, 0.1], {"long_name": "eigenvalue", "units": "1"}),
            "remaining": ("mode", [0.0, 0.5, -0.9], {"long_name": "part of the residual left", "units": "1"}),
        }
    )


def pinn():
    values = np.full((2, 2, 3), np.nan)
    values[:, 0, :1], values[:, 1] = 2.0, [9.0, 3.0, 1.0]
    return xr.DataArray(
        values,
        dims=("weighting", "block", "mode"),
        coords={"weighting": ["plain", "weighted"], "block": ["boundary", "interior"], "mode": [1, 2, 3]},
        attrs={"long_name": "eigenvalue", "units": "1"},
    )


def test_heat_maps_stand_side_by_side_on_one_scale():
    figure = figures.kernel_heatmaps(matrices())
    assert [trace.type for trace in figure.data] == ["heatmap", "heatmap"]
    for trace, values in zip(figure.data, matrices().values, strict=True):
        np.testing.assert_allclose(np.asarray(trace.z), values, rtol=1e-6)
    scales = {(trace.zmin, trace.zmax, trace.coloraxis) for trace in figure.data}
    assert len(scales) == 1
    assert {"one network", "limit"} <= {note.text for note in figure.layout.annotations}
    assert figure.layout.xaxis.title.text == "angle [degrees]"


def test_one_matrix_is_one_heat_map():
    assert len(figures.kernel_heatmaps(matrices(1).isel(kernel=0)).data) == 1


def test_bars_show_the_size_of_what_remains_and_points_the_eigenvalues():
    bars, points = figures.eigenvalue_decay(spectrum()).data
    np.testing.assert_allclose(bars.y, [0.0, 0.5, 0.9])
    np.testing.assert_allclose(points.y, [10.0, 1.0, 0.1], rtol=1e-6)
    assert (bars.type, points.type) == ("bar", "scatter")


def test_time_changes_values_but_neither_number_nor_order_of_traces():
    first, other = (
        figures.eigenvalue_decay(spectrum().assign(remaining=("mode", left))) for left in ([1, 1, 1], [0, 0, 0])
    )
    assert [trace.name for trace in first.data] == [trace.name for trace in other.data]


def test_pinn_spectra_have_a_panel_a_weighting_and_a_line_a_block():
    figure = figures.pinn_spectra(pinn())
    assert len(figure.data) == 4
    assert {trace.name for trace in figure.data} == {"boundary", "interior"}
    drawn = [np.asarray(trace.y, float) for trace in figure.data if trace.name == "interior"]
    np.testing.assert_allclose(drawn[0][np.isfinite(drawn[0])], [9.0, 3.0, 1.0])


@pytest.mark.parametrize(
    ("draw", "given", "error"),
    [
        (figures.kernel_heatmaps, xr.DataArray(np.zeros(3), dims="x"), InvalidArgument),
        (figures.eigenvalue_decay, spectrum().drop_vars("remaining"), UnknownName),
        (figures.eigenvalue_decay, {"eigenvalue": [1.0]}, InvalidArgument),
        (figures.pinn_spectra, xr.DataArray(np.zeros(3), dims="mode"), InvalidArgument),
    ],
)
def test_wrong_arrays_get_one_clear_error(draw, given, error):
    with pytest.raises(error):
        draw(given)
