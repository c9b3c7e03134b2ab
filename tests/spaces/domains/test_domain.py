import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from limitlab.errors import InvalidArgument, UnknownName
from limitlab.spaces.domains import Box, Disk, Interval, Polygon, StarShape

ELL = Polygon([(0, 0), (2, 0), (2, 1), (1, 1), (1, 2), (0, 2)])
STAR = StarShape((1.0, 0.5), lambda angle: 1 + 0.3 * torch.cos(5 * angle) + 0.1 * torch.sin(2 * angle))
SHAPES = {
    "interval": Interval(-1, 2),
    "box": Box((0, 0, -1), (2, 1, 1)),
    "disk": Disk((1, 2), 0.5),
    "ell": ELL,
    "star": STAR,
}
COMBINED = {
    "plate with a hole": Box((0, 0), (2, 1)) - Disk((1, 0.5), 0.25),
    "two disks": Disk((0, 0), 1) | Disk((1, 0.5), 1),
    "lens": Disk((0, 0), 1) & Disk((1, 0), 1),
    "bitten ell": ELL - Disk((2, 1), 0.5),
    "boxes that overlap": Box((0, 0), (1.2, 1)) | Box((1, -0.25), (2, 1.5)),
    "star without its heart": STAR - Disk((1, 0.5), 0.4),
    "two intervals": Interval(0, 1) | Interval(2, 4),
}
ALL = SHAPES | COMBINED

MEASURES = {
    "plate with a hole": 2 - math.pi / 16,
    "two disks": 2 * math.pi - (2 * math.acos(math.sqrt(1.25) / 2) - math.sqrt(1.25) / 2 * math.sqrt(4 - 1.25)),
    "lens": 2 * math.pi / 3 - math.sqrt(3) / 2,
    "bitten ell": 3 - math.pi / 16,
    "boxes that overlap": 2.75,
    "star without its heart": STAR.measure - math.pi * 0.16,
    "two intervals": 3.0,
}


@pytest.mark.parametrize("how", ["uniform", "sobol", "grid"])
@pytest.mark.parametrize("domain", ALL.values(), ids=ALL)
def test_sampled_points_lie_inside_and_the_seed_decides(domain, how):
    points = domain.sample(500, seed=2, how=how)
    assert points.dtype == torch.float64
    assert len(points) == 500 or (how == "grid" and 500 <= len(points) < 650)
    assert domain.contains(points).all()
    assert (domain.distance(points) >= 0).all()
    assert torch.equal(points, domain.sample(500, seed=2, how=how))
    if how != "grid":
        assert torch.equal(points[:100], domain.sample(100, seed=2, how=how))
        assert not torch.equal(points, domain.sample(500, seed=3, how=how))


@pytest.mark.parametrize("domain", ALL.values(), ids=ALL)
def test_boundary_points_have_both_distances_zero_and_unit_normals_outward(domain):
    points, normals = domain.sample_boundary(400, seed=1)
    size = max(high - low for low, high in zip(*domain.bounds, strict=True))
    assert points.shape == normals.shape == (400, domain.dimension)
    # a star's is that of a polygon
    assert domain.signed_distance(points).abs().max() < 5e-6 * size
    assert domain.distance(points).abs().max() < 1e-12 * size
    torch.testing.assert_close(normals.norm(dim=1), torch.ones(400, dtype=torch.float64), rtol=0, atol=1e-12)
    outside = ~domain.contains(points + 1e-5 * size * normals)
    inside = domain.contains(points - 1e-5 * size * normals)
    # but for points this near to a corner
    assert (outside & inside).float().mean() > 0.99


@pytest.mark.parametrize("domain", ALL.values(), ids=ALL)
def test_smooth_distance_has_slope_one_along_the_inward_normal(domain):
    points, normals = domain.sample_boundary(300, seed=5)
    points = points.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(domain.distance(points).sum(), points, create_graph=True)
    (second,) = torch.autograd.grad(gradient.square().sum(), points)
    assert second.isfinite().all()
    torch.testing.assert_close(gradient.detach(), -normals, rtol=0, atol=1e-7)


@pytest.mark.parametrize("domain", ALL.values(), ids=ALL)
def test_both_distances_have_the_same_sign(domain):
    low, high = (torch.tensor(corner, dtype=torch.float64) for corner in domain.bounds)
    spread = torch.rand(4000, domain.dimension, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    points = low + (high - low) * (1.6 * spread - 0.3)
    signed, smooth = domain.signed_distance(points), domain.distance(points)
    clear = signed.abs() > 1e-6
    assert (signed.sign()[clear] == -smooth.sign()[clear]).all()
    assert torch.equal(domain.contains(points)[clear], (signed < 0)[clear])


@pytest.mark.parametrize("name", ALL)
def test_areas_by_sampling_agree_with_the_measure(name):
    domain = ALL[name]
    measure = MEASURES.get(name, domain.measure)
    volume = math.prod(high - low for low, high in zip(*domain.bounds, strict=True))
    blocks = domain._blocks(0, "sobol")
    share = sum(float(domain.contains(next(blocks)).double().mean()) for _ in range(16)) / 16
    assert volume * share == pytest.approx(measure, rel=2e-3)


@given(x=st.floats(-3, 3), y=st.floats(-3, 3), radius=st.floats(0.1, 2), shift=st.floats(-1, 1))
@settings(max_examples=60, deadline=None)
def test_distance_of_a_union_is_the_smaller_and_of_an_intersection_the_larger(x, y, radius, shift):
    first, second = Disk((shift, 0), radius), Box((-1, -0.5), (1, 0.5))
    point = torch.tensor([[x, y]], dtype=torch.float64)
    distances = first.signed_distance(point).item(), second.signed_distance(point).item()
    assert (first | second).signed_distance(point).item() == min(distances)
    assert (first & second).signed_distance(point).item() == max(distances)
    assert (second & first).contains(point).item() == (max(distances) <= 0)
    assert ((first | second).distance(point).item() >= 0) == (
        max(first.distance(point).item(), second.distance(point).item()) >= 0
    )


def test_boxes_side_by_side_are_one_domain_without_their_common_side():
    union = Box((0, 0), (1, 1)) | Box((1, 0), (2, 1))
    points, _ = union.sample_boundary(2000)
    middle = (points[:, 0] - 1).abs() < 1e-3
    assert ((points[middle, 1] < 1e-9) | (points[middle, 1] > 1 - 1e-9)).all()
    # perimeter 6: a third lies on the lower side
    assert (points[:, 1] == 0).double().mean().item() == pytest.approx(1 / 3, abs=0.04)
    assert union.contains(torch.tensor([[1.0, 0.5]])).item()
    with pytest.raises(InvalidArgument, match="meet without overlapping"):
        union.distance(points)


def test_boundary_points_are_uniform_in_length():
    points, _ = Disk((0, 0), 1).sample_boundary(4000)
    angle = torch.atan2(points[:, 1], points[:, 0])
    counts = torch.histc(angle, 8, -math.pi, math.pi)
    assert (counts - 500).abs().max() < 5 * math.sqrt(500)
    points, _ = (Disk((0, 0), 1) - Disk((0, 0), 0.5)).sample_boundary(3000)
    assert (points.norm(dim=1) < 0.75).double().mean().item() == pytest.approx(1 / 3, abs=0.04)


def test_grid_of_a_square_has_the_number_of_points_that_was_asked_for():
    assert len(Box((0, 0), (1, 1)).sample(49, how="grid")) == 49
    assert Interval(0, 1).sample(4, how="grid")[:, 0].tolist() == [0.125, 0.375, 0.625, 0.875]


def test_sobol_points_fill_more_evenly_than_random_ones():
    box = Box((0, 0), (1, 1))
    spread = [torch.histc(box.sample(4096, how=how)[:, 0], 64, 0, 1).std().item() for how in ("sobol", "uniform")]
    assert spread[0] < 1 < spread[1]


def test_corners_have_a_finite_slope():
    corners = torch.tensor([[0.0, 0.0], [2.0, 1.0]], dtype=torch.float64, requires_grad=True)
    distance = Box((0, 0), (2, 1)).distance(corners)
    assert distance.tolist() == [0.0, 0.0]
    (gradient,) = torch.autograd.grad(distance.sum(), corners)
    assert gradient.isfinite().all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Disk((0, 0), 1) & Disk((3, 0), 1), "intersection of the domains is empty"),
        (lambda: Disk((0, 0), 1) & Disk((1.5, 1.5), 1), "intersection of the domains is empty"),
        (lambda: Disk((0, 0), 1) - Disk((0, 0), 2), "difference of the domains is empty"),
        (lambda: Disk((0, 0), 1) | Interval(0, 1), "of 2 and of 1 dimensions"),
        (lambda: Disk((0, 0), 1) | 3, "only domains combine; got int"),
        (lambda: ELL.sample(0), "n must be"),
        (lambda: ELL.sample(5, seed=-1), "seed must be"),
        (lambda: ELL.sample_boundary(2.5), "n must be"),
        (lambda: ELL.contains(torch.zeros(4, 3)), r"points must be a tensor of floats \(..., 2\); got shape \(4, 3\)"),
        (lambda: ELL.distance(torch.zeros(4, 2, dtype=torch.int64)), "tensor of floats"),
    ],
)
def test_what_makes_no_sense_is_refused(make, message):
    with pytest.raises(InvalidArgument, match=message):
        make()


def test_unknown_way_to_sample_is_answered_with_the_nearest():
    with pytest.raises(UnknownName, match="did you mean 'sobol'"):
        ELL.sample(5, how="sobel")
