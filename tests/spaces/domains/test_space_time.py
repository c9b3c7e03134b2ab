import pytest
import torch

from limitlab.errors import InvalidArgument
from limitlab.spaces.domains import Box, Disk, Interval, SpaceTime

CYLINDER = SpaceTime(Disk((0, 0), 1), Interval(0.5, 2))


@pytest.mark.parametrize("how", ["uniform", "sobol", "grid"])
def test_points_lie_in_domain_and_span(how):
    points = CYLINDER.sample(300, how=how)
    assert len(points) >= 300
    assert CYLINDER.contains(points).all()
    assert (points[:, :2].norm(dim=1) <= 1).all()
    assert ((points[:, 2] >= 0.5) & (points[:, 2] <= 2)).all()


def test_points_of_an_interval_are_those_of_the_box():
    product = SpaceTime(Interval(-1, 1), Interval(0, 3))
    assert torch.equal(product.sample(50, seed=4, how="sobol"), Box((-1, 0), (1, 3)).sample(50, seed=4, how="sobol"))
    assert product.measure == 6.0


def test_distance_vanishes_at_the_start_and_on_the_sides_but_not_at_the_end():
    sides, normals = CYLINDER.sample_boundary(100)
    assert CYLINDER.distance(sides).abs().max() < 1e-12
    torch.testing.assert_close(sides[:, :2], normals)
    assert sides[:, 2].min() < 0.6
    assert sides[:, 2].max() > 1.9
    start = CYLINDER.sample_initial(100)
    assert CYLINDER.distance(start).abs().max() < 1e-12
    end = torch.cat([start[:, :2], torch.full((100, 1), 2.0)], 1)
    assert (CYLINDER.distance(end) > 0).all()
    inside = start.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(CYLINDER.distance(inside).sum(), inside)
    torch.testing.assert_close(gradient[:, 2], torch.ones(100, dtype=torch.float64))


@pytest.mark.parametrize("parts", [(Interval(0, 1), 3.0), (3.0, Interval(0, 1)), (Interval(0, 1), Disk((0, 0), 1))])
def test_other_parts_are_refused(parts):
    with pytest.raises(InvalidArgument, match="a domain and an Interval of time"):
        SpaceTime(*parts)
