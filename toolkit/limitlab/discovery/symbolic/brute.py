"""All formulas up to a complexity, each fitted as a + b*f: what short formulas have to offer, without luck.

Formulas are made level by level of complexity from those of the levels below, and of those that agree at random points
one is kept, so that x + y - y is never built on. The one constant within them is 1, whose value is then fitted in the
best of a level. The first step of Udrescu and Tegmark, Science Advances 6 (2020), without its tables of units.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from limitlab.discovery.symbolic.engine import Data, Engine, Progress, Settings
from limitlab.discovery.symbolic.evolve import alphabet_of
from limitlab.discovery.symbolic.expression import Expr
from limitlab.discovery.symbolic.trees.constants import optimised
from limitlab.discovery.symbolic.trees.evaluation import LARGEST, Fit, formulas_of, scaled
from limitlab.discovery.symbolic.trees.population import (
    CONSTANT,
    OPERATOR_NAMES,
    OPS,
    VARIABLE,
    Block,
    Population,
    assembled,
    joined,
)

CHECKS = 8
"""Random points at which formulas are compared."""

DIGITS = 10
"""Digits to which equal formulas agree there."""

MOST_NUMBERS = 2**25
"""Values that all levels may hold (256 MiB); a level that would hold more is fitted, but nothing is built on it."""

BATCH = 2**15
"""Formulas that are made at once."""

BEST_OF_A_LEVEL = 32
"""Formulas of a level whose constants are fitted."""

NAMED_OF_A_LEVEL = 4
"""Those of them that become formulas, as sympy needs milliseconds for each."""


class Level(NamedTuple):
    """Formulas of one complexity with their values at the data and, behind them, at the random points."""

    trees: Population
    values: Float[Tensor, "tree point"]


def brute(data: Data, settings: Settings, seed: int) -> Iterator[Progress]:
    """The best formulas of every level of complexity; ends when all levels are done or the budget is spent.

    >>> from limitlab.discovery.symbolic import Data, Settings
    >>> from limitlab.discovery.symbolic.brute import brute
    >>> x = torch.linspace(0, 2, 20, dtype=torch.float64)
    >>> steps = list(brute(Data.of(x, 2 * x / (1 + x)), Settings(("+", "/"), max_complexity=7), seed=0))
    >>> "2.0*x/(x + 1.0)" in [str(formula) for step in steps for formula in step.formulas]
    True
    """
    enumeration = Enumeration(data, settings, seed)
    for complexity in range(1, int(settings.max_complexity) + 1):
        for formulas in enumeration.level(complexity):
            yield Progress(formulas, enumeration.evaluations)
            if settings.evaluations is not None and enumeration.evaluations >= settings.evaluations:
                return
        if enumeration.full:
            return


class Enumeration:
    """The levels made so far. Complexities are rounded to whole numbers."""

    def __init__(self, data: Data, settings: Settings, seed: int) -> None:
        self._data, self._alphabet = data, alphabet_of(settings, data.X.shape[1])
        self._costs = [max(round(cost), 1) for cost in self._alphabet.costs]
        self._width = int(settings.max_complexity)
        low, high = data.X.min(0), data.X.max(0)
        checks = np.random.default_rng(seed).uniform(low, high, (CHECKS, len(low)))
        self._X = torch.from_numpy(np.concatenate([data.X, checks]).T.copy())
        self._y = torch.from_numpy(data.y.copy())
        self._weights = torch.from_numpy(data.weights / data.weights.sum())
        self._size = float(np.abs(data.y).max())
        self._levels: dict[int, Level] = {}
        self._seen: set[bytes] = set()
        self._record = np.inf
        self.evaluations, self.full = 0, False

    def level(self, complexity: int) -> Iterator[list[Expr]]:
        """Make all formulas of this complexity; yields the best of every batch."""
        kept: list[Level] = []
        room = MOST_NUMBERS - sum(level.values.numel() for level in self._levels.values())
        for batch in self._batches(complexity):
            fresh = self._fresh(batch)
            if len(fresh.trees):
                kept.append(fresh)
                room -= fresh.values.numel()
                self.full |= room < 0
                yield self._best(fresh)
            if self.full:
                return
        if kept:
            values = torch.cat([level.values for level in kept])
            self._levels[complexity] = Level(joined([level.trees for level in kept]), values)

    def _batches(self, complexity: int) -> Iterator[Level]:
        if complexity == self._costs[VARIABLE]:
            trees = Population.of([[("x", i)] for i in range(len(self._X))], self._width)
            yield Level(trees, self._X)
        if complexity == self._costs[CONSTANT]:
            yield Level(Population.of([[1.0]], self._width), torch.ones_like(self._X[:1]))
        for code in self._alphabet.codes:
            left = complexity - self._costs[code]
            if OPS[code].arity == 1 and left in self._levels:
                level = self._levels[left]
                for rows in torch.arange(len(level.trees)).split(BATCH):
                    yield _made(code, level, rows)
            elif OPS[code].arity == 2:
                for one, first in tuple(self._levels.items()):
                    # of a + b and b + a, and of a * b and b * a, the first
                    if left - one in self._levels and (OPS[code].name in "-/" or one <= left - one):
                        yield from _pairs(code, first, self._levels[left - one])

    def _fresh(self, level: Level) -> Level:
        """Those of the level that are finite and unlike all before."""
        self.evaluations += len(level.trees)
        usable = (level.values.abs().amax(1) <= LARGEST).nonzero()[:, 0]
        checks = level.values[usable, -CHECKS:].numpy()
        scale = 10.0 ** (DIGITS - 1 - np.floor(np.log10(np.maximum(np.abs(checks), 1e-12))))
        # -0 and 0 are one number in two ways
        keys = np.rint(checks * scale) / scale + 0.0
        fresh = []
        for row, key in zip(usable.tolist(), keys, strict=True):
            name = key.tobytes()
            if name not in self._seen:
                self._seen.add(name)
                fresh.append(row)
        return Level(level.trees[fresh], level.values[fresh])

    def _best(self, level: Level) -> list[Expr]:
        """Formulas that fit better than all before, as they are and with their constants fitted; the best first."""
        points = len(self._y)
        fit = scaled(level.values[:, :points], self._y, self._weights)
        rows = torch.argsort(fit.loss, stable=True)[:BEST_OF_A_LEVEL]
        trees, fit = level.trees[rows], Fit(*(column[rows] for column in fit))
        better, fitted = optimised(trees, self._X[:, :points], self._y, self._weights)
        formulas = []
        for some, losses in ((trees, fit), (better, fitted)):
            kept = (losses.loss < self._record).nonzero()[:NAMED_OF_A_LEVEL, 0]
            formulas += formulas_of(some[kept], Fit(*(c[kept] for c in losses)), self._data.names, self._size)
        self._record = min(self._record, float(fitted.loss.min()))
        return formulas


def _pairs(code: int, first: Level, second: Level) -> Iterator[Level]:
    """The operation on all pairs of the levels, in batches."""
    total, width = len(first.trees) * len(second.trees), len(second.trees)
    for start in range(0, total, BATCH):
        pair = torch.arange(start, min(start + BATCH, total))
        yield _made(code, first, pair // width, second, pair % width)


def _made(
    code: int, first: Level, rows: Int[Tensor, " tree"], second: Level | None = None, others: Tensor | None = None
) -> Level:
    """The operation on these rows of the levels."""
    operation = Population(torch.tensor([[code]]), torch.zeros(1, 1, dtype=torch.long), torch.zeros(1, 1).double())
    zero = torch.zeros_like(rows)
    blocks = [Block(first.trees, rows, zero, first.trees.lengths[rows])]
    values = [first.values[rows]]
    if second is not None and others is not None:
        blocks.append(Block(second.trees, others, zero, second.trees.lengths[others]))
        values.append(second.values[others])
    trees, _ = assembled([*blocks, Block(operation, zero, zero, zero + 1)])
    return Level(trees, OPS[code].value(*values))


ROWS = (Engine("brute", "All short formulas", brute, OPERATOR_NAMES),)
