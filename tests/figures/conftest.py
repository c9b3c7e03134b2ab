"""Small labelled datasets in the shapes that experiments hand to figures."""

import numpy as np
import pytest
import xarray as xr

from limitlab.spaces import Grid


def predicted(n: int, dimension: int, *, samples: int = 3) -> xr.Dataset:
    """`input`, `target` and `prediction` of smooth random numbers, dims (sample, channel, *grid)."""
    generator = np.random.default_rng(0)
    grid = Grid.uniform((n,) * dimension, dimension=dimension)
    dims = ("sample", "channel", *grid.names)
    coordinates = {
        name: (name, points, {"long_name": f"position {name}", "units": "m"})
        for name, points in grid.coordinates().items()
    }

    def field(name: str, unit: str) -> tuple:
        values = generator.normal(size=(samples, 1, *grid.shape)).astype(np.float32)
        return dims, values, {"long_name": name, "units": unit}

    return xr.Dataset(
        {
            "input": field("permeability", "mD"),
            "target": field("pressure", "kPa"),
            "prediction": field("pressure", "kPa"),
        },
        coords=coordinates,
        attrs={"grid": grid.to_json()},
    )


@pytest.fixture
def profiles_1d() -> xr.Dataset:
    return predicted(32, 1)


@pytest.fixture
def maps_2d() -> xr.Dataset:
    return predicted(16, 2)


@pytest.fixture
def metrics() -> xr.Dataset:
    errors = np.random.default_rng(1).lognormal(-3, 0.4, size=(2, 3, 3, 10))
    coordinates = {
        "model": ["fno", "unet"],
        "seed": [0, 1, 2],
        "resolution": ("resolution", [16, 32, 64], {"long_name": "points per axis in the test", "units": "1"}),
    }
    return xr.Dataset(
        {
            "relative_l2": (
                ("model", "seed", "resolution", "sample"),
                errors,
                {"long_name": "relative L2 error", "units": "1"},
            )
        },
        coords=coordinates,
        attrs={"train_resolution": 16},
    )


@pytest.fixture
def log() -> xr.Dataset:
    steps = np.arange(1, 51)
    losses = np.exp(-steps / 20) * np.array([[[1.0], [1.2]], [[0.8], [0.7]]])
    return xr.Dataset(
        {"l2": (("model", "seed", "step"), losses, {"long_name": "l2", "units": "1"})},
        coords={
            "model": ["fno", "unet"],
            "seed": [0, 1],
            "step": ("step", steps, {"long_name": "training step", "units": "1"}),
        },
    )
