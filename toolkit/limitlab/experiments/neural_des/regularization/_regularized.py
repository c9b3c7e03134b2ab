"""What the experiments on regularised solves share: ways to train, and what a flow costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor, nn
from torch.nn import functional

from limitlab.experiments.contract.experiment import Trial
from limitlab.experiments.contract.settings import Ensemble, Trained, option
from limitlab.neural_des.ode import NeuralODE
from limitlab.neural_des.regularization import (
    Global,
    Local,
    Steer,
    Taylor,
    Unregularized,
    exponential,
    regularized,
)
from limitlab.neural_des.regularization.penalties import Regularization
from limitlab.solvers import solve_ode
from limitlab.training import Recipe


@dataclass(frozen=True)
class Way:
    """A regularisation, and what its coefficient is in units of that of a sum over all steps."""

    regularization: Regularization
    factor: float


WAYS: dict[str, Way] = {
    "plain": Way(Unregularized(), 0.0),
    "ernode": Way(Global("error"), 1.0),
    "srnode": Way(Global("stiffness"), 0.01),
    # one step is about a tenth of the sum
    "unbiased": Way(Local("unbiased"), 10.0),
    "biased": Way(Local("biased"), 10.0),
    "initial": Way(Local("biased", "initial"), 100.0),
    "steer": Way(Steer(0.5), 0.0),
    "taylor": Way(Taylor(2), 0.001),
}


@dataclass(frozen=True)
class RegularizedSettings(Ensemble, Trained):
    """Twins with the same weights and batches, each trained in a way of its own."""

    ways: tuple[str, ...] = option(tuple(WAYS), "regularisations", choices=tuple(WAYS), distinct=True)
    first_weight: float = option(10.0, "coefficient of the sum of E h at the first step", low=0.0, high=1e6)
    last_weight: float = option(1.0, "the same at the last step", low=0.0, high=1e6)
    tolerance: float = option(1e-7, "absolute and relative, of the solver", low=1e-10, high=1e-2)
    method: str = option("tsit5", "solver", choices=("tsit5", "dopri5"))
    gradient: str = option("direct", "gradient of the solve", choices=("direct", "checkpoint", "adjoint"))
    width: int = option(32, "units of the field's hidden layer", low=1, high=4096)
    learning_rate: float = option(2e-2, "rate of Adam", low=1e-7, high=1.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        exponential(self.first_weight, self.last_weight, self.steps)

    def ode(self, field: nn.Module, span: tuple[float, float] = (0.0, 1.0)) -> NeuralODE:
        """The field's flow with steps that the whole batch shares."""
        options: dict[str, Any] = {"method": self.method, "gradient": self.gradient, "shared_steps": True}
        return NeuralODE(field, span, rtol=self.tolerance, atol=self.tolerance, **options)


def cross_entropy(model: nn.Module, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The loss of `fit`."""
    return {"cross_entropy": functional.cross_entropy(model(batch["x"]), batch["label"])}


def trials(settings: RegularizedSettings, recipe: Recipe, build: Any, **at: str | float) -> tuple[Trial, ...]:
    """A trial a way: build(regularization, seed) makes the model, `recipe` trains it with the way's term.

    at: further coordinates of all of them.
    """
    chosen = []
    for name in settings.ways:
        way = WAYS[name]
        first, last = (way.factor * weight for weight in (settings.first_weight, settings.last_weight))
        with_term = regularized(recipe, exponential(first, last, settings.steps), seed=settings.seed)
        chosen.append(Trial({**at, "way": name}, partial(build, way.regularization), with_term))
    return tuple(chosen)


@torch.no_grad()
def accuracy(model: nn.Module, x: Tensor, labels: Int[Tensor, " sample"]) -> float:
    """Share of the samples whose class is right."""
    device = next(model.parameters()).device
    return float((model(x.to(device)).argmax(1).cpu() == labels).double().mean())


@torch.no_grad()
def calls(ode: NeuralODE, y0: Tensor, **options: Any) -> int:
    """Field calls of a solve of this batch, with some options changed."""
    y0 = y0.to(next(ode.parameters()).device)
    return int(solve_ode(ode.field, y0, ode.span, **{**ode.options, **options}).evaluations.function.max())


@torch.no_grad()
def drift(ode: NeuralODE, y0: Tensor) -> float:
    """Largest difference of the ends by Tsit5 at 1e-8 and by Dopri5 at 1e-10."""
    y0 = y0.to(next(ode.parameters()).device)
    ends = (
        solve_ode(ode.field, y0, ode.span, method=method, rtol=tolerance, atol=tolerance, shared_steps=True).y[:, -1]
        for method, tolerance in (("tsit5", 1e-8), ("dopri5", 1e-10))
    )
    one, other = ends
    return float((one - other).abs().max())
