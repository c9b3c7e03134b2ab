"""What width does, at a reduced size: twelve points on the circle, two hidden relu layers, the laws of width."""

import math

import numpy as np
import pytest
import torch

from limitlab.errors import InvalidArgument
from limitlab.infinite_width import WidthStudy, decay_fit, kernels, mlp, slope, width_study

WIDTHS = (32, 128, 512)
ANGLES, TEST_ANGLES = (torch.arange(n, dtype=torch.float64) * 2 * math.pi / n for n in (12, 16))
ARCHITECTURE = mlp(2, "relu", 2.0, 0.01)


def on_circle(angles):
    return torch.stack([angles.cos(), angles.sin()], 1)


def target(angles):
    return torch.sin(2 * angles) + 0.5 * torch.cos(angles)


@pytest.fixture(scope="module")
def study():
    return width_study(
        ARCHITECTURE,
        on_circle(ANGLES),
        target(ANGLES),
        on_circle(TEST_ANGLES),
        widths=WIDTHS,
        seeds=6,
        steps=200,
        records=16,
    )


def root_mean_square(values, dims):
    return np.sqrt((values**2).mean(dims))


def test_kernel_drifts_like_one_over_width(study):
    """Exponent in [-1.3, -0.7]."""
    assert -1.3 < slope(WIDTHS, study.drift.isel(step=-1).mean("seed").values) < -0.7


def test_network_leaves_its_twin_like_one_over_root_width(study):
    """Exponent in [-0.9, -0.35] at the test points; near zero at the training points, which both of them fit."""
    last = study.isel(step=-1)
    apart = root_mean_square(last.network - last.linearized, "x").mean("seed")
    assert -0.9 < slope(WIDTHS, apart.values) < -0.35
    assert root_mean_square(last.network_train - last.linearized_train, "point").sel(width=512).max() < 0.01


def test_kernel_at_the_start_errs_like_one_over_root_width(study):
    """Error times root of width in [1.5, 6], exponent -1/2 +- 0.15."""
    error = study.kernel_error.mean("seed")
    assert ((error * np.sqrt(study.width) > 1.5) & (error * np.sqrt(study.width) < 6)).all()
    assert slope(WIDTHS, error.values) == pytest.approx(-0.5, abs=0.15)


def test_modes_die_along_predicted_lines_when_wide_and_off_them_when_narrow(study):
    """R^2 of the six leading modes, the median of the seeds: above 0.98 at width 512, below 0.95 at 32."""
    fit = decay_fit(study).median("seed")
    assert fit.sel(width=512) > 0.98
    assert fit.sel(width=32) < 0.95


def test_regression_with_the_limit_lies_within_the_band_of_the_networks(study):
    """|mean over seeds - mean of the limit| <= 3 std/sqrt(seeds) + 0.05, at every test point of the widest networks."""
    nets = study.network.isel(step=-1).sel(width=512)
    band = 3 * nets.std("seed", ddof=1) / math.sqrt(study.sizes["seed"]) + 0.05
    assert (abs(nets.mean("seed") - study["mean"].isel(step=-1)) <= band).all()


def test_wide_networks_are_nearer_to_their_limit(study):
    last = study.isel(step=-1)
    distance = root_mean_square(last.network - last["limit"], "x").mean("seed")
    assert distance.sel(width=512) < 0.6 * distance.sel(width=32)


def test_training_points_are_fitted(study):
    y = target(ANGLES).numpy()
    residual = root_mean_square(study.network_train.isel(step=-1) - y, "point") / np.sqrt((y**2).mean())
    assert float(residual.max()) < 0.05


def test_dataset_holds_what_it_says(study):
    assert dict(study.sizes) == {"width": 3, "seed": 6, "step": study.sizes["step"], "x": 16, "point": 12, "mode": 12}
    assert study.step.values[[0, -1]].tolist() == [0, 200]
    kernel = kernels(ARCHITECTURE, on_circle(ANGLES)).ntk
    assert study.attrs["rate"] == pytest.approx(1 / float(torch.linalg.eigvalsh(kernel)[-1]))
    assert study.eigenvalue.values == pytest.approx(torch.linalg.eigvalsh(kernel).flip(0).numpy())
    assert all("units" in study[name].attrs and "long_name" in study[name].attrs for name in study.variables)
    for name in ("linearized", "limit"):
        assert np.allclose(study[name].isel(step=0), study.network.isel(step=0), atol=1e-12)
    assert float(abs(study["mean"].isel(step=0)).max()) == 0


def test_one_network_of_a_study_is_that_of_the_whole(study):
    single = WidthStudy(ARCHITECTURE, on_circle(ANGLES), target(ANGLES), on_circle(TEST_ANGLES), steps=200, records=16)
    assert np.array_equal(single.run(32, 2).network, study.network.sel(width=32, seed=2))


def test_slope_is_an_exponent():
    assert slope([1, 10, 100], [3, 0.3, 0.03]) == pytest.approx(-1)


X, Y = on_circle(ANGLES), target(ANGLES)
BAD_CALLS = {
    "widths must hold a number or more": lambda: width_study(ARCHITECTURE, X, Y, X, widths=[]),
    "width must be a whole number >= 1; got 0": lambda: width_study(ARCHITECTURE, X, Y, X, widths=[0]),
    "seeds must be a whole number >= 1": lambda: width_study(ARCHITECTURE, X, Y, X, widths=[4], seeds=0),
    r"y must have shape \(12,\)": lambda: WidthStudy(ARCHITECTURE, X, Y[:, None], X),
    "records must be a whole number >= 2": lambda: WidthStudy(ARCHITECTURE, X, Y, X, records=1),
    "slope needs two widths or more": lambda: slope([1], [2]),
}


@pytest.mark.parametrize("message", BAD_CALLS)
def test_bad_input_is_named(message):
    with pytest.raises(InvalidArgument, match=message):
        BAD_CALLS[message]()
