"""A hidden term as a network: what decides its training, and what can be looked at while it is trained.

A trajectory that fits proves nothing. So the error of the hidden term on the visited set stands beside it, and over one
or two states the term is drawn where no trajectory was, too: that is extrapolation.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.discovery.pinn import (
    UPINN,
    Architecture,
    HiddenTerms,
    UniversalODE,
    Weighting,
    collocation,
    equations_of,
    two_phases,
)
from limitlab.discovery.pinn.identifiability import condition_number, library
from limitlab.discovery.terms import Hidden, hidden_terms
from limitlab.training import fit
from limitlab_widgets.discovery.own_terms import Term, with_term
from limitlab_widgets.discovery.sampling import Sampling

if TYPE_CHECKING:
    import xarray as xr

    from limitlab.training.progress import Progress

RATES = {"ode": {"adam": 3e-2, "soap": 1e-2}, "pde": {"adam": 1e-2, "soap": 1e-2}}
"""Of the optimisers of the first phase, by the kind of the problem."""
TERM_LAYERS = 2
CELLS = 41
MARGIN = 0.15
"""How far a map goes beyond what was visited, as a share of it."""


@dataclass(frozen=True)
class Settings:
    """Of the networks and their training: `adam` steps of the optimiser `first`, then of the quasi-Newton method.

    term: the name of a network of the reader's own for the hidden terms; a perceptron where empty.
    """

    first: str = "adam"
    adam: int = 700
    quasi_newton: int = 1000
    method: str = "lbfgs"
    width: int = 32
    collocation: int = 128
    term: str = ""


@dataclass(frozen=True)
class Plan:
    """What decides a training: the measurements, what is hidden, what it depends on, the settings.

    own: the network that the settings name, where they name one.
    """

    sampling: Sampling
    hidden: Hidden
    inputs: tuple[str, ...]
    settings: Settings
    own: Term | None = None

    @property
    def known(self) -> bool:
        """Whether the hidden terms are those of the measurements, which a file's need not be."""
        return self.sampling.file is None

    def hidden_terms(self) -> HiddenTerms:
        """For the networks."""
        problem, width = self.sampling.problem, self.settings.width
        term = Architecture(width=width, layers=TERM_LAYERS)
        return HiddenTerms(hidden_terms(problem, self.hidden), inputs=self.inputs, architecture=term)

    def model(self, measured: Any) -> UPINN:
        """Fresh networks: one a trajectory, and one for the hidden terms. Raises InvalidArgument for an own one."""
        problem, seen = self.sampling.problem, measured.seen
        forms, weighting = measured.forms(problem), Weighting(weights={"data": measured.data_weight})
        plain = Architecture(width=self.settings.width)
        options: dict[str, Any] = {"architecture": plain, "weighting": weighting, "seed": self.sampling.seed}
        model = UPINN(equations_of(problem), self.hidden_terms(), seen, forms, **options)
        return model if self.own is None else with_term(model, self.settings.term, self.own, self.sampling.seed)

    def training(self, model: UPINN, measured: Any) -> Generator[Progress, None, None]:
        """The steps of the training: the first optimiser, then the quasi-Newton method."""
        settings = self.settings
        points = collocation(self.sampling.problem, settings.collocation)
        recipe = two_phases(
            points,
            measured.seen,
            steps=(settings.adam, settings.quasi_newton),
            learning_rate=RATES[self.sampling.problem.kind][settings.first],
            optimizers=(settings.first, settings.method),
        )
        with closing(fit(model, recipe, seed=self.sampling.seed, device="cpu")) as steps:
            yield from steps


@dataclass(frozen=True, eq=False)
class TermMap:
    """Hidden terms over one or two states: the axes, and values and truth (term, *axes).

    truth: None where nobody knows it, and where it depends on further states.
    """

    axes: tuple[Float[np.ndarray, " axis"], ...]
    values: Float[np.ndarray, "term *axes"]
    truth: Float[np.ndarray, "term *axes"] | None


@dataclass(frozen=True, eq=False)
class Learned:
    """A training as it stands: losses by term and step, the unknowns, hidden terms on the visited set and around it.

    states: where they are shown. residuals: left minus right side of each equation, in the units of its unknown's
    deviation over the span. error: relative L2 error of the hidden terms on the visited set, None where nobody knows
    them. condition: condition number of the monomials up to degree 2 there, which says how well data of this set tell
    formulas apart. shipped: the name of a model that was trained before it shipped, of which there are no losses.
    """

    plan: Plan
    measured: Any
    model: UPINN
    steps: int
    losses: Mapping[str, Sequence[float]]
    states: Float[Tensor, "trajectory point unknown"]
    residuals: Float[Tensor, "trajectory equation point"]
    samples: xr.Dataset
    error: float | None
    condition: float
    map: TermMap | None
    shipped: str = ""

    @property
    def equations(self) -> tuple[str, ...]:
        """The equations that hold a hidden term."""
        return self.model.hidden.equations

    @cached_property
    def system(self) -> UniversalODE:
        """The known terms with the network in the place of the hidden ones, as a system that can be solved."""
        start = torch.tensor([self.measured.first], dtype=torch.float64)
        problem = self.plan.sampling.problem
        system = UniversalODE(equations_of(problem), self.plan.hidden_terms(), self.measured.seen, start)
        system.term = self.model.term
        return system

    @classmethod
    @torch.no_grad()
    def of(cls, plan: Plan, measured: Any, model: UPINN, losses: Mapping[str, list[float]]) -> Learned:
        """What the networks say now."""
        points = measured.shown
        states = torch.stack([model(points, k) for k in range(measured.trajectories)])
        size = model.residual_scale(points)
        residuals = torch.stack([model.residuals(points, k) / size for k in range(measured.trajectories)])
        samples = model.samples(collocation(plan.sampling.problem, measured.samples))
        if not plan.known:
            # a file's terms need not be those of the text
            samples = samples.drop_vars("truth", errors="ignore")
        error = None
        if "truth" in samples:
            difference, truth = samples["values"] - samples["truth"], samples["truth"]
            error = float(((difference**2).sum() / (truth**2).sum()) ** 0.5)
        kept = {name: tuple(values) for name, values in losses.items()}
        steps = max((len(values) for values in kept.values()), default=0)
        return cls(
            plan,
            measured,
            model,
            steps,
            kept,
            states,
            residuals,
            samples,
            error,
            _condition(samples),
            _map(model, samples),
        )


def visited(samples: xr.Dataset, term: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features (sample, feature), values of a term, and the trajectory of each, on the visited set."""
    return samples["features"].values, samples["values"].values[:, term], samples["trajectory"].values


def _condition(samples: xr.Dataset) -> float:
    features = torch.from_numpy(samples["features"].values)
    size = features.square().mean(0).sqrt().clamp_min(1e-300)
    return condition_number(library(features / size, [str(name) for name in samples["feature"].values])[0])


def _map(model: UPINN, samples: xr.Dataset) -> TermMap | None:
    """Hidden terms on a grid around the visited set; None for three inputs, which no plane shows."""
    features = samples["features"].values
    if features.shape[1] > 2:
        return None
    low, high = features.min(0), features.max(0)
    reach = MARGIN * np.where(high > low, high - low, 1.0)
    axes = [np.linspace(a, b, CELLS) for a, b in zip(low - reach, high + reach, strict=True)]
    grid = torch.from_numpy(np.stack([part.ravel() for part in np.meshgrid(*axes, indexing="ij")], -1))
    shape = (len(model.hidden.equations), *(len(axis) for axis in axes))
    values = model.hidden_term(grid).T.reshape(shape).numpy()
    truth = None
    if "truth" in samples and _depends_on(model) <= set(model.hidden.inputs):
        names = model.hidden.inputs
        fields: dict[str, Any] = dict(zip(names, grid.unbind(-1), strict=True))
        # the truth holds no derivative, no time and no state that is not among the inputs: their values do not matter
        others = {d.name: torch.zeros_like(grid[:, 0]) for d in model.whole.derivatives if d.name not in names}
        origin = grid.new_zeros(len(grid), len(model.whole.coordinates))
        truth = model.truth(origin, {**fields, **others}).T.reshape(shape).numpy()
    return TermMap(tuple(axes), values, truth)


def _depends_on(model: UPINN) -> set[str]:
    """The unknowns and derivatives that the hidden terms of the text depend on."""
    terms = [model.whole.term(text) for text in model.hidden.terms.values() if text is not None]
    return {symbol.name for term in terms for symbol in term.free_symbols} & {d.name for d in model.whole.derivatives}
