"""The direction field of a plane system, around what its solutions reach."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from limitlab.labels import labelled
from limitlab_widgets.solver.question import Question

if TYPE_CHECKING:
    import xarray as xr

ARROWS = 16
MARGIN = 0.08


def direction_field(question: Question, solution: xr.Dataset, names: list[str]) -> xr.Dataset | None:
    """`u` and `v` (x, y) at the start of time, for the components `names`; None where the field changes with time."""
    ends = []
    for name in names:
        values = solution["y"].sel(state=name).values
        low, high = (float(edge(values[np.isfinite(values)])) for edge in (np.min, np.max))
        reach = MARGIN * (high - low) or 1.0
        ends.append(np.linspace(low - reach, high + reach, ARROWS))
    grids = np.meshgrid(*ends, indexing="ij")
    components = list(question.problem.components)
    points = torch.from_numpy(np.stack([grids[names.index(name)] for name in components], -1).reshape(-1, 2))
    field = question.problem.field()
    # a third of the span: half or all of it may be a period of the field
    flow, later = (field(torch.full((len(points), 1), t), points) for t in (0.0, question.span / 3))
    if not torch.equal(flow, later):
        return None
    u, v = (flow[:, components.index(name)].reshape(ARROWS, ARROWS).numpy() for name in names)
    return labelled(
        u=("x y", u, f"change of {names[0]}"),
        v=("x y", v, f"change of {names[1]}"),
        x=("x", ends[0], names[0]),
        y=("y", ends[1], names[1]),
    )
