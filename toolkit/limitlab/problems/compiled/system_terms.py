"""Equations u_t = ...; v_t = ... taken apart: coefficients of linear terms, fluxes of the rest, growth of waves."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from limitlab.errors import InvalidArgument
from limitlab.problems.compiled.periodic_terms import Orders, degree, fluxes, linear_split, torch_function
from limitlab.problems.text.grammar import parse_equation

if TYPE_CHECKING:
    import sympy

Function = Callable[..., Any]
SHORT_WAVES = (1e6, 2e6)
DIRECTIONS = 32
GROWTH = 1e-6  # of the size of a symbol: a real part that rounding alone may have
_LEFT = re.compile(r"\s*([A-Za-z][A-Za-z0-9_]*?)_(t+)\s*\Z", re.ASCII)


class SystemTerms(NamedTuple):
    """A system as torch functions, one entry an equation.

    linear: coefficients by number of the field and orders of its derivative. fluxes: of the rest, by the orders of
    their derivative. keep: share of the modes that its products leave clean.
    """

    linear: tuple[dict[tuple[int, Orders], Function], ...]
    fluxes: tuple[dict[Orders, Function], ...]
    keep: float

    def numbers(self, values: Mapping[str, float]) -> list[dict[tuple[int, Orders], float]]:
        """The linear coefficients at these parameter values."""
        tensors = {name: torch.tensor(value, dtype=torch.float64) for name, value in values.items()}
        return [{key: float(f(tensors, _no_derivative)) for key, f in row.items()} for row in self.linear]


def equations_of(text: str) -> tuple[str, ...]:
    """The equations of a text, apart by ; or a new line."""
    return tuple(line for line in re.split(r"[;\n]", text) if line.strip())


def unknowns_of(text: str) -> tuple[str, ...]:
    """The fields whose time derivatives are the left sides. Raises InvalidArgument for other left sides."""
    names = []
    for line in equations_of(text):
        left, equals, _ = line.partition("=")
        match = _LEFT.match(left)
        if not equals or match is None:
            raise InvalidArgument(f"an evolution equation reads 'u_t = ...'; got {line.strip()!a:.60}")
        if len(match[2]) > 1:
            raise InvalidArgument(f"write {match[0].strip()} = ... as two equations, {match[1]}_t = v; v_t = ...")
        if match[1] in names:
            raise InvalidArgument(f"there are two equations of {match[1]!r}")
        names.append(match[1])
    return tuple(names)


@lru_cache(maxsize=64)
def parsed(text: str, fields: tuple[str, ...], parameters: tuple[str, ...], dimension: int) -> tuple[sympy.Eq, ...]:
    """The equations, in the order of the text. Raises InvalidArgument where one is of another kind."""
    import sympy

    equations = []
    for line in equations_of(text):
        equation = parse_equation(line, fields=fields, parameters=parameters, dimension=dimension)
        t = sympy.Symbol("t", real=True)
        right = equation.rhs
        in_time = any(t in {v for v, _ in d.variable_count} for d in right.atoms(sympy.Derivative))
        if in_time or t in right.subs({f: sympy.Symbol("u") for f in _functions(fields, dimension)}).free_symbols:
            raise InvalidArgument(
                f"a right side may hold fields, their derivatives and coordinates, but no t; got {line!r:.80}"
            )
        equations.append(equation)
    return tuple(equations)


@lru_cache(maxsize=64)
def system_terms(text: str, fields: tuple[str, ...], parameters: tuple[str, ...], dimension: int) -> SystemTerms:
    """The text split into linear coefficients and fluxes. fields: the unknowns, in the order of the equations."""
    axes = "xyz"[:dimension]
    functions = _functions(fields, dimension)
    linear, nonlinear, highest = [], [], 0
    for equation in parsed(text, fields, parameters, dimension):
        coefficients, rest = linear_split(equation.rhs, functions, axes)
        linear.append({(fields.index(n), o): torch_function(c) for (n, o), c in coefficients.items() if c != 0})
        nonlinear.append({orders: torch_function(flux) for orders, flux in fluxes(rest, axes).items()})
        highest = max(highest, degree(rest))
    # Orszag's rule: a product of d factors needs 2/(d + 1)
    return SystemTerms(tuple(linear), tuple(nonlinear), 2 / (max(2, highest) + 1))


def require_no_growth(rows: list[dict[tuple[int, Orders], float]], dimension: int) -> None:
    """Raise InvalidArgument where ever shorter waves grow at ever greater rates, in any direction."""
    angles = torch.arange(DIRECTIONS, dtype=torch.float64) * (2 * math.pi / DIRECTIONS)
    directions = torch.stack([torch.cos(angles), torch.sin(angles)], -1) if dimension == 2 else torch.ones(1, 1)
    rates = []
    for size in SHORT_WAVES:
        k = size * directions.double()
        matrix = torch.zeros(len(k), len(rows), len(rows), dtype=torch.complex128)
        for i, row in enumerate(rows):
            for (j, orders), coefficient in row.items():
                wave = math.prod((k[:, axis] ** order for axis, order in enumerate(orders)), start=torch.ones(len(k)))
                matrix[:, i, j] += coefficient * 1j ** sum(orders) * wave
        eigenvalues = torch.linalg.eigvals(matrix)
        rates.append(float((eigenvalues.real - GROWTH * eigenvalues.abs()).amax()))
    if 1 < 1.5 * rates[0] < rates[1]:
        raise InvalidArgument(
            f"the equation is ill-posed: waves of wavenumber {SHORT_WAVES[0]:g} grow like exp({rates[0]:g} t) and "
            "shorter ones faster, without bound; change the sign of its highest even derivative"
        )


def _functions(fields: tuple[str, ...], dimension: int) -> tuple[sympy.Expr, ...]:
    import sympy

    arguments = [sympy.Symbol(name, real=True) for name in "txyz"[: dimension + 1]]
    return tuple(sympy.Function(name, real=True)(*arguments) for name in fields)


def _no_derivative(values: Tensor, axis: str, order: int) -> Tensor:
    raise AssertionError("a coefficient holds no field")
