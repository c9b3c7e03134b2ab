"""The functions of the language, one row each: of numbers, of tensors, in sympy and on the page.

Grammar, compiled programs, LaTeX and derivatives read this table. Functions that sympy lacks, or takes for complex:

    exprel(x) = (e^x - 1)/x = phi_1(x),     phi_1' = phi_1 - phi_2,     phi_2(x) = (e^x - 1 - x)/x^2
    pos(x) = max(x, 0),                     pos' = step
    abs(x),                                 abs' = sign, also where the argument is real in its domain alone: log, sqrt

Rates such as a (V - b)/(1 - exp(-(V - b)/c)) of nerve cells are a c/exprel(-(V - b)/c), finite at V = b.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

if TYPE_CHECKING:
    import sympy

_SERIES_BELOW = 0.05  # the difference loses a factor of 2/x to rounding, 40 at this x
# the slope is a difference over x: eps/x of rounding against x^2 of the series that was cut
_SERIES_OF_SLOPE_BELOW = {torch.float64: 1e-5, torch.float32: 5e-3}
_SERIES_TERMS = 10


class Function(NamedTuple):
    """One function: of a number, of a tensor, and the name of its class in sympy or among `symbolic_functions`.

    slope: the derivative of a function of ours, as a sum of functions of its argument: {"exprel": 1, "exprel2": -1}.
    latex: of a function of ours, # for the argument, (#) for one that is bracketed unless it is a symbol; sympy's
    printer writes the others.
    """

    number: Callable[[float], float]
    tensor: Callable[[Tensor], Tensor]
    symbol: str
    slope: Mapping[str, int] | None = None
    latex: str = ""


def exprel(x: Tensor) -> Tensor:
    """(e^x - 1)/x, 1 at 0; its Taylor series where the gradient of the quotient would cancel."""
    near = x.abs() < _SERIES_OF_SLOPE_BELOW.get(x.dtype, 1e-2)
    # both branches run: the one that `where` drops must not divide by zero, for its gradient's sake
    safe = torch.where(near, 1.0, x)
    return torch.where(near, 1 + x * (0.5 + x / 6), torch.expm1(safe) / safe)


def exprel2(x: Tensor) -> Tensor:
    """(e^x - 1 - x)/x^2, 1/2 at 0; its Taylor series where the difference would cancel."""
    near = x.abs() < _SERIES_BELOW
    safe = torch.where(near, 1.0, x)
    series = torch.zeros_like(x)
    for n in reversed(range(_SERIES_TERMS)):
        series = series * x + 1 / math.factorial(n + 2)
    return torch.where(near, series, (torch.expm1(safe) - safe) / safe**2)


def step(x: Tensor) -> Tensor:
    """1 where x > 0, else 0."""
    return (x > 0).to(x.dtype)


FUNCTIONS: dict[str, Function] = {
    "sin": Function(math.sin, torch.sin, "sin"),
    "cos": Function(math.cos, torch.cos, "cos"),
    "tan": Function(math.tan, torch.tan, "tan"),
    "exp": Function(math.exp, torch.exp, "exp"),
    "log": Function(math.log, torch.log, "log"),
    "sqrt": Function(math.sqrt, torch.sqrt, "sqrt"),
    "tanh": Function(math.tanh, torch.tanh, "tanh"),
    "sinh": Function(math.sinh, torch.sinh, "sinh"),
    "cosh": Function(math.cosh, torch.cosh, "cosh"),
    "erf": Function(math.erf, torch.erf, "erf"),
    "abs": Function(math.fabs, torch.abs, "Abs", slope={"sign": 1}),
    "exprel": Function(
        lambda x: math.expm1(x) / x if x else 1.0,
        exprel,
        "exprel",
        slope={"exprel": 1, "exprel2": -1},
        latex=r"\frac{e^{#} - 1}{#}",
    ),
    "pos": Function(lambda x: max(x, 0.0), torch.relu, "pos", slope={"step": 1}, latex="(#)^{+}"),
}
"""What a text may hold, by the name that it has there."""

DERIVED: tuple[Function, ...] = (
    Function(lambda x: math.copysign(1.0, x) if x else 0.0, torch.sign, "sign"),
    Function(lambda x: float(x > 0), step, "step", slope={}, latex=r"\mathbb{1}_{>0}\left(#\right)"),
    Function(
        lambda x: float(exprel2(torch.tensor(x, dtype=torch.float64))),
        exprel2,
        "exprel2",
        latex=r"\varphi_{2}\left(#\right)",
    ),
    # sympy writes tan(x + pi/2) as -cot(x)
    Function(lambda x: 1 / math.tan(x), lambda x: torch.tan(x).reciprocal(), "cot"),
)
"""What stands in derivatives and simplified expressions alone."""

BY_SYMBOL: dict[str, Function] = {row.symbol: row for row in (*FUNCTIONS.values(), *DERIVED)}
NAME_OF: dict[str, str] = {row.symbol: name for name, row in FUNCTIONS.items()}
"""What a text calls the function of a symbol."""


def symbolic(symbol: str) -> Callable[[sympy.Expr], sympy.Expr]:
    """The class of ours by that name, else sympy's."""
    import sympy

    return symbolic_functions().get(symbol) or getattr(sympy, symbol)


@cache
def symbolic_functions() -> dict[str, type[sympy.Function]]:
    """Our sympy classes by symbol; made when first asked for, so that importing this module loads no sympy."""
    import sympy
    from sympy.core.function import ArgumentIndexError

    class Real(sympy.Function):
        """A real function of one real argument."""

        nargs = 1
        is_real = True

        def fdiff(self, argindex=1):
            if argindex != 1:
                raise ArgumentIndexError(self, argindex)
            slope = self.row.slope
            if slope is None:
                return super().fdiff(argindex)
            return sympy.Add(*(count * symbolic(name)(self.args[0]) for name, count in slope.items()))

        def _eval_evalf(self, prec):
            (argument,) = self.args
            return sympy.Float(self.row.number(float(argument)), prec) if argument.is_number else None

    class Shown(Real):
        """One that sympy's printer does not know."""

        def _latex(self, printer, exp=None):
            argument = printer.doprint(self.args[0])
            bracketed = argument if self.args[0].is_Symbol else f"\\left({argument}\\right)"
            text = self.row.latex.replace("(#)", bracketed).replace("#", argument)
            whole = text if text.endswith(r"\right)") else f"\\left({text}\\right)"
            return text if exp is None else f"{whole}^{{{exp}}}"

    class Abs(Real):
        """sympy's, but of arguments that it may take for complex, such as log(x), whose modulus it would expand."""

        @classmethod
        def eval(cls, argument):
            # None leaves the node as it is
            return sympy.Abs(argument) if argument.is_real else None

    Abs.row = BY_SYMBOL["Abs"]
    made = {row.symbol: type(row.symbol, (Shown,), {"row": row}) for row in BY_SYMBOL.values() if row.latex}
    return {"Abs": Abs, **made}
