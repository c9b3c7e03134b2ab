import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from limitlab.errors import InvalidArgument
from limitlab.spaces.domains import Box, Disk, Interval, StarShape

coordinates = st.floats(-3, 3)


def nearest(shape, point, count=20000):
    """Distance of a point from the boundary by many points of it."""
    points, _ = shape.sample_boundary(count)
    return float((points - point).norm(dim=1).min())


@given(x=coordinates, y=coordinates)
@settings(max_examples=30, deadline=None)
def test_signed_distance_is_that_of_the_nearest_boundary_point(x, y):
    point = torch.tensor([[x, y]], dtype=torch.float64)
    for shape in (Box((-1, -0.5), (1, 0.5)), Disk((0.3, 0), 1.2)):
        assert abs(shape.signed_distance(point).item()) == pytest.approx(nearest(shape, point), abs=2e-3)


def test_distance_of_a_star_is_that_of_the_nearest_boundary_point():
    star = StarShape((0, 0), lambda angle: 1 + 0.3 * torch.cos(5 * angle))
    for point in star.sample(5).split(1):
        assert star.signed_distance(point).item() == pytest.approx(-nearest(star, point), abs=2e-3)


def test_a_star_of_constant_radius_is_a_disk():
    disk, star = Disk((1, 2), 0.7), StarShape((1, 2), lambda angle: torch.full_like(angle, 0.7))
    assert star.measure == pytest.approx(disk.measure, rel=1e-12)
    assert star.boundary_measure == pytest.approx(disk.boundary_measure, rel=1e-12)
    points = Box((0, 1), (2, 3)).sample(200)
    torch.testing.assert_close(star.signed_distance(points), disk.signed_distance(points), rtol=0, atol=1e-6)
    assert torch.equal(star.contains(points), disk.contains(points))


def test_measure_of_an_ellipse_is_pi_a_b_and_its_normals_are_those_of_its_equation():
    a, b = 2.0, 0.5
    ellipse = StarShape((0, 0), lambda angle: a * b / ((b * angle.cos()) ** 2 + (a * angle.sin()) ** 2).sqrt())
    assert ellipse.measure == pytest.approx(math.pi * a * b, rel=1e-12)
    points, normals = ellipse.sample_boundary(100)
    expected = points / torch.tensor([a * a, b * b])
    torch.testing.assert_close(normals, expected / expected.norm(dim=1, keepdim=True), rtol=0, atol=1e-9)


def test_smooth_distance_of_a_star_has_finite_slopes_at_its_centre():
    star = StarShape((0, 0), lambda angle: 1 + 0.3 * torch.cos(5 * angle))
    centre = torch.zeros(1, 2, dtype=torch.float64, requires_grad=True)
    distance = star.distance(centre)
    (gradient,) = torch.autograd.grad(distance.sum(), centre)
    assert distance.item() > 0.5
    assert gradient.isfinite().all()


def test_interval_is_a_box_of_one_dimension():
    points = torch.tensor([[-2.0], [-1.0], [0.0], [2.0]])
    assert Interval(-1, 1).signed_distance(points).tolist() == [1.0, 0.0, -1.0, 1.0]
    assert Interval(-1, 1).measure == 2.0
    ends, normals = Interval(-1, 1).sample_boundary(50)
    assert set(ends[:, 0].tolist()) == {-1.0, 1.0}
    assert torch.equal(ends, normals)


def test_faces_of_a_box_have_points_by_their_area():
    _, normals = Box((0, 0, 0), (1, 1, 4)).sample_boundary(9000)
    share = normals.abs().mean(0)
    torch.testing.assert_close(share, torch.tensor([4 / 9, 4 / 9, 1 / 9], dtype=torch.float64), rtol=0, atol=0.02)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Interval(1, 1), "lower must be below upper"),
        (lambda: Interval(float("nan"), 1), "start"),
        (lambda: Box((0, 0), (1, 1, 1)), "upper"),
        (lambda: Box((0, 0), (1, -1)), "lower must be below upper"),
        (lambda: Disk((0, 0), 0), "radius must be positive"),
        (lambda: Disk((0, 0, 0), 1), "centre"),
        (lambda: StarShape((0, 0), 1.0), "radius must be a function"),
        (lambda: StarShape((0, 0), lambda angle: torch.cos(angle)), "positive number for every angle"),
        (lambda: StarShape((0, 0), lambda angle: 1 + angle), "radius must be periodic"),
    ],
)
def test_bad_shapes_are_refused(make, message):
    with pytest.raises(InvalidArgument, match=message):
        make()
