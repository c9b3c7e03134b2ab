"""How a model looks at a moment of its training: paths of a few samples, the steps that its solver took, their cost.

All arrays of a look are one dataset. "y" (sample, time, state) with the step log of `Solution.to_xarray`; "measured"
(sample, row, channel) at "row_time", NaN where a value is missing; "complete", the same with nothing taken away;
"line" (sample, time, channel), what the model says of the channels, or sees of them; "label" (sample,).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.labels import labelled
from limitlab.solvers import Solution

if TYPE_CHECKING:
    import xarray as xr

MOMENTS = 81
"""Times of a path that is drawn."""
LOOKED_AT = 12
"""Samples that are looked at."""


def calls_of(look: xr.Dataset) -> float:
    """Field calls of a sample."""
    return float(look["function_evaluations"].mean())


def moments(times: Float[Tensor, " time"]) -> Float[Tensor, " moment"]:
    """Even times from the first of these to the last."""
    return torch.linspace(float(times[0]), float(times[-1]), MOMENTS, dtype=times.dtype)


def stepped(
    solution: Solution,
    y: Float[Tensor, "sample time state"],
    times: Float[Tensor, "sample time"],
    names: tuple[str, ...],
) -> xr.Dataset:
    """The step log of a solution beside other values along time, such as class probabilities."""
    log = solution.to_xarray()
    kept = log[["step_time", "step_size", "error", "stiffness", "accepted", "function_evaluations"]]
    values = labelled(
        y=("sample time state", y, "probability"),
        time=("sample time", times, "time"),
        state=("state", list(names), "class"),
    ).set_coords("time")
    return kept.drop_vars("time", errors="ignore").merge(values)


def beside(
    solution: xr.Dataset,
    *,
    measured: Float[Tensor, "sample row channel"],
    complete: Float[Tensor, "sample row channel"],
    row_time: Float[Tensor, "sample row"],
    line: Float[Tensor, "sample time channel"],
    channels: tuple[str, ...],
) -> xr.Dataset:
    """A solution with what was measured beside it. A line has the times of the solution."""
    arrays = labelled(
        measured=("sample row channel", measured, "measured"),
        complete=("sample row channel", complete, "measured, if nothing were missing"),
        row_time=("sample row", row_time, "time"),
        line=("sample time channel", line, "path"),
        channel=("channel", list(channels), "channel"),
    )
    return solution.merge(arrays, combine_attrs="drop_conflicts")


def with_labels(solution: xr.Dataset, label: Any) -> xr.Dataset:
    """A solution with the class of each sample."""
    return solution.merge(labelled(label=("sample", label, "class")), combine_attrs="drop_conflicts")
