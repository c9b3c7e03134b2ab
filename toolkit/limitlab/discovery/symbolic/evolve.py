"""Regularised evolution of formulas, many children at once: the engine that is always there.

Islands of trees evolve side by side. In every cycle of an island some children are made: the winner of a tournament is
mutated, and the children take the places of the oldest, not of the worst, so that nobody lives on by luck. A child that
is worse than its parent is taken with a probability that falls within an iteration; then the constants of some members
are optimised, the islands exchange their best, and what the best of each length lacks is looked for among others
(`trees/partners.py`). Every tree is fitted as a + b*tree (linear scaling), so that evolution searches shapes.
Sources: Real et al., AAAI 2019; Cranmer, arXiv 2305.01582; Keijzer, EuroGP 2003.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from limitlab.discovery.symbolic.engine import Data, Engine, Progress, Settings
from limitlab.discovery.symbolic.expression import COMPLEXITY, Expr
from limitlab.discovery.symbolic.trees.constants import optimised
from limitlab.discovery.symbolic.trees.evaluation import Fit, fits, formulas_of
from limitlab.discovery.symbolic.trees.mutations import Alphabet, mutated, random_trees
from limitlab.discovery.symbolic.trees.partners import completed
from limitlab.discovery.symbolic.trees.population import (
    CONSTANT,
    OPERATOR_NAMES,
    OPS,
    Population,
    chosen,
    joined,
    require_codes,
)
from limitlab.errors import check_number

WIDEST = 64
"""Most nodes of a tree."""


@dataclass(frozen=True)
class Evolution:
    """Settings of the evolution; those of SymbolicRegression.jl where a batch of children does not ask for others.

    islands, members, children: of an island; of an island in a cycle. winner: probability that the best of a tournament
    wins it, else the next best, and so on. parsimony: of the frequency of a size. coolness: of the annealing. cycles:
    of an iteration. optimise: part of the members whose constants are optimised at its end, by so many steps. hall,
    migration: parts of them that come from the hall of fame, and from the best of all islands, then. partners: of
    them, among which those of the hall of fame find what completes them, then; 0 for none. first_size: most
    nodes of a tree at the start. device: where it runs; on a GPU, more islands and children make its batches large.
    Raises InvalidArgument for more children than members.

    >>> from limitlab.discovery.symbolic.evolve import Evolution
    >>> Evolution(islands=31, members=27, children=2).tournament
    15
    """

    islands: int = 16
    members: int = 128
    children: int = 64
    cycles: int = 8
    tournament: int = 15
    winner: float = 0.982
    parsimony: float = 20.0
    coolness: float = 3.17
    optimise: float = 0.14
    steps: int = 8
    hall: float = 0.02
    migration: float = 0.002
    partners: int = 200
    first_size: int = 7
    device: str = "cpu"

    def __post_init__(self) -> None:
        check_number("children", self.children, low=1, high=self.members, integer=True)


class State:
    """The islands as one population, island after island; `oldest` is the member that is replaced next in each."""

    def __init__(self, data: Data, settings: Settings, seed: int, evolution: Evolution) -> None:
        self.evolution, device = evolution, evolution.device
        self.generator = torch.Generator(device).manual_seed(seed)
        self.X = torch.tensor(np.ascontiguousarray(data.X.T), device=device)
        self.y = torch.tensor(data.y, device=device)
        self.weights = torch.tensor(data.weights / data.weights.sum(), device=device)
        self.alphabet = alphabet_of(settings, self.X.shape[0])
        count = evolution.islands * evolution.members
        sizes = torch.randint(1, evolution.first_size + 1, (count,), generator=self.generator, device=device)
        # no node costs less than one unless somebody says so
        width = min(int(settings.max_complexity) + 1, WIDEST)
        self.trees = random_trees(self.generator, sizes, width, self.alphabet)
        self.fit = fits(self.trees, self.X, self.y, self.weights)
        self.evaluations, self.oldest = count, 0
        self.baseline = float(self.weights @ (self.y - self.y @ self.weights) ** 2)
        variables = [[("x", index)] for index in range(len(self.X))]
        self.leaves = Population.of(variables, width).to(device)
        self.hall = Hall(self.alphabet.limit)
        self.hall.enter(self.trees, self.fit, self.alphabet)

    def cycle(self, temperature: float) -> None:
        """Children of every island in the places of its oldest members."""
        e = self.evolution
        parents = self._winners()
        children, differs = mutated(self.generator, self.trees[parents], self.trees[self._winners()], self.alphabet)
        fit = fits(children, self.X, self.y, self.weights)
        self.evaluations += len(children)
        before = Fit(*(column[parents] for column in self.fit))
        taken = differs & self._accepted(before.loss, fit.loss, temperature)
        self.hall.enter(children, fit, self.alphabet)
        # one that is not taken is its parent again: nobody grows older than a turnover
        children = chosen(taken, children, self.trees[parents])
        fit = Fit(*(torch.where(taken, new, old) for new, old in zip(fit, before, strict=True)))
        within = (self.oldest + torch.arange(e.children, device=self.y.device)) % e.members
        first = torch.arange(e.islands, device=self.y.device)[:, None] * e.members
        self._replace((first + within).flatten(), children, fit)
        self.oldest = (self.oldest + e.children) % e.members

    def news(self, names: Sequence[str]) -> list[Expr]:
        """What is new in the hall of fame."""
        size = float(self.y.abs().max())
        return [formula for entry in self.hall.changed() for formula in formulas_of(*entry, names, size)]

    def optimise(self) -> None:
        """Some of the members after steps of Levenberg-Marquardt."""
        e = self.evolution
        lucky = torch.rand(len(self.trees), generator=self.generator, device=self.y.device) < e.optimise
        rows = (lucky & self.fit.loss.isfinite() & (self.trees.op == CONSTANT).any(1)).nonzero()[:, 0]
        if len(rows) == 0:
            return
        better, fit = optimised(self.trees[rows], self.X, self.y, self.weights, e.steps)
        self.evaluations += e.steps * len(rows)
        self.hall.enter(better, fit, self.alphabet)
        self._replace(rows, better, fit)

    def migrate(self) -> None:
        """The hall of fame, and the best of the islands, in the places of a few members anywhere."""
        e, device = self.evolution, self.y.device
        best = self.fit.loss.view(e.islands, e.members).topk(min(12, e.members), largest=False).indices
        best = (best + torch.arange(e.islands, device=device)[:, None] * e.members).flatten()
        sources = (self.hall.members(), (self.trees[best], Fit(*(column[best] for column in self.fit))))
        for (trees, fit), part in zip(sources, (e.hall, e.migration), strict=True):
            if count := int(part * len(self.trees)):
                whose = torch.randint(0, len(trees), (count,), generator=self.generator, device=device)
                where = torch.randperm(len(self.trees), generator=self.generator, device=device)[:count]
                self._replace(where, trees[whose], Fit(*(column[whose] for column in fit)))

    def complete(self) -> None:
        """The hall of fame with what completes its members among some of all, in the places of members anywhere."""
        e, device = self.evolution, self.y.device
        drawn = torch.randperm(len(self.trees), generator=self.generator, device=device)[: e.partners]
        halls, _ = self.hall.members()
        children = completed(
            halls, joined([self.leaves, self.trees[drawn]]), self.X, self.y, self.weights, alphabet=self.alphabet
        )
        if children is None:
            return
        children, fit = optimised(children, self.X, self.y, self.weights, e.steps)
        self.evaluations += e.partners + (1 + e.steps) * len(children)
        self.hall.enter(children, fit, self.alphabet)
        count = min(len(children), len(self.trees))
        where = torch.randperm(len(self.trees), generator=self.generator, device=device)[:count]
        self._replace(where, children[:count], Fit(*(column[:count] for column in fit)))

    def _replace(self, where: Tensor, trees: Population, fit: Fit) -> None:
        for name in ("op", "var", "const"):
            getattr(self.trees, name)[where] = getattr(trees, name)
        for old, new in zip(self.fit, fit, strict=True):
            old[where] = new

    def _winners(self) -> Tensor:
        """For every child of every island the winner of a tournament there."""
        e, device = self.evolution, self.y.device
        drawn = torch.randint(
            0, e.members, (e.islands, e.children, e.tournament), generator=self.generator, device=device
        )
        drawn = drawn + torch.arange(e.islands, device=device)[:, None, None] * e.members
        sizes = self.trees.lengths
        frequency = torch.bincount(sizes, minlength=self.trees.op.shape[1] + 1) / len(sizes)
        cost = self.fit.loss / self.baseline * (e.parsimony * frequency[sizes]).exp()
        ranked = torch.sort(cost[drawn], dim=2).indices
        # the rank that wins has the chances p, p(1-p), p(1-p)^2, ...
        uniform = torch.rand(drawn.shape[:2], generator=self.generator, device=device)
        rank = (uniform.log() / np.log1p(-e.winner)).long().clamp(max=e.tournament - 1)
        return drawn.gather(2, ranked.gather(2, rank[..., None]))[..., 0].flatten()

    def _accepted(self, before: Tensor, after: Tensor, temperature: float) -> Tensor:
        """Whether a child is taken: if better, and if worse the less likely the worse it is and the cooler."""
        rise = (after - before) / self.baseline
        heat = max(self.evolution.coolness * temperature, 1e-12)
        uniform = torch.rand(rise.shape, generator=self.generator, device=rise.device)
        # an infinite loss of both makes NaN, which is not taken
        return (uniform < (-rise / heat).exp()) & after.isfinite()


class Hall:
    """The best tree of every complexity, to the nearest whole number."""

    def __init__(self, limit: float) -> None:
        self._best: dict[int, tuple[Population, Fit]] = {}
        self._changed: set[int] = set()
        self._limit = int(limit)

    def enter(self, trees: Population, fit: Fit, alphabet: Alphabet) -> None:
        """Take in those that are better than what is here, at their complexity and below."""
        bins = alphabet.complexity(trees).round().long().clamp(0, self._limit)
        least = torch.full((self._limit + 1,), torch.inf, dtype=fit.loss.dtype, device=bins.device)
        least.scatter_reduce_(0, bins, fit.loss, "amin")
        record = np.inf
        for size, loss in enumerate(least.tolist()):
            held = float(self._best[size][1].loss[0]) if size in self._best else np.inf
            if loss < min(held, record):
                row = int(((bins == size) & (fit.loss == loss)).nonzero()[0, 0])
                self._best[size] = trees[[row]], Fit(*(column[[row]] for column in fit))
                self._changed.add(size)
            record = min(record, held, loss)

    def members(self) -> tuple[Population, Fit]:
        """All who are in it."""
        trees = joined([entry for entry, _ in self._best.values()])
        return trees, Fit(*(torch.cat(columns) for columns in zip(*(f for _, f in self._best.values()), strict=True)))

    def changed(self) -> list[tuple[Population, Fit]]:
        """Those who have come since the last time."""
        news = [self._best[size] for size in sorted(self._changed)]
        self._changed.clear()
        return news


def alphabet_of(settings: Settings, variables: int) -> Alphabet:
    """What trees are made of, with the costs of `COMPLEXITY`."""
    costs = {**COMPLEXITY, **settings.costs}
    costs_of_codes = tuple(costs[op.name] for op in OPS)
    return Alphabet(require_codes(settings.ops), variables, costs_of_codes, settings.max_complexity)


def evolve(data: Data, settings: Settings, seed: int, evolution: Evolution | None = None) -> Iterator[Progress]:
    """Formulas of the hall of fame as they get better; without end unless `settings.evaluations` are spent.

    >>> from limitlab.discovery.symbolic import Data, Settings
    >>> from limitlab.discovery.symbolic.evolve import evolve
    >>> x = torch.linspace(-1, 1, 20)
    >>> steps = evolve(Data.of(x, x**3 + x), Settings(("+", "*")), seed=0)
    >>> len(next(steps).formulas) > 0
    True
    """
    evolution = evolution or Evolution()
    state = State(data, settings, seed, evolution)
    yield Progress(state.news(data.names), state.evaluations)
    while settings.evaluations is None or state.evaluations < settings.evaluations:
        for cycle in range(evolution.cycles):
            state.cycle(1 - cycle / max(evolution.cycles - 1, 1))
            if settings.evaluations is not None and state.evaluations >= settings.evaluations:
                break
        state.optimise()
        state.migrate()
        if evolution.partners:
            state.complete()
        yield Progress(state.news(data.names), state.evaluations)


def ready() -> None:
    """Compile the code that values are computed by, where that was never done on this machine.

    >>> from limitlab.discovery.symbolic.evolve import ready
    >>> ready()
    """
    X = torch.arange(4, dtype=torch.float64)[None]  # noqa: N806
    fits(Population.of([[("x", 0)]]), X, X[0], torch.full_like(X[0], 0.25))


ROWS = (Engine("evolve", "Regularised evolution", evolve, OPERATOR_NAMES, ready),)
