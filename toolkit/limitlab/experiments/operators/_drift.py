"""How much a model's own answer changes with the grid: what aliasing does, seen without a truth.

An operator between functions answers on a coarse grid with the restriction of what it answers on a fine one. What is
missing from that is the model's: the harmonics that its nonlinearities make beyond the coarse grid, or a stencil that
means another thing there.
Source: Bartolucci et al., Representation Equivalent Neural Operators (2023).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch

from limitlab.labels import labelled
from limitlab.spaces import Grid, relative_l2

if TYPE_CHECKING:
    import xarray as xr

    from limitlab.experiments.operators._source import Source


def drift(predictions: Mapping[int, xr.Dataset], problem: Source) -> xr.DataArray:
    """Relative L2 distance of predictions from the restricted ones of the finest grid, dims (resolution, sample).

    predictions: by points per axis, `prediction` of the same functions; the finest is at no distance from itself.
    """
    import xarray as xr

    finest = max(predictions)
    distances = []
    for resolution, dataset in predictions.items():
        fine = predictions[finest][["prediction"]]
        restricted = fine if resolution == finest else problem.restrict(fine, resolution)
        here, there = (torch.as_tensor(d["prediction"].values).double() for d in (dataset, restricted))
        apart = relative_l2(here, there, Grid.from_json(dataset.attrs["grid"]))
        distances.append(labelled(drift=("sample", apart, "distance from the answer on the finest grid"))["drift"])
    points = labelled(resolution=("resolution", list(predictions), "points per axis in the test"))["resolution"]
    return xr.concat(distances, points)
