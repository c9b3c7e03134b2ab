"""The solver's time and the caller's, and what rounding leaves over of a step."""

import numpy as np
import pytest
import torch
from solvers.toys import DOUBLE

from limitlab.errors import InvalidArgument
from limitlab.solvers.times import SLIVER, clock_of, may_pass, sliver_of

EPOCH = 1.7e9


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("start", [0.0, EPOCH])
def test_a_clock_shows_what_it_counted(sign, start):
    times = torch.tensor([[start, start + 1.5, start + 3.0]], dtype=DOUBLE)
    clock = clock_of(times, sign, torch.float32)
    tau = clock.counted(sign * times)
    assert torch.equal(clock.shown(tau), sign * times)
    assert tau.tolist() == [[0.0, 1.5, 3.0]]
    assert clock.plain == (sign == 1.0 and start == 0.0)


def test_only_times_that_the_state_cannot_hold_are_counted_from_the_start():
    """float32 has 4096 numbers in a span that is 2048 times nearer to zero than it is long, and more in nearer ones."""
    for start, counted in ((0.0, False), (1000.0, False), (2000.0, False), (3000.0, True), (-3000.0, True)):
        span = torch.tensor([[start, start + 1.0]], dtype=DOUBLE)
        assert (clock_of(span, 1.0, torch.float32).origin is not None) == counted
        assert clock_of(span, 1.0, DOUBLE).origin is None
    across = torch.tensor([[-1.0, EPOCH]], dtype=DOUBLE)
    assert clock_of(across, 1.0, torch.float32).plain


def test_a_field_is_not_asked_beyond_the_end_by_the_rounding_of_tau():
    times = torch.tensor([[EPOCH, EPOCH + 0.7]], dtype=DOUBLE)
    clock = clock_of(times, 1.0, torch.float32)
    tau = torch.tensor([[0.7]]) * (1 + 2**-22)
    assert float(clock.shown(tau)) > float(times[0, -1]) == float(clock.asked(tau))


def test_slivers_follow_the_precision_of_the_times():
    exact = np.linspace(0, 1, 11)
    assert sliver_of(exact, 0.1) == SLIVER
    assert 1e-6 < sliver_of(exact.astype(np.float32).astype(float), 0.1) < 1e-5
    assert sliver_of(torch.linspace(0, 1e4, 11).double(), 1e-3) == 1e-2


def test_steps_that_time_cannot_hold_are_refused_with_the_digits_to_see_why():
    with pytest.raises(InvalidArgument, match=r"after 1700000003 the next time .* is 1700000003\.0000002; got 1e-07"):
        sliver_of(np.array([EPOCH, EPOCH + 3]), 1e-7)


@pytest.mark.parametrize(("low", "high"), [(0.0, 10.0), (-10.0, 10.0), (-10.0, -0.1)])
def test_only_spans_that_may_be_passed_are_passed_by_rounding(low, high):
    generator = torch.Generator().manual_seed(0)
    # a third has all the bits of a double
    ends = (low + (high - low) * torch.rand(300, 2, dtype=DOUBLE, generator=generator)) / 3
    start, end = ends.sort(1).values.split(1, 1)
    t = start + (end - start) * torch.rand(300, 1000, dtype=DOUBLE, generator=generator)
    passed = (t + (end - t) > end).any(1)
    careful = torch.tensor([may_pass(first, last) for first, last in zip(start, end, strict=True)])
    assert bool(passed.any())
    assert not bool((passed & ~careful).any())
    assert not bool(careful.all())
