"""Series of an Ornstein-Uhlenbeck process, how models of their law are judged, and the model that could not be simpler.

    dY = (1 - Y) dt + 0.5 dW,      Y(0) ~ N(-1, 0.3^2),      t in [0, 2].

Exact: Y(t + h) given Y(t) is normal, with mean 1 + (Y(t) - 1) e^-h and variance 0.125 (1 - e^-2h).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float
from torch import Tensor, nn

from limitlab.data import Series, series
from limitlab.labels import labelled
from limitlab.neural_des.sde import increment_ratio, marginal_distances
from limitlab.neural_des.sde.model import standard_normals

if TYPE_CHECKING:
    import plotly.graph_objects as go

MEAN, NOISE, END = 1.0, 0.5, 2.0
START = (-1.0, 0.3)
MODEL_SEED = 10_007
"""Of the paths that a model is judged by: another than any of its training."""


def ornstein_uhlenbeck(samples: int, times: int, seed: int) -> Series:
    """Exact paths at evenly spaced times."""
    draws = np.random.default_rng([seed, 31])
    clock = np.linspace(0.0, END, times)
    step = clock[1] - clock[0]
    decay, deviation = np.exp(-step), NOISE * np.sqrt((1 - np.exp(-2 * step)) / 2)
    paths = [START[0] + START[1] * draws.standard_normal(samples)]
    for _ in range(times - 1):
        paths.append(MEAN + (paths[-1] - MEAN) * decay + deviation * draws.standard_normal(samples))
    return series(clock, torch.from_numpy(np.stack(paths, axis=1)[..., None]).float())


class AutoRegression(nn.Module):
    """Y_k+1 = a_k Y_k + b_k + c_k xi, fitted by least squares to each pair of neighbouring times."""

    slope: Tensor
    shift: Tensor
    deviation: Tensor
    start: Tensor

    def __init__(self, data: Series) -> None:
        super().__init__()
        paths = data.values[..., 0].double()
        now, following = paths[:, :-1], paths[:, 1:]
        slope = ((now - now.mean(0)) * (following - following.mean(0))).mean(0) / now.var(0, unbiased=False)
        shift = following.mean(0) - slope * now.mean(0)
        self.register_buffer("slope", slope)
        self.register_buffer("shift", shift)
        self.register_buffer("deviation", (following - slope * now - shift).std(0))
        self.register_buffer("start", torch.stack([paths[:, 0].mean(), paths[:, 0].std()]))

    def sample(self, count: int, seed: int) -> Float[Tensor, "sample time"]:
        """Paths at the times of the data."""
        normals = standard_normals(seed, len(self.slope) + 1, count, like=self.start)
        paths = [self.start[0] + self.start[1] * normals[0]]
        for a, b, c, normal in zip(self.slope, self.shift, self.deviation, normals[1:], strict=True):
            paths.append(a * paths[-1] + b + c * normal)
        return torch.stack(paths, dim=1)


def term_curves(curves: xr.Dataset) -> go.Figure:
    """The terms of the loss against the step, of the first model that was trained; they may be negative."""
    from limitlab import figures

    terms = {str(name): curve.isel(model=0, seed=0) for name, curve in curves.data_vars.items()}
    for curve in terms.values():
        curve.attrs["long_name"] = "term of the loss"
    return figures.lines(terms, log="x")


def judged(
    draw: Callable[[nn.Module], Float[Tensor, "sample time"]], test: Series, model: nn.Module, fresh: nn.Module
) -> xr.Dataset:
    """Marginals and roughness of a model's paths beside those of the test set; and of the model before training."""
    reference = test.values[..., 0]
    with torch.no_grad():
        paths, before = (draw(each).cpu() for each in (model, fresh))
    distances = marginal_distances(paths, reference)
    off = (paths.mean(0) - reference.mean(0)).abs()
    return labelled(
        distance=("time", distances, "W1 of the marginals, over the deviation"),
        mean_distance=("", distances.mean(), "mean over the times of W1, over the deviation"),
        largest_distance=("", distances.max(), "largest W1, over the deviation"),
        untrained_distance=("", marginal_distances(before, reference).mean(), "mean W1 before training"),
        mean_error=("", off.max(), "largest error of the mean"),
        deviation_ratio=("time", paths.std(0) / reference.std(0), "deviation over that of the data"),
        roughness=("", increment_ratio(paths, reference), "deviation of increments, over that of the data"),
        paths=("path time", paths[:50], "paths of the model"),
        time=("time", test.times[0], "time"),
    )
