"""The step after a search: candidates put into the equation that they complete, and fitted to what was measured.

A search fits derivatives, or the output of a network, whose errors are smooth: their white-noise criteria choose too
long formulas. Here every combination of candidates is simulated, its constants fitted to the measurements themselves,
its least significant constants dropped as long as the criterion falls, and the shortest among the best is chosen:

    BIC = n ln(sum r^2/n) + q ln n,   or   sum r^2/sigma^2 + q ln n   where the noise is known
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from limitlab.cards import Card, Shown
from limitlab.discovery.symbolic.expression import Expr
from limitlab.discovery.symbolic.front import Candidate, ParetoFront
from limitlab.discovery.symbolic.refit.fitting import FLOOR, Measured, fitted
from limitlab.discovery.symbolic.refit.forward import TIME, Fills, Holed, Samples
from limitlab.errors import InvalidArgument, LimitlabError, check_number, unknown_name
from limitlab.labels import labelled
from limitlab.numbers import array_of

if TYPE_CHECKING:
    import xarray as xr

Candidates = ParetoFront | Iterable[Expr | Candidate]
TIE = 2.0
"""Differences of BIC below this are no evidence: the fewer constants win."""
MOST_ROUNDS = 12
WORTHLESS = 20.0
"""A constant stays without a trial where the linear forecast says that BIC would rise by more than this."""


@dataclass(frozen=True, repr=False)
class Completed(Shown):
    """One equation without holes: formulas and free parameters as fitted, their standard errors, and how well they fit.

    loss: mean square of the residuals, in units of the states' standard deviations, or of the noise where it is known.

    >>> from limitlab.discovery.symbolic import Completed, Expr
    >>> Completed("x' = -x", (Expr.parse("-x", ("x",)),), ((),), {}, {}, loss=0.1, bic=-40.0, n=20).n_params
    0
    """

    equation: str
    formulas: tuple[Expr, ...]
    errors: tuple[tuple[float, ...], ...]
    free: Mapping[str, float]
    free_errors: Mapping[str, float]
    loss: float
    bic: float
    n: int

    @property
    def n_params(self) -> int:
        """Constants of the formulas."""
        return sum(len(formula.names) for formula in self.formulas)

    def card(self) -> Card:
        fit = f"{self.bic:.4g}, mean square {self.loss:.3g} of {self.n} numbers"
        return Card("Completed", (("equation", self.equation), ("BIC", fit)))


class Refits(Shown):
    """Completed equations in the order of their BIC; `best` is the one with the fewest constants within 2 of the first.

    >>> from limitlab.discovery.symbolic import Completed, Expr, Refits
    >>> rows = [Completed("x' = -x", (Expr.parse("-x", ("x",)),), ((),), {}, {}, 0.1, bic, 20) for bic in (3.0, 1.0)]
    >>> Refits(rows).best.bic
    1.0
    """

    def __init__(self, rows: Iterable[Completed]) -> None:
        self.rows = tuple(sorted(rows, key=lambda row: (not math.isfinite(row.bic), row.bic)))

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Completed:
        return self.rows[index]

    @property
    def best(self) -> Completed:
        """The choice; raises InvalidArgument where no equation could be solved."""
        near = [row for row in self.rows if math.isfinite(row.bic) and row.bic <= self.rows[0].bic + TIE]
        if not near:
            raise InvalidArgument("no candidate could be solved over the times of the measurements: bring other ones")
        return min(near, key=lambda row: row.n_params)

    @property
    def table(self) -> xr.Dataset:
        """One row an equation: BIC, loss, constants and text."""
        return labelled(
            bic=("candidate", [row.bic for row in self.rows], "Bayesian information criterion"),
            loss=("candidate", [row.loss for row in self.rows], "mean square of the residuals"),
            n_params=("candidate", [row.n_params for row in self.rows], "constants"),
            equation=("candidate", np.array([row.equation for row in self.rows], dtype=object), "equation"),
        )

    def card(self) -> Card:
        facts = tuple((f"{row.bic:.1f}", row.equation) for row in self.rows[:10])
        return Card(f"Refits of {len(self)} equations: BIC, equation", facts)


def refit(
    candidates: Mapping[str, Candidates],
    holed: Holed,
    times: Any,
    states: Any,
    *,
    sigma: float | Sequence[float] | None = None,
    starts: Any = None,
    most: int = 27,
    method: str = "dopri8",
) -> Refits:
    """Every combination of candidates, `most` at most, fitted to measurements through the equation that it completes.

    candidates: by hole, a front or formulas in the states and t. times: (time,) or (sample, time). states: (time,
    state) or (sample, time, state), NaN where nothing was measured. sigma: standard deviation of the noise, one for
    all or one a state. starts: the states at the first times, where they are known; sigma=0 says that the measured
    ones are; else they are fitted. Constants that are not significant are dropped one by one. A combination whose
    solve fails has the loss infinity. Raises InvalidArgument, UnknownName.

    >>> from limitlab.discovery.symbolic import Expr, Holed, refit
    >>> t = torch.linspace(0.0, 2.0, 21).double()
    >>> growth = [Expr.parse(text, ("x",), parameters={"a": 0.5}) for text in ("a*x", "a*x^2")]
    >>> str(refit({"F": growth}, Holed("x' = F", ("F",)), t, torch.exp(0.7 * t)[:, None], sigma=0.0).best.formulas[0])
    '0.7*x'
    """
    moments, y = _read(times, states, len(holed.states))
    noise = _noise(sigma, len(holed.states))
    measured = _measured(y, noise, starts)
    most = int(check_number("most", most, low=1, integer=True))
    # a healthy solve makes two or three steps from one time to the next
    samples = Samples(moments, *_box(y), method, max_steps=200 + 10 * moments.shape[1])
    chosen = _combinations(candidates, holed, most)
    known = noise is not None and bool((noise > 0).all())
    rows = _fit_all(chosen, holed, samples, measured, known)
    fits = dict(rows)
    for _ in range(MOST_ROUNDS):
        shorter = {
            _structure(fewer): (fewer, row.bic) for row in rows.values() if (fewer := _without_weakest(row, known))
        }
        fresh = {key: pair for key, pair in shorter.items() if key not in fits}
        if not fresh:
            break
        trials = _fit_all([fewer for fewer, _ in fresh.values()], holed, samples, measured, known)
        fits.update(trials)
        # on from what did not get worse
        rows = {key: row for key, row in trials.items() if row.bic <= fresh[key][1]}
    return Refits(fits.values())


def _fit_all(
    chosen: Sequence[tuple[Expr, ...]], holed: Holed, samples: Samples, measured: Measured, known: bool
) -> dict[tuple, Completed]:
    """Fitted combinations by their structure."""
    columns = [list(dict.fromkeys(row[hole] for row in chosen)) for hole in range(len(holed.holes))]
    numbers = np.array([[columns[hole].index(expr) for hole, expr in enumerate(row)] for row in chosen], dtype=int)
    fills = Fills(holed, tuple(map(tuple, columns)), numbers.reshape(len(chosen), -1))
    fit = fitted(fills, samples, measured)
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
        clipped = max(loss, FLOOR)
        bic = (loss * count if known else count * math.log(clipped)) + q * math.log(count)
        free, free_errors = (
            dict(zip(holed.free, map(float, part[len(part) - len(holed.free) :]), strict=True))
            for part in (fit.constants[k], spread * fit.errors[k])
        )
        rows[_structure(final)] = Completed(
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


def _without_weakest(row: Completed, known: bool) -> tuple[Expr, ...] | None:
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
            else row.n * math.log(max(row.loss * (1 + score**2 / row.n), FLOOR) / max(row.loss, FLOOR))
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


def _structure(formulas: Sequence[Expr]) -> tuple[str, ...]:
    """Texts in which all constants have one name: equal for equal structures."""
    import sympy

    one = sympy.Symbol("constant", real=True)
    return tuple(
        str(e.sympy.xreplace(dict.fromkeys((sympy.Symbol(name, real=True) for name in e.names), one))) for e in formulas
    )


def _combinations(candidates: Mapping[str, Candidates], holed: Holed, most: int) -> list[tuple[Expr, ...]]:
    for name in candidates:
        if name not in holed.holes:
            raise unknown_name("hole", name, holed.holes)
    missing = next((hole for hole in holed.holes if hole not in candidates), None)
    if missing is not None:
        raise InvalidArgument(
            f"candidates must hold formulas for each of {', '.join(holed.holes)}; {missing!r} has none"
        )
    each = max(int(most ** (1 / max(len(holed.holes), 1)) + 1e-9), 1)
    choices = [_chosen(hole, candidates[hole], each) for hole in holed.holes]
    for hole, row in zip(holed.holes, choices, strict=True):
        for expr in row:
            for name in expr.variables:
                if name not in (*holed.states, TIME):
                    raise unknown_name(f"variable of a candidate for {hole}", name, (*holed.states, TIME))
    return list({_structure(row): row for row in product(*choices)}.values())


def _chosen(hole: str, candidates: Candidates, each: int) -> list[Expr]:
    """The formulas of a hole; of a front that is too long those at its sharpest corners."""
    if isinstance(candidates, ParetoFront) and len(candidates) > each:
        order = np.argsort(-_corners(candidates), kind="stable")[:each]
        return [candidates[int(index)].expr for index in sorted(order)]
    formulas = [row.expr if isinstance(row, Candidate) else row for row in candidates]
    if not formulas or not all(isinstance(row, Expr) for row in formulas):
        raise InvalidArgument(
            f"the candidates for {hole} must be a front, or one formula or more; got {formulas!r:.80}"
        )
    return formulas[:each]


def _corners(front: ParetoFront) -> np.ndarray:
    """How much faster the logarithm of the loss falls up to each candidate than it can be made to fall behind it."""
    complexity = np.array([row.complexity for row in front])
    floor = max(front.floor, (front.sigma or 0.0) ** 2)
    logs = np.log(np.maximum([row.loss for row in front], floor))
    steps = np.subtract.outer(complexity, complexity)
    slopes = np.divide(np.subtract.outer(logs, logs), -steps, out=np.zeros_like(steps), where=steps != 0)
    before = np.where(steps > 0, slopes, np.inf).min(1)
    behind = np.where(steps < 0, slopes, -np.inf).max(1, initial=0.0)
    return np.where(np.isfinite(before), before, 0.0) - behind


def _read(times: Any, states: Any, dimension: int) -> tuple[np.ndarray, np.ndarray]:
    """Times (sample, time) and states (sample, time, state)."""
    moments, y = array_of("times", times), array_of("states", states)
    y = y[None] if y.ndim == 2 else y
    if y.ndim != 3 or y.shape[2] != dimension:
        raise InvalidArgument(f"states must be (time, {dimension}) or (sample, time, {dimension}); got {y.shape}")
    if moments.shape not in (y.shape[1:2], y.shape[:2]) or not (np.diff(moments, axis=-1) > 0).all():
        raise InvalidArgument(
            f"times must be {y.shape[1]} increasing numbers, for all samples or each; got {moments.shape}"
        )
    if np.isinf(y).any() or not np.isfinite(y).any((0, 1)).all():
        raise InvalidArgument("states must be finite, or NaN where nothing was measured, and each measured somewhere")
    return np.broadcast_to(moments, y.shape[:2]).copy(), y


def _noise(sigma: float | Sequence[float] | None, dimension: int) -> np.ndarray | None:
    if sigma is None:
        return None
    noise = np.broadcast_to(np.asarray(sigma, dtype=np.float64), (dimension,))
    for value in noise:
        check_number("sigma", value, low=0.0)
    if (noise == 0).any() and (noise > 0).any():
        raise InvalidArgument(f"sigma must be positive for all states, or 0 for all; got {sigma!r}")
    return noise


def _box(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Middle and spread of each state; infinite for one that is known at the first times alone, and may go anywhere."""
    flat = y.reshape(-1, y.shape[2])
    middle, spread = np.nanmean(flat, 0), np.nanmax(flat, 0) - np.nanmin(flat, 0)
    spread = np.where(spread > 0, spread, np.maximum(abs(middle), 1e-6))
    return middle, np.where(np.isfinite(y[:, 1:]).any((0, 1)), spread, np.inf)


def _measured(y: np.ndarray, noise: np.ndarray | None, starts: Any) -> Measured:
    positive = noise is not None and bool((noise > 0).all())
    spread = np.nanstd(y.reshape(-1, y.shape[2]), axis=0)
    scale = noise if noise is not None and positive else np.where(spread > 0, spread, 1.0)
    known = starts is not None or (noise is not None and not positive)
    if starts is None:
        first = np.argmax(np.isfinite(y), axis=1)
        begin = np.take_along_axis(y, first[:, None], axis=1)[:, 0]
        # where nothing of a state was measured in a sample
        begin = np.where(np.isfinite(begin), begin, np.nanmean(y, axis=(0, 1)))
        if known and not np.isfinite(y[:, 0]).all():
            raise InvalidArgument("sigma=0 takes the first states as known; some were not measured: give starts")
    else:
        begin = np.broadcast_to(np.asarray(starts, dtype=np.float64), (len(y), y.shape[2])).copy()
    return Measured(y, scale, begin, known)
