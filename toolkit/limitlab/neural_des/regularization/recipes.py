"""A training with one term more: weight(step) times the value of every regularised layer.

Weight and draw of a step come with its batch, as functions of the step alone: a resumed training goes on with the same
ones, and the draws have a generator of their own, so that twins with and without see the same batches.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from torch import Tensor, nn

from limitlab.errors import InvalidArgument, check_number
from limitlab.neural_des.regularization.layer import RegularizedODE
from limitlab.training import Batches, Recipe
from limitlab.training.recipe import require_batches
from limitlab.training.schedules import Schedule

LATTICE = 2**31


def exponential(first: float, last: float, steps: int) -> Schedule:
    """The weight lambda(step) = first exp(-k step), k = ln(first/last)/steps: `first` at step 0, `last` at `steps`.

    Both zero is zero throughout. Raises InvalidArgument. Source: Pal et al. 2021, section 4.

    >>> weight = ll.neural_des.regularization.exponential(100.0, 1.0, 100)
    >>> [round(weight(step), 9) for step in (0, 50, 100)]
    [100.0, 10.0, 1.0]
    """
    first, last = check_number("first", first, low=0.0), check_number("last", last, low=0.0)
    steps = int(check_number("steps", steps, low=1, integer=True))
    if first == last:
        return lambda step: first
    if not first or not last:
        raise InvalidArgument(f"first and last must both be positive, or both zero; got {first:g} and {last:g}")
    rate = math.log(first / last) / steps
    return lambda step: first * math.exp(-rate * step)


def drawn(seed: int, step: int) -> float:
    """The draw of a step: uniform on the midpoints of 2^31 parts of (0, 1), which holds neither 0 nor 1.

    >>> 0 < ll.neural_des.regularization.drawn(0, 7) < 1
    True
    """
    generator = np.random.default_rng(np.random.SeedSequence([seed, step]))
    return (int(generator.integers(LATTICE)) + 0.5) / LATTICE


def regularized(recipe: Recipe, weight: Schedule, *, seed: int = 0) -> Recipe:
    """The recipe with the term "regularization": weight(step) times the sum of the layers' values.

    weight: a function of the step, such as `exponential`. seed: of the draws. The model must hold RegularizedODE
    layers, each called once by the loss. Raises InvalidArgument for a recipe of several phases, and when the loss is
    called for a model without such a layer, or one that calls a layer not at all or twice.

    >>> reg = ll.neural_des.regularization
    >>> ode = ll.neural_des.ode.NeuralODE(ll.neural_des.ode.MLPField(2, width=4), shared_steps=True)
    >>> loss = lambda model, batch: {"squared": model(batch["x"]).square().mean()}
    >>> recipe = ll.training.descent(loss, ll.training.fixed(x=torch.ones(4, 2)), 3, 0.1)
    >>> recipe = reg.regularized(recipe, reg.exponential(1.0, 0.1, 3))
    >>> [sorted(step.losses) for step in ll.training.fit(reg.RegularizedODE(ode, reg.Global()), recipe)][-1]
    ['regularization', 'squared']
    """
    if recipe.later:
        raise InvalidArgument("recipe must be of one phase: regularise each, then put them in sequence")
    seed = int(check_number("seed", seed, low=0, integer=True))
    task, batches = recipe.loss, recipe.batches

    def loss(model: nn.Module, batch: Mapping[str, Any]) -> dict[str, Tensor]:
        layers = _layers(model)
        for layer in layers:
            layer.draw, layer.solves = batch["draw"], 0
        terms = dict(task(model, batch))
        wrong = [layer.solves for layer in layers if layer.solves != 1]
        if wrong:
            raise InvalidArgument(
                f"the loss must call each regularised layer once, in training mode, or its term would miss solves; got "
                f"{wrong[0]} calls"
            )
        return {**terms, "regularization": batch["weight"] * sum(layer.last.value for layer in layers)}

    if callable(batches) and not hasattr(batches, "batch"):
        make: Callable[[nn.Module], Batches] = batches
        return replace(recipe, loss=loss, batches=lambda model: _Weighted(make(model), weight, seed))
    return replace(recipe, loss=loss, batches=_Weighted(require_batches(batches), weight, seed))


@dataclass(frozen=True)
class _Weighted:
    """Batches with the weight and the draw of their step."""

    batches: Batches
    weight: Schedule
    seed: int

    def batch(self, step: int) -> dict[str, Any]:
        return {**self.batches.batch(step), "weight": self.weight(step), "draw": drawn(self.seed, step)}

    def shard(self, rank: int, world: int) -> Self:
        # the draw is that of the whole batch: all processes take the same
        return replace(self, batches=self.batches.shard(rank, world))


def _layers(model: nn.Module) -> list[RegularizedODE]:
    layers = [module for module in model.modules() if isinstance(module, RegularizedODE)]
    if not layers:
        raise InvalidArgument("model holds no RegularizedODE, so that there is nothing to regularise")
    return layers
