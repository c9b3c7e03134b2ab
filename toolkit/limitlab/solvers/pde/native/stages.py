"""One wave in the stages of ETDRK4 (see `limitlab.solvers.pde.spectral`), arranged so that no N(v) has to be kept.

after N(v):  s = e^z v + f1 N(v),  d = e^(z/2) v,  a = d + Q N(v),  r = e^(z/2) a - Q N(v)
after N(a):  s += 2 f2 N(a),       b = d + Q N(a)
after N(b):  s += 2 f2 N(b),       c = r + 2 Q N(b)
after N(c):  s += f3 N(c),         which is v one step later
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numba import njit
from torch import Tensor

from limitlab.solvers.pde.native.fft import load_pair, store_pair
from limitlab.solvers.pde.native.lanes import multiply_add, spread

E, HALF, Q, TWO_Q, F1, TWO_F2, F3 = range(7)
"""Places in a table of e^z, e^(z/2), Q, 2 Q, f1, 2 f2, f3: a stage reads two of them, and no others pass the cache."""


class Memory(NamedTuple):
    """Of a group of samples: s over v, d and r, each (wave, 2, lane), flat; table: (7, wave, 2), flat."""

    state: np.ndarray
    decayed: np.ndarray
    rest: np.ndarray
    table: np.ndarray


def table_of(scheme: Sequence[Tensor], dtype: torch.dtype) -> np.ndarray:
    """The coefficients e^z, e^(z/2), Q, f1, f2, f3 (*waves) as the stages read them."""
    exponential, half, q, f1, f2, f3 = (coefficient.detach().to(torch.complex128) for coefficient in scheme)
    table = torch.stack([exponential, half, q, 2 * q, f1, 2 * f2, f3])
    return torch.view_as_real(table).to(dtype).flatten().numpy()


@njit(nogil=True, cache=True)
def times(numbers, index, x):
    """A complex number of a table, times x."""
    cr, ci = spread(numbers, 2 * index), spread(numbers, 2 * index + 1)
    return multiply_add(cr, x[0], -(ci * x[1])), multiply_add(cr, x[1], ci * x[0])


@njit(nogil=True, cache=True)
def plus_times(y, numbers, index, x):
    """y + a complex number of a table, times x."""
    cr, ci = spread(numbers, 2 * index), spread(numbers, 2 * index + 1)
    return multiply_add(cr, x[0], multiply_add(-ci, x[1], y[0])), multiply_add(cr, x[1], multiply_add(ci, x[0], y[1]))


@njit(nogil=True, cache=True)
def next_stage(stage, wave, n, memory):
    """Where N is asked next, from N at the stage 0, 1, 2 or 3; after the last, the state one step later."""
    table = memory.table
    waves = len(table) // 14
    s = load_pair(memory.state, wave)
    if stage == 0:
        decayed = times(table, HALF * waves + wave, s)
        pushed = times(table, Q * waves + wave, n)
        a = (decayed[0] + pushed[0], decayed[1] + pushed[1])
        rest = times(table, HALF * waves + wave, a)
        store_pair(memory.decayed, wave, decayed)
        store_pair(memory.rest, wave, (rest[0] - pushed[0], rest[1] - pushed[1]))
        s = plus_times(times(table, E * waves + wave, s), table, F1 * waves + wave, n)
    elif stage == 1:
        a = plus_times(load_pair(memory.decayed, wave), table, Q * waves + wave, n)
        s = plus_times(s, table, TWO_F2 * waves + wave, n)
    elif stage == 2:
        a = plus_times(load_pair(memory.rest, wave), table, TWO_Q * waves + wave, n)
        s = plus_times(s, table, TWO_F2 * waves + wave, n)
    else:
        s = plus_times(s, table, F3 * waves + wave, n)
        a = s
    store_pair(memory.state, wave, s)
    return a


@njit(nogil=True, cache=True)
def foresee(wave, n, memory):
    """After the first stage, what an unchanging part of N adds at the next ones."""
    table = memory.table
    waves = len(table) // 14
    store_pair(memory.decayed, wave, plus_times(load_pair(memory.decayed, wave), table, Q * waves + wave, n))
    store_pair(memory.rest, wave, plus_times(load_pair(memory.rest, wave), table, TWO_Q * waves + wave, n))
    foresee_end(wave, n, memory)


@njit(nogil=True, cache=True)
def foresee_end(wave, n, memory):
    """Of that, what the end of the step gets."""
    table = memory.table
    waves = len(table) // 14
    s = plus_times(load_pair(memory.state, wave), table, F3 * waves + wave, n)
    s = plus_times(s, table, TWO_F2 * waves + wave, n)
    store_pair(memory.state, wave, plus_times(s, table, TWO_F2 * waves + wave, n))


@njit(nogil=True, cache=True)
def propagate(wave, memory):
    """One step of a wave that N does not hold."""
    store_pair(memory.state, wave, times(memory.table, wave, load_pair(memory.state, wave)))


@njit(nogil=True, cache=True)
def push(wave, n, memory):
    """One step of a wave whose N is the same at all stages."""
    table = memory.table
    propagate(wave, memory)
    place = F1 * (len(table) // 14) + wave
    store_pair(memory.state, wave, plus_times(load_pair(memory.state, wave), table, place, n))
    foresee_end(wave, n, memory)
