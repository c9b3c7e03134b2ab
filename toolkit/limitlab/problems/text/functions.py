"""Functions of the grammar that sympy lacks, with guarded removable singularities and derivatives.

    exprel(x) = (e^x - 1)/x = phi_1(x),     phi_1' = phi_1 - phi_2,     phi_2(x) = (e^x - 1 - x)/x^2
    pos(x) = max(x, 0),                     pos' = step

Rates such as a (V - b)/(1 - exp(-(V - b)/c)) of nerve cells are a c/exprel(-(V - b)/c), finite at V = b.
"""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    import sympy

_SERIES_BELOW = 0.05
_SERIES_OF_SLOPE_BELOW = {torch.float64: 1e-5, torch.float32: 5e-3}
_SERIES_TERMS = 10


def exprel_of_number(x: float) -> float:
    """(e^x - 1)/x of a number, 1 at 0."""
    return math.expm1(x) / x if x else 1.0


def exprel(x: Tensor) -> Tensor:
    """(e^x - 1)/x, 1 at 0; its Taylor series where the gradient of the quotient would cancel."""
    near = x.abs() < _SERIES_OF_SLOPE_BELOW.get(x.dtype, 1e-2)
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


@cache
def symbolic_functions() -> dict[str, type[sympy.Function]]:
    """The sympy classes by name; made when first asked for, so that importing this module loads no sympy."""
    import sympy
    from sympy.core.function import ArgumentIndexError

    class Real(sympy.Function):
        """A real function of one real argument."""

        nargs = 1
        is_real = True
        shown = ""

        def _latex(self, printer, exp=None):
            text = f"{self.shown}\\left({printer.doprint(self.args[0])}\\right)"
            return text if exp is None else f"{text}^{{{exp}}}"

    class exprel2(Real):  # noqa: N801
        shown = r"\varphi_{2}"

    class exprel(Real):  # noqa: N801
        def _latex(self, printer, exp=None):
            x = printer.doprint(self.args[0])
            text = f"\\frac{{e^{{{x}}} - 1}}{{{x}}}"
            return text if exp is None else f"\\left({text}\\right)^{{{exp}}}"

        def fdiff(self, argindex=1):
            if argindex != 1:
                raise ArgumentIndexError(self, argindex)
            return exprel(self.args[0]) - exprel2(self.args[0])

    class step(Real):  # noqa: N801
        shown = r"\mathbb{1}_{>0}"

    class pos(Real):  # noqa: N801
        def fdiff(self, argindex=1):
            if argindex != 1:
                raise ArgumentIndexError(self, argindex)
            return step(self.args[0])

        def _latex(self, printer, exp=None):
            x = printer.doprint(self.args[0])
            text = f"{x}^{{+}}" if self.args[0].is_Symbol else f"\\left({x}\\right)^{{+}}"
            return text if exp is None else f"\\left({text}\\right)^{{{exp}}}"

    return {"exprel": exprel, "exprel2": exprel2, "pos": pos, "step": step}
