"""Whether the best learning rate of a narrow network is that of a wide one: loss against rate, for several widths.

Under muP training depends on the width no more, so neither does its best rate: find it on the narrow network and use it
on the wide one (muTransfer). Under SP the best rate falls as the width grows, with Adam about like 1/n. The experiment
`learning_rate_transfer` trains the networks.

Source: Yang et al., Tensor programs V, arXiv 2203.03466, figure 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from limitlab.errors import InvalidArgument

if TYPE_CHECKING:
    import xarray


def best_learning_rate(losses: xarray.DataArray) -> xarray.Dataset:
    """`learning_rate` and `loss` at the lowest point of each curve, seeds averaged: the dim `learning_rate` is gone.

    Log loss is a parabola of log rate through the lowest point and its two neighbours; at the edge of the sweep, or
    beside a training that diverged, the lowest point itself. Raises InvalidArgument where a curve has no finite loss.

    >>> rates = ("learning_rate", [0.25, 0.5, 1.0], "rate")
    >>> sweep = ll.labels.labelled(loss=("learning_rate", [2.0, 1.0, 2.0], "loss"), learning_rate=rates)
    >>> round(float(ll.infinite_width.best_learning_rate(sweep["loss"])["learning_rate"]), 3)
    0.5
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
    """By how many factors of two the best rate falls from the narrowest to the widest network (negative: it rises).

    >>> best = ll.labels.labelled(rate=("width", [0.4, 0.1], "best rate"), width=("width", [64, 256], "width"))
    >>> round(float(ll.infinite_width.octaves(best["rate"])), 3)
    2.0
    """
    ordered = best.sortby("width")
    ratio = ordered.isel(width=0, drop=True) / ordered.isel(width=-1, drop=True)
    return ratio.copy(data=np.log2(ratio.values)).rename("octaves").assign_attrs(long_name="octaves", units="1")


def _lowest(rates: np.ndarray, losses: np.ndarray) -> tuple[float, float]:
    """Vertex of the parabola through the lowest loss and its neighbours: the rate, and the loss there."""
    # argmin takes a NaN for the smallest
    finite = np.where(np.isfinite(losses), losses, np.inf)
    index = int(finite.argmin())
    if not np.isfinite(finite[index]):
        raise InvalidArgument("a curve has no finite loss: all its trainings diverged")
    around = slice(index - 1, index + 2)
    if index in (0, len(rates) - 1) or not np.isfinite(finite[around]).all():
        return float(rates[index]), float(losses[index])
    # about the lowest point, where the fit is well conditioned and its vertex near zero
    curvature, slope, level = np.polyfit(rates[around] - rates[index], losses[around], 2)
    if curvature <= 0:
        return float(rates[index]), float(losses[index])
    return float(rates[index] - slope / (2 * curvature)), float(level - slope**2 / (4 * curvature))
