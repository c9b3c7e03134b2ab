"""Steps of ETDRK4 on an interval for N(v) = symbol F[p(u)] of the lowest waves, p a polynomial: samples in groups.

A real transform of n points is a complex one of half the length, u_2j + i u_2j+1, whose waves are taken apart:

    Z_k = (c_k + conj c_(n/2-k)) + i w_k (c_k - conj c_(n/2-k)),                          w_k = exp(2 pi i k/n)
    2 n c_k = (Z_k + conj Z_(n/2-k)) - i conj(w_k) (Z_k - conj Z_(n/2-k))

Since w_(n/2-k) = -conj w_k, the waves k and n/2 - k share both brackets.
All that a group needs stays in the processor's first or second cache over all steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Complex
from numba import njit
from torch import Tensor

from limitlab.solvers.pde.native.fft import fft, load_pair, store_pair, twiddles_of
from limitlab.solvers.pde.native.groups import buffer_of, from_groups, run_groups, to_groups
from limitlab.solvers.pde.native.lanes import multiply_add, spread, store
from limitlab.solvers.pde.native.stages import Memory, next_stage, propagate, table_of, times


class Line(NamedTuple):
    """symbol: (wave, 2), flat, over 2 n. powers: of the polynomial. turns: w_k. half: n/2. kept: waves that N holds."""

    symbol: np.ndarray
    powers: np.ndarray
    turns: np.ndarray
    twiddles: np.ndarray
    half: int
    kept: int


def line_march(
    scheme: Sequence[Tensor], symbol: Complex[Tensor, " mode"], powers: Sequence[float], points: int, kept: int
) -> Callable[[Tensor, int], Tensor]:
    """What takes waves (batch, mode) some steps on; the precision is the symbol's."""
    dtype = symbol.real.dtype
    numbers = torch.zeros(1, dtype=dtype).numpy().dtype
    line = Line(
        symbol=torch.view_as_real(symbol.detach().resolve_conj() / (2 * points)).flatten().numpy(),
        powers=np.array(powers, dtype=numbers),
        turns=np.exp(2j * np.pi * np.arange(points // 2 + 1) / points).view(np.float64).astype(numbers),
        twiddles=twiddles_of(points // 2, numbers),
        half=points // 2,
        kept=kept,
    )
    table = table_of(scheme, dtype)

    def rooms() -> tuple[np.ndarray, ...]:
        # waves that N does not hold stay zero in the third
        return *(buffer_of(line.half + 1, dtype) for _ in range(3)), buffer_of(2 * line.half, dtype)

    def march(state: Tensor, steps: int) -> Tensor:
        groups = to_groups(state)

        def advance(room: tuple[np.ndarray, ...], group: int, part: int) -> None:
            decayed, rest, waves, values = room
            advance_line(line, Memory(groups[group].numpy(), decayed, rest, table), waves, values, part)

        run_groups(advance, rooms, groups, steps)
        return from_groups(groups, state)

    return march


@njit(nogil=True, cache=True)
def advance_line(line, memory, waves, points, steps):
    """Advance a group by some steps. waves: where N is asked, zero where N holds none; points: room for a transform."""
    half, kept = line.half, line.kept
    for k in range(kept):
        store_pair(waves, k, load_pair(memory.state, k))
    for _ in range(steps):
        for stage in range(4):
            place = to_points(waves, points, line)
            for j in range(half):
                odd, even = load_pair(points, place + j)
                store_pair(points, j, (value_of(line.powers, even), value_of(line.powers, odd)))
            place = fft(points, line.twiddles, half)
            for k in range(half // 2 + 1):
                one, other = waves_of(points, place, k, line)
                if k < kept:
                    n = times(line.symbol, k, one)
                    store_pair(waves, k, next_stage(stage, k, n, memory))
                if half - k < kept and 2 * k < half:
                    n = times(line.symbol, half - k, other)
                    store_pair(waves, half - k, next_stage(stage, half - k, n, memory))
        for k in range(kept, half + 1):
            propagate(k, memory)


@njit(nogil=True, cache=True)
def to_points(waves, points, line):
    """Values, the odd points' before the even ones', from n/2 + 1 waves; returns their place."""
    half = line.half
    # the mean and the shortest wave of real values are real
    zero = spread(line.twiddles, len(line.twiddles) - 1)
    store(waves, 1, zero)
    store(waves, 2 * half + 1, zero)
    for k in range(half // 2 + 1):
        (cr, ci), (dr, di) = load_pair(waves, k), load_pair(waves, half - k)
        tr, ti = times(line.turns, k, (cr - dr, ci + di))
        # parts exchanged: the transform is then the inverse
        store_pair(points, k, (ci - di + tr, cr + dr - ti))
        # the number after the last belongs to the other row, and is not read
        store_pair(points, half - k, (di - ci + tr, cr + dr + ti))
    return fft(points, line.twiddles, half)


@njit(nogil=True, cache=True)
def value_of(powers, u):
    """p(u) by Horner's rule."""
    last = len(powers) - 1
    value = spread(powers, last)
    for power in range(last - 1, -1, -1):
        value = multiply_add(value, u, spread(powers, power))
    return value


@njit(nogil=True, cache=True)
def waves_of(points, place, k, line):
    """2 n c_k, and 2 n c_(n/2-k), from the transform of half the length."""
    half, turns = line.half, line.turns
    ar, ai = load_pair(points, place + k)
    br, bi = load_pair(points, place + (half - k) % half)
    wr, wi = spread(turns, 2 * k), spread(turns, 2 * k + 1)
    sr, si, dr, di = ar + br, ai - bi, ar - br, ai + bi
    gr, gi = multiply_add(wr, di, -(wi * dr)), -multiply_add(wr, dr, wi * di)
    return (sr + gr, si + gi), (sr - gr, gi - si)
