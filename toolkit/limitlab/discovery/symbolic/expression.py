"""A formula as a value: a sympy expression, its variables in order, and its constants by name, in order.

    f(x; c),   x in R^k,   c in R^q

It computes with numpy and torch (one pass for many sets of constants, differentiable), prints itself, reads its own
text back, and knows its complexity and its unit. Text goes through the grammar of `limitlab.problems.text`; nothing
of it is run. Complexity: a cost for every node of the tree, after Cranmer, arXiv 2305.01582.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.cards import Card, Shown
from limitlab.errors import InvalidArgument, check_number, unknown_name
from limitlab.numbers import tensor_of
from limitlab.problems.compiled.program import Program
from limitlab.problems.text.functions import BY_SYMBOL, FUNCTIONS, NAME_OF
from limitlab.problems.text.grammar import DEEPEST_NESTING, LARGEST_EXPONENT, Parser
from limitlab.problems.text.notation import equation_text, ordered_latex

if TYPE_CHECKING:
    import sympy

    from limitlab.discovery.symbolic.units import Unit, Units

COMPLEXITY: dict[str, float] = {
    "+": 1,
    "-": 1,
    "*": 1,
    "/": 2,
    "square": 2,
    "power": 3,
    "constant": 1,
    "variable": 1,
    **dict.fromkeys(FUNCTIONS, 3),
}
"""What each node costs; a power is one node and one constant, but a square has its own cost."""

SHOWN_DIGITS = 4


@dataclass(frozen=True, repr=False)
class Expr(Shown):
    """A formula in `variables` with constants `names` of `values`; made by `Expr.parse` or `Expr.of`.

    Raises InvalidArgument for symbols that are neither, constants that are not finite, and nodes that nothing computes.

    >>> from limitlab.discovery.symbolic import Expr
    >>> swing = Expr.parse("-g*sin(x) - 0.3*v", ("x", "v"), parameters={"g": 9.81})
    >>> swing([[0.0, 1.0]])
    array([-0.3])
    """

    sympy: sympy.Expr
    variables: tuple[str, ...]
    names: tuple[str, ...] = ()
    values: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        for name, value in zip(self.names, self.values, strict=True):
            check_number(f"the constant {name!r}", value)
        known = {*self.variables, *self.names}
        if len(known) < len(self.variables) + len(self.names):
            raise InvalidArgument(f"names must differ; got {', '.join((*self.variables, *self.names))}")
        for symbol in self.sympy.free_symbols:
            if symbol.name not in known:
                raise unknown_name("name", symbol.name, known)
        _require_computable(self.sympy)

    @classmethod
    def parse(cls, text: str, variables: Sequence[str], *, parameters: Mapping[str, float] | None = None) -> Expr:
        """The formula that a text of the grammar says; its numbers are part of the structure, not constants.

        Raises InvalidArgument for what is outside the grammar, UnknownName for undeclared names.
        """
        parameters, variables = dict(parameters or {}), _names(variables)
        # no coordinates: x, y and t are variables like others
        parser = Parser(text, (), (*variables, *parameters), -1)
        expression = parser.sum()
        parser.expect_end()
        values = tuple(check_number(f"parameters[{name!r}]", value) for name, value in parameters.items())
        return cls(expression, variables, tuple(parameters), values)

    @classmethod
    def of(cls, expression: Any, variables: Sequence[str]) -> Expr:
        """The formula of a sympy expression, whose floating-point numbers become constants c0, c1, ...

        Exponents stay numbers, whole ones as whole numbers. Symbols are matched by name.
        """
        import sympy

        variables = _names(variables)
        free = (name for i in range(10**6) if (name := f"c{i}") not in variables)
        constants: dict[str, float] = {}

        def rebuilt(node: sympy.Basic) -> sympy.Basic:
            if node.is_Float or node is sympy.E:
                constants[name := next(free)] = float(node)
                return sympy.Symbol(name, real=True)
            if node.is_Symbol:
                return sympy.Symbol(node.name, real=True)
            if node.is_Pow and node.exp.is_number:
                return rebuilt(node.base) ** _exponent(node.exp)
            return node.func(*map(rebuilt, node.args)) if node.args else node

        if not isinstance(expression, int | float | sympy.Expr):
            raise InvalidArgument(f"expression must be one of sympy; got {expression!r:.60}; read text by Expr.parse")
        tree = rebuilt(sympy.sympify(expression))
        used = {symbol.name for symbol in tree.free_symbols}
        kept = {name: value for name, value in constants.items() if name in used}
        return cls(tree, variables, tuple(kept), tuple(kept.values()))

    def __call__(self, X: Any) -> Float[np.ndarray, " point"]:  # noqa: N803
        """Values (n,) at the points X (n, k), in double precision; NaN where the formula has none."""
        points = np.asarray(X, dtype=np.float64)
        with torch.no_grad():
            return self.torch(torch.from_numpy(np.array(points))).numpy()

    def torch(self, X: Float[Tensor, "point variable"], values: Any = None) -> Tensor:  # noqa: N803
        """Values (n,) at the points X (n, k); (p, n) where `values` are p sets of constants (p, q); differentiable."""
        if X.ndim == 1 and len(self.variables) == 1:
            X = X[:, None]  # noqa: N806
        if X.ndim != 2 or X.shape[1] != len(self.variables):
            raise InvalidArgument(f"X must have the shape (n, {len(self.variables)}); got {tuple(X.shape)}")
        chosen = tensor_of("values", self.values if values is None else values, dtype=X.dtype, device=X.device)
        if chosen.shape[-1:] != (len(self.names),) or chosen.ndim > 2:
            raise InvalidArgument(f"values must have the shape (..., {len(self.names)}); got {tuple(chosen.shape)}")
        run = _program(self.sympy, self.variables, self.names).bind(
            dict(zip(self.names, chosen[..., None].unbind(-2), strict=True))
        )
        (result,) = run(*X.unbind(1))
        return torch.as_tensor(result, dtype=X.dtype, device=X.device).expand(*chosen.shape[:-1], len(X))

    @property
    def parameters(self) -> dict[str, float]:
        """Constants by name."""
        return dict(zip(self.names, self.values, strict=True))

    def with_parameters(self, values: Mapping[str, float] | Iterable[float]) -> Expr:
        """The same structure with other constants, by name or all in order. Raises InvalidArgument, UnknownName."""
        if isinstance(values, Mapping):
            for name in values:
                if name not in self.names:
                    raise unknown_name("constant", name, self.names)
            new = tuple(float(values.get(name, old)) for name, old in self.parameters.items())
        else:
            new = tuple(map(float, values))
        if len(new) != len(self.names):
            raise InvalidArgument(f"values must hold {len(self.names)} numbers; got {len(new)}")
        return Expr(self.sympy, self.variables, self.names, new)

    @property
    def numeric(self) -> sympy.Expr:
        """The sympy expression with its constants as numbers."""
        return self._numeric(None)

    @property
    def text(self) -> str:
        """Text of the grammar, its constants as numbers to the last digit."""
        return equation_text(self.numeric)

    @property
    def structure(self) -> str:
        """Text of the grammar with the names of the constants."""
        return equation_text(self.sympy)

    def latex(self) -> str:
        """LaTeX with constants of four digits."""
        return ordered_latex(self._numeric(SHOWN_DIGITS), {})

    def complexity(self, weights: Mapping[str, float] | None = None) -> float:
        """Cost of the tree by `COMPLEXITY`, of which `weights` replace some. Raises UnknownName."""
        for name in weights or {}:
            if name not in COMPLEXITY:
                raise unknown_name("cost", name, COMPLEXITY)
        return float(_cost(self.sympy, {**COMPLEXITY, **(weights or {})}, self.variables))

    def units(self, units: Units, *, free: bool = True) -> Unit | None:
        """Its unit from those of the variables; see `limitlab.discovery.symbolic.units.unit_of`."""
        from limitlab.discovery.symbolic.units import unit_of

        return unit_of(self, units, free=free)

    def card(self) -> Card:
        return Card("Expr", (("formula", str(self)), ("variables", ", ".join(self.variables))))

    def __str__(self) -> str:
        return equation_text(self._numeric(SHOWN_DIGITS))

    def __repr__(self) -> str:
        return f"Expr({self})"

    def _numeric(self, digits: int | None) -> sympy.Expr:
        import sympy

        def number(value: float) -> sympy.Float:
            return sympy.Float(value if digits is None else float(f"{value:.{digits}g}"))

        constants = {sympy.Symbol(name, real=True): number(value) for name, value in self.parameters.items()}
        if digits is not None:
            constants |= {literal: number(float(literal)) for literal in self.sympy.atoms(sympy.Float)}
        return self.sympy.xreplace(constants)


@lru_cache(maxsize=4096)
def _program(expression: sympy.Expr, variables: tuple[str, ...], names: tuple[str, ...]) -> Program:
    return Program([expression], variables, names)


def _names(variables: Sequence[str]) -> tuple[str, ...]:
    if isinstance(variables, str):
        raise InvalidArgument(f"variables must be a sequence of names, such as ('x',); got {variables!r:.60}")
    return tuple(variables)


def _exponent(number: sympy.Expr) -> sympy.Expr:
    """The exponent as a whole or half number where it is one."""
    import sympy

    value = float(number)
    return sympy.Rational(int(2 * value), 2) if math.isfinite(value) and (2 * value).is_integer() else number


def _require_computable(expression: sympy.Expr) -> None:
    """Raise InvalidArgument for nodes that nothing computes, and for what the grammar could not read back."""
    import sympy

    for node in sympy.preorder_traversal(expression):
        if node.is_number and not _is_real(node):
            raise InvalidArgument(f"numbers of a formula must be real and finite; got {node!s:.60}")
        plain = node.is_Add or node.is_Mul or node.is_Symbol or node is sympy.pi
        function = type(node).__name__ in BY_SYMBOL and len(node.args) == 1
        power = node.is_Pow and node.exp.is_number and abs(node.exp) <= LARGEST_EXPONENT
        if not (plain or function or power or node.is_Number):
            known = f"sums, products, powers up to {LARGEST_EXPONENT} and {', '.join(FUNCTIONS)}"
            raise InvalidArgument(f"a formula holds {known}; got {node!s:.60}")
    if _depth(expression) > DEEPEST_NESTING:
        raise InvalidArgument(f"a formula may be {DEEPEST_NESTING} deep; got {_depth(expression)}")


def _is_real(number: sympy.Expr) -> bool:
    try:
        return math.isfinite(float(number))
    except (TypeError, ValueError, OverflowError):
        return False


def _depth(node: sympy.Basic) -> int:
    return 1 + max(map(_depth, node.args), default=-1)


def _cost(node: sympy.Expr, costs: Mapping[str, float], variables: tuple[str, ...]) -> float:
    """Cost of a tree; what holds numbers alone is one constant."""
    if node.is_number or node.is_Symbol:
        return costs["variable" if node.is_Symbol and node.name in variables else "constant"]
    if node.is_Add:
        minuses = sum(term.as_coeff_Mul()[0] == -1 for term in node.args)
        terms = (_cost(-t if t.as_coeff_Mul()[0] == -1 else t, costs, variables) for t in node.args)
        return sum(terms) + minuses * costs["-"] + max(len(node.args) - 1 - minuses, 0) * costs["+"]
    if node.is_Mul:
        return _cost_of_product(node.args, costs, variables)
    if node.is_Pow:
        return _cost_of_power(node.base, node.exp, costs, variables)
    name = NAME_OF.get(type(node).__name__, "")
    return costs.get(name, costs["power"]) + _cost(node.args[0], costs, variables)


def _cost_of_product(factors: Sequence[sympy.Expr], costs: Mapping[str, float], variables: tuple[str, ...]) -> float:
    above, below, total = 0, 0, 0.0
    for factor in factors:
        if factor == -1:
            total += costs["-"]
        elif factor.is_Pow and not factor.is_number and factor.exp < 0:
            total += _cost(1 / factor, costs, variables)
            below += 1
        else:
            total += _cost(factor, costs, variables)
            above += 1
    # 1/x has a one above the line
    total += costs["/"] * (below > 0) + costs["constant"] * (above == 0)
    return total + costs["*"] * (max(above - 1, 0) + max(below - 1, 0))


def _cost_of_power(base: sympy.Expr, exponent: sympy.Expr, costs: Mapping[str, float], variables: Any) -> float:
    if exponent < 0:
        return costs["constant"] + costs["/"] + _cost(base**-exponent, costs, variables)
    known = {2.0: "square", 0.5: "sqrt"}.get(float(exponent))
    return _cost(base, costs, variables) + (costs[known] if known else costs["power"] + costs["constant"])
