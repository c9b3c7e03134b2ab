"""Descent with networks as iterates at a reduced size: independence of the mesh, dimensions, the rival."""

import math

import numpy as np
import pytest

from limitlab import experiments
from limitlab.errors import InvalidArgument


@pytest.fixture(scope="module")
def result():
    experiment = experiments.get("barron_descent")
    settings = experiment.configure(
        "smoke", alphas=(0.0, 1.0), resolutions=(16, 32), iterations=60, dimensions=(2, 5), budget=10_000
    )
    return experiment.train(settings).finish()


@pytest.fixture(scope="module")
def grids(result):
    return result.grid("scheme", "alpha", "resolution").isel(seed=0)


def test_iterations_do_not_depend_on_the_mesh(grids):
    counts = grids["iterations"].sel(scheme="preconditioned").values
    np.testing.assert_array_equal(counts, [[1, 1], [16, 16]])


def test_the_error_falls_within_the_bound_of_the_theory(grids):
    preconditioned = grids.sel(scheme="preconditioned", alpha=1.0)
    assert (preconditioned["factor"] <= preconditioned["bound"] + 1e-12).all()
    assert float(preconditioned["bound"][0]) == pytest.approx(1 / 3)


def test_a_finer_mesh_is_slower_without_the_preconditioner(grids):
    plain = grids.sel(scheme="plain", alpha=1.0)
    assert plain["last"].sel(resolution=32) > 2 * plain["last"].sel(resolution=16) > 1e-3
    assert plain["iterations"].isnull().all()


def test_networks_reach_the_tolerance_in_every_dimension_and_grids_do_not(result):
    networks = result.grid("dimension").isel(seed=0)
    assert (networks["last"] < 1e-6).all()
    assert (networks["iterations"] <= 7).all()
    np.testing.assert_allclose(networks["limit_barron"], np.sqrt([2, 5]) * (1 + 2 * math.pi), rtol=1e-12)
    assert networks["rival_error"].sel(dimension=2) < 1e-3 < 0.05 < networks["rival_error"].sel(dimension=5)


def test_the_history_has_units_and_bars(result):
    history = result.grid("dimension").isel(seed=0)
    assert history["units"].max() <= 200
    assert (history["bar"].diff("iteration").fillna(0) >= 0).all()


def test_every_figure_is_drawn(result):
    assert set(result.figures()) == {"meshes", "dimensions"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"resolutions": (16, 16)}, "resolutions must hold different entries"),
        ({"dimensions": ()}, "dimensions must hold different entries"),
        ({"keep": 0}, "keep"),
    ],
)
def test_bad_settings_get_one_clear_error(options, message):
    with pytest.raises(InvalidArgument, match=message):
        experiments.get("barron_descent").configure("smoke", **options)
