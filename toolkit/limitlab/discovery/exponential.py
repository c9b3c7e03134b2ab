"""e^x in machine code that loops turn into vector instructions, as calls of a library would not.

x = n log 2 + r with |r| <= log(2)/2, and the series of e^r: the reduction of fdlibm, to an ulp or two.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

LOG2_HIGH, LOG2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
PER_LOG2 = 1 / math.log(2)
ROUNDING = 1.5 * 2.0**52
"""Added to a number, it leaves the nearest whole one in the last bits."""
BIAS = 1023
"""Of the exponent of a double."""
E2, E3, E4, E5, E6, E7, E8, E9, E10, E11, E12, E13 = (1 / math.factorial(n) for n in range(2, 14))


@njit(inline="always")
def reduced(x):
    """e^r - 1, and n as a 64-bit integer, of an x within 2^51 log 2."""
    shifted = x * PER_LOG2 + ROUNDING
    whole = shifted - ROUNDING
    r = (x - whole * LOG2_HIGH) - whole * LOG2_LOW
    value = E13
    value = value * r + E12
    value = value * r + E11
    value = value * r + E10
    value = value * r + E9
    value = value * r + E8
    value = value * r + E7
    value = value * r + E6
    value = value * r + E5
    value = value * r + E4
    value = value * r + E3
    value = value * r + E2
    return value * r * r + r, np.float64(shifted).view(np.int64) - np.float64(ROUNDING).view(np.int64)
