"""Batches for stochastic models: with the seed of a step's noise, and the weight of a term that is let in slowly.

Both are functions of the step, so that a resumed training sees what an uninterrupted one does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from limitlab.errors import check_number
from limitlab.training.batches import Batches

STRIDE = 1_000_003
"""Between the seeds of two trainings: more than the steps of either."""


class SeededBatches:
    """The batches of `rows` with "noise_seed", and "kl_weight", which grows from 0 to 1 over `warmup` steps.

    >>> rows = ll.data.ShuffledRows({"values": torch.rand(6, 3, 1)}, size=2)
    >>> batches = ll.neural_des.sde.SeededBatches(rows, seed=0, warmup=10)
    >>> batches.batch(0)["kl_weight"], batches.batch(5)["kl_weight"], batches.batch(50)["kl_weight"]
    (0.0, 0.5, 1.0)
    """

    def __init__(self, rows: Batches, seed: int = 0, warmup: int = 0) -> None:
        self.rows = rows
        self.seed = int(check_number("seed", seed, low=0, integer=True))
        self.warmup = int(check_number("warmup", warmup, low=0, integer=True))
        self.rank = 0

    def batch(self, step: int) -> Mapping[str, Any]:
        weight = min(1.0, step / self.warmup) if self.warmup else 1.0
        noise_seed = (self.seed * STRIDE + step) * STRIDE + self.rank
        return {**self.rows.batch(step), "noise_seed": noise_seed % 2**62, "kl_weight": weight}

    def shard(self, rank: int, world: int) -> SeededBatches:
        part = SeededBatches(self.rows.shard(rank, world), self.seed, self.warmup)
        part.rank = rank
        return part
