"""How a latent ODE is trained: the evidence lower bound, with a divergence whose weight rises.

    -ELBO = E_q sum_i -log p(x_i | z(t_i)) + w KL(q(z_0) || N(0, 1)),    w from 0 to 1 over the first steps

With w = 1 from the start a model learns to leave z unused, since that makes the divergence zero at once (Bowman et al.,
Generating sentences from a continuous space, 2016). Values that are missing have no term in the sum.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from limitlab.errors import InvalidArgument, check_number
from limitlab.neural_des.latent.model import LatentODE
from limitlab.training.batches import Batches

WEIGHT = "kl_weight"


def elbo(model: nn.Module, batch: Mapping[str, Any]) -> dict[str, Tensor]:
    """A loss for `limitlab.training.Recipe`: {"misfit", "kl"} of a LatentODE, means over the samples, in nats.

    batch: that of `Series.batches`; where the encoder shall see less than the loss asks for, those values as "seen";
    and where `annealed` made it, the weight of the divergence.

    >>> data = ll.data.series([0.0, 1.0, 2.0], torch.randn(4, 3, 1))
    >>> model = ll.neural_des.latent.LatentODE(channels=1, latent=2, hidden=8)
    >>> sorted(ll.neural_des.latent.elbo(model, data.batches(4).batch(0)))
    ['kl', 'misfit']
    """
    if not isinstance(model, LatentODE):
        # several processes wrap the model, and average gradients of its forward pass only
        raise InvalidArgument(f"elbo trains a LatentODE, in one process; got {type(model).__name__}")
    times, values = batch["times"], batch["values"]
    posterior = model.encode(times, batch.get("seen", values))
    expected = model.decode(posterior.draw(), times, batch.get("lengths"))
    log_density = normal_log_density(values.nan_to_num(), expected, model.log_std)
    misfit = -torch.where(values.isnan(), 0.0, log_density).sum((1, 2)).mean()
    return {"misfit": misfit, "kl": batch.get(WEIGHT, 1.0) * posterior.kl().mean()}


def normal_log_density(values: Tensor, mean: Tensor, log_std: Tensor) -> Tensor:
    """log N(values; mean, exp(log_std)^2), elementwise."""
    return -0.5 * ((values - mean) / log_std.exp()).square() - log_std - 0.5 * math.log(2 * math.pi)


def annealed(batches: Batches, over: int) -> Batches:
    """The same batches, with a weight of the divergence that rises in a straight line to 1 at step `over`.

    >>> data = ll.data.series([0.0, 1.0], torch.zeros(4, 2, 1))
    >>> rising = ll.neural_des.latent.annealed(data.batches(2), over=10)
    >>> [round(float(rising.batch(step)["kl_weight"]), 1) for step in (0, 4, 9, 99)]
    [0.1, 0.5, 1.0, 1.0]
    """
    return _Annealed(batches, int(check_number("over", over, low=1, integer=True)))


class _Annealed:
    def __init__(self, batches: Batches, over: int) -> None:
        self._batches, self._over = batches, over

    def batch(self, step: int) -> Mapping[str, Any]:
        return {**self._batches.batch(step), WEIGHT: torch.tensor(min(1.0, (step + 1) / self._over))}

    def shard(self, rank: int, world: int) -> Batches:
        return _Annealed(self._batches.shard(rank, world), self._over)
