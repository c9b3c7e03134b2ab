"""Time steps that are learned on a pool of their own states: what such experiments have in common."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from limitlab.errors import check_number, one_of
from limitlab.experiments.contract.experiment import Trial
from limitlab.experiments.contract.settings import Batched, Ensemble, option
from limitlab.experiments.operators._rates import rate_of, rates_of
from limitlab.training import Pooled, Recipe, pool_batches, pool_loss

TEST = 1_000_000  # number of the first test state, beyond those of the pool


@dataclass(frozen=True)
class PoolSettings(Ensemble, Batched):
    """The flow, the pool, and the training on it."""

    points: int = option(32, "points per axis", low=8, high=512)
    viscosity: float = option(1e-2, "viscosity", low=1e-5, high=1.0)
    dt: float = option(0.1, "time step", low=1e-3, high=10.0)
    networks: tuple[str, ...] = option(("lordnet",), "networks to compare", distinct=True)
    width: int = option(16, "channels of a Lord network", low=1, high=256)
    slots: int = option(200, "states in the pool", low=1, high=100_000)
    bank: int = option(400, "initial states", low=1, high=1_000_000)
    lifetime: float = option(4.0, "mean steps of a state before it begins anew", low=1.0, high=1e6)
    rollout: int = option(10, "steps of a test", low=1, high=1000)
    learning_rate: float = option(4e-3, "peak of the one-cycle schedule", low=1e-6, high=1.0)
    rates: tuple[str, ...] = option((), "the same for single networks, such as fno=2e-3")
    optimizer: str = option("adam", "optimiser", choices=("adam", "soap"))
    test_samples: int = option(32, "test flows", low=1, high=10_000)

    def check_networks(self, known: Collection[str]) -> None:
        """Raises UnknownName for networks that are not known, InvalidArgument for rates that are none."""
        for name in self.networks:
            one_of("network", name, known)
        for name, rate in rates_of(self, known).items():
            check_number(f"rate of {name}", rate, low=1e-6)


def pool_trial(
    settings: PoolSettings,
    network: str,
    make: Callable[[], nn.Module],
    bank: Tensor,
    residual: Callable[[Tensor, Tensor], Tensor],
    *,
    unroll: int = 1,
) -> Trial:
    """A step, made by `make` behind the seed, on a pool of its own from the bank (state, channel, *grid)."""
    slots = min(settings.slots, len(bank))

    def build(seed: int) -> nn.Module:
        torch.manual_seed(seed)
        return Pooled(make(), bank[:slots])

    recipe = Recipe(
        pool_loss(residual, unroll=unroll),
        pool_batches(bank, slots, size=settings.batch_size, lifetime=settings.lifetime, seed=settings.seed),
        settings.steps,
        rate_of(settings, network),
        optimizer=settings.optimizer,
        weight_decay=0.0,
    )
    return Trial({"network": network}, build, recipe)
