"""A check of an exercise compares numbers, whatever a reader has answered."""

import math

import numpy as np
import pytest
import torch

from limitlab.reports import number


@pytest.mark.parametrize("answer", [0.25, "0.25", " 0.25 ", np.float32(0.25), torch.tensor(0.25)])
def test_a_number_is_that_number(answer):
    assert number(answer) == 0.25


@pytest.mark.parametrize(
    "answer", [None, "a quarter", "1/4", 0.25j, [0.25], torch.ones(2), np.ones(2), 10**400, {"a": 1}, print]
)
def test_what_is_no_number_fulfils_no_comparison(answer):
    value = number(answer)
    assert math.isnan(value)
    assert not value < 1
    assert not value >= 1
