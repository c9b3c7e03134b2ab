"""States at the ends of the steps, where a solution turns between two of the times that were asked for.

A stiff method crosses the jumps of a relaxation oscillation in steps that are millions of times shorter than others: no
uniform times show them. An event that never happens sees the state at the end of every attempt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.solvers.ode.events import Event

if TYPE_CHECKING:
    import xarray as xr


class StepEnds:
    """Pass `event` to a solve of one sample, then its dataset to `added_to`."""

    def __init__(self) -> None:
        self._seen: list[tuple[Tensor, Tensor]] = []
        self.event = Event(self._see)

    def added_to(self, solution: xr.Dataset) -> xr.Dataset:
        """The solution with the ends of its accepted steps among its times."""
        accepted = solution["accepted"].values[0]
        # the first call is at the start; then each attempt looks at its end first, and at as many fractions of its step
        stride = max(1, (len(self._seen) - 1) // max(1, len(accepted)))
        seen = [end for end, kept in zip(self._seen[1::stride], accepted, strict=True) if kept]
        if not seen:
            return solution
        times = np.concatenate([solution["time"].values, *(t.numpy().ravel() for t, _ in seen)])
        states = np.concatenate([solution["y"].values[0], *(y.numpy() for _, y in seen)])
        # of a time that occurs twice the first: the solution's own, at a time that was asked for
        times, first = np.unique(times, return_index=True)
        y = solution["y"].isel(time=np.zeros(len(times), dtype=int)).copy(data=states[None, first])
        moments = ("time", times, solution["time"].attrs)
        return solution.drop_dims("time").assign(y=y.drop_vars("time")).assign_coords(time=moments)

    def _see(self, t: Tensor, y: Float[Tensor, "1 state"]) -> Float[Tensor, "1"]:
        self._seen.append((t, y))
        # never zero, so that no root is ever looked for
        return torch.ones_like(y[:, 0])
