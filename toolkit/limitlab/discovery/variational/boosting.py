"""An iterate that is a growing sum of networks: the content of the theory's proof, and a boosting method.

Stage t trains a small network v on the quadratic

    1/2 |v|^2_H1 + <DE(u_t) - f, v> = int |v|^2/2 + |grad v|^2/2 + L_z(u_t).grad v + (L_y(u_t) - f) v

whose minimiser is minus the preconditioned gradient of the energy at u_t, by DE in its weak form, which needs no second
derivative; then u_(t+1) = u_t + eta v, and v is frozen. With Neumann walls nothing is enforced. Source: Marwah, Lipton,
Lu, Risteski, arXiv 2210.12101.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from limitlab.discovery.variational.descent import StepTooLarge
from limitlab.discovery.variational.energies import Energy, Target, manufactured
from limitlab.discovery.variational.networks import Pair, Points, TwoLayer
from limitlab.discovery.variational.ritz import TEST_SEED, CubePoints, ritz_errors, ritz_recipe
from limitlab.errors import check_number
from limitlab.saved import Saved
from limitlab.training import fit, seeds


class Sum(Saved):
    """A weighted sum of networks, zero before the first; those that are in it are frozen.

    >>> v = ll.discovery.variational
    >>> v.Sum(1).value_and_gradient(torch.ones(2, 1))[0].tolist()
    [0.0, 0.0]
    """

    def __init__(self, dimension: int, stages: Sequence[nn.Module] = (), weights: Sequence[float] = ()) -> None:
        super().__init__()
        self.stages = nn.ModuleList(stages).requires_grad_(False)
        self.weights = [*map(float, weights)]
        # a sum of no networks has a device and a precision too
        self.zero = nn.Parameter(torch.zeros(dimension), requires_grad=False)

    def add(self, network: nn.Module, weight: float) -> None:
        self.stages.append(network.requires_grad_(False))
        self.weights.append(float(weight))
        self.remember(stages=tuple(self.stages), weights=tuple(self.weights))

    def forward(self, x: Points) -> Tensor:
        return self.value_and_gradient(x)[0]

    def value_and_gradient(self, x: Points) -> Pair:
        """u and grad u."""
        value, gradient = x.sum(-1) * 0, self.zero.expand_as(x) * 1
        for weight, stage in zip(self.weights, self.stages, strict=True):
            more, slope = stage.value_and_gradient(x)  # type: ignore[operator]
            value, gradient = value + weight * more, gradient + weight * slope
        return value, gradient


def stage_loss(
    energy: Energy, source: Callable[[Tensor], Tensor], iterate: Sum
) -> Callable[[Any, Mapping[str, Any]], dict[str, Tensor]]:
    """loss(v, batch): the quadratic whose minimiser is minus the preconditioned gradient at the iterate.

    >>> v = ll.discovery.variational
    >>> loss = v.stage_loss(v.instance("V1"), v.manufactured(v.instance("V1"), v.cosines(2)), v.Sum(2))
    >>> loss(v.TwoLayer(2, 8), v.CubePoints(2, 16).batch(0)).keys()
    dict_keys(['quadratic'])
    """

    def loss(model: Any, batch: Mapping[str, Any]) -> dict[str, Tensor]:
        x = batch["x"]
        with torch.no_grad():
            u, slope = iterate.value_and_gradient(x)
            force = energy.in_value(x, u, slope) - source(x)
            flux = energy.in_slope(x, u, slope)
        v, gradient = model.value_and_gradient(x)
        square = (v.square() + gradient.square().sum(-1)) / 2
        return {"quadratic": (square + (flux * gradient).sum(-1) + force * v).mean()}

    return loss


def boosted(
    energy: Energy,
    target: Target,
    *,
    stages: int = 4,
    step: float = 1.0,
    width: int = 32,
    steps: int = 200,
    batch_size: int = 1000,
    seed: int = 0,
) -> tuple[Sum, list[dict[str, float]]]:
    """The sum after so many stages, and relative L2 and gradient errors, the energy and the units after each.

    Raises StepTooLarge where a network points downhill and its step makes the energy rise, at fixed points.

    >>> v = ll.discovery.variational
    >>> u, history = v.boosted(v.instance("V1"), v.cosines(1), stages=1, steps=100)
    >>> len(u.stages), history[0]["units"]
    (1, 32)
    """
    step = check_number("step", step, low=1e-6)
    iterate, history = Sum(target.dimension), []
    source = manufactured(energy, target)
    before = float(ritz_errors(iterate, energy, target)["energy"])
    for stage in seeds(seed, stages):
        network = TwoLayer(target.dimension, width, seed=stage)
        points = CubePoints(target.dimension, batch_size, seed=stage)
        loss = stage_loss(energy, source, iterate)
        for _ in fit(network, ritz_recipe(loss, points, steps), seed=stage, device="cpu"):
            pass
        with torch.no_grad():
            quadratic = float(loss(network, CubePoints(target.dimension, 10_000, seed=TEST_SEED).batch(0))["quadratic"])
        iterate.add(network, step)
        errors = ritz_errors(iterate, energy, target)
        row = {name: float(errors[name]) for name in ("l2", "gradient", "energy")}
        history.append(row | {"units": width * len(iterate.stages)})
        # a negative quadratic is a direction of descent: along one, E rises only beyond a step that is too large
        if quadratic < 0 and not row["energy"] <= before + abs(quadratic):
            raise StepTooLarge(
                f"step {step:g} makes the energy rise from {before:.4g} to {row['energy']:.4g} at stage "
                f"{len(history)}; take a step below 2/M, with M of energy.bounds(max |u|)"
            )
        before = row["energy"]
    return iterate, history
