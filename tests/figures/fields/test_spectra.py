import json

import numpy as np
import pytest
import xarray as xr

from limitlab import figures
from limitlab.errors import InvalidArgument
from limitlab.spaces import Grid


def wave(k: tuple[int, ...], n: int = 32) -> xr.DataArray:
    grid = Grid.uniform((n,) * len(k), dimension=len(k))
    phase = 2 * np.pi * (grid.points().numpy() @ np.array(k))
    return xr.DataArray(np.cos(phase), dims=grid.names, coords=grid.coordinates(), name="u")


@pytest.mark.parametrize("k", [(3,), (16,), (3, 4), (-5, 0), (0, 7), (2, -2)])
def test_spectrum_of_a_cosine_is_at_its_wavenumber(k):
    energy = figures.spectrum(wave(k))
    radius = int(np.floor(np.linalg.norm(k) + 0.5))
    assert int(energy.argmax("wavenumber")) == radius
    # the mean of cos^2 is 1/2, and 1 where the grid sees only the crests: the mode n/2
    assert float(energy[radius]) == pytest.approx(1.0 if k == (16,) else 0.5)
    assert float(energy.sum() - energy[radius]) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("shape", [(16,), (15,)])
def test_spectrum_sums_to_the_mean_square(shape):
    values = np.random.default_rng(0).normal(size=shape)
    energy = figures.spectrum(xr.DataArray(values, dims=("x",)))
    assert float(energy.sum()) == pytest.approx((values**2).mean())


def test_spectrum_of_maps_is_isotropic():
    values = xr.DataArray(np.random.default_rng(0).normal(size=(16, 16)), dims=("x", "y"))
    turned = values.rename(x="y", y="x")
    np.testing.assert_allclose(figures.spectrum(values), figures.spectrum(turned), rtol=1e-12)


def test_spectrum_belongs_to_the_function_and_not_to_its_resolution():
    coarse, fine = (figures.spectrum(wave((3, 4), n)) for n in (16, 64))
    np.testing.assert_allclose(coarse, fine[: coarse.size], atol=1e-12)


def test_spectrum_reads_the_lengths_of_the_domain():
    grid = Grid.uniform((16, 16), lengths=(1.0, 2.0))
    x, y = grid.points().numpy().transpose(2, 0, 1)
    array = xr.DataArray(np.cos(2 * np.pi * y / 2), dims=("x", "y"), attrs={"grid": grid.to_json()})
    assert int(figures.spectrum(array).argmax("wavenumber")) == 1
    across = xr.DataArray(np.cos(2 * np.pi * x), dims=("x", "y"), attrs={"grid": grid.to_json()})
    assert int(figures.spectrum(across).argmax("wavenumber")) == 2


def test_spectrum_keeps_other_dims():
    both = xr.concat([wave((2,)), wave((5,))], dim="sample")
    np.testing.assert_array_equal(figures.spectrum(both).argmax("wavenumber"), [2, 5])


def error_of(k: int) -> xr.Dataset:
    target = wave((1,)).expand_dims(sample=2, channel=1)
    return xr.Dataset({"target": target, "prediction": target + 0.1 * wave((k,))}).assign_attrs(
        grid=Grid.uniform(32).to_json()
    )


def test_error_spectrum_peaks_at_the_wavenumber_of_the_error():
    figure = figures.error_spectrum(error_of(9))
    truth, error = figure.data
    assert truth.x[np.argmax(truth.y)] == 1
    assert error.x[np.argmax(error.y)] == 9
    assert error.y.max() == pytest.approx(0.1 * np.sqrt(0.5))


def test_shading_covers_the_kept_band():
    figure = figures.error_spectrum(error_of(9), modes=16)
    (band,) = figure.layout.shapes
    assert band.x0 < 1
    assert band.x1 == 8
    assert (band.y0, band.y1, band.yref) == (0, 1, "y domain")
    assert not figures.error_spectrum(error_of(9)).layout.shapes


def test_error_spectrum_has_a_line_for_each_model():
    dataset = error_of(3)
    two = xr.concat([dataset["prediction"], error_of(7)["prediction"]], xr.Variable("model", ["fno", "unet"]))
    figure = figures.error_spectrum(dataset.assign(prediction=two))
    assert [trace.name for trace in figure.data] == ["truth", "fno", "unet"]
    assert [int(trace.x[np.argmax(trace.y)]) for trace in figure.data] == [1, 3, 7]


def test_error_spectrum_has_units_and_is_small(maps_2d):
    figure = figures.error_spectrum(maps_2d, modes=8)
    assert figure.layout.yaxis.title.text.endswith("[kPa]")
    assert figure.layout.xaxis.type == figure.layout.yaxis.type == "log"
    assert len(json.dumps(json.loads(figure.to_json()))) < 20_000


def test_spectrum_needs_space():
    with pytest.raises(InvalidArgument, match="one of the dims"):
        figures.spectrum(xr.DataArray(np.ones(4), dims="time"))


def test_modes_must_be_positive(maps_2d):
    with pytest.raises(InvalidArgument, match="modes must be"):
        figures.error_spectrum(maps_2d, modes=0)
