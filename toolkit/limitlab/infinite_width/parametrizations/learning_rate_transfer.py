"""Whether the best learning rate of a narrow network is that of a wide one: loss against rate, for several widths.

Under muP training depends on the width no more, so neither does its best rate: find it on the narrow network and use it
on the wide one (muTransfer). Under SP the best rate falls as the width grows, with Adam about like 1/n.

Source: Yang et al., Tensor programs V, arXiv 2203.03466, figure 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from torch import nn

from limitlab.errors import InvalidArgument, check_number
from limitlab.infinite_width.parametrizations.coordinate_check import MakeModel
from limitlab.training import TrainingDiverged, fit
from limitlab.training.loop import Batches, Groups, Loss

if TYPE_CHECKING:
    import xarray


def mutransfer_sweep(
    make_model: MakeModel,
    widths: Sequence[int],
    learning_rates: Sequence[float],
    *,
    loss: Loss,
    batches: Batches,
    steps: int,
    evaluate: Callable[[nn.Module], float] | None = None,
    seeds: Sequence[int] = (0,),
    optimizer: str = "adam",
    groups: Groups | None = None,
    device: str = "cpu",
) -> xarray.Dataset:
    """`loss` (width, learning_rate, seed): mean over `steps` steps of a constant rate; inf where training diverged.

    make_model(width, seed) gives a fresh network; loss, batches, optimizer and groups are those of `fit`. All networks
    see the same batches. With evaluate(model), `final` is what it gives after the last step: a noisier judge, as the
    last steps of a high rate jump about. Raises InvalidArgument.
    """
    import xarray

    for name, values in (("widths", widths), ("learning_rates", learning_rates), ("seeds", seeds)):
        if len(values) == 0:
            raise InvalidArgument(f"{name} must hold a number or more")
    for width in widths:
        check_number("a width", width, low=1, integer=True)

    def trained(width: int, rate: float, seed: int) -> tuple[float, float]:
        model = make_model(width, seed)
        training = fit(
            model,
            loss,
            batches,
            steps=steps,
            learning_rate=rate,
            weight_decay=0.0,
            schedule="constant",
            optimizer=optimizer,
            groups=groups,
            device=device,
            seed=seed,
        )
        try:
            losses = [progress.loss for progress in training]
        except TrainingDiverged:
            return math.inf, math.inf
        return float(np.mean(losses)), math.nan if evaluate is None else float(evaluate(model))

    surface = np.array([[[trained(n, rate, seed) for seed in seeds] for rate in learning_rates] for n in widths])
    dims = ("width", "learning_rate", "seed")
    names = {"loss": "mean training loss"} | ({} if evaluate is None else {"final": "loss after training"})
    return xarray.Dataset(
        {
            key: (dims, surface[..., place], {"long_name": meaning, "units": "1"})
            for place, (key, meaning) in enumerate(names.items())
        },
        coords={
            "width": ("width", list(widths), {"long_name": "width", "units": "1"}),
            "learning_rate": ("learning_rate", list(learning_rates), {"long_name": "learning rate", "units": "1"}),
            "seed": ("seed", list(seeds), {"long_name": "seed", "units": "1"}),
        },
    )


def best_learning_rate(losses: xarray.DataArray) -> xarray.Dataset:
    """`learning_rate` and `loss` at the lowest point of each curve, seeds averaged: the dim `learning_rate` is gone.

    Log loss is a parabola of log rate through the lowest point and its two neighbours; at the edge of the sweep, or
    beside a training that diverged, the lowest point itself. Raises InvalidArgument where a curve has no finite loss.
    """
    import xarray

    if "learning_rate" not in losses.dims or losses.sizes["learning_rate"] < 3:
        raise InvalidArgument(f"losses need the dim 'learning_rate' with three rates or more; they have {losses.sizes}")
    averaged = (losses.mean("seed") if "seed" in losses.dims else losses).sortby("learning_rate")
    rate, loss = xarray.apply_ufunc(
        _lowest,
        np.log2(averaged["learning_rate"]),
        np.log(averaged),
        input_core_dims=[["learning_rate"], ["learning_rate"]],
        output_core_dims=[[], []],
        vectorize=True,
    )
    return xarray.Dataset(
        {
            "learning_rate": (2.0**rate).assign_attrs(long_name="best learning rate", units="1"),
            "loss": np.exp(loss).assign_attrs(losses.attrs),
        }
    )


def octaves(best: xarray.DataArray) -> xarray.DataArray:
    """By how many factors of two the best rate falls from the narrowest to the widest network (negative: it rises)."""
    ordered = best.sortby("width")
    ratio = ordered.isel(width=0, drop=True) / ordered.isel(width=-1, drop=True)
    return ratio.copy(data=np.log2(ratio.values)).rename("octaves").assign_attrs(long_name="octaves", units="1")


def _lowest(rates: np.ndarray, losses: np.ndarray) -> tuple[float, float]:
    finite = np.where(np.isfinite(losses), losses, np.inf)
    place = int(finite.argmin())
    if not np.isfinite(finite[place]):
        raise InvalidArgument("a curve has no finite loss: all its trainings diverged")
    around = slice(place - 1, place + 2)
    if place in (0, len(rates) - 1) or not np.isfinite(finite[around]).all():
        return float(rates[place]), float(losses[place])
    curvature, slope, level = np.polyfit(rates[around] - rates[place], losses[around], 2)
    if curvature <= 0:
        return float(rates[place]), float(losses[place])
    return float(rates[place] - slope / (2 * curvature)), float(level - slope**2 / (4 * curvature))
