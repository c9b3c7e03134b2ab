"""Formulas fitted to measurements, shortened by their least significant constant as long as the criterion falls.

BIC = n ln(sum r^2/n) + q ln n,   or   sum r^2/sigma^2 + q ln n   where the noise is known
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from limitlab.discovery.symbolic.expression import Expr
from limitlab.discovery.symbolic.refit.combinations import structure
from limitlab.discovery.symbolic.refit.completed import Completed, Refits
from limitlab.discovery.symbolic.refit.fitting import Measured, Simulate, fitted
from limitlab.discovery.symbolic.refit.forward import Completable, Fills
from limitlab.errors import LimitlabError

MOST_ROUNDS = 12
WORTHLESS = 20.0
"""A constant stays without a trial where the linear forecast says that BIC would rise by more than this."""
Formulas = tuple[Expr, ...]
"""One a hole."""


def refits_of(
    chosen: Sequence[Formulas],
    holed: Completable,
    simulator: Callable[[Fills], Simulate],
    measured: Measured,
    known: bool,
) -> Refits:
    """All of them fitted, and what is left of each when constants that are not significant are dropped one by one.

    simulator: who solves the equations of some fills. known: whether the scale of the measurements is their noise.
    """
    rows = _fit_all(chosen, holed, simulator, measured, known)
    fits = dict(rows)
    for _ in range(MOST_ROUNDS):
        shorter = {
            structure(fewer): (fewer, row.bic)
            for row in rows.values()
            if (fewer := _without_weakest(row, known, measured.floor))
        }
        fresh = {key: pair for key, pair in shorter.items() if key not in fits}
        if not fresh:
            break
        trials = _fit_all([fewer for fewer, _ in fresh.values()], holed, simulator, measured, known)
        fits.update(trials)
        # on from what did not get worse
        rows = {key: row for key, row in trials.items() if row.bic <= fresh[key][1]}
    return Refits(fits.values())


def _fit_all(
    chosen: Sequence[Formulas],
    holed: Completable,
    simulator: Callable[[Fills], Simulate],
    measured: Measured,
    known: bool,
) -> dict[tuple, Completed]:
    """Fitted combinations by their structure."""
    columns = [list(dict.fromkeys(row[hole] for row in chosen)) for hole in range(len(holed.holes))]
    numbers = np.array([[columns[hole].index(expr) for hole, expr in enumerate(row)] for row in chosen], dtype=int)
    fills = Fills(holed, tuple(map(tuple, columns)), numbers.reshape(len(chosen), -1))
    fit = fitted(fills, simulator(fills), measured)
    count = int(measured.seen.sum())
    rows = {}
    for k, formulas in enumerate(chosen):
        parts = [
            (fit.constants[k, a : a + len(e.names)], fit.errors[k, a : a + len(e.names)])
            for (a, _), e in zip(fills.blocks(), formulas, strict=True)
        ]
        final = tuple(e.with_parameters(values) for e, (values, _) in zip(formulas, parts, strict=True))
        q = sum(len(e.names) for e in formulas)
        loss = float(fit.squares[k]) / count
        spent = q + len(holed.free) + (0 if measured.starts_known else measured.starts.size)
        spread = 1.0 if known or not math.isfinite(loss) else math.sqrt(loss * count / max(count - spent, 1))
        clipped = max(loss, measured.floor)
        bic = (loss * count if known else count * math.log(clipped)) + q * math.log(count)
        free, free_errors = (
            dict(zip(holed.free, map(float, part[len(part) - len(holed.free) :]), strict=True))
            for part in (fit.constants[k], spread * fit.errors[k])
        )
        rows[structure(final)] = Completed(
            holed.filled(final, tuple(free.values())),
            final,
            tuple(tuple(map(float, spread * errors)) for _, errors in parts),
            free,
            free_errors,
            loss,
            bic if math.isfinite(loss) else math.inf,
            count,
        )
    return rows


def _without_weakest(row: Completed, known: bool, floor: float) -> Formulas | None:
    """The formulas without the constant that is smallest beside its standard error; None where all must stay."""
    import sympy

    if not math.isfinite(row.loss):
        return None
    scores = sorted(
        (abs(value) / error if error > 0 else math.inf, hole, name)
        for hole, (formula, errors) in enumerate(zip(row.formulas, row.errors, strict=True))
        for (name, value), error in zip(formula.parameters.items(), errors, strict=True)
    )
    for score, hole, name in scores:
        # t^2 is the rise of the sum of squares, in units of the variance, once the others have been fitted again
        rise = (
            score**2
            if known
            else row.n * math.log(max(row.loss * (1 + score**2 / row.n), floor) / max(row.loss, floor))
        )
        if rise - math.log(row.n) > WORTHLESS:
            return None
        formula = row.formulas[hole]
        rest = formula.sympy.xreplace({sympy.Symbol(name, real=True): sympy.Integer(0)})
        used = {symbol.name for symbol in rest.free_symbols}
        kept = {other: value for other, value in formula.parameters.items() if other in used}
        try:
            fewer = Expr(rest, formula.variables, tuple(kept), tuple(kept.values()))
        except LimitlabError:
            # a division by what became zero
            continue
        return (*row.formulas[:hole], fewer, *row.formulas[hole + 1 :])
    return None
