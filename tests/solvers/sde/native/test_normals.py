"""Normals drawn in the lanes are those of torch, counter by counter."""

import numpy as np
import pytest
import torch
from llvmlite import ir
from solvers.lanes import of_lanes

from limitlab.solvers.native.arithmetic import WORDS
from limitlab.solvers.sde.counter_normals import index_keys, lane_keys, mixed, normal_pairs
from limitlab.solvers.sde.native import normals

COUNTERS = (index_keys(torch.arange(500), 0)[:, None] + lane_keys(9, torch.arange(8), 1)[:, 0]).contiguous()


def of_counters(emit):
    """The function of eight counters: emit(lanes, counters) gives the value."""
    run = of_lanes(lambda lanes, load: (1, emit(lanes, lanes.builder.bitcast(load(0), WORDS))))
    return lambda rows: np.stack([run(row.view(np.float64)) for row in rows.numpy()])


def test_counters_are_mixed_to_the_same_bits():
    run = of_counters(
        lambda lanes, counters: lanes.builder.bitcast(normals.mixed(lanes, counters), ir.VectorType(ir.DoubleType(), 8))
    )
    np.testing.assert_array_equal(run(COUNTERS).view(np.int64), mixed(COUNTERS.clone()).numpy())


@pytest.mark.parametrize("which", [0, 1])
def test_normals_are_those_of_torch_to_rounding(which):
    run = of_counters(lambda lanes, counters: normals.normal_pair(lanes, counters)[which])
    expected = normal_pairs(COUNTERS.clone(), torch.float64)[:, which].numpy()
    # the angle is rounded once more in torch
    np.testing.assert_allclose(run(COUNTERS), expected, rtol=1e-15, atol=4e-15)


def test_angles_at_every_eighth_of_a_turn():
    """Where quadrants meet and where the integers go round."""
    eighths = [k * 2**29 + shift for k in range(-4, 4) for shift in (-1, 0, 1)]
    angles = np.array([(angle + 2**31) % 2**32 - 2**31 for angle in eighths], dtype=np.int64).reshape(-1, 8)
    for which, function in enumerate((np.cos, np.sin)):
        run = of_counters(
            lambda lanes, words, which=which: normals.turned(lanes, lanes.builder.trunc(words, normals.HALVES))[which]
        )
        np.testing.assert_allclose(run(torch.from_numpy(angles)), function(angles * np.pi * 2.0**-31), atol=4e-16)
