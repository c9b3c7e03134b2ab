"""The linearised twin of a network, and gradient descent on either.

    f_lin(x; theta) = f(x; theta_0) + J(x) (theta - theta_0)

J is the Jacobian at theta_0, of which only its product with one vector is formed (a jvp). The twin trains with any
optimiser; under gradient descent its outputs obey the closed form of `prediction` for the empirical kernel at theta_0.
A wide network stays within O(n^(-1/2)) of it.

Source: Lee et al., Wide neural networks of any depth evolve as linear models, arXiv 1902.06720.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Generator, Mapping
from typing import Literal, get_args

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from limitlab.errors import InvalidArgument, check_number, one_of
from limitlab.infinite_width.limit.prediction import DivergentRate
from limitlab.saved import Saved
from limitlab.training import Progress, descent, fit

LossScale = Literal["sum", "mean"]


class Linearized(Saved):
    """The network's first-order expansion at its present weights; its own parameters start there and are trained.

    The network itself is copied, and stays as it is.

    >>> network = ll.infinite_width.Network(ll.infinite_width.mlp(1, "erf"), inputs=2, width=8)
    >>> twin, x = ll.infinite_width.Linearized(network), torch.eye(2).double()
    >>> torch.equal(twin(x), network(x))  # before it is trained
    True
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        # two copies: the expansion needs the start, and the caller's network may be trained on
        self.origin = copy.deepcopy(network).requires_grad_(False)
        self.moving = copy.deepcopy(network)

    def forward(self, x: Float[Tensor, "batch *inputs"]) -> Float[Tensor, "batch outputs"]:
        start = dict(self.origin.named_parameters())
        change = {name: p - start[name] for name, p in self.moving.named_parameters()}
        expansion = torch.func.jvp(lambda p: torch.func.functional_call(self.origin, p, (x,)), (start,), (change,))
        return expansion[0] + expansion[1]


def descend(
    model: nn.Module,
    x: Float[Tensor, "n *inputs"],
    y: Float[Tensor, "n outputs"],
    *,
    rate: float,
    steps: int,
    loss: LossScale = "sum",
    batch: int | None = None,
    seed: int = 0,
) -> Generator[Progress, None, None]:
    """Gradient descent of constant rate on 1/2 sum |f - y|^2 (or its mean over points and outputs), step by step.

    batch: points of a stochastic step, drawn from `seed` without replacement within an epoch; the loss of a step is
    then that of its batch, for "sum" times n/batch. Full batches where left out. The model stays on the device of x.
    Raises InvalidArgument; TrainingDiverged where the rate is too high for the losses to stay finite. Warns
    DivergentRate where full batches end at a higher loss than they began with.

    >>> network = ll.infinite_width.Network(ll.infinite_width.mlp(1, "erf"), inputs=2, width=8)
    >>> x, y = torch.eye(2).double(), torch.ones(2, 1).double()
    >>> losses = [step.loss for step in ll.infinite_width.descend(network, x, y, rate=0.1, steps=5)]
    >>> losses[-1] < losses[0]
    True
    """
    one_of("loss", loss, get_args(LossScale))
    if len(x) != len(y):
        raise InvalidArgument(f"x and y must have as many points; got {len(x)} and {len(y)}")
    points = _Points(x, y, batch, seed)
    # so that the gradient of a batch is, on average, that of the sum over all points
    weight = 0.5 * len(x) / points.size if loss == "sum" else 0.5 / (points.size * y[0].numel())

    def squared_error(network: nn.Module, rows: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {"loss": weight * (network(rows["input"]) - rows["target"]).square().sum()}

    training = fit(model, descent(squared_error, points, steps, rate), device=x.device.type, seed=seed)
    return _watched(training, rate) if points.size == len(x) else training


def _watched(training: Generator[Progress, None, None], rate: float) -> Generator[Progress, None, None]:
    """The same steps; a warning after the last where the loss has grown."""
    first = progress = next(training)
    yield first
    for progress in training:
        yield progress
    # a loss that grows by 1.2 a step stays finite for thousands of steps; a catapult comes down again
    if progress.loss > first.loss:
        warnings.warn(
            f"the loss grew from {first.loss:.4g} to {progress.loss:.4g} in {progress.step} steps: rate {rate:.6g} is "
            "too high (max_learning_rate of the empirical tangent kernel is where gradient descent begins to diverge)",
            DivergentRate,
            stacklevel=2,
        )


class _Points:
    """Batches of the rows of two tensors, as `fit` takes them; every epoch in an order of its own."""

    def __init__(self, x: Tensor, y: Tensor, batch: int | None, seed: int) -> None:
        self.x, self.y, self.seed = x, y, seed
        self.size = len(x) if batch is None else int(check_number("batch", batch, low=1, high=len(x), integer=True))

    def batch(self, step: int) -> dict[str, Tensor]:
        if self.size == len(self.x):
            return {"input": self.x, "target": self.y}
        epoch, position = divmod(step, len(self.x) // self.size)
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self.x))
        rows = torch.from_numpy(order[position * self.size : (position + 1) * self.size]).to(self.x.device)
        return {"input": self.x[rows], "target": self.y[rows]}

    def shard(self, rank: int, world: int) -> _Points:
        raise InvalidArgument("gradient descent on a few points runs in one process")
