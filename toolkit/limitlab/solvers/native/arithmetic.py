"""Arithmetic on vectors of doubles, a trajectory in each lane, as instructions of LLVM.

A product that meets a sum may become one fused operation. exp and log are computed here, by the reductions and series
of fdlibm, to an error of an ulp or two, since a call of the C library for each lane would cost more than a whole step;
other functions are such calls. No lane sees another.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from llvmlite import ir

WIDTH = 8
TINY = 2.0**-1022  # the smallest normal number
DOUBLE, WORD = ir.DoubleType(), ir.IntType(64)
VECTOR, WORDS = ir.VectorType(DOUBLE, WIDTH), ir.VectorType(WORD, WIDTH)
POINTER = ir.PointerType()
EVERYWHERE = ir.Constant(ir.VectorType(ir.IntType(1), WIDTH), [ir.Constant(ir.IntType(1), 1)] * WIDTH)
ALIGNED = 8  # bytes: arrays of NumPy promise no more
FUSED = ("contract",)
Body = Callable[[ir.Value, list[ir.Value]], tuple[list[ir.Value], ir.Value]]  # (count, values) -> values, who goes on

LOG2_HIGH, LOG2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
LOG_SERIES = (
    6.666666666666735130e-01, 3.999999999940941908e-01, 2.857142874366239149e-01, 2.222219843214978396e-01,
    1.818357216161805012e-01, 1.531383769920937332e-01, 1.479819860511658591e-01,
)  # fmt: skip
ROUNDING = 1.5 * 2.0**52  # added, it leaves the nearest whole number in the last bits
EXP_TERMS = 13
EXP_LIMIT = 800.0


class Lanes:
    """Vector operations that are appended where the builder stands."""

    def __init__(self, builder: ir.IRBuilder) -> None:
        self.builder = builder
        self.add = self._fused(builder.fadd)
        self.subtract = self._fused(builder.fsub)
        self.multiply = self._fused(builder.fmul)
        self.divide = builder.fdiv
        self.negate = builder.fneg
        self.select = builder.select

    def number(self, value: float) -> ir.Value:
        """The same number in every lane."""
        return ir.Constant(VECTOR, [ir.Constant(DOUBLE, value)] * WIDTH)

    def spread(self, value: ir.Value) -> ir.Value:
        """The same number, known when the code runs, in every lane."""
        one = self.builder.insert_element(ir.Constant(VECTOR, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
        everywhere = ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), [0] * WIDTH)
        return self.builder.shuffle_vector(one, one, everywhere)

    def literal(self, value: ir.Value) -> float | None:
        """The number that is the same in every lane and at every call, if there is one."""
        return value.constant[0].constant if isinstance(value, ir.Constant) else None

    def load(self, base: ir.Value, row: int) -> ir.Value:
        """A row of an array (rows, lanes)."""
        return self.builder.load(self._row(base, row), typ=VECTOR, align=ALIGNED)

    def store(self, base: ir.Value, row: int, value: ir.Value) -> None:
        """Write a row of an array (rows, lanes)."""
        self.builder.store(value, self._row(base, row), align=ALIGNED)

    def room(self, rows: int) -> ir.Value:
        """Memory of this function for so many rows."""
        return self.builder.alloca(VECTOR, rows)

    def repeated(self, most: int, start: Sequence[ir.Value], body: Body) -> list[ir.Value]:
        """What body(count, values) makes of values again and again, `most` times or as long as it lets a lane go on."""
        builder, before = self.builder, self.builder.block
        loop = builder.append_basic_block()
        builder.branch(loop)
        builder.position_at_end(loop)
        count, values = builder.phi(WORD), [builder.phi(value.type) for value in start]
        new, going = body(count, list(values))
        following = builder.add(count, ir.Constant(WORD, 1))
        for phi, first, again in zip((count, *values), (ir.Constant(WORD, 0), *start), (following, *new), strict=True):
            phi.add_incoming(first, before)
            phi.add_incoming(again, builder.block)
        some = builder.icmp_unsigned("!=", self.mask(going), ir.Constant(WORD, 0))
        few = builder.icmp_unsigned("<", following, ir.Constant(WORD, most))
        after = builder.append_basic_block()
        builder.cbranch(builder.and_(some, few), loop, after)
        builder.position_at_end(after)
        return new

    def combined(self, start: ir.Value | None, weights: Sequence[float], vectors: Sequence[ir.Value]) -> ir.Value:
        """start + sum_j weights_j vectors_j, zeros left out."""
        total = start
        for weight, vector in zip(weights, vectors, strict=False):
            if weight:
                term = self.scaled(vector, weight)
                total = term if total is None else self.add(total, term)
        return self.number(0.0) if total is None else total

    def scaled(self, x: ir.Value, factor: float) -> ir.Value:
        """factor x."""
        return x if factor == 1.0 else self.multiply(x, self.number(factor))

    def square(self, x: ir.Value) -> ir.Value:
        """x^2."""
        return self.multiply(x, x)

    def norm(self, vectors: Sequence[ir.Value]) -> ir.Value:
        """Euclidean norm over components."""
        return self.square_root(self.sum_of_squares(vectors))

    def sum_of_squares(self, vectors: Sequence[ir.Value]) -> ir.Value:
        """Over components."""
        total = self.square(vectors[0])
        for vector in vectors[1:]:
            total = self.add(total, self.square(vector))
        return total

    def mask(self, lanes: ir.Value) -> ir.Value:
        """A word with a bit for each lane where it is true."""
        return self.builder.zext(self.builder.bitcast(lanes, ir.IntType(WIDTH)), WORD)

    def is_less(self, x: ir.Value, y: ir.Value) -> ir.Value:
        """x < y, false at NaN."""
        return self.builder.fcmp_ordered("<", x, y)

    def at_most(self, x: ir.Value, y: ir.Value) -> ir.Value:
        """x <= y, false at NaN."""
        return self.builder.fcmp_ordered("<=", x, y)

    def minimum(self, x: ir.Value, y: ir.Value) -> ir.Value:
        """The smaller one, y where either is NaN."""
        return self.select(self.is_less(x, y), x, y)

    def maximum(self, x: ir.Value, y: ir.Value) -> ir.Value:
        """The larger one, y where either is NaN."""
        return self.select(self.is_less(y, x), x, y)

    def absolute(self, x: ir.Value) -> ir.Value:
        return self._intrinsic("fabs", x)

    def square_root(self, x: ir.Value) -> ir.Value:
        return self._intrinsic("sqrt", x)

    def each(self, name: str, *arguments: ir.Value) -> ir.Value:
        """A function of the C library, lane by lane."""
        module = self.builder.module
        known = module.globals.get(name)
        function = known or ir.Function(module, ir.FunctionType(DOUBLE, [DOUBLE] * len(arguments)), name)
        result = ir.Constant(VECTOR, ir.Undefined)
        for lane in range(WIDTH):
            place = ir.Constant(ir.IntType(32), lane)
            value = self.builder.call(function, [self.builder.extract_element(x, place) for x in arguments])
            result = self.builder.insert_element(result, value, place)
        return result

    def exp(self, x: ir.Value) -> ir.Value:
        """e^x by x = n log 2 + r, |r| <= log(2) / 2, and the series in r."""
        limited = self.minimum(self.maximum(x, self.number(-EXP_LIMIT)), self.number(EXP_LIMIT))
        shifted = self.add(self.scaled(limited, 1.0 / math.log(2.0)), self.number(ROUNDING))
        whole = self.builder.fsub(shifted, self.number(ROUNDING))
        rest = self.add(self.add(limited, self.scaled(whole, -LOG2_HIGH)), self.scaled(whole, -LOG2_LOW))
        value = self.polynomial([1.0 / math.factorial(n) for n in range(EXP_TERMS + 1)], rest)
        # two powers of two, each of them a normal number
        exponent = self.builder.sub(self._bits(shifted), self._bits(self.number(ROUNDING)))
        half = self.builder.ashr(exponent, self._words(1))
        for part in (half, self.builder.sub(exponent, half)):
            value = self.multiply(value, self._power_of_two(part))
        return self.select(self.builder.fcmp_unordered("uno", x, x), x, value)

    def log(self, x: ir.Value) -> ir.Value:
        """log x by x = 2^e m, sqrt(1/2) <= m < sqrt 2, and the series in (m - 1) / (m + 1)."""
        builder, one = self.builder, self.number(1.0)
        tiny = self.is_less(x, self.number(TINY))
        bits = self._bits(self.select(tiny, self.scaled(x, 2.0**54), x))
        # moved by the bits of sqrt(1/2), the exponent counts from there
        moved = builder.add(bits, self._words(0x3FF0000000000000 - 0x3FE6A09E667F3BCD))
        exponent = builder.bitcast(
            builder.or_(builder.lshr(moved, self._words(52)), self._words(0x4330000000000000)), VECTOR
        )
        exponent = builder.fsub(exponent, self.select(tiny, self.number(2.0**52 + 1077), self.number(2.0**52 + 1023)))
        mantissa = builder.add(builder.and_(moved, self._words(2**52 - 1)), self._words(0x3FE6A09E667F3BCD))
        f = builder.fsub(builder.bitcast(mantissa, VECTOR), one)
        s = self.divide(f, self.add(f, self.number(2.0)))
        z, half = self.square(s), self.scaled(self.square(f), 0.5)
        series = self.multiply(z, self.polynomial(LOG_SERIES, z))
        inner = self.add(self.multiply(s, self.add(half, series)), self.scaled(exponent, LOG2_LOW))
        value = self.add(self.scaled(exponent, LOG2_HIGH), self.subtract(f, self.subtract(half, inner)))
        value = self.select(builder.fcmp_ordered("==", x, self.number(math.inf)), x, value)
        value = self.select(builder.fcmp_ordered("==", x, self.number(0.0)), self.number(-math.inf), value)
        return self.select(builder.fcmp_unordered("<", x, self.number(0.0)), self.number(math.nan), value)

    def polynomial(self, coefficients: Sequence[float], x: ir.Value) -> ir.Value:
        """sum_k coefficients_k x^k by pairs (Estrin): what waits for each other is the logarithm of Horner's chain."""
        parts = [self.number(coefficient) for coefficient in coefficients]
        while len(parts) > 1:
            odd = [self.multiply(part, x) for part in parts[1::2]]
            alone = parts[-1:] * (len(parts) % 2)
            parts = [self.add(*pair) for pair in zip(parts[::2], odd, strict=False)] + alone
            x = self.square(x)
        return parts[0]

    def _row(self, base: ir.Value, row: int) -> ir.Value:
        return self.builder.gep(base, [ir.Constant(WORD, row)], source_etype=VECTOR)

    def _fused(self, instruction: Callable[..., ir.Value]) -> Callable[[ir.Value, ir.Value], ir.Value]:
        return lambda x, y: instruction(x, y, flags=FUSED)

    def _intrinsic(self, name: str, x: ir.Value) -> ir.Value:
        module, whole = self.builder.module, f"llvm.{name}.v{WIDTH}f64"
        function = module.globals.get(whole) or ir.Function(module, ir.FunctionType(VECTOR, [VECTOR]), whole)
        return self.builder.call(function, [x])

    def _bits(self, x: ir.Value) -> ir.Value:
        return self.builder.bitcast(x, WORDS)

    def _words(self, value: int) -> ir.Value:
        return ir.Constant(WORDS, [ir.Constant(WORD, value)] * WIDTH)

    def _power_of_two(self, exponent: ir.Value) -> ir.Value:
        shifted = self.builder.shl(exponent, self._words(52))
        return self.builder.bitcast(self.builder.add(shifted, self._bits(self.number(1.0))), VECTOR)
