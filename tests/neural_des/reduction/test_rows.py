"""Rows of interpolation: exact where they should be, bounded elsewhere, and those of a published example."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from limitlab.errors import InvalidArgument
from limitlab.neural_des.reduction import (
    CHOICES,
    deim_rows,
    error_constant,
    interpolation,
    pod,
    qdeim_rows,
    random_rows,
)


def published(parameters):
    """s(x; mu) = (1 - x) cos(3 pi mu (x + 1)) exp(-(1 + x) mu) at 100 points of [-1, 1] (Chaturantabut & Sorensen)."""
    x = torch.linspace(-1, 1, 100).double()[:, None]
    mu = torch.linspace(1, torch.pi, parameters).double()
    return (1 - x) * torch.cos(3 * torch.pi * mu * (x + 1)) * torch.exp(-(1 + x) * mu)


@pytest.mark.parametrize(
    ("size", "error", "ratio"), [(5, 0.169, 1.09), (10, 0.0215, 1.27), (20, 3.8e-6, 2.2), (30, 8e-14, 1.6)]
)
def test_the_published_example(size, error, ratio):
    modes, test = pod(published(51)).truncated(size).modes, published(101)
    rows = deim_rows(modes)
    assert rows[:5].tolist() == [0, 12, 16, 21, 25]
    assert error_constant(modes, rows) < 7.3
    reached = (test - interpolation(modes, rows) @ test[rows]).norm() / test.norm()
    best = (test - modes @ (modes.T @ test)).norm() / test.norm()
    assert error / 1.2 < reached < 1.2 * error
    # at rounding the ratio says nothing
    if size < 30:
        assert ratio / 1.2 < reached / best < 1.2 * ratio


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), size=st.integers(1, 12), choice=st.sampled_from([*CHOICES, "random"]))
def test_interpolation_is_exact_at_the_rows_and_in_the_span_and_bounded_elsewhere(seed, size, choice):
    draws = torch.Generator().manual_seed(seed)
    modes = torch.linalg.qr(torch.randn(40, size, generator=draws).double()).Q
    rows = random_rows(modes, seed) if choice == "random" else CHOICES[choice](modes)
    assert len(set(rows.tolist())) == size
    matrix, constant = interpolation(modes, rows), error_constant(modes, rows)
    g = torch.randn(40, 20, generator=draws).double()
    assert torch.allclose((matrix @ g[rows])[rows], g[rows], atol=1e-10 * constant)
    inside = modes @ torch.randn(size, 5, generator=draws).double()
    assert torch.allclose(matrix @ inside[rows], inside, atol=1e-10 * constant)
    projected = g - modes @ (modes.T @ g)
    assert ((g - matrix @ g[rows]).norm(dim=0) <= constant * projected.norm(dim=0) * (1 + 1e-9)).all()


def test_more_rows_than_modes_are_a_least_squares_fit_with_a_smaller_constant():
    torch.manual_seed(0)
    modes = torch.linalg.qr(torch.randn(60, 8).double()).Q
    constants = [error_constant(modes, qdeim_rows(modes, count)) for count in (8, 16, 32, 60)]
    assert constants == sorted(constants, reverse=True)
    assert abs(constants[-1] - 1) < 1e-12
    rows = qdeim_rows(modes, 16)
    g = torch.randn(60).double()
    fit = np.linalg.lstsq(modes[rows].numpy(), g[rows].numpy(), rcond=None)[0]
    assert torch.allclose(interpolation(modes, rows) @ g[rows], modes @ torch.as_tensor(fit))


def test_pivots_have_a_smaller_constant_than_random_rows():
    torch.manual_seed(3)
    modes = torch.linalg.qr(torch.randn(200, 20).double()).Q
    by_chance = np.median([error_constant(modes, random_rows(modes, seed)) for seed in range(9)])
    assert error_constant(modes, qdeim_rows(modes)) < by_chance / 3


def test_the_same_rows_as_pymor():
    pytest.importorskip("pymor")
    from pymor.algorithms.ei import deim
    from pymor.vectorarrays.numpy import NumpyVectorSpace

    modes = pod(published(51)).truncated(20).modes
    theirs, _, _ = deim(NumpyVectorSpace.from_numpy(modes.numpy()), pod=False)
    assert deim_rows(modes).tolist() == list(theirs)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda modes: deim_rows(torch.cat([modes, modes[:, :1]], dim=1)), "mode 3 lies in the span"),
        (lambda modes: interpolation(modes, torch.tensor([0, 1])), "3 modes apart; 2 rows"),
        (lambda modes: interpolation(modes, torch.tensor([0, 0, 0])), "of rank 1"),
        (lambda modes: qdeim_rows(modes, 2), "count"),
        (lambda modes: qdeim_rows(modes, 11), "count"),
        (lambda modes: deim_rows(modes.T), "at most as many modes"),
        (lambda modes: deim_rows(3), "got int"),
    ],
)
def test_rows_that_cannot_tell_the_modes_apart_are_refused(call, words):
    torch.manual_seed(0)
    with pytest.raises(InvalidArgument, match=words):
        call(torch.linalg.qr(torch.randn(10, 3).double()).Q)
