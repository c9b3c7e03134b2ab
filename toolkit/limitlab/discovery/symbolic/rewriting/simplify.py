"""From a good fit to the right formula: what a search leaves in its formulas is taken out again, one change at a time.

A search that fits better and better puts sin(0.03 x) where 0.03 x would do, and terms that only fit noise. So

    a  numbers are multiplied out, and products of constants joined          (w1 x)(w2 y) -> w x y
    b  the constants are fitted anew, in double precision
    c  terms that contribute little are left out
    d  functions that are straight on the data become straight               -863 y + 864 y cos(0.03 x) -> y - 0.4 x^2 y

A change stays if, after another fit, BIC rises by no more than `TOLERANCE`. Constants that may be 1 are left out in
formulas of their own, beside the others on the front. `snapped` offers round numbers, `same` compares with a truth.
Rewriting by sympy has a time limit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from limitlab.discovery.symbolic.engine import Data, Settings
from limitlab.discovery.symbolic.expression import Expr
from limitlab.discovery.symbolic.front import ParetoFront
from limitlab.discovery.symbolic.rewriting.least_squares import Fitted, fitted
from limitlab.discovery.symbolic.rewriting.patience import within
from limitlab.discovery.symbolic.scoring import rounding_of, scored
from limitlab.errors import InvalidArgument

if TYPE_CHECKING:
    import sympy

TOLERANCE = 2.0
"""Rise of BIC that a simpler formula may cost."""

SMALL_TERM = 0.03
"""Of the root mean square of y: a term that changes less may be left out."""

STRAIGHT = 0.3
"""Arguments of a function below this may be replaced by the first terms of its series."""

ROUNDED_ONE = 1e-9
"""A constant that is so near to 1 or -1 is left out."""

MAY_BE_ONE, KNOWN_ONE = 2.0, 0.25
"""Standard errors between a constant and 1 or -1, and the largest error, with which it may be that."""

WIDER = 1.25
"""Than the data, the box on which `same` compares."""

ROUNDS = 30
PATIENCE_S = 5.0


def simplified(expr: Expr, data: Data) -> Fitted:
    """The formula after steps a to d, with its constants fitted to the data.

    >>> from limitlab.discovery.symbolic import Data, Expr
    >>> from limitlab.discovery.symbolic.rewriting.simplify import simplified
    >>> x = torch.linspace(-2, 2, 40, dtype=torch.float64)
    >>> str(simplified(Expr.parse("10*sin(0.03*x) + 0.001*cos(x)", ("x",)), Data.of(x, 0.3 * x)).expr)
    '0.3*x'
    """
    n, floor = len(data.y), rounding_of(data)
    best = fitted(folded(_freed(expr)), data)
    if not math.isfinite(best.loss):
        return fitted(expr, data)
    least = best.bic(n, floor)
    for _ in range(ROUNDS):
        attempts = (fitted(simpler, data) for simpler in _simpler(best.expr, data))
        simpler = next((attempt for attempt in attempts if attempt.bic(n, floor) <= least + TOLERANCE), None)
        if simpler is None:
            break
        # against the least so far, or many small rises would add up
        best, least = simpler, min(least, simpler.bic(n, floor))
    forms = [best, *(fitted(form, data) for form in _forms(_without_ones(best.expr)))]
    as_good = [form for form in forms if form.bic(n, floor) <= least + TOLERANCE]
    return min(as_good, key=lambda form: form.expr.complexity())


def simplify_front(front: ParetoFront, data: Data, settings: Settings | None = None) -> ParetoFront:
    """The front with what becomes of each of its candidates, where that is on the front.

    >>> from limitlab.discovery.symbolic import Data, Expr, ParetoFront, scored
    >>> from limitlab.discovery.symbolic.rewriting.simplify import simplify_front
    >>> x = torch.linspace(-2, 2, 40, dtype=torch.float64)
    >>> data = Data.of(x, 0.3 * x)
    >>> front = ParetoFront([scored(Expr.parse("10*sin(0.03*x)", ("x",)), data)])
    >>> [str(candidate.expr) for candidate in simplify_front(front, data)]
    ['0.3*x']
    """
    settings = settings or Settings()
    for candidate in front:
        result = simplified(candidate.expr, data)
        for form in (result, *with_ones(result, data)):
            new = scored(form.expr, data, engine=candidate.engine, costs=settings.costs)
            allowed = data.units is None or data.units.allow(form.expr)
            if allowed and new.complexity <= settings.max_complexity:
                front.add(replace(new, errors=form.errors))
    return front


def with_ones(result: Fitted, data: Data) -> Iterator[Fitted]:
    """The formula without the likeliest constant that may be 1 or -1, then without the next as well, fitted anew.

    A search gives every formula a factor of its own, which a law seldom has; a rule that counts constants then decides.

    >>> from limitlab.discovery.symbolic import Data, Expr
    >>> from limitlab.discovery.symbolic.rewriting.simplify import simplified, with_ones
    >>> x = torch.linspace(-2, 2, 40, dtype=torch.float64)
    >>> data = Data.of(x, x.sin() + 0.05 * (9 * x).sin())
    >>> fit = simplified(Expr.parse("0.98*sin(x)", ("x",)), data)
    >>> str(fit.expr), [str(form.expr) for form in with_ones(fit, data)]
    ('0.9962*sin(x)', ['sin(x)'])
    """
    constants = zip(result.expr.names, result.expr.values, result.errors, strict=True)
    # NaN is not small
    known = [(abs(abs(value) - 1) / max(error, 1e-300), name) for name, value, error in constants if error < KNOWN_ONE]
    ones = [name for distance, name in sorted(known) if distance <= MAY_BE_ONE]
    for count in range(1, len(ones) + 1):
        yield fitted(_with_ones(result.expr, ones[:count]), data)


def folded(expr: Expr) -> Expr:
    """The formula multiplied out, with one constant a term; as it was where that takes too long."""
    try:
        return within(PATIENCE_S, lambda: Expr.of(_expanded(expr.numeric), expr.variables), default=expr)
    except InvalidArgument:
        # multiplied out, a power is larger than a formula may have
        return expr


def _expanded(expression: sympy.Expr) -> sympy.Expr:
    import sympy

    # powers of long sums have very many terms
    short = all(not (p.base.is_Add and p.exp.is_Integer and p.exp > 4) for p in expression.atoms(sympy.Pow))
    options = {"power_base": False, "power_exp": False, "log": False, "trig": False}
    return sympy.expand(expression, **options) if short else expression


def _freed(expr: Expr) -> Expr:
    """The formula with its whole numbers and fractions as constants, but for exponents, 1 and -1."""
    import sympy

    def freed(node: sympy.Basic) -> sympy.Basic:
        if node.is_Rational and abs(node) != 1:
            return sympy.Float(node)
        if node.is_Pow:
            return freed(node.base) ** node.exp
        return node.func(*map(freed, node.args)) if node.args else node

    return Expr.of(freed(expr.numeric), expr.variables)


def _without_ones(expr: Expr) -> Expr:
    """The formula without constants that are 1 or -1 up to rounding."""
    return _with_ones(expr, [name for name, value in expr.parameters.items() if abs(abs(value) - 1) < ROUNDED_ONE])


def _with_ones(expr: Expr, names: Sequence[str]) -> Expr:
    """The formula with these constants as 1 or -1."""
    import sympy

    numbers = {
        sympy.Symbol(name, real=True): sympy.Integer(int(math.copysign(1, expr.parameters[name]))) for name in names
    }
    left = {name: value for name, value in expr.parameters.items() if name not in names}
    return Expr(expr.sympy.xreplace(numbers), expr.variables, tuple(left), tuple(left.values()))


def _forms(expr: Expr) -> list[Expr]:
    """Ways to write the formula: as it is, collected by each variable, with common factors before sums."""
    import sympy

    numeric = expr.numeric
    symbols = [sympy.Symbol(name, real=True) for name in expr.variables]
    rewrites: list[Callable[[], sympy.Expr]] = [lambda: sympy.factor_terms(numeric)]
    rewrites += [lambda symbol=symbol: sympy.collect(numeric, symbol) for symbol in symbols]  # type: ignore[misc]
    written = [within(PATIENCE_S, rewrite, default=numeric) for rewrite in rewrites]
    return [expr, *(Expr.of(form, expr.variables) for form in dict.fromkeys(written) if form != numeric)]


def _simpler(expr: Expr, data: Data) -> Iterator[Expr]:
    """Formulas with one change, those that change the values least first."""
    numeric, values = expr.numeric, expr(data.X)
    size = math.sqrt(float(np.mean(data.y**2)))
    ranked = []
    for changed in dict.fromkeys([*_shorter_sums(numeric), *_straightened(numeric, expr.variables, data)]):
        try:
            simpler = folded(Expr.of(changed, expr.variables))
        except InvalidArgument:
            # a sum that was an argument is gone, and its function has no value there
            continue
        with np.errstate(all="ignore"):
            difference = math.sqrt(float(np.mean((simpler(data.X) - values) ** 2)))
        # NaN is not small
        if difference <= SMALL_TERM * size and simpler.complexity() < expr.complexity():
            ranked.append((difference, simpler))
    yield from (simpler for _, simpler in sorted(ranked, key=lambda pair: pair[0]))


def _shorter_sums(expression: sympy.Expr) -> Iterator[sympy.Expr]:
    """The expression without one term of one of its sums."""
    import sympy

    for node in expression.atoms(sympy.Add):
        for term in node.args:
            yield expression.xreplace({node: node - term})


def _straightened(expression: sympy.Expr, variables: Sequence[str], data: Data) -> Iterator[sympy.Expr]:
    """The expression with one function replaced by the first terms of its series, or freed of a phase."""
    for node in expression.atoms(*_series_by_class()):
        argument = node.args[0]
        values = Expr.of(argument, variables)(data.X)
        series = _series_by_class()[type(node)]
        for replaced in series(argument, values):
            yield expression.xreplace({node: replaced})


def _series_by_class() -> dict[type, Callable[[sympy.Expr, np.ndarray], list[sympy.Expr]]]:
    import sympy

    def near(series: Callable[[sympy.Expr], sympy.Expr]) -> Callable[[sympy.Expr, np.ndarray], list[sympy.Expr]]:
        return lambda u, values: [series(u)] if np.abs(values).max() < STRAIGHT else []

    return {
        sympy.sin: lambda u, values: _of_sine(u, values, 0),
        # cos u = sin(u + pi/2)
        sympy.cos: lambda u, values: _of_sine(u, values, 1),
        sympy.tan: near(lambda u: u),
        sympy.tanh: near(lambda u: u),
        sympy.sinh: near(lambda u: u),
        sympy.exp: near(lambda u: 1 + u),
        sympy.cosh: near(lambda u: 1 + u**2 / 2),
    }


def _of_sine(u: sympy.Expr, values: np.ndarray, quarters: int) -> list[sympy.Expr]:
    """Of sin(u + quarters*pi/2): its series about the nearest quarter turn, and the function freed of quarter turns."""
    import sympy

    results = []
    turns = round(float(values.mean()) / (math.pi / 2))
    if np.abs(values - turns * math.pi / 2).max() < STRAIGHT:
        v = u - turns * math.pi / 2
        odd, sign = (turns + quarters) % 2, -1 if (turns + quarters) % 4 > 1 else 1
        results.append(sign * (1 - v**2 / 2) if odd else sign * v)
    phase, rest = u.as_coeff_Add()
    if phase.is_Float and rest != 0:
        whole = round(float(phase) / (math.pi / 2))
        results.append(sympy.sin(rest + (whole + quarters) * sympy.pi / 2))
    return results


@dataclass(frozen=True)
class Offer:
    """A round number that a constant may be: its name, its value, the number, and its text."""

    name: str
    value: float
    number: float
    text: str


def snapped(result: Fitted, *, widest: int = 12) -> list[Offer]:
    """Round numbers within two standard errors of the constants: whole numbers, fractions, multiples of pi. An offer.

    widest: largest denominator. A constant whose error is as large as itself has none.

    >>> from limitlab.discovery.symbolic import Expr
    >>> from limitlab.discovery.symbolic.rewriting.least_squares import Fitted
    >>> from limitlab.discovery.symbolic.rewriting.simplify import snapped
    >>> fit = Fitted(Expr.parse("a*x", ("x",), parameters={"a": 1.5003}), loss=0.1, errors=(0.001,))
    >>> [offer.text for offer in snapped(fit)]
    ['3/2']
    """
    offers = []
    for (name, value), error in zip(result.expr.parameters.items(), result.errors, strict=True):
        reach = max(2 * error, 1e-9 * abs(value))
        if not reach < abs(value) / 2:
            continue
        for unit, mark in ((1.0, ""), (math.pi, "pi")):
            fraction = Fraction(value / unit).limit_denominator(widest)
            number = float(fraction) * unit
            # a fraction that any number would be near to says nothing
            telling = 2 * reach < unit / (fraction.denominator * widest)
            if fraction and abs(number - value) <= reach and telling:
                offers.append(Offer(name, value, number, f"{fraction}*{mark}".strip("*").removeprefix("1*")))
                break
    return offers


def same(
    expr: Expr, truth: Expr, box: Sequence[tuple[float, float]], *, within_nrmse: float = 1e-6, seed: int = 0
) -> bool:
    """Whether the two are one formula: their difference is zero to sympy, or to 1e-6 on a box that is a quarter wider.

    Constants count: fit them first.

    >>> from limitlab.discovery.symbolic import Expr
    >>> from limitlab.discovery.symbolic.rewriting.simplify import same
    >>> same(Expr.parse("sin(x)^2", ("x",)), Expr.parse("1 - cos(x)^2", ("x",)), [(-1, 1)])
    True
    """
    if within(PATIENCE_S, lambda: _expanded(expr.numeric - truth.numeric) == 0, default=False):
        return True
    X = points_around(box, seed)  # noqa: N806
    return apart(expr(X), truth(X)) < within_nrmse


def points_around(
    box: Sequence[tuple[float, float]], seed: int, wider: float = WIDER
) -> Float[np.ndarray, "point variable"]:
    """Points drawn evenly from a box that is wider by that factor."""
    low, high = np.array(box, dtype=float).T
    middle, half = (low + high) / 2, wider * (high - low) / 2
    return np.random.default_rng(seed).uniform(middle - half, middle + half, (200, len(low)))


def apart(values: Float[np.ndarray, " point"], truth: Float[np.ndarray, " point"]) -> float:
    """Root mean square of the difference over the truth's deviation, where the truth has values; infinite for NaN."""
    there = np.isfinite(truth)
    spread = float(truth[there].std()) or 1.0
    error = float(np.sqrt(np.mean((values - truth)[there] ** 2))) / spread
    return error if math.isfinite(error) else math.inf
