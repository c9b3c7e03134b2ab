"""The hyperbolic tangent of a layer on a panel of points, and the gradient of that, as machine code.

In torch each product of the chain rule is an array that is written and read again, and on a thousand points that is
most of the time of a network. Here a number stays in a register from the first product to the last. The tangent itself
is e/(e + 2) with e = exp(2a) - 1, to four units in the last place.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from limitlab.discovery.exponential import BIAS, reduced
from limitlab.discovery.pinn.jets.products import GROUPS, ROWS
from limitlab.solvers.pde.native.lanes import load, multiply_add, spread, store

LIMIT = 40.0  # exp of it is so large that the quotient is one
NUMBERS = np.array([0.0, 1.0, 2.0, 4.0, 6.0])


@njit(nogil=True, cache=True, fastmath={"contract"}, error_model="numpy")
def bend(kept, kind, out):
    """Streams y, f' z', f' z'' + f'' z'^2 of a panel, from y = f(z) in the place of z, and its derivatives z' and z''.

    kept: numbers, the group of lanes where the panel begins, and the groups of a stream. kind: streams, curved
    directions, and groups that are filled.
    """
    z, at, stride = kept
    streams, curved, groups = kind
    one, two = spread(NUMBERS, 1), spread(NUMBERS, 2)
    last = streams - curved
    for q in range(groups):
        y = load(z, at + q)
        slope = one - y * y
        store(out, q, y)
        for stream in range(1, last):
            store(out, stride * stream + q, slope * load(z, at + stride * stream + q))
        for k in range(curved):
            a, there = load(z, at + stride * (1 + k) + q), stride * (last + k) + q
            store(out, there, slope * (load(z, at + there) - two * y * a * a))


@njit(nogil=True, cache=True, fastmath={"contract"}, error_model="numpy")
def unbend(kept, kind, weights, groups, target):
    """The gradient at z in place of that at what `bend` made of it, and in x what it is to be multiplied with.

    kept: what `bend` was given: numbers, the group where the panel begins, and the groups of a stream. kind: how many
    streams come after the first derivatives along curved directions, how many directions are curved, and whether these
    last streams have one gradient in common but for their weights; x then holds one stream in their place, the weighted
    sum. weights: of each of them, a block of rows each. target: the gradient, x, and the group where both begin.
    """
    z, at, stride = kept
    count, curved, shared = kind
    g, x, to = target
    zero, one, two = spread(NUMBERS, 0), spread(NUMBERS, 1), spread(NUMBERS, 2)
    four, six = spread(NUMBERS, 3), spread(NUMBERS, 4)
    single = 1 + curved
    straights = count - curved
    for q in range(groups):
        y, lane = load(z, at + q), q % GROUPS
        slope = one - y * y
        straight, square, mixed = zero, zero, zero
        store(x, to + q, y)
        for k in range(1, single):
            a = load(z, at + stride * k + q)
            straight = multiply_add(load(g, to + stride * k + q), a, straight)
            store(x, to + stride * k + q, slope * a)
        for t in range(count):
            there = to + stride * (single + (0 if shared else t)) + q
            common, weight = load(g, there), load(weights, GROUPS * ROWS * t + lane)
            a, w = load(z, at + stride * (single + t) + q), weight * common
            straight = multiply_add(w, a, straight)
            part = weight * a
            if t >= straights:
                k = stride * (1 + t - straights) + q
                b = load(z, at + k)
                square = multiply_add(w, b * b, square)
                part = part - two * y * (b * b * weight)
                store(g, to + k, load(g, to + k) - four * y * b * w)
            mixed = mixed + part if shared else part
            store(x, there, slope * mixed)
        bent = (four - six * slope) * square - two * y * straight
        store(g, to + q, slope * (load(g, to + q) + bent))
        for k in range(1, single + (1 if shared else count)):
            there = to + stride * k + q
            store(g, there, slope * load(g, there))


@njit(nogil=True, cache=True, fastmath={"contract"}, error_model="numpy")
def tangents(a, y):
    """tanh(a) of a row."""
    for p in range(len(a)):
        x = 2.0 * a[p]
        limited = min(max(x, -LIMIT), LIMIT)
        series, exponent = reduced(limited)
        power = np.int64((exponent + BIAS) << 52).view(np.float64)
        e = power * series + (power - 1.0)
        y[p] = e / (e + 2.0) if x == x else x
