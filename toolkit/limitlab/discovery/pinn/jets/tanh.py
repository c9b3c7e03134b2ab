"""The hyperbolic tangent of a layer on streams, and the gradient of that, as machine code: one pass over the memory.

In torch each product of the chain rule is an array that is written and read again, and on a thousand points that is
most of the time of a network. Here the rows of a unit stay in the cache from the first product to the last. The tangent
itself is e/(e + 2) with e = exp(2a) - 1, to four units in the last place.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from limitlab.discovery.exponential import BIAS, reduced

LIMIT = 40.0  # exp of it is so large that the quotient is one


@njit(nogil=True, cache=True, fastmath={"contract"}, error_model="numpy")
def bent(z, bias, curved, out):
    """Streams f(z), f' z', f' z'' + f'' z'^2 of the preactivation z (unit, stream, point) without its bias."""
    units, streams, points = z.shape
    last = streams - curved
    for unit in range(units):
        tangents(z[unit, 0], bias[unit], out[unit, 0])
        y = out[unit, 0]
        for stream in range(1, streams):
            a, b = z[unit, stream], out[unit, stream]
            for p in range(points):
                b[p] = (1.0 - y[p] * y[p]) * a[p]
        for k in range(curved):
            a, b = z[unit, 1 + k], out[unit, last + k]
            for p in range(points):
                b[p] -= 2.0 * y[p] * (1.0 - y[p] * y[p]) * a[p] * a[p]


@njit(nogil=True, cache=True, fastmath={"contract"}, error_model="numpy")
def unbent(gradient, z, out, curved, back):
    """The gradient with respect to z, from that with respect to `out`."""
    units, streams, points = z.shape
    last = streams - curved
    straight, square = np.empty(points), np.empty(points)
    for unit in range(units):
        y = out[unit, 0]
        straight[:] = 0.0
        square[:] = 0.0
        for stream in range(1, streams):
            g, a, b = gradient[unit, stream], z[unit, stream], back[unit, stream]
            for p in range(points):
                b[p] = (1.0 - y[p] * y[p]) * g[p]
            for p in range(points):
                straight[p] += g[p] * a[p]
        for k in range(curved):
            g, a, b = gradient[unit, last + k], z[unit, 1 + k], back[unit, 1 + k]
            for p in range(points):
                b[p] -= 4.0 * y[p] * (1.0 - y[p] * y[p]) * a[p] * g[p]
            for p in range(points):
                square[p] += a[p] * a[p] * g[p]
        g, b = gradient[unit, 0], back[unit, 0]
        for p in range(points):
            slope = 1.0 - y[p] * y[p]
            b[p] = slope * (g[p] - 2.0 * y[p] * straight[p] + (4.0 - 6.0 * slope) * square[p])


@njit(nogil=True, cache=True, fastmath={"contract"}, error_model="numpy")
def tangents(a, shift, y):
    """tanh(a + shift) of a row."""
    for p in range(len(a)):
        x = 2.0 * (a[p] + shift)
        limited = min(max(x, -LIMIT), LIMIT)
        series, exponent = reduced(limited)
        power = np.int64((exponent + BIAS) << 52).view(np.float64)
        e = power * series + (power - 1.0)
        y[p] = e / (e + 2.0) if x == x else x
