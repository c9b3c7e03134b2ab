"""Fourier transforms of groups of lanes: Stockham's algorithm of radix 4, whose last stage may have radix 2.

    X_k = sum_j x_j exp(-2 pi i j k / n),        n a power of two

A buffer holds two rows of n complex numbers, each number its real and then its imaginary lanes. A stage reads one row
and writes the other, in the order that needs no sorting. With real and imaginary parts exchanged before and after, the
same function is the inverse transform without its factor 1/n.

Source: Van Loan, Computational frameworks for the fast Fourier transform (1992), 1.7 and 2.3.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from limitlab.solvers.pde.native.lanes import load, multiply_add, spread, store


def twiddles_of(n: int, dtype: np.dtype) -> np.ndarray:
    """exp(-2 pi i p/m), its square and its cube for p < m/4, of every stage whose length m is above 4; last, a zero."""
    tables, length = [], n
    while length > 4:
        angles = -2 * np.pi * np.arange(length // 4)[:, None] * np.array([1, 2, 3]) / length
        tables.append(np.stack([np.cos(angles), np.sin(angles)], -1).ravel())
        length //= 4
    return np.concatenate([*tables, np.zeros(1)]).astype(dtype)


@njit(nogil=True, cache=True)
def fft(buffer: np.ndarray, twiddles: np.ndarray, n: int) -> int:
    """Transform the first row of a buffer; returns where its result begins, 0 or n."""
    source, goal = 0, n
    length, stride, table = n, 1, 0
    while length > 4:
        quarter = length // 4
        for p in range(quarter):
            turn = (
                (spread(twiddles, table), spread(twiddles, table + 1)),
                (spread(twiddles, table + 2), spread(twiddles, table + 3)),
                (spread(twiddles, table + 4), spread(twiddles, table + 5)),
            )
            table += 6
            one, out = source + stride * p, goal + 4 * stride * p
            for column in range(stride):
                a, b, c, d = quartet(buffer, one + column, stride * quarter)
                store_pair(buffer, out + column, a)
                store_pair(buffer, out + column + stride, turned(b, turn[0]))
                store_pair(buffer, out + column + 2 * stride, turned(c, turn[1]))
                store_pair(buffer, out + column + 3 * stride, turned(d, turn[2]))
        source, goal = goal, source
        length, stride = quarter, 4 * stride
    for column in range(stride):
        if length == 4:
            a, b, c, d = quartet(buffer, source + column, stride)
            store_pair(buffer, goal + column, a)
            store_pair(buffer, goal + column + stride, b)
            store_pair(buffer, goal + column + 2 * stride, c)
            store_pair(buffer, goal + column + 3 * stride, d)
        else:
            (ar, ai), (br, bi) = load_pair(buffer, source + column), load_pair(buffer, source + column + stride)
            store_pair(buffer, goal + column, (ar + br, ai + bi))
            store_pair(buffer, goal + column + stride, (ar - br, ai - bi))
    return goal


@njit(nogil=True, cache=True)
def quartet(buffer, first, step):
    """The transform of length four of numbers `step` apart."""
    (ar, ai), (br, bi) = load_pair(buffer, first), load_pair(buffer, first + step)
    (cr, ci), (dr, di) = load_pair(buffer, first + 2 * step), load_pair(buffer, first + 3 * step)
    er, ei, fr, fi = ar + cr, ai + ci, ar - cr, ai - ci
    gr, gi, hr, hi = br + dr, bi + di, br - dr, bi - di
    return (er + gr, ei + gi), (fr + hi, fi - hr), (er - gr, ei - gi), (fr - hi, fi + hr)


@njit(nogil=True, cache=True)
def turned(x, turn):
    """The product of two complex numbers."""
    (xr, xi), (wr, wi) = x, turn
    return multiply_add(xr, wr, -(xi * wi)), multiply_add(xr, wi, xi * wr)


@njit(nogil=True, cache=True)
def load_pair(array, index):
    """A complex number, as its real and imaginary lanes."""
    return load(array, 2 * index), load(array, 2 * index + 1)


@njit(nogil=True, cache=True)
def store_pair(array, index, value):
    """Write a complex number."""
    store(array, 2 * index, value[0])
    store(array, 2 * index + 1, value[1])
