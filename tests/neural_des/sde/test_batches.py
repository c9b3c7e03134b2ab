"""Batches with the seed of their noise: functions of the step alone, other for other seeds and processes."""

import torch

from limitlab.data import ShuffledRows
from limitlab.neural_des.sde import SeededBatches


def rows():
    return ShuffledRows({"values": torch.arange(8.0)[:, None, None]}, size=2)


def test_a_step_has_its_noise_and_its_weight_whatever_came_before():
    batches, again = (SeededBatches(rows(), seed=3, warmup=4) for _ in range(2))
    seen = [batches.batch(step) for step in range(6)]
    for step in (5, 0, 3):
        other = again.batch(step)
        assert other["noise_seed"] == seen[step]["noise_seed"]
        assert torch.equal(other["values"], seen[step]["values"])
    assert [batch["kl_weight"] for batch in seen] == [0.0, 0.25, 0.5, 0.75, 1.0, 1.0]
    assert SeededBatches(rows()).batch(0)["kl_weight"] == 1.0


def test_no_two_steps_seeds_or_processes_share_noise():
    drawn = {SeededBatches(rows(), seed).batch(step)["noise_seed"] for seed in range(4) for step in range(50)}
    parts = [SeededBatches(rows(), 0).shard(rank, 2) for rank in range(2)]
    drawn |= {part.batch(step)["noise_seed"] for part in parts[1:] for step in range(50)}
    assert len(drawn) == 250
