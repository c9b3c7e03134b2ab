"""Values of trees as machine code, one tree after the other, for evolution, which asks for nothing else of most trees.

A tree is run from its first column to its last on a stack of rows (point,), so short that it stays in the nearest
cache; an operation takes rows and writes one that is none of these. The sine, the cosine and the exponential function
are computed here, by the reductions and series of fdlibm, to an ulp or two: loops of these become vector instructions,
as calls of a library would not. Codes are those of `population.OPS`.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from limitlab.discovery.exponential import BIAS, LOG2_HIGH, LOG2_LOW, ROUNDING, reduced
from limitlab.discovery.symbolic.trees.population import ARITY, CODES, CONSTANT, PAD, VARIABLE

ADD, SUBTRACT, MULTIPLY, DIVIDE = (CODES[name] for name in ("+", "-", "*", "/"))
SINE, COSINE, TANGENT, EXP = (CODES[name] for name in ("sin", "cos", "tan", "exp"))
LOG, ROOT, SQUARE, TANH, ABS = (CODES[name] for name in ("log", "sqrt", "square", "tanh", "abs"))
ARITIES = ARITY.numpy()

PER_QUARTER = 2 / math.pi
QUARTER_1, QUARTER_2, QUARTER_3 = 1.57079632673412561417, 6.07710050630396597660e-11, 2.02226624879595063154e-21
FARTHEST = 1e6  # where products of the first two with the number of quarters are exact
EXP_LIMIT = 800.0
LEAST_NORMAL, ONE_BITS, HALF_ROOT_BITS = 2.0**-1022, 0x3FF0000000000000, 0x3FE6A09E667F3BCD
WHOLE_BITS, MANTISSA, WHOLE_BIAS, TINY_BIAS = 0x4330000000000000, 2**52 - 1, 2.0**52 + 1023, 2.0**52 + 1077
S3, S5, S7, S9, S11, S13 = (
    -1.66666666666666324348e-01, 8.33333333332248946124e-03, -1.98412698298579493134e-04,
    2.75573137070700676789e-06, -2.50507602534068634195e-08, 1.58969099521155010221e-10,
)  # fmt: skip
C4, C6, C8, C10, C12, C14 = (
    4.16666666666666019037e-02, -1.38888888888741095749e-03, 2.48015872894767294178e-05,
    -2.75573143513906633035e-07, 2.08757232129817482790e-09, -1.13596475577881948265e-11,
)  # fmt: skip
L1, L2, L3, L4, L5, L6, L7 = (
    6.666666666666735130e-01, 3.999999999940941908e-01, 2.857142874366239149e-01, 2.222219843214978396e-01,
    1.818357216161805012e-01, 1.531383769920937332e-01, 1.479819860511658591e-01,
)  # fmt: skip


@njit(nogil=True, cache=True, error_model="numpy")
def roots(trees, points, out):
    """Values (tree, point) of trees (op, var, const) at points (variable, point)."""
    variables = len(points)
    rows = _stack(trees[0].shape[1], points)
    held = np.empty(trees[0].shape[1] + 1, np.int64)
    for tree in range(len(trees[0])):
        out[tree] = rows[_run(trees, tree, variables, rows, held)]


@njit(nogil=True, cache=True, error_model="numpy")
def scaled(trees, points, target, largest, fit):
    """Loss, a and b (3, tree) of a + b*tree, fitted to the target: y, and weights of
    sum one; inf where a value passes `largest`."""
    y, weights = target
    variables = len(points)
    rows = _stack(trees[0].shape[1], points)
    held = np.empty(trees[0].shape[1] + 1, np.int64)
    height = _dot(y, weights)
    left = y - height
    for tree in range(len(trees[0])):
        z = rows[_run(trees, tree, variables, rows, held)]
        middle = _dot(z, weights)
        spread, along = _moments(z, middle, left, weights)
        # a tree without spread is a constant, up to rounding of its mean
        b = 0.0 if spread <= (4 * np.finfo(np.float64).eps * middle) ** 2 else along / spread
        loss = _misfit(z, middle, left, weights, b)
        usable = _within(z, largest) and np.isfinite(loss)
        fit[0, tree] = loss if usable else np.inf
        fit[1, tree], fit[2, tree] = height - b * middle, b


@njit(nogil=True, cache=True, error_model="numpy")
def _stack(width, points):
    """The variables, and two rows for each place of a stack."""
    variables, count = points.shape
    rows = np.empty((variables + 2 * width, count))
    rows[:variables] = points
    return rows


@njit(nogil=True, cache=True, error_model="numpy")
def _run(trees, tree, variables, rows, held):
    """The row that holds the value of a tree; `held`: the rows on the stack."""
    op, var, const = trees[0][tree], trees[1][tree], trees[2][tree]
    top = 0
    for column in range(len(op)):
        code = op[column]
        if code == PAD:
            break
        if code == VARIABLE:
            held[top] = var[column]
            top += 1
        elif code == CONSTANT:
            held[top] = variables + 2 * top
            rows[held[top]] = const[column]
            top += 1
        else:
            top -= ARITIES[code]
            first, second = held[top], held[top + ARITIES[code] - 1]
            # of the two rows of this place the one that is not an argument
            free = variables + 2 * top
            free += first == free
            _apply(code, rows[first], rows[second], rows[free])
            held[top] = free
            top += 1
    return held[0]


@njit(nogil=True, cache=True, error_model="numpy")
def _apply(code, a, b, out):
    if code == ADD:
        for p in range(len(a)):
            out[p] = a[p] + b[p]
    elif code == SUBTRACT:
        for p in range(len(a)):
            out[p] = a[p] - b[p]
    elif code == MULTIPLY:
        for p in range(len(a)):
            out[p] = a[p] * b[p]
    elif code == DIVIDE:
        for p in range(len(a)):
            out[p] = a[p] / b[p]
    elif code == SINE:
        _sine(a, 0, out)
    elif code == COSINE:
        _sine(a, 1, out)
    elif code == TANGENT:
        for p in range(len(a)):
            out[p] = np.tan(a[p])
    elif code == EXP:
        _exponential(a, out)
    elif code == LOG:
        _logarithm(a, out)
    elif code == ROOT:
        for p in range(len(a)):
            out[p] = np.sqrt(a[p])
    elif code == SQUARE:
        for p in range(len(a)):
            out[p] = a[p] * a[p]
    elif code == TANH:
        for p in range(len(a)):
            out[p] = np.tanh(a[p])
    elif code == ABS:
        for p in range(len(a)):
            out[p] = np.abs(a[p])


@njit(nogil=True, cache=True, fastmath={"contract"}, error_model="numpy")
def _sine(a, quarters, out):
    """sin(a + quarters pi/2)."""
    if not _within(a, FARTHEST):
        for p in range(len(a)):
            out[p] = np.cos(a[p]) if quarters else np.sin(a[p])
        return
    for p in range(len(a)):
        shifted = a[p] * PER_QUARTER + ROUNDING
        whole = shifted - ROUNDING
        r = ((a[p] - whole * QUARTER_1) - whole * QUARTER_2) - whole * QUARTER_3
        z = r * r
        sine = r + r * z * (S3 + z * (S5 + z * (S7 + z * (S9 + z * (S11 + z * S13)))))
        cosine = 1.0 - (0.5 * z - z * z * (C4 + z * (C6 + z * (C8 + z * (C10 + z * (C12 + z * C14))))))
        # the whole number stands in the last bits
        quarter = np.float64(shifted).view(np.int64) + quarters
        value = cosine if quarter & 1 else sine
        out[p] = -value if quarter & 2 else value


@njit(nogil=True, cache=True, fastmath={"contract"}, error_model="numpy")
def _exponential(a, out):
    """e^a, 0 and infinity where no double is."""
    for p in range(len(a)):
        x = min(max(a[p], -EXP_LIMIT), EXP_LIMIT)
        rest, exponent = reduced(x)
        value = rest + 1.0
        # two powers of two, each of them a normal number
        half = exponent >> 1
        value *= np.int64((half + BIAS) << 52).view(np.float64)
        value *= np.int64((exponent - half + BIAS) << 52).view(np.float64)
        out[p] = value if a[p] == a[p] else a[p]


@njit(nogil=True, cache=True, fastmath={"contract"}, error_model="numpy")
def _logarithm(a, out):
    """log a by a = 2^e m, sqrt(1/2) <= m < sqrt 2, and the series in (m - 1) / (m + 1)."""
    for p in range(len(a)):
        tiny = a[p] < LEAST_NORMAL
        bits = np.float64(a[p] * 2.0**54 if tiny else a[p]).view(np.int64)
        # moved by the bits of sqrt(1/2), the exponent counts from there
        moved = bits + (ONE_BITS - HALF_ROOT_BITS)
        exponent = np.int64((moved >> 52) | WHOLE_BITS).view(np.float64) - (TINY_BIAS if tiny else WHOLE_BIAS)
        f = np.int64((moved & MANTISSA) + HALF_ROOT_BITS).view(np.float64) - 1.0
        s = f / (f + 2.0)
        z, half = s * s, 0.5 * f * f
        series = z * (L1 + z * (L2 + z * (L3 + z * (L4 + z * (L5 + z * (L6 + z * L7))))))
        inner = s * (half + series) + exponent * LOG2_LOW
        positive = exponent * LOG2_HIGH + (f - (half - inner))
        finite = a[p] if a[p] == np.inf else positive
        value = -np.inf if a[p] == 0.0 else finite
        out[p] = value if a[p] >= 0.0 else np.nan


@njit(nogil=True, cache=True, error_model="numpy")
def _within(a, largest):
    """Whether every number is at most so large; NaN is not."""
    outside = 0
    for p in range(len(a)):
        outside |= not (np.abs(a[p]) <= largest)
    return outside == 0


@njit(nogil=True, cache=True, fastmath={"contract", "reassoc"}, error_model="numpy")
def _dot(a, b):
    total = 0.0
    for p in range(len(a)):
        total += a[p] * b[p]
    return total


@njit(nogil=True, cache=True, fastmath={"contract", "reassoc"}, error_model="numpy")
def _moments(z, middle, left, weights):
    """Weighted squares of z without its mean, and its products with `left`."""
    spread, along = 0.0, 0.0
    for p in range(len(z)):
        centred = z[p] - middle
        spread += centred * centred * weights[p]
        along += centred * left[p] * weights[p]
    return spread, along


@njit(nogil=True, cache=True, fastmath={"contract", "reassoc"}, error_model="numpy")
def _misfit(z, middle, left, weights, b):
    """Weighted squares of what b z leaves."""
    total = 0.0
    for p in range(len(z)):
        rest = left[p] - b * (z[p] - middle)
        total += rest * rest * weights[p]
    return total
