import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from limitlab.errors import InvalidArgument
from limitlab.spaces.domains import Box, Polygon

COMB = [
    (0, 0),
    (7, 0),
    (7, 2),
    (6, 2),
    (6, 1),
    (5, 1),
    (5, 2),
    (4, 2),
    (4, 1),
    (3, 1),
    (3, 3),
    (2, 3),
    (2, 1),
    (1, 1),
    (1, 2),
    (0, 2),
]
SPIRAL = [(0, 0), (5, 0), (5, 5), (1, 5), (1, 2), (3, 2), (3, 3), (2, 3), (2, 4), (4, 4), (4, 1), (0, 1)]


@st.composite
def simple_polygons(draw):
    """Corners around a centre at random radii: simple, seldom convex."""
    count = draw(st.integers(3, 14))
    radii = draw(st.lists(st.floats(0.2, 2), min_size=count, max_size=count))
    shift = draw(st.floats(0, 1))
    return [
        (r * math.cos(2 * math.pi * (i + shift) / count), r * math.sin(2 * math.pi * (i + shift) / count))
        for i, r in enumerate(radii)
    ]


def require_consistent(corners):
    polygon = Polygon(corners)
    low, high = (np.array(corner) for corner in polygon.bounds)
    generator = torch.Generator().manual_seed(0)
    points = torch.tensor(low) + torch.tensor(high - low) * (
        1.4 * torch.rand(500, 2, generator=generator, dtype=torch.float64) - 0.2
    )
    signed, smooth = polygon.signed_distance(points), polygon.distance(points)
    clear = signed.abs() > 1e-9
    assert (signed.sign()[clear] == -smooth.sign()[clear]).all()
    edge, normals = polygon.sample_boundary(200)
    assert smooth.isfinite().all()
    assert polygon.distance(edge).abs().max() < 1e-9 * np.max(high - low)
    # away from corners, where two sides pull
    gap = torch.cdist(edge, torch.tensor(polygon.corners, dtype=torch.float64)).amin(1)
    edge = edge[gap > 1e-3].requires_grad_()
    (gradient,) = torch.autograd.grad(polygon.distance(edge).sum(), edge)
    torch.testing.assert_close(gradient, -normals[gap > 1e-3], rtol=0, atol=1e-6)


@given(corners=simple_polygons())
@settings(max_examples=40, deadline=None)
def test_smooth_distance_has_the_sign_of_the_ray_test_and_slope_one_on_every_side(corners):
    require_consistent(corners)


@pytest.mark.parametrize("corners", [COMB, COMB[::-1], SPIRAL, [(y, -x) for x, y in SPIRAL]])
def test_combs_and_spirals_have_a_smooth_distance_too(corners):
    require_consistent(corners)


def test_rectangle_is_the_box():
    polygon, box = Polygon([(2, 0), (2, 1), (0, 1), (0, 0)]), Box((0, 0), (2, 1))
    points = Box((-1, -1), (3, 2)).sample(500)
    torch.testing.assert_close(polygon.signed_distance(points), box.signed_distance(points))
    assert (polygon.measure, polygon.boundary_measure) == (box.measure, box.boundary_measure)


def test_order_of_corners_and_corners_without_a_turn_do_not_matter():
    plain = Polygon([(0, 0), (1, 0), (1, 1), (0, 1)])
    other = Polygon([(0, 1), (0.5, 1), (1, 1), (1, 0), (0, 0), (0, 0.25)])
    points = plain.sample(100)
    torch.testing.assert_close(plain.distance(points), other.distance(points))
    assert len(other.corners) == 4


def test_area_of_a_regular_polygon():
    corners = [(math.cos(2 * math.pi * i / 200), math.sin(2 * math.pi * i / 200)) for i in range(200)]
    assert Polygon(corners).measure == pytest.approx(100 * math.sin(2 * math.pi / 200), rel=1e-12)


@pytest.mark.parametrize(
    ("corners", "message"),
    [
        ([(0, 0), (1, 1)], "three corners or more; got 2"),
        ([(0, 0), (1, 1), (1, 0), (0, 1)], "sides 0 and 2 of the polygon meet"),
        ([(0, 0), (2, 0), (2, 2), (1, 0), (0, 2)], "of the polygon meet"),
        ([(0, 0), (1, 0), (2, 0)], "of the polygon meet"),
        ([(0, 0), (2, 0), (2, 1), (2, 0), (0, 1)], "of the polygon meet"),
        ([(0, 0), (0, 0), (1, 0), (0, 1)], "corner 0 of the polygon stands twice"),
        ([(0, 0), (1, 0), (float("inf"), 1)], r"corners\[2\]"),
        ([(0, 0), (1, 0), (1, 1, 1)], r"corners\[2\]"),
    ],
)
def test_what_is_no_simple_polygon_is_refused(corners, message):
    with pytest.raises(InvalidArgument, match=message):
        Polygon(corners)
