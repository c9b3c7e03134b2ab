"""Figures of width: exact power laws have their exponents, bands and lines are those that were given."""

import numpy as np
import pytest
import xarray as xr

from limitlab import figures
from limitlab.errors import InvalidArgument, UnknownName

WIDTHS = [16, 64, 256]


def study():
    width = np.array(WIDTHS, float)
    seeds = np.array([0.9, 1.1])
    return xr.Dataset(
        {
            "drift": (("width", "seed"), np.outer(2 / width, seeds), {"long_name": "drift", "units": "1"}),
            "error": ("width", 3 / np.sqrt(width), {"long_name": "error", "units": "1"}),
        },
        coords={"width": ("width", WIDTHS, {"long_name": "width", "units": "1"}), "seed": [0, 1]},
    )


def runs(rate=0.1):
    steps, eigenvalues = np.array([0, 1, 2, 4]), np.array([[5.0, 2.0], [6.0, 1.0]])
    residual = (1 - rate * eigenvalues[:, None, :]) ** steps[None, :, None] * np.array([3.0, -2.0])
    return xr.Dataset(
        {"residual": (("width", "step", "mode"), residual), "eigenvalue_start": (("width", "mode"), eigenvalues)},
        coords={"width": [32, 1024], "step": ("step", steps, {"long_name": "training step", "units": "1"})},
        attrs={"rate": rate},
    )


def ensemble():
    x = np.linspace(0, 1, 7)
    return xr.Dataset(
        {
            "network": (("seed", "x"), np.stack([x, 2 * x]), {"long_name": "output", "units": "1"}),
            "mean": ("x", 1.5 * x),
            "std": ("x", 0.1 + x),
        },
        coords={"x": ("x", x, {"long_name": "position", "units": "m"})},
    )


def test_exact_power_laws_have_their_exponents():
    slopes = figures.width_slopes(study())
    assert slopes["drift"] == pytest.approx(-1)
    assert slopes["error"] == pytest.approx(-0.5)
    names = " ".join(str(trace.name) for trace in figures.width_laws(study()).data)
    assert "slope -1.00" in names
    assert "slope -0.50" in names


def test_band_is_two_standard_deviations_around_the_mean():
    band, mean, networks, data = figures.ensemble_functions(ensemble()).data
    np.testing.assert_allclose(np.max(np.asarray(band.y)), float((ensemble()["mean"] + 2 * ensemble()["std"]).max()))
    np.testing.assert_allclose(mean.y, ensemble()["mean"], rtol=1e-6)
    drawn = np.asarray(networks.y, float)
    np.testing.assert_allclose(drawn[np.isfinite(drawn)], ensemble()["network"].values.ravel(), rtol=1e-6)
    assert len(data.x) == 0


def test_data_are_drawn_where_they_were_learned():
    learned = xr.DataArray([1.0, 2.0], dims="x", coords={"x": [0.25, 0.5]})
    data = figures.ensemble_functions(ensemble(), learned).data[-1]
    np.testing.assert_allclose(data.x, [0.25, 0.5])
    np.testing.assert_allclose(data.y, [1.0, 2.0])


def test_axes_have_their_units():
    figure = figures.ensemble_functions(ensemble())
    assert figure.layout.xaxis.title.text == "position [m]"
    assert figure.layout.yaxis.title.text == "output"


def test_the_axis_of_laws_names_what_is_drawn():
    laws = study()
    laws = laws.assign(drift=laws["drift"].assign_attrs(long_name="drift of the kernel"))[["drift"]]
    assert figures.width_laws(laws).layout.yaxis.title.text == "drift of the kernel"
    both = laws.assign(error=(laws["drift"] ** 2).assign_attrs(long_name="error", units="m"))
    assert figures.width_laws(both).layout.yaxis.title.text == "drift of the kernel<br>error [m]"


def test_modes_that_obey_the_theory_lie_on_their_lines():
    figure = figures.dying_modes(runs(), modes=2)
    lines = [trace for trace in figure.data if trace.mode == "lines"]
    dots = [trace for trace in figure.data if trace.mode == "markers"]
    assert len(lines) == len(dots) == 4
    for dot, own in zip(dots, np.array([[0.5, 0.8], [0.4, 0.9]]).ravel(), strict=True):
        np.testing.assert_allclose(np.asarray(dot.y, float), own ** np.asarray(dot.x, float), rtol=1e-5)


def test_slider_of_modes_has_a_frame_for_every_recorded_step_and_opens_at_the_end():
    figure = figures.dying_modes(runs(), modes=2, slider=True)
    assert len(figure.frames) == 4
    assert figure.layout.sliders[0].active == 3


def test_slices_have_a_band_and_a_mean_for_every_case_and_the_limit():
    x = np.linspace(0, 1, 5)
    values = np.random.default_rng(0).normal(size=(2, 3, 5))
    slices = xr.DataArray(values, dims=("case", "seed", "x"), coords={"case": ["start", "trained"], "x": x})
    limit = xr.DataArray(x, dims="x", coords={"x": x})
    figure = figures.kernel_slices(slices, limit)
    assert len(figure.data) == 5
    np.testing.assert_allclose(figure.data[1].y, values[0].mean(0), rtol=1e-5)
    np.testing.assert_allclose(figure.data[-1].y, x, rtol=1e-6)


@pytest.mark.parametrize(
    ("draw", "error"),
    [
        (lambda: figures.ensemble_functions(ensemble().drop_vars("std")), UnknownName),
        (lambda: figures.ensemble_functions(ensemble().expand_dims(width=[1, 2])), InvalidArgument),
        (lambda: figures.dying_modes(runs().assign_attrs(rate=None).drop_attrs()), InvalidArgument),
        (lambda: figures.dying_modes(runs(), modes=7), InvalidArgument),
        (lambda: figures.width_laws(study().isel(width=0, drop=True)), InvalidArgument),
    ],
)
def test_wrong_arrays_get_one_clear_error(draw, error):
    with pytest.raises(error):
        draw()
