"""Normal numbers of a counter: their law, and their independence."""

import math

import torch
from scipy.stats import kstest
from solvers.toys import DOUBLE

from limitlab.solvers.sde.counter_normals import index_keys, lane_keys, normal_pairs


def test_normals_of_a_counter_are_standard_normal_and_independent():
    lanes = lane_keys(7, torch.arange(500), 4)
    normals = normal_pairs(index_keys(torch.arange(100), 0)[:, None, None] + lanes, DOUBLE)
    flat = normals.flatten()
    count = flat.numel()
    assert kstest(flat.numpy(), "norm").pvalue > 1e-3
    for one, other in (
        (normals[:, 0], normals[:, 1]),
        (normals[1:], normals[:-1]),
        (normals[:, :, 1:], normals[:, :, :-1]),
        (normals[..., 1:], normals[..., :-1]),
    ):
        # four standard errors, for the values and for their squares
        assert abs(float((one * other).mean())) < 4 / math.sqrt(count / 2)
        assert abs(float(((one**2 - 1) * (other**2 - 1)).mean())) < 8 / math.sqrt(count / 2)
