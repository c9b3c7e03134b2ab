"""Log-signatures: areas of loops, Chen's identity, agreement with the tensor logarithm, windows, refusals."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from limitlab.errors import InvalidArgument
from limitlab.spaces import (
    compose_log_signatures,
    control_path,
    log_signature,
    log_signature_path,
    log_signature_size,
)


def random_walks(batch=3, points=12, channels=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, points, channels, dtype=torch.float64, generator=generator).cumsum(1)


def test_unit_square_run_counter_clockwise_has_no_increment_and_area_one():
    square = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0], [0.0, 0.0]])
    assert torch.equal(log_signature(square), torch.tensor([0.0, 0.0, 1.0]))
    assert torch.equal(log_signature(square.flip(0)), torch.tensor([0.0, 0.0, -1.0]))


def test_areas_come_by_rows_of_pairs_of_channels():
    """Along e_a and then e_b the area A^{ab} is 1/2, and no other pair has any."""
    for position, (a, b) in enumerate([(0, 1), (0, 2), (1, 2)]):
        points = torch.zeros(3, 3)
        points[1:, a], points[2:, b] = 1.0, 1.0
        assert torch.equal(log_signature(points)[3:], 0.5 * torch.eye(3)[position])


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 5), st.integers(1, 10), st.integers(0, 99))
def test_concatenation_obeys_chens_identity(channels, cut, seed):
    points = random_walks(2, 12, channels, seed)
    for depth in (1, 2):
        parts = log_signature(points[:, : cut + 1], depth), log_signature(points[:, cut:], depth)
        whole = log_signature(points, depth)
        assert whole.shape == (2, log_signature_size(channels, depth))
        assert torch.allclose(compose_log_signatures(*parts, channels), whole, rtol=0, atol=1e-12)


def test_composition_is_associative():
    first, second, third = (log_signature(random_walks(seed=seed)) for seed in range(3))
    left = compose_log_signatures(compose_log_signatures(first, second, 4), third, 4)
    right = compose_log_signatures(first, compose_log_signatures(second, third, 4), 4)
    assert torch.allclose(left, right, rtol=0, atol=1e-12)


def test_log_signature_is_the_logarithm_of_the_product_of_exponentials():
    """In the tensor algebra cut after degree two, S = prod exp(dX_k) and log S = D + (S_2 - D (x) D / 2)."""
    points = random_walks()
    level1 = torch.zeros(3, 4, dtype=torch.float64)
    level2 = torch.zeros(3, 4, 4, dtype=torch.float64)
    for step in points.diff(dim=1).unbind(1):
        square = step[:, :, None] * step[:, None]
        level1, level2 = level1 + step, level2 + level1[:, :, None] * step[:, None] + square / 2
    logarithm = level2 - level1[:, :, None] * level1[:, None] / 2
    row, column = torch.triu_indices(4, 4, offset=1)
    expected = torch.cat([level1, logarithm[:, row, column]], dim=-1)
    assert torch.allclose(log_signature(points), expected, rtol=0, atol=1e-12)


def test_a_knot_on_a_straight_piece_and_a_detour_there_and_back_change_nothing():
    points = random_walks()
    finer = torch.stack([points[:, :-1], (points[:, :-1] + points[:, 1:]) / 2], dim=2).flatten(1, 2)
    finer = torch.cat([finer, points[:, -1:]], dim=1)
    detour = torch.cat([points[:, :5], points[:, 4:5] + 3, points[:, 4:]], dim=1)
    assert torch.allclose(log_signature(finer), log_signature(points), rtol=0, atol=1e-12)
    assert torch.allclose(log_signature(detour), log_signature(points), rtol=0, atol=1e-12)


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("window", [1, 3, 4, 11])
def test_windows_of_a_path_hold_its_log_signatures_there(window, depth):
    points, times = random_walks(), random_walks(1, 12, 1)[0, :, 0].square().add(0.1).cumsum(0)
    path = log_signature_path(control_path(times, points, include_time=False), window, depth)
    ends = [*range(0, 11, window), 11]
    assert torch.equal(path.knots, times[ends])
    for start, stop in pairwise(ends):
        expected = log_signature(points[:, start : stop + 1], depth)
        found = path.derivative(times[start]) * (times[stop] - times[start])
        assert torch.allclose(found, expected, rtol=0, atol=1e-12)


def test_windows_one_after_the_other_compose_to_the_whole():
    points = random_walks(points=13)
    path = log_signature_path(control_path(range(13), points), 4)
    whole = log_signature(torch.cat([torch.arange(13.0).expand(3, 13)[..., None], points], dim=-1))
    total = torch.zeros_like(whole)
    for start in path.knots[:-1]:
        total = compose_log_signatures(total, 4 * path.derivative(start), 5)
    assert torch.allclose(total, whole, rtol=0, atol=1e-11)


def test_window_beyond_the_end_of_a_sample_holds_nothing():
    points = random_walks()
    points[1, 6:] = float("nan")
    path = log_signature_path(control_path(torch.arange(12.0).expand(3, 12), points), 5)
    alone = log_signature_path(control_path(torch.arange(6.0).expand(1, 6), points[1:2, :6]), 5)
    s = torch.linspace(0, 12, 25)
    assert torch.equal(path.end, torch.tensor([11.0, 5.0, 11.0]).double())
    assert torch.equal(path.derivative(s)[1], alone.derivative(s)[0])


def test_gradients_agree_with_finite_differences():
    points = random_walks(1, 6, 3).requires_grad_()
    assert torch.autograd.gradcheck(log_signature, points)
    assert torch.autograd.gradcheck(
        lambda values: log_signature_path(control_path(range(6), values), 2).derivative(torch.tensor([0.5, 4.5])),
        points,
    )


def test_bad_input_is_refused_by_name():
    points = random_walks()
    path = control_path(range(12), points)
    with pytest.raises(InvalidArgument, match="window must be at most the 11 pieces of the path; got 12"):
        log_signature_path(path, 12)
    with pytest.raises(InvalidArgument, match="window must be a whole number >= 1"):
        log_signature_path(path, 0)
    with pytest.raises(InvalidArgument, match=r"path must be piecewise linear .* got a hermite one"):
        log_signature_path(control_path(range(12), points, "hermite"), 3)
    with pytest.raises(InvalidArgument, match="depth must be a whole number >= 1 <= 2; got 3"):
        log_signature(points, 3)
    with pytest.raises(InvalidArgument, match=r"points must be \(.., point, channel\)"):
        log_signature(torch.zeros(1, 3))
    with pytest.raises(InvalidArgument, match="second must have 4 or 10 entries for 4 channels"):
        compose_log_signatures(log_signature(points), log_signature(points, 1), 4)
