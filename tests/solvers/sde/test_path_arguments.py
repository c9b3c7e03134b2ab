"""What a Brownian path takes for a time or a grid: rounding is forgiven, nothing else."""

import numpy as np
import pytest
import torch

from limitlab.errors import InvalidArgument
from limitlab.solvers.sde.brownian import BrownianPath
from limitlab.solvers.sde.path_arguments import inside, read_grid

SPAN = (0.0, 14.614642)
ROUNDED = float(torch.tensor(SPAN[1]))


def test_times_beyond_the_span_by_rounding_are_at_its_ends():
    assert SPAN[1] < ROUNDED
    assert inside(np.array([0.0, ROUNDED]), SPAN).tolist() == list(SPAN)
    assert inside(torch.tensor([-0.0, ROUNDED], dtype=torch.float64), SPAN).tolist() == list(SPAN)
    assert inside(np.array([]), SPAN).size == 0


@pytest.mark.parametrize("time", [SPAN[1] + 1e-4, -1e-7, np.nan])
def test_other_times_are_refused_with_the_digits_that_differ(time):
    with pytest.raises(InvalidArgument, match="times must lie in the span"):
        inside(np.array([0.0, time]), SPAN)
    with pytest.raises(InvalidArgument, match=r"\[0, 14\.614642\] of the path; got 0\.1 to 14\.614643"):
        inside(np.array([0.1, SPAN[1] + 1e-6]), SPAN)


def test_a_grid_in_single_precision_fits_a_span_in_decimals():
    grid = np.linspace(*SPAN, 11).astype(np.float32)
    times = read_grid(grid, SPAN)
    assert (times[0], times[-1]) == SPAN
    assert np.array_equal(times[1:-1], grid[1:-1])
    with pytest.raises(InvalidArgument, match=r"increase strictly from 0 to 14\.614642; got 3 times, 0, 1, 14\.61463$"):
        read_grid([0.0, 1.0, 14.61463], SPAN)


def test_every_query_of_a_path_forgives_rounding_and_no_more():
    path = BrownianPath(0, (2, 1), SPAN)
    end = torch.tensor([ROUNDED, 1.0], dtype=torch.float64)
    assert torch.equal(path.value(ROUNDED), path.value(SPAN[1]))
    assert torch.equal(path.value(end)[0], path.value(SPAN[1])[0])
    assert torch.equal(path.increment(1.0, ROUNDED), path.increment(1.0, SPAN[1]))
    assert torch.equal(path.increments([0.0, 1.0, ROUNDED])[0], path.increments([0.0, 1.0, SPAN[1]])[0])
    for query in (path.value, path.value_and_integral, lambda t: path.increment(0.0, t)):
        with pytest.raises(InvalidArgument, match="times must lie in the span"):
            query(torch.tensor([99.0, 1.0]))
