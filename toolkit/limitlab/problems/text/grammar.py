"""The language of equations: text such as "u_t = -dx(u^2/2) + nu*u_xx" to sympy, without ever running the text.

    equation   = sum "=" sum
    sum        = product { ("+" | "-") product }
    product    = signed { ("*" | "/") signed }
    signed     = { "+" | "-" } power
    power      = atom [ ("^" | "**") signed ]           the exponent is a number of size at most 16
    atom       = number | name | function "(" sum ")" | "(" sum ")"

A name is a field, a field with derivative subscripts (u_x, u_xx, u_t, w_xy), a declared parameter, a coordinate
(x, y, t) or pi; a function is a row of `limitlab.problems.text.functions`, or dx, dy: the derivative of its argument,
in conservative form. 2x, sin x and sin^2(x) are not read, but answered by how to write them.

Every limit (length, depth, size of numbers and powers) is checked before sympy sees a node, so that hostile text costs
bounded time and ends in InvalidArgument.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from limitlab.errors import InvalidArgument, one_of, unknown_name
from limitlab.problems.text.functions import FUNCTIONS, symbolic

if TYPE_CHECKING:
    import sympy

LONGEST_TEXT = 1000
DEEPEST_NESTING = 24
LARGEST_EXPONENT = 16
LARGEST_NUMBER = 1e30
LARGEST_EXACT_INTEGER = 10**15
HIGHEST_DERIVATIVE = 8

WRITTEN = {"e": "exp(1), and a power of it exp(...)", "ln": "log(...)"}
"""What other notations are here."""

COORDINATES = ("t", "x", "y", "z")
_TOKEN = re.compile(
    r"\s*(?:(\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)|([A-Za-z][A-Za-z0-9_]*)|(\*\*|[-+*/^()=,\[\]]))"
)
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,31}\Z")


def parse_equation(
    text: str, *, fields: Sequence[str] = ("u",), parameters: Sequence[str] = (), dimension: int = 1
) -> sympy.Eq:
    """The equality `left = right` in functions field(t, x[, y]) and one real symbol a parameter.

    Raises InvalidArgument for anything outside the grammar, UnknownName (with the nearest name) for undeclared names.
    """
    import sympy

    parser = Parser(text, fields, parameters, dimension)
    left = parser.sum()
    parser.expect("=", "an equation reads left = right")
    right = parser.sum()
    parser.expect_end()
    # evaluated, an equation that holds identically becomes True
    return sympy.Eq(left, right, evaluate=False)


def parse_expression(
    text: str, *, fields: Sequence[str] = (), parameters: Sequence[str] = (), dimension: int = 1
) -> sympy.Expr:
    """The expression in coordinates, parameters and fields; errors as for `parse_equation`."""
    parser = Parser(text, fields, parameters, dimension)
    expression = parser.sum()
    parser.expect_end()
    return expression


class _Token(NamedTuple):
    kind: str
    text: str
    position: int


def _tokens(text: object, before: int = 0) -> list[_Token]:
    """The tokens, at positions counted from 1 and from `before` characters ahead of the text."""
    if not isinstance(text, str):
        raise InvalidArgument(f"an equation must be text; got {type(text).__name__}")
    if len(text) > LONGEST_TEXT:
        raise InvalidArgument(f"an equation must have at most {LONGEST_TEXT} characters; got {len(text)}")
    for position, character in enumerate(text):
        if not (" " <= character <= "~" or character in "\t\n"):
            name = unicodedata.name(character, "a control character")
            raise InvalidArgument(
                f"character {before + position + 1} of the equation is not plain ASCII: {character!a} ({name})"
            )
    tokens, position, end = [], 0, len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None:
            rest = text[position:].lstrip()
            raise InvalidArgument(
                f"unexpected {rest[0]!r} in the equation at character {before + len(text) - len(rest) + 1}"
            )
        kind = ("number", "name", "sign")[(match.lastindex or 1) - 1]
        start = before + match.start(match.lastindex or 1) + 1
        tokens.append(_Token(kind, match.group(match.lastindex or 1), start))
        position = match.end()
    return [*tokens, _Token("end", "the end", before + len(text) + 1)]


class Parser:
    """Recursive descent over the tokens; every method reads one rule of the grammar and returns its sympy node."""

    def __init__(
        self, text: str, fields: Sequence[str], parameters: Sequence[str], dimension: int, before: int = 0
    ) -> None:
        self._tokens = _tokens(text, before)
        self._next = 0
        self._depth = 0
        import sympy

        self._coordinates = {name: sympy.Symbol(name, real=True) for name in COORDINATES[: dimension + 1]}
        reserved = {*FUNCTIONS, *self._coordinates, "pi", *(f"d{name}" for name in COORDINATES[1:])}
        for name in (*fields, *parameters):
            if not isinstance(name, str) or not _NAME.match(name):
                raise InvalidArgument(f"a name is a letter, then at most 31 letters, digits or _; got {name!r:.60}")
            if name in reserved or (name in fields and name in parameters):
                raise InvalidArgument(f"the name {name!r} is taken already; choose another")
        arguments = tuple(self._coordinates.values())
        self._fields = {name: sympy.Function(name, real=True)(*arguments) for name in fields}
        self._parameters = {name: sympy.Symbol(name, real=True) for name in parameters}
        self._operators = {f"d{name}": symbol for name, symbol in self._coordinates.items() if name != "t"}

    def sum(self) -> sympy.Expr:
        total = self._product()
        while self._current.text in ("+", "-"):
            sign = self._advance().text
            term = self._product()
            total = self._checked(total + term if sign == "+" else total - term)
        return total

    def expect(self, text: str, meaning: str) -> None:
        if self._current.text != text:
            self._require_no_product()
            raise InvalidArgument(f"expected {text!r} before {self._where()}: {meaning}")
        self._next += 1

    def expect_end(self) -> None:
        if self._current.kind != "end":
            self._require_no_product()
            raise InvalidArgument(f"expected an operator or the end before {self._where()}")

    def _product(self) -> sympy.Expr:
        total = self._signed()
        while self._current.text in ("*", "/"):
            sign = self._advance().text
            factor = self._signed()
            if sign == "/" and factor.is_zero:
                raise InvalidArgument(f"division by zero before {self._where()}")
            total = self._checked(total * factor if sign == "*" else total / factor)
        return total

    def _signed(self) -> sympy.Expr:
        negative = False
        while self._current.text in ("+", "-"):
            negative ^= self._advance().text == "-"
        value = self._power()
        return -value if negative else value

    def _power(self) -> sympy.Expr:
        base = self._atom()
        if self._current.text not in ("^", "**"):
            return base
        position = self._advance().position
        depth = self._deeper()
        exponent = self._signed()
        self._depth = depth - 1
        if not exponent.is_number or abs(_number(exponent)) > LARGEST_EXPONENT:
            raise InvalidArgument(
                f"the exponent at character {position} must be a number of size at most {LARGEST_EXPONENT}"
            )
        if base.is_zero and _number(exponent) <= 0:
            raise InvalidArgument(f"zero to a power <= 0 at character {position}")
        return self._raised(base, exponent)

    def _raised(self, base: sympy.Expr, exponent: sympy.Expr) -> sympy.Expr:
        import sympy

        if not base.is_number or exponent.is_Integer:
            return self._checked(base**exponent)
        if exponent.is_Rational and not base.has(sympy.Float) and _number(base) > 0:
            return self._checked(base**exponent)
        return self._numeric(lambda value: value ** _number(exponent), base)

    def _atom(self) -> sympy.Expr:
        token = self._advance()
        if token.kind == "number":
            return _literal(token)
        if token.text == "(":
            return self._inside()
        if token.kind != "name":
            raise InvalidArgument(f"expected a number, a name or '(' at character {token.position}; got {token.text!r}")
        if self._current.text == "(":
            return self._call(token)
        if token.text in self._callable():
            power = "^2" if self._current.text in ("^", "**") else ""
            raise InvalidArgument(
                f"{token.text!r} at character {token.position} is a function: write {token.text}(...){power}"
            )
        return self._named(token)

    def _inside(self) -> sympy.Expr:
        depth = self._deeper()
        value = self.sum()
        self.expect(")", "a parenthesis was opened")
        self._depth = depth - 1
        return value

    def _call(self, token: _Token) -> sympy.Expr:
        import sympy

        if token.text in self._known():
            raise InvalidArgument(
                f"{token.text!r} at character {token.position} is no function: write {token.text}*(...) for a product"
            )
        if token.text in WRITTEN:
            raise InvalidArgument(f"{token.text!r} at character {token.position} is written {WRITTEN[token.text]}")
        one_of("function", token.text, self._callable())
        self._next += 1
        argument = self._inside()
        if token.text in self._operators:
            coordinate = self._operators[token.text]
            # sympy would leave the derivative of a parameter as it is
            varies = coordinate in argument.free_symbols
            return self._checked(sympy.Derivative(argument, coordinate)) if varies else sympy.Integer(0)
        if token.text == "sqrt":
            return self._raised(argument, sympy.Rational(1, 2))
        if argument.is_number:
            return self._numeric(FUNCTIONS[token.text].number, argument)
        return self._checked(symbolic(FUNCTIONS[token.text].symbol)(argument))

    def _named(self, token: _Token) -> sympy.Expr:
        import sympy

        name = token.text
        for table in (self._parameters, self._fields, self._coordinates):
            if name in table:
                return table[name]
        if name == "pi":
            return sympy.pi
        field, _, subscripts = name.rpartition("_")
        if field in self._fields and subscripts and set(subscripts) <= set(self._coordinates):
            variables = [self._coordinates[letter] for letter in subscripts]
            return self._checked(sympy.Derivative(self._fields[field], *variables))
        if name in WRITTEN:
            raise InvalidArgument(f"{name!r} at character {token.position} is written {WRITTEN[name]}")
        raise unknown_name("name", name, self._known())

    def _require_no_product(self) -> None:
        """Raise InvalidArgument where something stands right after a factor, as x does in 2x."""
        token = self._current
        if token.kind in ("number", "name") or token.text == "(":
            factor, other = self._tokens[self._next - 1].text, token.text
            product = f"{'(...)' if factor == ')' else factor}*{'(...)' if other == '(' else other}"
            raise InvalidArgument(f"expected an operator before {self._where()}: a product is written {product[:60]}")

    def _callable(self) -> set[str]:
        return {*FUNCTIONS, *self._operators}

    def _known(self) -> list[str]:
        derivatives = [f"{field}_{coordinate}" for field in self._fields for coordinate in self._coordinates]
        return [*self._fields, *derivatives, *self._parameters, *self._coordinates, "pi"]

    def _numeric(self, function: Callable[[float], float], argument: sympy.Expr) -> sympy.Expr:
        import sympy

        try:
            value = function(_number(argument))
        except (ValueError, OverflowError, ZeroDivisionError):
            value = math.nan
        # a power of a negative number is complex in Python; NaN is not <= anything
        if not isinstance(value, float) or not abs(value) <= LARGEST_NUMBER:
            raise InvalidArgument(f"a number before {self._where()} is not real, or larger than {LARGEST_NUMBER:g}")
        return sympy.Float(value)

    def _checked(self, node: sympy.Expr) -> sympy.Expr:
        import sympy

        # sympy writes (-exp(u))^(1/3) as (-1)^(1/3)*exp(u/3), without its imaginary unit
        roots = (part for part in (node, *node.args) if part.is_Pow and part.base.is_negative and part.base.is_number)
        if node.has(sympy.nan, sympy.zoo, sympy.oo, -sympy.oo, sympy.I) or any(not r.exp.is_integer for r in roots):
            raise InvalidArgument(f"what stands before {self._where()} is not a finite real expression")
        if isinstance(node, sympy.Derivative) and sum(count for _, count in node.variable_count) > HIGHEST_DERIVATIVE:
            raise InvalidArgument(f"derivatives go up to order {HIGHEST_DERIVATIVE}; see before {self._where()}")
        if any(part.is_Pow and abs(_number(part.exp)) > LARGEST_EXPONENT for part in (node, *node.args)):
            raise InvalidArgument(f"a power before {self._where()} exceeds {LARGEST_EXPONENT}")
        coefficient = node if node.is_number else node.as_coeff_Mul()[0]
        if not abs(_number(coefficient)) <= LARGEST_NUMBER:
            raise InvalidArgument(f"a number before {self._where()} is larger than {LARGEST_NUMBER:g}")
        # exact fractions grow with every operation, and with them the time
        if node.is_Rational and max(abs(node.p), node.q) > LARGEST_EXACT_INTEGER:
            return sympy.Float(_number(node))
        return node

    @property
    def _current(self) -> _Token:
        return self._tokens[self._next]

    def _advance(self) -> _Token:
        token = self._current
        if token.kind == "end":
            raise InvalidArgument("the equation ends too early")
        self._next += 1
        return token

    def _deeper(self) -> int:
        self._depth += 1
        if self._depth > DEEPEST_NESTING:
            raise InvalidArgument(f"parentheses and powers may nest {DEEPEST_NESTING} deep; see {self._where()}")
        return self._depth

    def _where(self) -> str:
        token = self._current
        return f"{token.text[:20]!r} at character {token.position}" if token.kind != "end" else "the end"


def _literal(token: _Token) -> sympy.Expr:
    import sympy

    value = float(token.text)
    if not value <= LARGEST_NUMBER:
        raise InvalidArgument(f"the number at character {token.position} is larger than {LARGEST_NUMBER:g}")
    return sympy.Integer(token.text) if token.text.isdigit() and value <= LARGEST_EXACT_INTEGER else sympy.Float(value)


def _number(expression: sympy.Expr) -> float:
    """Value of a tree of numbers and pi in floating point; inf where it overflows."""
    try:
        if expression.is_Rational:
            return expression.p / expression.q
        if expression.is_Float or expression.is_NumberSymbol:
            return float(expression)
        values = [_number(argument) for argument in expression.args]
        if expression.is_Add:
            # an exact sum, so that the order of sympy's terms does not matter
            return math.fsum(values)
        return math.prod(values) if expression.is_Mul else float(values[0] ** values[1])
    except (OverflowError, ZeroDivisionError):
        return math.inf
