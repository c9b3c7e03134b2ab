"""Steps of ETDRK4 for the vorticity of a flow in the plane, N(w) = f - u . grad w: samples in groups.

    N_k = p_k F[u v]_k + d_k F[v^2 - u^2]_k + f_k,           u_k = i a_k w_k,   v_k = i b_k w_k

The two velocities, and the two products, are real and imaginary part of one complex transform along a row. Columns of
waves are independent of each other: what follows the transform along a column, the stage, and the transform back, is
one sweep while the column is in the first cache. Columns that the products never reach take no part in it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Complex, Float
from numba import njit
from torch import Tensor

from limitlab.solvers.pde.native.fft import fft, load_pair, store_pair, twiddles_of
from limitlab.solvers.pde.native.groups import buffer_of, from_groups, run_groups, to_groups
from limitlab.solvers.pde.native.lanes import multiply_add, spread
from limitlab.solvers.pde.native.stages import Memory, foresee, next_stage, push, table_of


class Plane(NamedTuple):
    """symbols: a, b, p, d (wave, 4), flat, p and d over 2 n. height, width: points. kept: columns that N reaches."""

    symbols: np.ndarray
    along_x: np.ndarray
    along_y: np.ndarray
    height: int
    width: int
    kept: int


class Room(NamedTuple):
    """forcing: like the state. one, two: lines in a transform. exchange: (column, row, 2, 2), between the two."""

    forcing: np.ndarray
    one: np.ndarray
    two: np.ndarray
    exchange: np.ndarray


def plane_march(
    scheme: Sequence[Tensor],
    symbols: Sequence[Float[Tensor, "kx ky"]],
    forcing: Complex[Tensor, "batch kx ky"],
    width: int,
    kept: int,
) -> Callable[[Tensor, int], Tensor]:
    """What takes waves (batch, kx, ky) some steps on. symbols: a, b, p, d; width: points along y."""
    dtype, height = forcing.real.dtype, forcing.shape[1]
    numbers = torch.zeros(1, dtype=dtype).numpy().dtype
    a, b, p, d = (symbol.detach().to(dtype).T for symbol in symbols)
    factor = 1 / (2 * height * width)
    plane = Plane(
        symbols=torch.stack([a, b, factor * p, factor * d], -1).flatten().numpy(),
        along_x=twiddles_of(height, numbers),
        along_y=twiddles_of(width, numbers),
        height=height,
        width=width,
        kept=kept,
    )
    table = table_of([coefficient.T for coefficient in scheme], dtype)
    forcings = to_groups(forcing.transpose(1, 2))

    def rooms() -> tuple[np.ndarray, ...]:
        sizes = (*[height * kept] * 2, *[2 * max(height, width)] * 2, 2 * kept * (height + 1))
        return tuple(buffer_of(size, dtype) for size in sizes)

    def march(waves: Tensor, steps: int) -> Tensor:
        columns = waves.transpose(1, 2)
        groups = to_groups(columns)

        def advance(room: tuple[np.ndarray, ...], group: int, part: int) -> None:
            decayed, rest, *others = room
            memory = Memory(groups[group].numpy(), decayed, rest, table)
            advance_plane(plane, memory, Room(forcings[group].numpy(), *others), part)

        run_groups(advance, rooms, groups, steps)
        return from_groups(groups, columns).transpose(1, 2)

    return march


@njit(nogil=True, cache=True)
def advance_plane(plane, memory, room, steps):
    """Advance a group by some steps."""
    height = plane.height
    for column in range(plane.kept):
        for k in range(height):
            ask(column * height + k, k, load_pair(memory.state, column * height + k), plane, room)
        to_rows(column, plane, room)
    for _ in range(steps):
        for stage in range(4):
            for row in range(height):
                sweep_row(row, plane, room)
            for column in range(plane.kept):
                sweep_column(stage, column, plane, memory, room)
        for wave in range(plane.kept * height, (plane.width // 2 + 1) * height):
            push(wave, load_pair(room.forcing, wave), memory)


@njit(nogil=True, cache=True)
def pair_at(column, row, height):
    """Where a row of a column is in the exchange: columns a power of two apart would share one place of the cache."""
    return 2 * (column * (height + 1) + row)


@njit(nogil=True, cache=True)
def sweep_row(row, plane, room):
    """Velocities along a row, their products, and twice the transforms of those, in the place of the velocities."""
    line, width, height = room.one, plane.width, plane.height
    zero = spread(plane.along_y, len(plane.along_y) - 1)
    # imaginary parts before real ones: the transform is then the inverse
    start = pair_at(0, row, height)
    store_pair(line, 0, (load_pair(room.exchange, start + 1)[0], load_pair(room.exchange, start)[0]))
    for k in range(1, plane.kept):
        place = pair_at(k, row, height)
        (ur, ui), (vr, vi) = load_pair(room.exchange, place), load_pair(room.exchange, place + 1)
        store_pair(line, k, (ui + vr, ur - vi))
        store_pair(line, width - k, (vr - ui, ur + vi))
    for k in range(plane.kept, width - plane.kept + 1):
        store_pair(line, k, (zero, zero))
    place = fft(line, plane.along_y, width)
    for j in range(width):
        v, u = load_pair(line, place + j)
        # without the loss of digits where the two are close
        store_pair(line, j, (u * v, (v - u) * (v + u)))
    place = fft(line, plane.along_y, width)
    for k in range(plane.kept):
        (ar, ai), (br, bi) = load_pair(line, place + k), load_pair(line, place + (width - k) % width)
        goal = pair_at(k, row, height)
        store_pair(room.exchange, goal, (ar + br, ai - bi))
        store_pair(room.exchange, goal + 1, (ai + bi, br - ar))


@njit(nogil=True, cache=True)
def sweep_column(stage, column, plane, memory, room):
    """Transforms of the products along a column, the stage of its waves, and their velocities."""
    height = plane.height
    for row in range(height):
        place = pair_at(column, row, height)
        store_pair(room.one, row, load_pair(room.exchange, place))
        store_pair(room.two, row, load_pair(room.exchange, place + 1))
    one, two = fft(room.one, plane.along_x, height), fft(room.two, plane.along_x, height)
    for k in range(height):
        wave = column * height + k
        p, d = spread(plane.symbols, 4 * wave + 2), spread(plane.symbols, 4 * wave + 3)
        x, y = load_pair(room.one, one + k), load_pair(room.two, two + k)
        n = (multiply_add(p, x[0], d * y[0]), multiply_add(p, x[1], d * y[1]))
        if stage == 0:
            f = load_pair(room.forcing, wave)
            w = next_stage(stage, wave, (n[0] + f[0], n[1] + f[1]), memory)
            foresee(wave, f, memory)
        else:
            w = next_stage(stage, wave, n, memory)
        ask(wave, k, w, plane, room)
    to_rows(column, plane, room)


@njit(nogil=True, cache=True)
def ask(wave, k, w, plane, room):
    """The velocities of a wave, parts exchanged, into the two lines."""
    a, b = spread(plane.symbols, 4 * wave), spread(plane.symbols, 4 * wave + 1)
    store_pair(room.one, k, (a * w[0], -(a * w[1])))
    store_pair(room.two, k, (b * w[0], -(b * w[1])))


@njit(nogil=True, cache=True)
def to_rows(column, plane, room):
    """The inverse transforms of the two lines, into the exchange."""
    one, two = fft(room.one, plane.along_x, plane.height), fft(room.two, plane.along_x, plane.height)
    for row in range(plane.height):
        place = pair_at(column, row, plane.height)
        ui, ur = load_pair(room.one, one + row)
        vi, vr = load_pair(room.two, two + row)
        store_pair(room.exchange, place, (ur, ui))
        store_pair(room.exchange, place + 1, (vr, vi))
