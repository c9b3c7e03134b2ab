"""Terms of a system: the summands of its right sides, which can be hidden, the equations that are left, and the key.

    x' = alpha*x - beta*x*y        summands alpha*x and -beta*x*y;   with the second hidden   x' = alpha*x + G1

A summand that holds the time cannot be hidden, since a hidden term is a function of the states. A blank term is one
that nobody knows: the equation lacks it, and measurements have it. What is found for a hole is scored against the text
that it was made from (`answer_key`), by the structure (`limitlab.discovery.symbolic.same_structure`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from limitlab.errors import InvalidArgument
from limitlab.problems import Field, ODEProblem, Parameter
from limitlab.problems.text.notation import equation_text, ordered_latex
from limitlab.problems.text.systems import parse_dynamics, parse_scalar

if TYPE_CHECKING:
    import sympy

    from limitlab.discovery.symbolic import Expr, Holed

BLANK = ""
TIME = "t"
MOST_STATES = 3
LETTERS = ("G", "H", "Q", "hole")
Hidden = tuple[tuple[str, str], ...]
"""(equation, text of a summand), the text empty for a term that nobody knows."""


@dataclass(frozen=True)
class Term:
    """A summand of the equation of a state: its text, its LaTeX with its sign, whether it can be hidden."""

    equation: str
    text: str
    latex: str
    nonlinear: bool
    timed: bool


def terms_of(problem: ODEProblem) -> tuple[Term, ...]:
    """The summands of all right sides, in their order; none for an equation whose right side is zero.

    >>> [term.text for term in ll.discovery.terms.terms_of(ll.problems.get("lotka_volterra"))]
    ['alpha*x', '-beta*x*y', '-gamma*y', 'delta*x*y']
    """
    items: list[Field | Parameter] = [*problem.states, *problem.parameters]
    names = tuple((item.name, item.latex) for item in items if item.latex)
    return _terms(problem.equation, tuple(problem.values), names)


@lru_cache(maxsize=64)
def _terms(equation: str, parameters: tuple[str, ...], names: tuple[tuple[str, str], ...]) -> tuple[Term, ...]:
    import sympy

    dynamics = parse_dynamics(equation, parameters)
    states = [sympy.Symbol(name, real=True) for name in dynamics.states]
    terms = []
    for name, drift in zip(dynamics.states, dynamics.drift, strict=True):
        for part in _parts(drift):
            latex = ordered_latex(part, dict(names))
            terms.append(
                Term(
                    name,
                    equation_text(part),
                    latex if latex.startswith("-") else f"+ {latex}",
                    any(sympy.diff(part, one, other) != 0 for one in states for other in states),
                    TIME in {symbol.name for symbol in part.free_symbols} - {*dynamics.states, *parameters},
                )
            )
    return tuple(terms)


def first_hidden(problem: ODEProblem) -> Hidden:
    """What is hidden at first: the nonlinear terms, or the last one where there are none."""
    free = [term for term in terms_of(problem) if not term.timed]
    chosen = [term for term in free if term.nonlinear] or free[-1:]
    return tuple((term.equation, term.text) for term in chosen)


def hidden_terms(problem: ODEProblem, hidden: Hidden) -> dict[str, str | None]:
    """Text of what is hidden by equation, for `HiddenTerms`: the sum of its summands, None where nobody knows any."""
    texts: dict[str, list[str]] = {}
    for name in problem.components:
        if mine := [text for equation, text in hidden if equation == name]:
            texts[name] = [text for text in mine if text]
    return {name: " + ".join(f"({text})" for text in parts) or None for name, parts in texts.items()}


def holed(problem: ODEProblem, hidden: Hidden) -> Holed:
    """The equations with a hole in the place of what is hidden, one an equation, in the order of the equations.

    >>> prey = ll.problems.get("lotka_volterra")
    >>> ll.discovery.terms.holed(prey, [("x", "-beta*x*y")]).equation
    "x' = (alpha*x) + G1; y' = (-gamma*y) + (delta*x*y)"
    """
    from limitlab.discovery.symbolic import Holed

    texts = hidden_terms(problem, hidden)
    dynamics = problem.dynamics()
    taken = {*dynamics.states, *problem.values}
    letter = next(one for one in LETTERS if not {f"{one}{k + 1}" for k in range(len(texts))} & taken)
    holes = {name: f"{letter}{number}" for number, name in enumerate(texts, 1)}
    lines = []
    for name, drift in zip(dynamics.states, dynamics.drift, strict=True):
        taken_out = {text for equation, text in hidden if equation == name}
        kept = [f"({equation_text(part)})" for part in _parts(drift) if equation_text(part) not in taken_out]
        lines.append(f"{name}' = {' + '.join([*kept, *([holes[name]] if name in holes else [])]) or '0'}")
    return Holed("; ".join(lines), tuple(holes.values()), dict(problem.values))


def answer_key(problem: ODEProblem, hidden: Hidden) -> tuple[Expr, ...]:
    """What stood in each hole of `holed`, from the text of the problem, its constants at the problem's values.

    Raises InvalidArgument where the text has no answer, for a term that nobody knows.

    >>> prey = ll.problems.get("lotka_volterra")
    >>> [str(expr) for expr in ll.discovery.terms.answer_key(prey, [("x", "-beta*x*y")])]
    ['-0.9*x*y']
    """
    from limitlab.discovery.symbolic import Expr

    hidden = checked(problem, hidden, blanks=True)
    key = []
    for name, text in hidden_terms(problem, hidden).items():
        if text is None or (name, BLANK) in hidden:
            raise InvalidArgument(f"the text of {problem.name} has no answer for a term of {name} that nobody knows")
        used = {
            symbol.name for symbol in parse_scalar(text, tuple(problem.values), states=problem.components).free_symbols
        }
        constants = {constant: value for constant, value in problem.values.items() if constant in used}
        key.append(Expr.parse(text, problem.components, parameters=constants))
    return tuple(key)


def checked(problem: ODEProblem, hidden: Sequence[tuple[str, str]], *, blanks: bool) -> Hidden:
    """What is hidden, in the order of the equations. Raises InvalidArgument for what the equations do not hold.

    blanks: whether terms that nobody knows may be among them.
    """
    known = {(term.equation, term.text): term for term in terms_of(problem)}
    chosen = {tuple(pair) for pair in hidden}
    for equation, text in chosen:
        blank = blanks and text == BLANK and equation in problem.components
        if not blank and (equation, text) not in known:
            raise InvalidArgument(
                f"hidden must name summands of {problem.equation!r:.80}; got {text!r} of {equation!r}"
            )
        if not blank and known[equation, text].timed:
            raise InvalidArgument(f"{text!r} holds the time, and a hidden term is a function of the states alone")
    order = [*known, *((name, BLANK) for name in problem.components)]
    return tuple(pair for pair in order if pair in chosen)


def require_suitable(problem: object) -> ODEProblem:
    """An ordinary problem of one to three states without sites. Raises InvalidArgument."""
    if not isinstance(problem, ODEProblem) or problem.sites or problem.dimension > MOST_STATES:
        raise InvalidArgument(
            f"problem must be an ordinary differential equation of one to {MOST_STATES} states; got {problem!r:.80}"
        )
    return problem


def _parts(drift: sympy.Expr) -> tuple[sympy.Expr, ...]:
    import sympy

    return tuple(part for part in sympy.Add.make_args(sympy.expand(drift)) if part != 0)
