import math

import pytest
import torch

from limitlab.errors import InvalidArgument
from limitlab.spaces.domains import Dirichlet, Disk, Neumann, Periodic, Robin


def field(points):
    """u = x^2 + y, v = x y and their gradients."""
    x, y = points.unbind(1)
    u = torch.stack([x * x + y, x * y], 1)
    gradient = torch.stack([torch.stack([2 * x, torch.ones_like(x)], 1), torch.stack([y, x], 1)], 1)
    return u, gradient


POINTS, NORMALS = Disk((0, 0), 1).sample_boundary(50)
U, GRADIENT = field(POINTS)
# on the unit circle the normal is the point
SLOPE = torch.stack([2 * POINTS[:, 0] ** 2 + POINTS[:, 1], 2 * POINTS[:, 0] * POINTS[:, 1]], 1)


@pytest.mark.parametrize(
    "condition",
    [
        Dirichlet(lambda points: field(points)[0]),
        Neumann(lambda points: SLOPE),
        Robin(2.0, -3.0, lambda points: 2 * field(points)[0] - 3 * SLOPE),
    ],
)
def test_residual_vanishes_where_the_condition_holds_and_nowhere_else(condition):
    assert condition.residual(POINTS, U, GRADIENT, NORMALS).abs().max() < 1e-14
    assert condition.residual(POINTS, U + POINTS, 2 * GRADIENT, NORMALS).abs().max() > 0.1


def test_numbers_stand_for_all_points_and_one_for_each_field():
    assert torch.equal(Dirichlet(2.0).residual(POINTS, U), U - 2)
    assert torch.equal(Dirichlet(torch.tensor([1.0, 3.0])).residual(POINTS, U), U - torch.tensor([1.0, 3.0]))


def test_periodic_residual_compares_value_and_slope_with_the_image():
    condition = Periodic(0, 2 * math.pi)

    def wave(points):
        return points[:, :1].sin(), torch.stack([points[:, :1].cos(), torch.zeros(len(points), 1)], 2)

    image = condition.image(POINTS)
    torch.testing.assert_close(image - POINTS, torch.tensor([[2 * math.pi, 0.0]], dtype=torch.float64).expand(50, 2))
    residual = condition.residual(*wave(POINTS), *wave(image))
    assert residual.shape == (50, 2)
    assert residual.abs().max() < 1e-14
    assert condition.residual(*wave(POINTS), *wave(1.1 * image)).abs().amax(0).min() > 0.1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Robin(0, 0), "must not both be zero"),
        (lambda: Robin("a", 1), "a must be"),
        (lambda: Periodic(0, 0), "period must be positive"),
        (lambda: Periodic(2, 1.0).image(POINTS), "axis must be below the 2 dimensions"),
        (lambda: Dirichlet(lambda points: points[:, 0]).residual(POINTS, U), r"must give \(50, 2\).*got \(50,\)"),
        (lambda: Dirichlet("zero").residual(POINTS, U), "value of a condition"),
        (lambda: Neumann(0.0).residual(POINTS, U, GRADIENT, NORMALS[:, :1]), "differ in dimension"),
    ],
)
def test_what_does_not_fit_is_refused(make, message):
    with pytest.raises(InvalidArgument, match=message):
        make()
