"""Products of matrices whose columns lie in panels of twelve points, as machine code.

    rows of out = W x + shift           `multiply`: four rows of a panel at once
    sums(j, i) += sum_p g(i, p) x(j, p)     `correlate`: four rows of g with three of x

Twelve numbers of a processor's registers are filled in either, each of which four lanes long: every number that is
loaded serves three or four multiplications, which is what a core needs to multiply in every cycle. A panel is small
enough to stay in the nearest cache, so nothing is packed. A library's product packs both matrices at every call: of
64 x 64 times 64 x 4800 it makes 38, and of the sums over points 26 billion operations a second where this makes 41
and 37.

Numbers of rows are rounded up in memory, to `ROWS` and `COLUMNS`: what is computed there is never read.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import njit

from limitlab.solvers.pde.native.lanes import intrinsic, load, multiply_add, spread, store

PANEL = 12
"""Points of a panel, three groups of lanes a row."""
GROUPS = 3
ROWS, COLUMNS = 4, 3


@intrinsic
def totals(typing: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
    """The sums of the lanes of each of four groups, as one group."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        def pick(x: Any, y: Any, lanes: list[int]) -> Any:
            return builder.shuffle_vector(x, y, ir.Constant(ir.VectorType(ir.IntType(32), 4), lanes))

        def pairs(x: Any, y: Any) -> Any:
            return builder.fadd(pick(x, y, [0, 4, 2, 6]), pick(x, y, [1, 5, 3, 7]))

        first, second = pairs(*args[:2]), pairs(*args[2:])
        return builder.fadd(pick(first, second, [0, 1, 4, 5]), pick(first, second, [2, 3, 6, 7]))

    return a(a, b, c, d), generate


@njit(nogil=True, cache=True)
def multiply(matrix, bias, inputs, depth, outputs):
    """Four rows of a panel.

    matrix: its numbers, where the first is, and how far it is to those of the next input. bias: numbers, and where the
    first is. inputs, outputs: numbers, and the group where the panel begins. depth: how many inputs there are.
    """
    weights, begin, step = matrix
    shifts, shift = bias
    x, of = inputs
    out, to = outputs
    a0 = a1 = a2 = spread(shifts, shift)
    b0 = b1 = b2 = spread(shifts, shift + 1)
    c0 = c1 = c2 = spread(shifts, shift + 2)
    d0 = d1 = d2 = spread(shifts, shift + 3)
    for k in range(depth):
        at = begin + step * k
        x0, x1, x2 = load(x, of), load(x, of + 1), load(x, of + 2)
        of += 3
        w = spread(weights, at)
        a0, a1, a2 = multiply_add(w, x0, a0), multiply_add(w, x1, a1), multiply_add(w, x2, a2)
        w = spread(weights, at + 1)
        b0, b1, b2 = multiply_add(w, x0, b0), multiply_add(w, x1, b1), multiply_add(w, x2, b2)
        w = spread(weights, at + 2)
        c0, c1, c2 = multiply_add(w, x0, c0), multiply_add(w, x1, c1), multiply_add(w, x2, c2)
        w = spread(weights, at + 3)
        d0, d1, d2 = multiply_add(w, x0, d0), multiply_add(w, x1, d1), multiply_add(w, x2, d2)
    store(out, to, a0)
    store(out, to + 1, a1)
    store(out, to + 2, a2)
    store(out, to + 3, b0)
    store(out, to + 4, b1)
    store(out, to + 5, b2)
    store(out, to + 6, c0)
    store(out, to + 7, c1)
    store(out, to + 8, c2)
    store(out, to + 9, d0)
    store(out, to + 10, d1)
    store(out, to + 11, d2)


@njit(nogil=True, cache=True)
def correlate(rows, columns, count, zeros, target):
    """Add to the target four rows with three, over `count` panels.

    rows, columns: numbers, the group where they begin, and how many groups it is to those of the next panel. target:
    numbers, the group where the first column is, and how many groups it is to the next one.
    """
    g, first, stride = rows
    x, second, jump = columns
    sums, to, column = target
    a0 = a1 = a2 = b0 = b1 = b2 = c0 = c1 = c2 = d0 = d1 = d2 = spread(zeros, 0)
    for _ in range(count):
        for k in range(GROUPS):
            p, q = first + k, second + k
            x0, x1, x2 = load(x, q), load(x, q + 3), load(x, q + 6)
            w = load(g, p)
            a0, a1, a2 = multiply_add(w, x0, a0), multiply_add(w, x1, a1), multiply_add(w, x2, a2)
            w = load(g, p + 3)
            b0, b1, b2 = multiply_add(w, x0, b0), multiply_add(w, x1, b1), multiply_add(w, x2, b2)
            w = load(g, p + 6)
            c0, c1, c2 = multiply_add(w, x0, c0), multiply_add(w, x1, c1), multiply_add(w, x2, c2)
            w = load(g, p + 9)
            d0, d1, d2 = multiply_add(w, x0, d0), multiply_add(w, x1, d1), multiply_add(w, x2, d2)
        first += stride
        second += jump
    store(sums, to, load(sums, to) + totals(a0, b0, c0, d0))
    to += column
    store(sums, to, load(sums, to) + totals(a1, b1, c1, d1))
    to += column
    store(sums, to, load(sums, to) + totals(a2, b2, c2, d2))
