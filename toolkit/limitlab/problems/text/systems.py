"""Text of a dynamical system to symbolic right-hand sides, by the grammar of `limitlab.problems.text.grammar`.

    x' = y; y' = mu*(1 - x^2)*y - x                 ordinary: x' or dx/dt; equations apart by ; or a new line
    a = x - y; x' = sin(a); y' = -sin(a)            a line without derivative names an expression for the lines below
    dX = theta*(mu - X)*dt + sigma*dW               stochastic: linear in dt and dW, or in dW1, dW2, ...
    x[i]' = (x[i+1] - x[i-2])*x[i-1] - x[i] + F     one equation for each of N sites; i is the number 1 .. N of the site
    q[i]' = K*mean(sin(q[j] - q[i]))                mean or sum over all sites j

Nothing of the text is run, and every limit of the grammar holds for each equation.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, NamedTuple

from limitlab.errors import InvalidArgument, one_of
from limitlab.problems.text.grammar import COORDINATES, LONGEST_TEXT, Parser

if TYPE_CHECKING:
    import sympy

LONGEST_SYSTEM = 4 * LONGEST_TEXT
MOST_EQUATIONS = 40
LARGEST_EXPANSION = 2000
FARTHEST_NEIGHBOUR = 8
REDUCTIONS = ("mean", "sum")
_NAME, _SITE = r"([A-Za-z]\w*)", r"\s*(\[\s*i\s*\])?\s*"
_PRIMED = re.compile(rf"\s*{_NAME}{_SITE}('+)\s*\Z", re.ASCII)
_RATIO = re.compile(rf"\s*d\s*{_NAME}{_SITE}/\s*dt\s*\Z", re.ASCII)
_DIFFERENTIAL = re.compile(rf"\s*d{_NAME}{_SITE}\Z", re.ASCII)
_PLAIN = re.compile(rf"\s*{_NAME}\s*\Z", re.ASCII)
_NOISE = re.compile(r"\bdW\d{0,2}\b", re.ASCII)
_INCREMENT = re.compile(r"\bd(t|W\d{0,2})\b", re.ASCII)


class Dynamics(NamedTuple):
    """Right-hand sides by state, in the order of the text; diffusion: one row a state, one column a noise.

    indexed: every state has N sites, and the expressions are those of site i, in symbols such as "x[i+1]".
    """

    states: tuple[str, ...]
    drift: tuple[sympy.Expr, ...]
    diffusion: tuple[tuple[sympy.Expr, ...], ...] = ()
    noises: tuple[str, ...] = ()
    indexed: bool = False


def kind_of(text: object) -> Literal["ode", "sde"] | None:
    """What the left sides of a text say: "ode" for x' or dx/dt, "sde" for dX, None for neither."""
    if not isinstance(text, str) or len(text) > LONGEST_SYSTEM:
        return None
    sides = [line.partition("=")[::2] for _, line in _lines(text)]
    if any(_PRIMED.match(left) or _RATIO.match(left) for left, _ in sides):
        return "ode"
    return "sde" if any(_DIFFERENTIAL.match(left) and _INCREMENT.search(right) for left, right in sides) else None


@lru_cache(maxsize=256)
def parse_dynamics(text: str, parameters: tuple[str, ...] = ()) -> Dynamics:
    """The system of an ODE or SDE text. Raises InvalidArgument that quotes the equation, or UnknownName."""
    if not isinstance(text, str):
        raise InvalidArgument(f"equations must be text; got {type(text).__name__}")
    if len(text) > LONGEST_SYSTEM:
        raise InvalidArgument(f"a system must have at most {LONGEST_SYSTEM} characters; got {len(text)}")
    kind, lines = kind_of(text), _lines(text)
    if kind is None:
        raise InvalidArgument(f"no line of {text!a:.60} begins like x' = ..., dx/dt = ... or dX = ... (with dt or dW)")
    if len(lines) > MOST_EQUATIONS:
        raise InvalidArgument(f"a system must have at most {MOST_EQUATIONS} equations; got {len(lines)}")
    left = [_left(line, kind) for _, line in lines]
    states = tuple(name for name, site in left if site is not None)
    indexed = any(site for _, site in left)
    if len(set(states)) < len(states):
        twice = next(name for name in states if states.count(name) > 1)
        raise InvalidArgument(f"there are two equations of {twice!r}")
    if indexed and not all(site for _, site in left if site is not None):
        raise InvalidArgument("write [i] on all left sides, or on none")
    noises = _noises(text)
    names = _Names(states, (*parameters, *(("dt", *noises) if kind == "sde" else ())), indexed, {})
    rights: dict[str, sympy.Expr] = {}
    for (start, line), (name, site) in zip(lines, left, strict=True):
        try:
            expression = _expression(line.partition("=")[2], names, start + line.index("=") + 1)
            if site is None:
                names.define(name, expression)
            else:
                rights[name] = expression
        except InvalidArgument as error:
            # the same class, so that an unknown name stays one
            raise type(error)(f"in {line.strip()!a:.60}: {error}") from None
    if kind == "ode":
        return Dynamics(states, tuple(rights.values()), indexed=indexed)
    return _stochastic(states, rights, noises, indexed)


def parse_scalar(
    text: str,
    parameters: Sequence[str] = (),
    *,
    states: Sequence[str] = (),
    indexed: bool = False,
    reductions: tuple[str, ...] = REDUCTIONS,
) -> sympy.Expr:
    """One expression in t, parameters and states (of site i where indexed): solutions, invariants, initial values."""
    return _expression(text, _Names(tuple(states), tuple(parameters), indexed, {}, reductions))


def site_symbol(name: str, offset: int = 0, index: str = "i") -> sympy.Symbol:
    """The symbol of a state at site i + offset."""
    import sympy

    return sympy.Symbol(f"{name}[{index}{offset:+d}]" if offset else f"{name}[{index}]", real=True)


def site_of(symbol: str) -> tuple[str, int] | None:
    """Name and offset of a symbol such as "x[i+1]"; None for others."""
    name, bracket, rest = symbol.partition("[")
    return (name, int(rest[1:-1] or 0)) if bracket else None


class _Names(NamedTuple):
    states: tuple[str, ...]
    others: tuple[str, ...]
    indexed: bool
    definitions: dict[str, sympy.Expr]
    reductions: tuple[str, ...] = REDUCTIONS

    def define(self, name: str, expression: sympy.Expr) -> None:
        if name in (*self.states, *self.others, *self.definitions):
            raise InvalidArgument(f"the name {name!r} is taken already; choose another")
        # parses nothing: it raises for a name that the grammar refuses
        _SystemParser("0", self._replace(others=(*self.others, name)))
        self.definitions[name] = expression


class _SystemParser(Parser):
    """The grammar with states, sites, named expressions and reductions."""

    def __init__(self, text: str, names: _Names, before: int = 0) -> None:
        import sympy

        plain = (*names.others, *names.states, *(("i", "j", "N") if names.indexed else ()))
        for name in plain:
            if plain.count(name) > 1:
                raise InvalidArgument(f"the name {name!r} is taken already; choose another")
        super().__init__(text, (), plain, 0, before)
        self._names = names
        self._expansion = 0
        self._reducing = False
        self._reduce = {name: sympy.Function(name, real=True) for name in names.reductions}

    def _named(self, token):
        name = token.text
        if self._names.indexed and (name in self._names.states or self._current.text == "["):
            return self._site(name)
        if self._names.indexed and name == "j":
            raise InvalidArgument("j stands only in brackets, such as x[j], within mean(...) or sum(...)")
        definition = self._names.definitions.get(name)
        if definition is None:
            state, _, subscripts = name.rpartition("_")
            if state in self._names.states and subscripts and set(subscripts) <= set(COORDINATES):
                raise InvalidArgument(
                    f"{name!r} at character {token.position} is a derivative: write {state}_t = ... on the left of a "
                    "partial differential equation"
                )
            return super()._named(token)
        # definitions of definitions double at every line: hostile text must not grow without bound
        self._expansion += _size(definition)
        if self._expansion > LARGEST_EXPANSION:
            raise InvalidArgument(f"the named expressions make more than {LARGEST_EXPANSION} terms of this equation")
        return definition

    def _callable(self) -> set[str]:
        reductions = self._reduce if self._names.indexed or "integral" in self._reduce else ()
        return {*super()._callable(), *reductions}

    def _known(self) -> list[str]:
        return [*super()._known(), *self._names.definitions]

    def _site(self, name: str) -> sympy.Expr:
        if not _NOISE.fullmatch(name):
            one_of("state with sites", name, self._names.states)
        self.expect("[", f"{name!r} has sites; write {name}[i], {name}[i+1], ...")
        index = self._advance()
        if index.text not in ("i", "j") or (index.text == "j" and not self._reducing):
            raise InvalidArgument(f"the site of {name!r} is i, i+1, ...; in mean(...) or sum(...) also j")
        offset = 0
        if self._current.text in ("+", "-"):
            sign, number = self._advance().text, self._advance()
            if not number.text.isdigit() or int(number.text[:3]) > FARTHEST_NEIGHBOUR or len(number.text) > 3:
                raise InvalidArgument(f"neighbours are at most {FARTHEST_NEIGHBOUR} sites away; got {number.text:.20}")
            offset = int(sign + number.text)
        self.expect("]", "a bracket was opened")
        return site_symbol(name, offset, index.text)

    def _call(self, token):
        if token.text not in self._callable() - super()._callable():
            return super()._call(token)
        if self._reducing:
            raise InvalidArgument(f"{token.text}(...) may not stand inside another")
        self._next += 1
        self._reducing = True
        coefficient, inner = self._inside().as_coeff_Mul()
        self._reducing = False
        return self._checked(coefficient * self._reduce[token.text](inner))


def _expression(text: str, names: _Names, before: int = 0) -> sympy.Expr:
    parser = _SystemParser(text, names, before)
    expression = parser.sum()
    parser.expect_end()
    return expression


def _lines(text: str) -> list[tuple[int, str]]:
    """The lines that hold something, each with the number of characters before it."""
    return [(line.start(), line[0]) for line in re.finditer(r"[^;\n]+", text) if line[0].strip()]


def _left(line: str, kind: str) -> tuple[str, bool | None]:
    """Name on the left side, and whether it has sites; None for a named expression."""
    left, equals, right = line.partition("=")
    if not equals:
        raise InvalidArgument(f"an equation reads left = right; got {line.strip()!a:.60}")
    primed, ratio, differential = _PRIMED.match(left), _RATIO.match(left), _DIFFERENTIAL.match(left)
    if kind == "sde" and differential and _INCREMENT.search(right):
        return differential[1], bool(differential[2])
    if kind == "ode" and differential and _INCREMENT.search(right):
        raise InvalidArgument("write all equations like x' = ..., or all like dX = ...*dt + ...*dW")
    if kind == "ode" and ratio:
        return ratio[1], bool(ratio[2])
    if kind == "ode" and primed:
        if len(primed[3]) > 1:
            raise InvalidArgument(f"write second derivatives as two equations, x' = v; v' = ...; got {left.strip()!a}")
        return primed[1], bool(primed[2])
    plain = _PLAIN.match(left)
    if not plain:
        accepted = "x' = ... or dx/dt = ..." if kind == "ode" else "dX = ..."
        raise InvalidArgument(f"an equation begins with {accepted} or a name; got {left.strip()!a:.60}")
    return plain[1], None


def _noises(text: str) -> tuple[str, ...]:
    return tuple(sorted(set(_NOISE.findall(text)), key=lambda name: int(name[2:] or 0)))


def _stochastic(
    states: tuple[str, ...], rights: Mapping[str, sympy.Expr], noises: tuple[str, ...], indexed: bool
) -> Dynamics:
    import sympy

    if not noises:
        raise InvalidArgument("no equation holds dW: without noise write x' = ... instead of dX = ...")
    noise = [site_symbol(name) if indexed else sympy.Symbol(name, real=True) for name in noises]
    increments = [sympy.Symbol("dt", real=True), *noise]
    rows = []
    for name, expression in rights.items():
        # linear in the increments: the derivative is the factor, if it holds no increment itself
        row = [sympy.diff(expression, increment) for increment in increments]
        rest = expression.subs(dict.fromkeys(increments, 0))
        stray = {s.name for s in expression.free_symbols if s.name.startswith("dW")} - {n.name for n in noise}
        if rest != 0 or stray or any(entry.has(*increments) for entry in row):
            raise InvalidArgument(f"every term of d{name} is a factor times dt or times one dW; got {expression!s:.60}")
        rows.append(row)
    return Dynamics(
        states, tuple(row[0] for row in rows), tuple(tuple(row[1:]) for row in rows), tuple(noises), indexed
    )


def _size(expression: sympy.Expr) -> int:
    import sympy

    count = 0
    for _ in sympy.preorder_traversal(expression):
        count += 1
        if count > LARGEST_EXPANSION:
            break
    return count
