"""Classes of flows as rows: how the state is lifted and what the field knows, for a classifier or a forecaster.

| class | lift of x | field |
|---|---|---|
| ode | x | f(y) |
| augmented | [x, 0] | f(y) |
| second_order | [x, MLP(x)] | (v, a(y, v)): what is lifted is a velocity |
| hamiltonian | x = (q, p) | (dH/dp, -dH/dq) |

Sources: Kidger, On Neural Differential Equations (2022), 2.2; Dupont, Doucet & Teh 2019 (augmented); Greydanus,
Dzamba & Yosinski 2019 (Hamiltonian).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from limitlab.neural_des.ode import (
    Acceleration,
    Energy,
    HamiltonianField,
    LearnedLift,
    MLPField,
    SecondOrderField,
    ZeroLift,
)
from limitlab.neural_des.ode.networks import ACTIVATION


@dataclass(frozen=True)
class Sizes:
    """Of the networks of a flow: features of the data, dimensions that are added, units and hidden layers."""

    features: int
    extra: int
    width: int
    depth: int


@dataclass(frozen=True)
class FlowClass:
    """A class of flows: its title, its equation in LaTeX, components that it adds, its lift and its field.

    even: the features must be two halves of one size, positions and momenta.
    """

    title: str
    equation: str
    added: Callable[[Sizes], int]
    lift: Callable[[Sizes, int], nn.Module]
    field: Callable[[Sizes, int], nn.Module]
    even: bool = False


def _perceptron(sizes: Sizes, state: int, seed: int) -> MLPField:
    # without a bound, which must first grow before it turns a flow round
    return MLPField(state, sizes.width, sizes.depth, activation=ACTIVATION, bounded=False, seed=seed)


CLASSES: dict[str, FlowClass] = {
    "ode": FlowClass(
        "neural ODE",
        r"y' = f(y), \quad y(0) = x",
        lambda sizes: 0,
        lambda sizes, seed: ZeroLift(0),
        lambda sizes, seed: _perceptron(sizes, sizes.features, seed),
    ),
    "augmented": FlowClass(
        "augmented ODE",
        r"y' = f(y), \quad y(0) = [x, 0]",
        lambda sizes: sizes.extra,
        lambda sizes, seed: ZeroLift(sizes.extra),
        lambda sizes, seed: _perceptron(sizes, sizes.features + sizes.extra, seed),
    ),
    "second_order": FlowClass(
        "second order",
        r"y'' = a(y, y'), \quad y(0) = x, \; y'(0) = v(x)",
        lambda sizes: sizes.features,
        lambda sizes, seed: LearnedLift(sizes.features, sizes.features, sizes.width, seed=seed + 1),
        lambda sizes, seed: SecondOrderField(Acceleration(sizes.features, sizes.width, sizes.depth, seed)),
    ),
    "hamiltonian": FlowClass(
        "Hamiltonian",
        r"q' = \partial H / \partial p, \; p' = -\partial H / \partial q, \quad (q, p)(0) = x",
        lambda sizes: 0,
        lambda sizes, seed: ZeroLift(0),
        lambda sizes, seed: HamiltonianField(Energy(sizes.features, sizes.width, sizes.depth, seed)),
        even=True,
    ),
}


def mean_squared(model: nn.Module, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The loss of a forecaster: over what was measured, whose times are those of the batch."""
    error = model(batch["x"], batch["t"]) - batch["y"].nan_to_num()
    return {"mse": error.square()[~batch["y"].isnan()].mean()}


@torch.no_grad()
def deviation(predicted: Float[Tensor, "*shape"], measured: Float[Tensor, "*shape"]) -> float:
    """Root mean square of the differences where something was measured."""
    known = ~measured.isnan()
    return float((predicted - measured)[known].square().mean().sqrt())
