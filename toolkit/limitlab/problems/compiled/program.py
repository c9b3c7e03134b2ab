"""Symbolic expressions as a straight line of operations: common subexpressions once, products fused into sums.

A field is called thousands of times on small batches, where every kernel costs about a microsecond whatever its size:
what counts is their number. So subexpressions are shared (sympy's cse), whatever holds parameters alone is computed
once (`bind`), and a term c*p*q of a sum is one `addcmul`. All operations act element by element: a sample's numbers
never depend on its batch. No source text is generated or run; the program is a list of operations on registers, which
become torch's by `limitlab.problems.compiled.operations`, and machine code by `limitlab.solvers.native`.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from torch import Tensor

from limitlab.errors import InvalidArgument
from limitlab.problems.compiled.operations import OPERATIONS
from limitlab.problems.text.functions import BY_SYMBOL
from limitlab.solvers.native.listing import Listing, Operation

if TYPE_CHECKING:
    import sympy

Step = Callable[[list[Any]], None]
Run = Callable[..., list[Any]]


class Program:
    """Several expressions as one program.

    inputs: names of what changes from call to call (states, time). constants: names that `bind` fixes (parameters).
    """

    def __init__(self, expressions: Sequence[sympy.Expr], inputs: Sequence[str], constants: Sequence[str]) -> None:
        import sympy

        self._inputs, self._constants = tuple(inputs), tuple(constants)
        named = [sympy.Symbol(name, real=True) for name in (*inputs, *constants)]
        self._register: dict[Any, int] = {symbol: index for index, symbol in enumerate(named)}
        self._size = len(named)
        self._varying = set(range(len(inputs)))
        self._numbers: dict[int, float] = {}
        self._prelude: list[tuple[Callable[..., Any], tuple[int, ...], int]] = []
        self._body: list[Operation] = []
        # Dummies cannot meet a name of the text; order "none" spares large systems a slow sort
        shared, reduced = sympy.cse(list(expressions), symbols=sympy.numbered_symbols(cls=sympy.Dummy), order="none")
        inlined: dict[sympy.Symbol, sympy.Expr] = {}
        for symbol, expression in shared:
            whole = expression.xreplace(inlined)
            # a number times a symbol is no work worth sharing: sums take the number into their fused operations
            if whole.is_Mul and len(whole.args) == 2 and whole.args[0].is_Number and whole.args[1].is_Symbol:
                inlined[symbol] = whole
            else:
                self._register[symbol] = self._emit(whole)
        self._outputs = tuple(self._emit(expression.xreplace(inlined)) for expression in reduced)
        self.varying = tuple(register in self._varying for register in self._outputs)

    def bind(self, values: Mapping[str, float | Tensor]) -> Run:
        """Function of the inputs, in their order, to the list of values; those of constants alone may be numbers."""
        registers = self._bound(values)
        steps = tuple(
            _step(OPERATIONS[name](*(registers[source] for source in fixed)), sources, target)
            for name, fixed, sources, target in self._body
        )
        after = tuple(registers[len(self._inputs) :])
        outputs = self._outputs

        def run(*inputs: Any) -> list[Any]:
            # a new list for each call: several threads may run one function
            registers = [*inputs, *after]
            for step in steps:
                step(registers)
            return [registers[index] for index in outputs]

        return run

    @cached_property
    def listing(self) -> Listing:
        """The operations themselves, with the registers that have to be given beside the inputs."""
        used = {register for operation in self._body for register in operation.fixed} | set(self._outputs)
        given = sorted(used - self._varying - self._numbers.keys())
        return Listing(len(self._inputs), tuple(self._body), tuple(self._numbers.items()), tuple(given), self._outputs)

    def given(self, values: Mapping[str, float | Tensor]) -> tuple[float | Tensor, ...]:
        """The numbers of the registers that the listing has to be given, at these constants."""
        registers = self._bound(values)
        return tuple(registers[register] for register in self.listing.given)

    def _bound(self, values: Mapping[str, float | Tensor]) -> list[Any]:
        """The registers with everything that the inputs do not change."""
        registers: list[Any] = [None] * self._size
        for index, name in enumerate(self._constants, len(self._inputs)):
            registers[index] = values[name]
        for index, number in self._numbers.items():
            registers[index] = number
        try:
            for function, sources, target in self._prelude:
                registers[target] = function(*(registers[source] for source in sources))
        except (ArithmeticError, ValueError):
            point = ", ".join(f"{name}={values[name]}" for name in self._constants)
            raise InvalidArgument(f"a term of parameters alone is not a finite number at {point:.200}") from None
        return registers

    def _emit(self, expression: sympy.Expr) -> int:
        if expression not in self._register:
            self._register[expression] = self._emitted(expression)
        return self._register[expression]

    def _emitted(self, expression: sympy.Expr) -> int:
        import sympy

        if expression.is_number:
            return self._number(float(expression))
        if expression.is_Symbol:
            raise InvalidArgument(f"no value is given for {expression.name!r}")
        if expression.is_Add:
            return self._sum(expression.args)
        if expression.is_Mul:
            return self._product(expression.args)
        if expression.is_Pow:
            return self._power(*expression.args)
        name = type(expression).__name__
        if isinstance(expression, sympy.Derivative) or name not in BY_SYMBOL or len(expression.args) != 1:
            raise InvalidArgument(f"{expression!s:.60} cannot be computed here")
        of_number, of_tensor = BY_SYMBOL[name].number, BY_SYMBOL[name].tensor
        argument = self._emit(expression.args[0])
        if argument in self._varying:
            return self._varied(name, (), (argument,))
        return self._fixed(lambda x: of_tensor(x) if isinstance(x, Tensor) else of_number(x), argument)

    def _sum(self, terms: Sequence[sympy.Expr]) -> int:
        constant: int | None = None
        split = []
        for term in terms:
            if self._is_varying(term):
                split.append(self._split(term))
            else:
                register = self._emit(term)
                constant = register if constant is None else self._fixed(operator.add, constant, register)
        if not split:
            return self._emit(terms[0]) if constant is None else constant
        # a term without a coefficient starts the sum for nothing
        split.sort(key=lambda parts: (parts[0] is not None, len(parts[1]) + len(parts[2])))
        coefficient, numerator, denominator = split[0]
        if self._is_minus(coefficient) and constant is not None:
            first = self._quotient(None, numerator, denominator)
            total = self._varied("minus from", (constant,), (first,))
            constant = None
        else:
            total = self._quotient(coefficient, numerator, denominator)
        for coefficient, numerator, denominator in split[1:]:
            total = self._added(total, coefficient, numerator, denominator)
        return total if constant is None else self._varied("plus", (constant,), (total,))

    def _added(self, total: int, coefficient: int | None, numerator: list[int], denominator: list[int]) -> int:
        """total + coefficient*numerator/denominator in as few operations as there are."""
        if denominator and not (len(denominator) == 1 and numerator):
            numerator, denominator = [self._quotient(None, numerator, denominator)], []
        if denominator:
            over = self._chain(numerator)
            return self._with_scale("add quotient", coefficient, total, over, denominator[0])
        if len(numerator) > 1:
            return self._with_scale("add product", coefficient, total, self._chain(numerator[:-1]), numerator[-1])
        (term,) = numerator
        if coefficient is None or self._is_minus(coefficient):
            return self._varied("add" if coefficient is None else "subtract", (), (total, term))
        return self._varied("add scaled", (coefficient,), (total, term))

    def _with_scale(self, fused: str, coefficient: int | None, total: int, p: int, q: int) -> int:
        if coefficient is None:
            return self._varied(fused, (), (total, p, q))
        return self._varied(f"{fused} scaled", (coefficient,), (total, p, q))

    def _product(self, factors: Sequence[sympy.Expr]) -> int:
        coefficient, numerator, denominator = self._split_factors(factors)
        if not numerator and not denominator:
            assert coefficient is not None
            return coefficient
        return self._quotient(coefficient, numerator, denominator)

    def _split(self, term: sympy.Expr) -> tuple[int | None, list[int], list[int]]:
        """Constant coefficient, factors above and factors below the line of a term of a sum."""
        return self._split_factors(term.args if term.is_Mul else (term,))

    def _split_factors(self, factors: Sequence[sympy.Expr]) -> tuple[int | None, list[int], list[int]]:
        coefficient: int | None = None
        numerator, denominator = [], []
        # cse leaves products in products, such as -1*(b*z)
        flat = [inner for factor in factors for inner in (factor.args if factor.is_Mul else (factor,))]
        for factor in flat:
            if not self._is_varying(factor):
                register = self._emit(factor)
                coefficient = register if coefficient is None else self._fixed(operator.mul, coefficient, register)
            elif factor.is_Pow and factor.exp.is_number and factor.exp < 0:
                denominator.append(self._power(factor.base, -factor.exp))
            else:
                numerator.append(self._emit(factor))
        return coefficient, numerator, denominator

    def _quotient(self, coefficient: int | None, numerator: list[int], denominator: list[int]) -> int:
        if not denominator:
            value = self._chain(numerator)
        elif numerator:
            value = self._varied("divide", (), (self._chain(numerator), self._chain(denominator)))
        else:
            value = self._varied("reciprocal", (), (self._chain(denominator),))
        if coefficient is None:
            return value
        if self._is_minus(coefficient):
            return self._varied("negate", (), (value,))
        return self._varied("scale", (coefficient,), (value,))

    def _chain(self, factors: list[int]) -> int:
        value = factors[0]
        for factor in factors[1:]:
            value = self._varied("multiply", (), (value, factor))
        return value

    def _power(self, base: sympy.Expr, exponent: sympy.Expr) -> int:
        if exponent == 1:
            return self._emit(base)
        register = self._emit(base)
        if register not in self._varying and not self._is_varying(exponent):
            return self._fixed(_real_power, register, self._emit(exponent))
        if not exponent.is_number:
            power = self._emit(exponent)
            if register in self._varying and power in self._varying:
                return self._varied("power", (), (register, power))
            if register in self._varying:
                return self._varied("raise to", (power,), (register,))
            return self._varied("raise", (register,), (power,))
        value = float(exponent)
        if value < 0:
            return self._varied("reciprocal", (), (self._power(base, -exponent),))
        if value.is_integer():
            return self._integer_power(register, int(value))
        if value == 0.5:
            return self._varied("sqrt", (), (register,))
        return self._varied("raise to", (self._number(value),), (register,))

    def _integer_power(self, base: int, exponent: int) -> int:
        """Repeated squaring; powers of one base share their squares."""
        if exponent == 1:
            return base
        key = ("power", base, exponent)
        if key not in self._register:
            # torch's power of a whole number is the general one from four on
            half = self._integer_power(base, exponent // 2)
            square = self._varied("multiply", (), (half, half))
            self._register[key] = self._chain([square, base]) if exponent % 2 else square
        return self._register[key]

    def _is_varying(self, expression: sympy.Expr) -> bool:
        return any(self._register.get(symbol, -1) in self._varying for symbol in expression.free_symbols)

    def _is_minus(self, coefficient: int | None) -> bool:
        return coefficient is not None and self._numbers.get(coefficient) == -1.0

    def _number(self, value: float) -> int:
        register = self._register.setdefault(("number", value), self._size)
        if register == self._size:
            self._numbers[self._new()] = value
        return register

    def _fixed(self, function: Callable[..., Any], *sources: int) -> int:
        target = self._new()
        self._prelude.append((function, sources, target))
        return target

    def _varied(self, name: str, fixed: tuple[int, ...], sources: tuple[int, ...]) -> int:
        target = self._new()
        self._varying.add(target)
        self._body.append(Operation(name, fixed, sources, target))
        return target

    def _new(self) -> int:
        self._size += 1
        return self._size - 1


def _step(function: Callable[..., Any], sources: tuple[int, ...], target: int) -> Step:
    if len(sources) == 1:
        (a,) = sources

        def unary(registers: list[Any]) -> None:
            registers[target] = function(registers[a])

        return unary
    if len(sources) == 2:
        a, b = sources

        def binary(registers: list[Any]) -> None:
            registers[target] = function(registers[a], registers[b])

        return binary
    a, b, c = sources

    def ternary(registers: list[Any]) -> None:
        registers[target] = function(registers[a], registers[b], registers[c])

    return ternary


def _real_power(base: float | Tensor, exponent: float | Tensor) -> float | Tensor:
    # Python makes a complex number of (-1.0)**0.5; math.pow refuses it
    return base**exponent if isinstance(base, Tensor) or isinstance(exponent, Tensor) else math.pow(base, exponent)
