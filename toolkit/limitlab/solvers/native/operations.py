"""What each operation of a program is in machine code: rows like those of `limitlab.problems.compiled.operations`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import reduce

from llvmlite import ir

from limitlab.solvers.native.arithmetic import Lanes
from limitlab.solvers.native.listing import Listing

EXPREL_SERIES_BELOW = 1e-5
EXPREL2_SERIES_BELOW, EXPREL2_TERMS = 0.05, 10
MOST_HALVES = 12  # of an exponent: more products lose more than a call of the library costs
Emit = Callable[..., ir.Value]


def emitted(lanes: Lanes, listing: Listing, inputs: Sequence[ir.Value], given: Sequence[ir.Value]) -> list[ir.Value]:
    """The values of a listing's expressions. Raises KeyError for an operation that has no row."""
    registers: dict[int, ir.Value] = dict(enumerate(inputs))
    registers |= {register: lanes.number(number) for register, number in listing.numbers}
    registers |= dict(zip(listing.given, given, strict=True))
    for name, fixed, sources, target in listing.body:
        operands = [registers[register] for register in (*fixed, *sources)]
        registers[target] = OPERATIONS[name](lanes, *operands)
    return [registers[register] for register in listing.outputs]


def _library(name: str) -> Emit:
    return lambda lanes, x: lanes.each(name, x)


def _reciprocal(lanes: Lanes, x: ir.Value) -> ir.Value:
    return lanes.divide(lanes.number(1.0), x)


def _add_product(lanes: Lanes, total: ir.Value, p: ir.Value, q: ir.Value) -> ir.Value:
    return lanes.add(total, lanes.multiply(p, q))


def _add_quotient(lanes: Lanes, total: ir.Value, p: ir.Value, q: ir.Value) -> ir.Value:
    return lanes.add(total, lanes.divide(p, q))


def _raised(lanes: Lanes, c: ir.Value, x: ir.Value) -> ir.Value:
    """x^c, by products and a root where c is a few halves."""
    halves = 2.0 * (lanes.literal(c) or 0.0)
    if not halves or not halves.is_integer() or abs(halves) > MOST_HALVES:
        return lanes.each("pow", x, c)
    whole, odd = divmod(int(abs(halves)), 2)
    factors = [lanes.square_root(x)] * odd
    square = x
    while whole:
        factors += [square] * (whole % 2)
        whole //= 2
        square = lanes.square(square) if whole else square
    value = reduce(lanes.multiply, factors)
    return value if halves > 0 else _reciprocal(lanes, value)


def _exprel(lanes: Lanes, x: ir.Value) -> ir.Value:
    near = lanes.is_less(lanes.absolute(x), lanes.number(EXPREL_SERIES_BELOW))
    series = lanes.polynomial([1.0, 1 / 2, 1 / 6], x)
    return lanes.select(near, series, lanes.divide(lanes.each("expm1", x), x))


def _exprel2(lanes: Lanes, x: ir.Value) -> ir.Value:
    near = lanes.is_less(lanes.absolute(x), lanes.number(EXPREL2_SERIES_BELOW))
    series = lanes.polynomial([1 / math.factorial(n + 2) for n in range(EXPREL2_TERMS)], x)
    return lanes.select(near, series, lanes.divide(lanes.subtract(lanes.each("expm1", x), x), lanes.square(x)))


def _step(lanes: Lanes, x: ir.Value) -> ir.Value:
    return lanes.select(lanes.is_less(lanes.number(0.0), x), lanes.number(1.0), lanes.number(0.0))


def _sign(lanes: Lanes, x: ir.Value) -> ir.Value:
    zero = lanes.number(0.0)
    # torch's sign of NaN is zero
    below = lanes.select(lanes.is_less(x, zero), lanes.number(-1.0), zero)
    return lanes.select(lanes.is_less(zero, x), lanes.number(1.0), below)


def _positive(lanes: Lanes, x: ir.Value) -> ir.Value:
    # NaN stays
    return lanes.select(lanes.is_less(x, lanes.number(0.0)), lanes.number(0.0), x)


OPERATIONS: dict[str, Emit] = {
    "add": lambda lanes, x, y: lanes.add(x, y),
    "subtract": lambda lanes, x, y: lanes.subtract(x, y),
    "multiply": lambda lanes, x, y: lanes.multiply(x, y),
    "divide": lambda lanes, x, y: lanes.divide(x, y),
    "negate": lambda lanes, x: lanes.negate(x),
    "reciprocal": _reciprocal,
    "power": lambda lanes, x, y: lanes.each("pow", x, y),
    "plus": lambda lanes, c, x: lanes.add(x, c),
    "minus from": lambda lanes, c, x: lanes.subtract(c, x),
    "scale": lambda lanes, c, x: lanes.multiply(x, c),
    "raise to": _raised,
    "raise": lambda lanes, c, x: lanes.each("pow", c, x),
    "add scaled": lambda lanes, c, total, x: _add_product(lanes, total, x, c),
    "add product": _add_product,
    "add product scaled": lambda lanes, c, total, p, q: _add_product(lanes, total, lanes.multiply(p, c), q),
    "add quotient": _add_quotient,
    "add quotient scaled": lambda lanes, c, total, p, q: _add_quotient(lanes, total, lanes.multiply(p, c), q),
    "exp": lambda lanes, x: lanes.exp(x),
    "log": lambda lanes, x: lanes.log(x),
    "sqrt": lambda lanes, x: lanes.square_root(x),
    "Abs": lambda lanes, x: lanes.absolute(x),
    "cot": lambda lanes, x: _reciprocal(lanes, lanes.each("tan", x)),
    "exprel": _exprel,
    "exprel2": _exprel2,
    "pos": _positive,
    "sign": _sign,
    "step": _step,
    **{name: _library(name) for name in ("sin", "cos", "tan", "tanh", "sinh", "cosh", "erf")},
}
