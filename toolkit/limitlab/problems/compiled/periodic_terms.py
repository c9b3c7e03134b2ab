"""From the tree of an equation to numbers: its linear symbol, and a torch function of the rest.

    u_t = sum_n c_n d^n u/dx^n + N(u),     L(k) = sum_n c_n (i k)^n,     c_n free of u, x and t

A derivative is named by its orders along the axes: u_xxy is (2, 1) in the plane.

The function is a closure over the tree, built node by node; no source text is generated or run.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from limitlab.errors import InvalidArgument
from limitlab.problems.text.functions import BY_SYMBOL
from limitlab.spaces.grid import Grid
from limitlab.spaces.transforms import wavenumbers

if TYPE_CHECKING:
    import sympy

Differentiate = Callable[[Any, str, int], Any]
Orders = tuple[int, ...]
LinearTerm = tuple[str, Orders]
MOST_EXPANDED_TERMS = 64
CUBIC = 3


def linear_split(
    expression: sympy.Expr, fields: Sequence[sympy.Expr], axes: str = "x"
) -> tuple[dict[LinearTerm, sympy.Expr], sympy.Expr]:
    """Coefficients of the constant-coefficient linear terms, by field and orders of the derivative, and the rest."""
    import sympy

    linear: dict[LinearTerm, sympy.Expr] = defaultdict(lambda: sympy.Integer(0))
    if expression in fields:
        linear[expression.func.__name__, (0,) * len(axes)] += 1
        return linear, sympy.Integer(0)
    if expression.is_Add:
        rest = sympy.Integer(0)
        for term in expression.args:
            part, remainder = linear_split(term, fields, axes)
            for key, coefficient in part.items():
                linear[key] += coefficient
            rest += remainder
        return linear, rest
    if isinstance(expression, sympy.Derivative):
        variables = expression.variable_count
        if any(variable.name not in axes for variable, _ in variables):
            return linear, expression
        shift = _orders(expression, axes)
        part, remainder = linear_split(expression.expr, fields, axes)
        rest = sympy.Derivative(remainder, *variables) if remainder.free_symbols else sympy.Integer(0)
        return {(name, _added(orders, shift)): coefficient for (name, orders), coefficient in part.items()}, rest
    if expression.is_Mul:
        constants = [f for f in expression.args if not f.has(*fields) and not _coordinates_in(f)]
        others = [f for f in expression.args if f not in constants]
        scale = sympy.Mul(*constants)
        if len(others) == 1:
            part, remainder = linear_split(others[0], fields, axes)
            return {key: scale * coefficient for key, coefficient in part.items()}, scale * remainder
        sums = [len(f.args) for f in others if f.is_Add]
        if sums and math.prod(sums) <= MOST_EXPANDED_TERMS:
            # u*(1 - u) hides a linear term; deep expansion could take for ever
            return linear_split(sympy.expand_mul(expression, deep=False), fields, axes)
    return linear, expression


def fluxes(rest: sympy.Expr, axes: str = "x") -> dict[Orders, sympy.Expr]:
    """The remainder as a sum of derivatives of fluxes: conservative terms by their orders, the others under none."""
    import sympy

    terms: dict[Orders, sympy.Expr] = defaultdict(lambda: sympy.Integer(0))
    for term in sympy.Add.make_args(rest):
        derivatives = [f for f in sympy.Mul.make_args(term) if isinstance(f, sympy.Derivative)]
        factor = term / derivatives[0] if len(derivatives) == 1 else term
        constant = not factor.atoms(sympy.Function) and not _coordinates_in(factor)
        if len(derivatives) == 1 and constant and not derivatives[0].expr.is_Function:
            terms[_orders(derivatives[0], axes)] += factor * derivatives[0].expr
        elif term != 0:
            terms[(0,) * len(axes)] += term
    return dict(terms)


def _orders(derivative: sympy.Derivative, axes: str) -> Orders:
    counts = {variable.name: int(count) for variable, count in derivative.variable_count}
    return tuple(counts.get(axis, 0) for axis in axes)


def _added(orders: Orders, shift: Orders) -> Orders:
    return tuple(one + other for one, other in zip(orders, shift, strict=True))


def degree(expression: sympy.Expr) -> int:
    """Polynomial degree in the fields, 3 for anything that is no polynomial; it decides the de-aliasing."""
    from sympy.core.function import AppliedUndef

    if not expression.has(AppliedUndef):
        return 0
    if isinstance(expression, AppliedUndef):
        return 1
    if expression.is_Add:
        return max(degree(term) for term in expression.args)
    if expression.is_Mul:
        return sum(degree(factor) for factor in expression.args)
    if expression.is_Derivative:
        return degree(expression.expr)
    if expression.is_Pow and expression.exp.is_Integer and expression.exp > 0:
        return int(expression.exp) * degree(expression.base)
    return CUBIC


def powers_of(flux: sympy.Expr, field: sympy.Expr) -> list[sympy.Expr] | None:
    """Coefficients of a polynomial in the field, from that of its power 0 on; None for anything else."""
    import sympy

    u = sympy.Symbol("u")
    plain = flux.subs(field, u)
    if not plain.is_polynomial(u) or plain.atoms(sympy.Derivative) or _coordinates_in(plain):
        return None
    return sympy.Poly(plain, u).all_coeffs()[::-1]


def fourier_symbol(linear: Mapping[int, float], grid: Grid) -> Tensor:
    """L(k) on the modes of a 1-D grid: real when every order is even; odd orders leave out the mode n/2."""
    (k,) = wavenumbers(grid)
    even = sum((c * (-1) ** (n // 2) * k**n for n, c in linear.items() if n % 2 == 0), torch.zeros_like(k))
    odd = sum((c * (-1) ** (n // 2) * k**n for n, c in linear.items() if n % 2), torch.zeros_like(k))
    if not any(c for n, c in linear.items() if n % 2):
        return even
    if grid.shape[0] % 2 == 0:
        # the sine of n/2 is not on the grid
        odd[-1] = 0.0
    return torch.complex(even, odd)


def require_well_posed(linear: Mapping[int, float]) -> None:
    """Raise InvalidArgument when Re L(k) grows without bound: short waves would then grow at any rate."""
    even = [order for order, coefficient in linear.items() if order % 2 == 0 and order and coefficient]
    if even and (-1) ** (max(even) // 2) * linear[max(even)] > 0:
        order = max(even)
        raise InvalidArgument(
            f"the equation is ill-posed: its term {linear[order]:+g} u_{'x' * order} makes waves of wavenumber k "
            f"grow like exp({abs(linear[order]):g} k^{order} t), without bound in k; change its sign"
        )


def torch_function(
    expression: sympy.Expr,
) -> Callable[[Mapping[str, Any], Differentiate], Any]:
    """Function (values by name, differentiate) -> value of the tree; a tree of numbers alone gives a float.

    values: tensors of the fields, parameters and coordinates, which broadcast. differentiate(values, axis name, order)
    takes every derivative, of a field or of a product.
    """
    import sympy
    from sympy.core.function import AppliedUndef

    if expression.is_number:
        number = float(expression)
        return lambda values, differentiate: number
    if isinstance(expression, sympy.Symbol | AppliedUndef):
        name = expression.name if isinstance(expression, sympy.Symbol) else expression.func.__name__
        return lambda values, differentiate: values[name]
    if isinstance(expression, sympy.Derivative):
        return _derivative(expression)
    arguments = [torch_function(argument) for argument in expression.args]
    if expression.is_Add:
        return lambda values, differentiate: sum(f(values, differentiate) for f in arguments)
    if expression.is_Mul:
        return lambda values, differentiate: math.prod(f(values, differentiate) for f in arguments)
    if expression.is_Pow:
        base, exponent = arguments[0], float(expression.exp)
        # a whole exponent takes negative bases, and multiplies instead of taking logarithms
        power = int(exponent) if exponent.is_integer() else exponent
        return lambda values, differentiate: base(values, differentiate) ** power
    name = type(expression).__name__
    if name not in BY_SYMBOL or len(arguments) != 1:
        raise InvalidArgument(f"{expression!s:.60} cannot be computed here")
    function, (argument,) = BY_SYMBOL[name].tensor, arguments
    return lambda values, differentiate: function(argument(values, differentiate))


def _derivative(expression: sympy.Derivative) -> Callable[[Mapping[str, Any], Differentiate], Any]:
    inner = torch_function(expression.expr)
    orders = [(variable.name, int(count)) for variable, count in expression.variable_count]

    def evaluate(values: Mapping[str, Any], differentiate: Differentiate) -> Any:
        result = inner(values, differentiate)
        for axis, order in orders:
            result = differentiate(result, axis, order)
        return result

    return evaluate


def _coordinates_in(expression: sympy.Expr) -> bool:
    return any(symbol.name in ("t", "x", "y", "z") for symbol in expression.free_symbols)
