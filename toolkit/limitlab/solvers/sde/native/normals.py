"""Normals of counters in the lanes: those of `limitlab.solvers.sde.counter_normals` to the rounding of log, cos, sin.

The lower half j of a mixed counter is an angle of j 2^-32 turns, so that its quadrant is exact in integers: with r the
rest, |r| <= 2^29, cosine and sine are series in pi 2^-31 r, exchanged and with signs by the quadrant.
"""

from __future__ import annotations

import math

from llvmlite import ir

from limitlab.solvers.native.arithmetic import VECTOR, WIDTH, WORD, WORDS, Lanes
from limitlab.solvers.sde.counter_normals import FACTORS, SHIFTS

HALF = ir.IntType(32)
HALVES = ir.VectorType(HALF, WIDTH)
SINE_TERMS, COSINE_TERMS = 8, 9
UNIT = 2.0**-31


def normal_pair(lanes: Lanes, counters: ir.Value) -> tuple[ir.Value, ir.Value]:
    """Two independent normals for every counter, r cos and r sin."""
    builder = lanes.builder
    words = mixed(lanes, counters)
    upper = builder.trunc(builder.lshr(words, _words(32)), HALVES)
    # a half stands for zero, whose logarithm is infinite
    uniform = lanes.scaled(lanes.maximum(builder.sitofp(upper, VECTOR), lanes.number(0.5)), UNIT)
    radius = lanes.square_root(lanes.scaled(lanes.log(uniform), -2.0))
    cosine, sine = turned(lanes, builder.trunc(words, HALVES))
    return lanes.multiply(radius, cosine), lanes.multiply(radius, sine)


def mixed(lanes: Lanes, counters: ir.Value) -> ir.Value:
    """The counters, each scrambled."""
    builder, words = lanes.builder, counters
    for shift, factor in zip(SHIFTS, (*FACTORS, None), strict=True):
        words = builder.xor(words, builder.ashr(words, _words(shift)))
        words = words if factor is None else builder.mul(words, _words(factor))
    return words


def turned(lanes: Lanes, angle: ir.Value) -> tuple[ir.Value, ir.Value]:
    """Cosine and sine of angles of 2^-32 turns."""
    builder = lanes.builder
    # sums beyond 32 bits go round, as angles do
    quadrant = builder.lshr(builder.add(angle, _halves(2**29)), _halves(30))
    rest = builder.sub(angle, builder.shl(quadrant, _halves(30)))
    x = lanes.scaled(builder.sitofp(rest, VECTOR), math.pi * UNIT)
    square = lanes.square(x)
    sine = lanes.multiply(
        x, lanes.polynomial([(-1) ** n / math.factorial(2 * n + 1) for n in range(SINE_TERMS)], square)
    )
    cosine = lanes.polynomial([(-1) ** n / math.factorial(2 * n) for n in range(COSINE_TERMS)], square)
    exchanged = _has_bit(builder, quadrant, 1)
    first, second = lanes.select(exchanged, sine, cosine), lanes.select(exchanged, cosine, sine)
    left = _has_bit(builder, builder.add(quadrant, _halves(1)), 2)
    below = _has_bit(builder, quadrant, 2)
    return _signed(lanes, left, first), _signed(lanes, below, second)


def _signed(lanes: Lanes, negative: ir.Value, x: ir.Value) -> ir.Value:
    return lanes.select(negative, lanes.negate(x), x)


def _has_bit(builder: ir.IRBuilder, numbers: ir.Value, bit: int) -> ir.Value:
    return builder.icmp_unsigned("!=", builder.and_(numbers, _halves(bit)), _halves(0))


def _words(value: int) -> ir.Value:
    return ir.Constant(WORDS, [ir.Constant(WORD, value)] * WIDTH)


def _halves(value: int) -> ir.Value:
    return ir.Constant(HALVES, [ir.Constant(HALF, value)] * WIDTH)
