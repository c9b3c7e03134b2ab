"""Uniform steps of a stochastic equation by machine code, block by block as in `limitlab.solvers.sde.uniform`.

Where the steps are whole cells of the path, one after another, their normals are drawn beside the steps; where they are
not (times between the grid's, a path of finer cells), the increments are asked of the path and laid beside the lanes.
"""

from __future__ import annotations

import ctypes
from functools import lru_cache, partial
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.interruption import TimeIsUp, ask_to_go_on
from limitlab.solvers.native.arithmetic import WIDTH
from limitlab.solvers.native.machine import FEWEST_A_THREAD, MOST_RECIPES, Machine, compiled
from limitlab.solvers.sde.brownian import AREAS, INCREMENTS, BrownianPath
from limitlab.solvers.sde.counter_normals import index_keys
from limitlab.solvers.sde.fields import State
from limitlab.solvers.sde.native.choice import Order, Recipe
from limitlab.solvers.sde.native.code import COLUMNS, COUNTS, POINTERS, march_module
from limitlab.solvers.sde.uniform import UniformMarch
from limitlab.threads import mapping, threads_for

ROW = WIDTH * np.dtype(np.float64).itemsize  # bytes
STREAMS = INCREMENTS, AREAS
NO_KEYS = np.zeros((0, 1), dtype=np.int64)


class Made(NamedTuple):
    """Code of `limitlab.solvers.sde.native.code`, and the machine that holds it."""

    advance: Any
    machine: Machine


class Noise(NamedTuple):
    """Of a block of steps: keys of what is to be drawn, (counter, stream), or numbers that lie there.

    skipped, stride: in rows. room: of a thread, in rows, where normals are drawn. numbers: (group, row, lane).
    """

    keys: np.ndarray
    skipped: int
    stride: int
    room: int
    numbers: np.ndarray


class Cells(NamedTuple):
    """The first of a path's cells that is a step, and the keys (counter, stream) of all that are."""

    first: int
    keys: np.ndarray


class Work(NamedTuple):
    """All groups: frames (group, row, lane), table (step, column), outputs (time, group, component, lane) and rows.

    made: the code, which lives as long as its machine. rows: of the outputs after each step; steps without an output
    have the last ones, which nobody reads.
    """

    made: Made
    frames: np.ndarray
    table: np.ndarray
    outputs: np.ndarray
    rows: np.ndarray


@lru_cache(maxsize=MOST_RECIPES)
def made(recipe: Recipe) -> Made:
    """The code of a recipe, made once."""
    machine = compiled(march_module(recipe))
    kind = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * len(POINTERS), *[ctypes.c_int64] * len(COUNTS))
    return Made(kind(machine.addresses["advance"]), machine)


@torch.no_grad()
def solve_natively(order: Order, march: UniformMarch, y0: State) -> Float[Tensor, "batch time state"]:
    """The states at the asked times; failures are noted in the march, or raised, as it does with its own."""
    recipe, batch, grid = order.recipe, len(y0), march.grid
    first_cell = cells_from(march.path, grid.times)
    work = _work(order, march, y0, first_cell)
    drawn = None if first_cell is None else Cells(first_cell, _keys(recipe, first_cell, grid.steps))
    groups = len(work.frames)
    threads = threads_for(batch // FEWEST_A_THREAD)
    parts = list(pairwise(groups * part // threads for part in range(threads + 1)))
    with mapping(threads) as on_all:
        for low, high in march.blocks(0, grid.steps):
            try:
                ask_to_go_on()
            except TimeIsUp:
                march.give_up(low)
                break
            if drawn is None:
                noise = _read(recipe, march.path, grid.times[low : high + 1])
            else:
                noise = _drawn(recipe, drawn, low, high)
            on_all(partial(_advance, recipe, work, noise, (low, high)), parts)
            lost = work.frames[:, recipe.lost].reshape(-1)[:batch]
            if (now := (lost >= low) & (lost < high)).any():
                march.lose(torch.from_numpy(np.where(now, lost, grid.steps)).long())
    states = torch.from_numpy(work.outputs[:-1]).permute(1, 3, 0, 2).flatten(0, 1)[:batch]
    return march.until_lost(states.contiguous())


def cells_from(path: BrownianPath, times: np.ndarray) -> int | None:
    """The first of the path's cells between these times; None where they are not its edges, one after another."""
    edges = np.searchsorted(path.grid, times).clip(max=len(path.grid) - 1)
    consecutive = edges[-1] - edges[0] == len(times) - 1 and np.array_equal(path.grid[edges], times)
    return int(edges[0]) if consecutive else None


def _advance(recipe: Recipe, work: Work, noise: Noise, steps: tuple[int, int], part: tuple[int, int]) -> None:
    """A block of steps of some of the groups."""
    (low, high), (first, last) = steps, part
    numbers = noise.numbers if noise.stride else np.empty((noise.room, WIDTH))
    pointers = (
        work.frames.ctypes.data + first * recipe.rows * ROW,
        work.table.ctypes.data + low * work.table.strides[0],
        work.outputs.ctypes.data + first * recipe.components * ROW,
        work.rows.ctypes.data + low * work.rows.itemsize,
        noise.keys.ctypes.data,
        numbers.ctypes.data + first * noise.stride * ROW,
    )
    counts = last - first, high - low, len(noise.keys), noise.skipped, noise.stride, low
    work.made.advance(*pointers, *counts)


def _work(order: Order, march: UniformMarch, y0: State, first_cell: int | None) -> Work:
    recipe, grid, batch = order.recipe, march.grid, len(y0)
    groups = -(-batch // WIDTH)
    frames = np.zeros((groups, recipe.rows, WIDTH))
    carry = march.begin(y0)
    carried = torch.cat([y0, *(part.reshape(batch, -1) for part in carry)], 1)
    frames[:, : recipe.lost] = _grouped(carried)
    frames[:, recipe.lost] = grid.steps
    frames.view(np.int64)[:, recipe.keys : recipe.keys + recipe.channels] = _grouped(march.path.lanes)
    given = recipe.keys + recipe.channels
    for row, value in enumerate(order.given, given):
        frames[:, row] = _grouped(torch.as_tensor(value, dtype=torch.float64).expand(batch)[:, None])[:, 0]
    table = np.ones((grid.steps, COLUMNS))
    table[:, :3] = np.stack([grid.times[:-1], grid.times[1:], np.diff(grid.times)], 1)
    if first_cell is not None:
        widths = np.diff(march.path.grid)[first_cell : first_cell + grid.steps]
        table[:, 3:] = np.sqrt(np.stack([widths, widths / 12], 1))
    asked, row = len(grid.outputs), groups * recipe.components
    outputs = np.empty((asked + 1, groups, recipe.components, WIDTH))
    outputs[0] = _grouped(y0)
    rows = np.full(grid.steps, asked * row)
    rows[grid.outputs[1:] - 1] = np.arange(1, asked) * row
    return Work(made(recipe), frames, table, outputs, rows)


def _grouped(values: Tensor) -> np.ndarray:
    """(group, column, lane) from (batch, column); the lanes behind the last sample hold it too."""
    array = values.detach().numpy()
    groups = -(-len(array) // WIDTH)
    index = np.minimum(np.arange(groups * WIDTH), len(array) - 1)
    return array[index].reshape(groups, WIDTH, -1).transpose(0, 2, 1)


def _keys(recipe: Recipe, cell: int, steps: int) -> np.ndarray:
    """Keys (counter, stream) of all cells from this one on."""
    counters = torch.arange(cell // 2, (cell + steps + 1) // 2)
    return torch.stack([index_keys(counters, stream) for stream in STREAMS[: recipe.streams]], 1).numpy()


def _drawn(recipe: Recipe, cells: Cells, low: int, high: int) -> Noise:
    """Noise of steps low to high that the code draws."""
    start = cells.first // 2
    below, above = (cells.first + low) // 2, (cells.first + high + 1) // 2
    width = recipe.streams * recipe.channels
    skipped, room = (cells.first + low - 2 * below) * width, 2 * (above - below) * width
    return Noise(cells.keys[below - start : above - start], skipped, 0, room, np.empty(0))


def _read(recipe: Recipe, path: BrownianPath, times: np.ndarray) -> Noise:
    """Increments of the path, and areas beside them."""
    both = path.increments(times, area=recipe.streams > 1)[: recipe.streams]
    rows = torch.cat(both, -1).transpose(0, 1).flatten(1)
    return Noise(NO_KEYS, 0, rows.shape[1], 0, np.ascontiguousarray(_grouped(rows)))
