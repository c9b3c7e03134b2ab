"""How equations are written: LaTeX for the page, and text that the grammar reads back to the same tree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING

from limitlab.problems.base import Field, Parameter
from limitlab.problems.text.functions import NAME_OF
from limitlab.problems.text.systems import REDUCTIONS, Dynamics, site_of

if TYPE_CHECKING:
    import sympy


def equation_latex(equation: sympy.Eq | sympy.Expr, names: Mapping[str, str] | None = None) -> str:
    """LaTeX with derivatives as subscripts, `u_{xx}`; `names`: LaTeX of fields and parameters that have their own."""
    return _latex_printer()(dict(names or {})).doprint(equation)


def equation_text(equation: sympy.Eq | sympy.Expr) -> str:
    """Text of the grammar: parsed again, it gives the same tree."""
    return _text_printer()().doprint(equation).replace("**", "^")


def system_latex(
    dynamics: Dynamics,
    states: Sequence[Field],
    parameters: Sequence[Parameter] = (),
    calculus: str = "ito",
) -> str:
    """The system as LaTeX: an array with one row an equation, which MathJax and latex2mathml both read."""
    latex = _SystemLatex(dynamics, states, parameters)
    rows = []
    for index, (state, drift) in enumerate(zip(states, dynamics.drift, strict=True)):
        unknown = latex.state(state)
        if not dynamics.noises:
            rows.append(f"{_dotted(unknown)} &=& \\displaystyle {latex(drift)}")
            continue
        product = r"\, \circ" if calculus == "stratonovich" else r"\,"
        terms = [] if drift == 0 else [f"{latex.factor(drift)}\\, \\mathrm{{d}}t"]
        for noise, factor in zip(dynamics.noises, dynamics.diffusion[index], strict=True):
            if factor != 0:
                number = noise[2:] or ("i" if dynamics.indexed else "")
                increment = f"\\mathrm{{d}}W_{{{number}}}" if number else "\\mathrm{d}W"
                terms.append(f"{latex.factor(factor)}{product} {increment}" if factor != 1 else increment)
        first, *rest = terms or ["0"]
        total = first + "".join(f" {term}" if term.startswith("-") else f" + {term}" for term in rest)
        rows.append(f"\\mathrm{{d}} {unknown} &=& \\displaystyle {total}")
    return "\\begin{array}{rcl}" + " \\\\ ".join(rows) + "\\end{array}"


class _SystemLatex:
    """Expressions of a system as LaTeX, parameters before states in products and sums."""

    def __init__(self, dynamics: Dynamics, states: Sequence[Field], parameters: Sequence[Parameter]) -> None:
        import sympy

        self._indexed = dynamics.indexed
        items: list[Field | Parameter] = [*states, *parameters]
        self._names = {item.name: item.latex for item in items if item.latex}
        # sympy sorts by name, and digits come before letters
        self._early = {sympy.Symbol(p.name, real=True): sympy.Symbol(f"0{p.name}", real=True) for p in parameters}
        self._names |= {f"0{p.name}": p.latex or _plain(p.name) for p in parameters}
        expressions = (*dynamics.drift, *(entry for row in dynamics.diffusion for entry in row))
        for symbol in {s.name for expression in expressions for s in expression.atoms(sympy.Symbol)}:
            if site := site_of(symbol):
                letter = self._names.get(site[0]) or _plain(site[0])
                self._names[symbol] = f"{letter}_{{{symbol.partition('[')[2][:-1]}}}"

    def __call__(self, expression: sympy.Expr) -> str:
        return ordered_latex(expression.xreplace(self._early), self._names)

    def factor(self, expression: sympy.Expr) -> str:
        text = self(expression)
        return f"\\left({text}\\right)" if expression.is_Add else text

    def state(self, state: Field) -> str:
        letter = state.latex or _plain(state.name)
        return f"{letter}_{{i}}" if self._indexed else letter


def _plain(name: str) -> str:
    from sympy import Symbol

    return equation_latex(Symbol(name))


def _dotted(symbol: str) -> str:
    """A dot over the letter, not over its subscript."""
    letter, underscore, subscript = symbol.partition("_")
    return f"\\dot{{{letter}}}{underscore}{subscript}"


def ordered_latex(expression: sympy.Expr, names: Mapping[str, str]) -> str:
    """LaTeX with the positive terms of every sum first."""
    return _latex_printer()(dict(names), positive_first=True).doprint(expression)


def _subscripts(derivative: sympy.Derivative) -> str:
    return "".join(variable.name * int(count) for variable, count in derivative.variable_count)


@cache
def _latex_printer() -> type:
    from sympy.core.function import AppliedUndef, _coeff_isneg
    from sympy.printing.latex import LatexPrinter, translate
    from sympy.printing.precedence import PRECEDENCE

    class SubscriptLatex(LatexPrinter):
        """LaTeX in which a field shows no arguments."""

        def __init__(self, names: dict[str, str], positive_first: bool = False) -> None:
            super().__init__({"ln_notation": False})
            self._names = names
            self._positive_first = positive_first

        def _as_ordered_terms(self, expr, order=None):
            terms = super()._as_ordered_terms(expr, order=order)
            return sorted(terms, key=_coeff_isneg) if self._positive_first else terms

        def _print_Symbol(self, symbol, style="plain"):  # noqa: N802
            return self._names.get(symbol.name) or super()._print_Symbol(symbol, style)

        def _print_AppliedUndef(self, field, exp=None):  # noqa: N802
            reduction = {"mean": self._print_mean, "sum": self._print_sum}.get(field.func.__name__)
            if reduction is not None and len(field.args) == 1:
                return reduction(field, exp)
            name = self._names.get(field.func.__name__) or translate(field.func.__name__)
            return name if exp is None else f"{name}^{{{exp}}}"

        def _print_mean(self, mean, exp=None):
            total = rf"\frac{{1}}{{N}} \sum_{{j=1}}^{{N}} {self.parenthesize(mean.args[0], PRECEDENCE['Mul'])}"
            return total if exp is None else rf"\left({total}\right)^{{{exp}}}"

        def _print_sum(self, node, exp=None):
            total = rf"\sum_{{j=1}}^{{N}} {self.parenthesize(node.args[0], PRECEDENCE['Mul'])}"
            return total if exp is None else rf"\left({total}\right)^{{{exp}}}"

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
            name = field.func.__name__
            return f"{name}({self._print(field.args[0])})" if name in REDUCTIONS else name

        def _print_Derivative(self, derivative):  # noqa: N802
            if isinstance(derivative.expr, AppliedUndef):
                return f"{derivative.expr.func.__name__}_{_subscripts(derivative)}"
            text = self._print(derivative.expr)
            for variable in _subscripts(derivative):
                text = f"d{variable}({text})"
            return text

        def _print_Function(self, expression):  # noqa: N802
            name = type(expression).__name__
            return f"{NAME_OF.get(name, name)}({self.stringify(expression.args, ', ')})"

        _print_Abs = _print_Function  # noqa: N815

        def _print_cot(self, expression):
            return f"(1/tan({self._print(expression.args[0])}))"

        def _print_Float(self, number):  # noqa: N802
            # the shortest text that gives the same float back
            return repr(float(number))

        def _print_Equality(self, equation):  # noqa: N802
            return f"{self._print(equation.lhs)} = {self._print(equation.rhs)}"

    return GrammarText
