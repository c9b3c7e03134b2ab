"""The smoothing of a cycle that fits a grid, which the experiments of this folder have in common."""

from __future__ import annotations

from limitlab.operators import Task

Smoothing = tuple[tuple[int, int], ...]


def smoothing_of(task: Task, grids: int = 5) -> Smoothing:
    """A step on each of so many grids and two on the coarsest, or on as many grids as the training grid has."""
    grids = min(grids, min(task.grid.shape).bit_length() - 1)
    return (*((1, 0),) * (grids - 1), (2, 0))
