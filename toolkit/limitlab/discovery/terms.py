"""Terms of an equation: the summands of its right sides, which can be hidden, the equations that are left, and the key.

    x' = alpha*x - beta*x*y        summands alpha*x and -beta*x*y;   with the second hidden   x' = alpha*x + G1
    u_t = -dx(u^2/2) + nu*u_xx     summands -u*u_x and nu*u_xx;      with the first hidden    u_t = nu*u_xx + G

A system hides functions of its states; a periodic equation in one space dimension hides functions of its field and of
the field's first two derivatives in space, which are all that a network hands on. A summand that holds the time or the
position itself cannot be hidden. A blank term is one
that nobody knows: the equation lacks it, and measurements have it. What is found for a hole is scored against the text
that it was made from (`answer_key`), by the structure (`limitlab.discovery.symbolic.same_structure`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from limitlab.errors import InvalidArgument
from limitlab.problems import Field, ODEProblem, Parameter
from limitlab.problems.pde.laws import TextLaw
from limitlab.problems.pde.periodic import PeriodicProblem
from limitlab.problems.text.notation import equation_text, ordered_latex

if TYPE_CHECKING:
    import sympy

    from limitlab.discovery.symbolic import Expr, Holed

BLANK = ""
TIME = "t"
FIXED = {"ode": "time", "pde": "position"}
"""What a right side may hold that is no unknown, by the kind of its problem."""
COORDINATES = ("t", "x")
HIGHEST_ORDER = 2
MOST_STATES = 3
LETTERS = ("G", "H", "Q", "hole")
Hideable = ODEProblem | PeriodicProblem
Hidden = tuple[tuple[str, str], ...]
"""(equation, text of a summand), the text empty for a term that nobody knows."""


@dataclass(frozen=True)
class Term:
    """A summand of an equation: its text, its LaTeX with its sign, whether it holds the time or the position itself."""

    equation: str
    text: str
    latex: str
    nonlinear: bool
    timed: bool


def unknowns_of(problem: Hideable) -> tuple[str, ...]:
    """What has an equation: the states of a system, or the field of a partial equation.

    >>> ll.discovery.terms.unknowns_of(ll.problems.get("burgers"))
    ('u',)
    """
    return problem.components if isinstance(problem, ODEProblem) else (problem.operator[1],)


def inputs_of(problem: Hideable) -> tuple[str, ...]:
    """What a hidden term may depend on: the states, or the field and its first two derivatives in space.

    >>> ll.discovery.terms.inputs_of(ll.problems.get("burgers"))
    ('u', 'u_x', 'u_xx')
    """
    if isinstance(problem, ODEProblem):
        return problem.components
    (field,) = unknowns_of(problem)
    return (field, *(f"{field}_{'x' * order}" for order in range(1, HIGHEST_ORDER + 1)))


def terms_of(problem: Hideable) -> tuple[Term, ...]:
    """The summands of all right sides, in their order; none for an equation whose right side is zero.

    >>> [term.text for term in ll.discovery.terms.terms_of(ll.problems.get("lotka_volterra"))]
    ['alpha*x', '-beta*x*y', '-gamma*y', 'delta*x*y']
    >>> [term.text for term in ll.discovery.terms.terms_of(ll.problems.get("burgers"))]
    ['nu*u_xx', '-u*u_x']
    """
    unknowns = problem.states if isinstance(problem, ODEProblem) else problem.fields
    items: list[Field | Parameter] = [*unknowns, *problem.parameters]
    names = [(item.name, item.latex) for item in items if item.latex]
    if isinstance(problem, PeriodicProblem):
        names += [(name, f"{field}_{{{axes}}}") for name in inputs_of(problem)[1:] for field, axes in [name.split("_")]]
    coordinates = COORDINATES if isinstance(problem, PeriodicProblem) else COORDINATES[:1]
    # a state or a parameter may have the name of a coordinate
    fixed = set(coordinates) - {*unknowns_of(problem), *problem.values}
    return _terms(_right_sides(problem), unknowns_of(problem), inputs_of(problem), frozenset(fixed), tuple(names))


def _right_sides(problem: Hideable) -> tuple[sympy.Expr, ...]:
    """One an equation, in symbols of the inputs, parameters and coordinates."""
    if isinstance(problem, ODEProblem):
        return problem.dynamics().drift
    # initial values and those of parameters are no part of the text
    return _right_side(dataclasses.replace(problem, values={}, initial=TextLaw("0")))


@lru_cache(maxsize=64)
def _right_side(problem: PeriodicProblem) -> tuple[sympy.Expr, ...]:
    import sympy

    from limitlab.discovery.pinn import equations_of

    (field,) = unknowns_of(problem)
    (residual,) = equations_of(problem).residuals
    return (sympy.Symbol(f"{field}_t", real=True) - residual,)


@lru_cache(maxsize=64)
def _terms(
    sides: tuple[sympy.Expr, ...],
    unknowns: tuple[str, ...],
    inputs: tuple[str, ...],
    fixed: frozenset[str],
    names: tuple[tuple[str, str], ...],
) -> tuple[Term, ...]:
    import sympy

    varying = [sympy.Symbol(name, real=True) for name in inputs]
    terms = []
    for name, side in zip(unknowns, sides, strict=True):
        for part in _parts(side):
            latex = ordered_latex(part, dict(names))
            terms.append(
                Term(
                    name,
                    equation_text(part),
                    latex if latex.startswith("-") else f"+ {latex}",
                    any(sympy.diff(part, one, other) != 0 for one in varying for other in varying),
                    not fixed.isdisjoint(symbol.name for symbol in part.free_symbols),
                )
            )
    return tuple(terms)


def first_hidden(problem: Hideable) -> Hidden:
    """What is hidden at first: the nonlinear terms, or the last one where there are none."""
    free = [term for term in terms_of(problem) if not term.timed]
    chosen = [term for term in free if term.nonlinear] or free[-1:]
    return tuple((term.equation, term.text) for term in chosen)


def hidden_terms(problem: Hideable, hidden: Hidden) -> dict[str, str | None]:
    """Text of what is hidden by equation, for `HiddenTerms`: the sum of its summands, None where nobody knows any."""
    texts: dict[str, list[str]] = {}
    for name in unknowns_of(problem):
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


def known_part(problem: PeriodicProblem, hidden: Hidden) -> PeriodicProblem:
    """The problem without what is hidden.

    >>> ll.discovery.terms.known_part(ll.problems.get("burgers"), [("u", "-u*u_x")]).equation
    'u_t = (nu*u_xx)'
    """
    taken_out = {text for _, text in hidden}
    (side,), (field,) = _right_sides(problem), unknowns_of(problem)
    kept = [f"({text})" for part in _parts(side) if (text := equation_text(part)) not in taken_out]
    return dataclasses.replace(problem, equation=f"{field}_t = {' + '.join(kept) or '0'}")


def answer_key(problem: Hideable, hidden: Hidden) -> tuple[Expr, ...]:
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
        whole = Expr.parse(text, inputs_of(problem), parameters=problem.values)
        used = {symbol.name for symbol in whole.sympy.free_symbols}
        constants = {constant: value for constant, value in problem.values.items() if constant in used}
        key.append(Expr.parse(text, inputs_of(problem), parameters=constants))
    return tuple(key)


def checked(problem: Hideable, hidden: Sequence[tuple[str, str]], *, blanks: bool) -> Hidden:
    """What is hidden, in the order of the equations. Raises InvalidArgument for what the equations do not hold.

    blanks: whether terms that nobody knows may be among them.
    """
    known = {(term.equation, term.text): term for term in terms_of(problem)}
    chosen = {tuple(pair) for pair in hidden}
    for equation, text in chosen:
        blank = blanks and text == BLANK and equation in unknowns_of(problem)
        if not blank and (equation, text) not in known:
            raise InvalidArgument(
                f"hidden must name summands of {problem.equation!r:.80}; got {text!r} of {equation!r}"
            )
        if not blank and known[equation, text].timed:
            raise InvalidArgument(
                f"{text!r} holds the {FIXED[problem.kind]}, and a hidden term is a function of "
                f"{', '.join(inputs_of(problem))} alone"
            )
    order = [*known, *((name, BLANK) for name in unknowns_of(problem))]
    return tuple(pair for pair in order if pair in chosen)


def require_suitable(problem: object) -> Hideable:
    """An ordinary problem of one to three states without sites, or a periodic equation in one space dimension.

    Raises InvalidArgument, for derivatives beyond the second too: networks hand on no others.
    """
    if isinstance(problem, PeriodicProblem):
        try:
            _right_sides(problem)
        except InvalidArgument as error:
            raise InvalidArgument(f"{problem.name} has no network for its hidden terms: {error}") from None
        return problem
    if not isinstance(problem, ODEProblem) or problem.sites or problem.dimension > MOST_STATES:
        raise InvalidArgument(
            f"problem must be an ordinary differential equation of one to {MOST_STATES} states, or a periodic partial "
            f"one in one space dimension; got {problem!r:.80}"
        )
    return problem


def _parts(drift: sympy.Expr) -> tuple[sympy.Expr, ...]:
    import sympy

    return tuple(part for part in sympy.Add.make_args(sympy.expand(drift)) if part != 0)
