"""The grid of uniform steps: through the asked times, and no sliver where these were rounded."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from limitlab.solvers.sde.uniform import step_grid


@given(steps=st.integers(1, 400), step=st.floats(1e-3, 10.0), start=st.floats(-5.0, 5.0), every=st.integers(1, 7))
@settings(max_examples=100, deadline=None)
def test_times_on_the_grid_are_no_times_of_their_own_in_either_precision(steps, step, start, every):
    exact = start + step * np.arange(steps + 1)
    asked = exact[:: every if steps % every == 0 else 1]
    for times in (asked, asked.astype(np.float32).astype(np.float64)):
        # a grid finer than single precision has no rounded times to be on
        if times is not asked and 4 * 2.0**-23 * np.abs(times).max() > 1e-2 * step:
            continue
        grid = step_grid(times, step)
        assert grid.steps == steps
        assert np.diff(grid.times) == pytest.approx(np.full(steps, step), rel=2e-2)
        assert np.array_equal(grid.times[grid.outputs], times)


def test_a_step_size_in_single_precision_makes_no_step_more():
    step = float(torch.tensor(0.7))
    assert step < 0.7
    assert step_grid(np.array([0.0, 7.0]), step).steps == 10


def test_times_beside_the_grid_keep_steps_of_their_own():
    grid = step_grid(np.array([0.0, 0.25 + 1e-4, 1.0]), 0.25)
    assert grid.steps == 5
    assert grid.regular.tolist() == [0.0, 0.25, 0.5, 0.75, 1.0]
