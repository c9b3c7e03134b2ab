"""Libraries of terms: monomials, sines and a person's own terms as columns over data, for sparse regression.

    sum_j xi_j theta_j       theta:  1, x, y, x^2, x*y, y^2, ..., sin(x), cos(x), ..., x/(1 + x)
    sum_j xi_j theta_j/(1 + sum_k eta_k theta_k), linear in xi and eta as y = sum_j xi_j theta_j - sum_k eta_k theta_k y

Terms are texts of the one grammar; a term's column is its value at the points. Source of the implicit form: Mangan,
Brunton, Proctor & Kutz 2016.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations_with_replacement
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from limitlab.cards import Card, Shown
from limitlab.discovery.symbolic.expression import Expr
from limitlab.errors import InvalidArgument, check_number, check_numbers

if TYPE_CHECKING:
    import sympy

MOST_TERMS = 2000


@dataclass(frozen=True)
class Library(Shown):
    """Terms in named variables: all monomials up to a degree, sines and cosines of each variable, and further texts.

    frequencies: k of the terms sin(k*x) and cos(k*x). terms: texts in the variables. constant: whether 1 is a term.
    rational: formulas are quotients of two sums of terms, the one below with a constant, by the implicit form.
    Raises InvalidArgument, or UnknownName for a term in other variables.

    >>> from limitlab.discovery.symbolic import Library
    >>> Library(("x", "y"), degree=2, terms=("sin(x)",)).names
    ('1', 'x', 'y', 'x^2', 'x*y', 'y^2', 'sin(x)')
    """

    variables: tuple[str, ...]
    degree: int = 3
    frequencies: tuple[float, ...] = ()
    terms: tuple[str, ...] = ()
    constant: bool = True
    rational: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "variables", tuple(self.variables))  # a frozen dataclass
        object.__setattr__(self, "degree", int(check_number("degree", self.degree, low=0, high=16, integer=True)))
        object.__setattr__(self, "frequencies", check_numbers("frequencies", self.frequencies))
        terms = (self.terms,) if isinstance(self.terms, str) else tuple(self.terms)
        object.__setattr__(self, "terms", terms)
        if not self.variables or len(set(self.variables)) < len(self.variables):
            raise InvalidArgument(f"variables must be one name or more, each once; got {self.variables}")
        twice = next((name for name in self.names if self.names.count(name) > 1), None)
        if twice is not None:
            raise InvalidArgument(f"the term {twice!r} is in the library already")
        if not self.names:
            raise InvalidArgument("a library needs a term: a degree, frequencies, terms or the constant")

    @cached_property
    def names(self) -> tuple[str, ...]:
        """A text for each term."""
        return (*(("1",) if self.constant else ()), *map(self._monomial, self._factors), *self._texts)

    @cached_property
    def expressions(self) -> tuple[sympy.Expr, ...]:
        """A sympy expression for each term."""
        return tuple(Expr.parse(name, self.variables).sympy for name in self.names)

    def columns(self, points: Float[np.ndarray, "point variable"]) -> Float[np.ndarray, "point term"]:
        """The terms at the points. Raises InvalidArgument for a term that is not finite there."""
        rows = np.empty((len(self.names), len(points)))
        index: dict[tuple[int, ...], int] = {}
        if self.constant:
            rows[0] = 1.0
        variables = points.T
        for number, factors in enumerate(self._factors, int(self.constant)):
            index[factors] = number
            *before, last = factors
            # a degree above 1 is a product of two rows that are there already
            if before:
                np.multiply(rows[index[tuple(before)]], variables[last], out=rows[number])
            else:
                rows[number] = variables[last]
        for number, text in enumerate(self._texts, len(rows) - len(self._texts)):
            rows[number] = Expr.parse(text, self.variables)(points)
        if not np.isfinite(rows).all():
            bad = next(name for name, row in zip(self.names, rows, strict=True) if not np.isfinite(row).all())
            raise InvalidArgument(f"the term {bad!r} is not finite at one of the points")
        return rows.T

    def implicit_columns(
        self, columns: Float[np.ndarray, "point term"], target: Float[np.ndarray, " point"]
    ) -> Float[np.ndarray, "point coefficient"]:
        """What the target is linear in: the terms, and of a rational library also each but the constant times -y."""
        return np.hstack([columns, -columns[:, int(self.constant) :] * target[:, None]]) if self.rational else columns

    def formula(self, coefficients: Iterable[float]) -> Expr:
        """The formula of the coefficients of `implicit_columns`, without the terms whose coefficient is 0."""
        import sympy

        free = (name for i in range(MOST_TERMS) if (name := f"c{i}") not in self.variables)
        numbers = tuple(map(float, coefficients))
        constants: dict[str, float] = {}

        def summed(weights: Sequence[float], terms: Sequence[sympy.Expr]) -> sympy.Expr:
            total = sympy.Integer(0)
            for weight, term in zip(weights, terms, strict=True):
                if weight:
                    constants[name := next(free)] = weight
                    total += sympy.Symbol(name, real=True) * term
            return total

        count = len(self.names)
        top = summed(numbers[:count], self.expressions)
        below = self.expressions[int(self.constant) :] if self.rational else ()
        whole = top / (1 + summed(numbers[count:], below)) if top else top
        names = tuple(name for name in constants if sympy.Symbol(name, real=True) in whole.free_symbols)
        return Expr(whole, self.variables, names, tuple(constants[name] for name in names))

    def card(self) -> Card:
        shown = ", ".join(self.names)
        return Card(f"Library of {len(self.names)} terms", (("variables", ", ".join(self.variables)), ("terms", shown)))

    @cached_property
    def _factors(self) -> tuple[tuple[int, ...], ...]:
        """The variables of each monomial by number, repeated as often as it is multiplied, lowest degree first."""
        count = len(self.variables)
        factors: list[tuple[int, ...]] = []
        for degree in range(1, self.degree + 1):
            factors.extend(combinations_with_replacement(range(count), degree))
            if len(factors) > MOST_TERMS:
                raise InvalidArgument(f"degree {self.degree} of {count} variables has more than {MOST_TERMS} terms")
        return tuple(factors)

    @cached_property
    def _texts(self) -> tuple[str, ...]:
        inner = [name if k == 1 else f"{k!r}*{name}" for k in self.frequencies for name in self.variables]
        return (*(f"{wave}({text})" for text in inner for wave in ("sin", "cos")), *self.terms)

    def _monomial(self, factors: Sequence[int]) -> str:
        powers = [(self.variables[v], factors.count(v)) for v in sorted(set(factors))]
        return "*".join(name if power == 1 else f"{name}^{power}" for name, power in powers)
