"""How equations are written: LaTeX for the page, and text that the grammar reads back to the same tree."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sympy


def equation_latex(equation: sympy.Eq | sympy.Expr, names: Mapping[str, str] | None = None) -> str:
    """LaTeX with derivatives as subscripts, `u_{xx}`; `names`: LaTeX of fields and parameters that have their own."""
    return _latex_printer()(dict(names or {})).doprint(equation)


def equation_text(equation: sympy.Eq | sympy.Expr) -> str:
    """Text of the grammar: parsed again, it gives the same tree."""
    return _text_printer()().doprint(equation).replace("**", "^")


def _subscripts(derivative: sympy.Derivative) -> str:
    return "".join(variable.name * int(count) for variable, count in derivative.variable_count)


@cache
def _latex_printer() -> type:
    from sympy.core.function import AppliedUndef
    from sympy.printing.latex import LatexPrinter, translate
    from sympy.printing.precedence import PRECEDENCE

    class SubscriptLatex(LatexPrinter):
        """LaTeX in which a field shows no arguments."""

        def __init__(self, names: dict[str, str]) -> None:
            super().__init__({"ln_notation": False})
            self._names = names

        def _print_Symbol(self, symbol, style="plain"):  # noqa: N802
            return self._names.get(symbol.name) or super()._print_Symbol(symbol, style)

        def _print_AppliedUndef(self, field, exp=None):  # noqa: N802
            name = self._names.get(field.func.__name__) or translate(field.func.__name__)
            return name if exp is None else f"{name}^{{{exp}}}"

        def _print_Derivative(self, derivative):  # noqa: N802
            if isinstance(derivative.expr, AppliedUndef):
                return f"{self._print(derivative.expr)}_{{{_subscripts(derivative)}}}"
            inner = self.parenthesize(derivative.expr, PRECEDENCE["Func"], strict=True)
            return f"\\partial_{{{_subscripts(derivative)}}} {inner}"

    return SubscriptLatex


@cache
def _text_printer() -> type:
    from sympy.core.function import AppliedUndef
    from sympy.printing.str import StrPrinter

    class GrammarText(StrPrinter):
        """Text of the grammar."""

        def _print_AppliedUndef(self, field):  # noqa: N802
            return field.func.__name__

        def _print_Derivative(self, derivative):  # noqa: N802
            if isinstance(derivative.expr, AppliedUndef):
                return f"{derivative.expr.func.__name__}_{_subscripts(derivative)}"
            text = self._print(derivative.expr)
            for variable in _subscripts(derivative):
                text = f"d{variable}({text})"
            return text

        def _print_Abs(self, expression):  # noqa: N802
            return f"abs({self._print(expression.args[0])})"

        def _print_Float(self, number):  # noqa: N802
            return repr(float(number))

        def _print_Equality(self, equation):  # noqa: N802
            return f"{self._print(equation.lhs)} = {self._print(equation.rhs)}"

    return GrammarText
