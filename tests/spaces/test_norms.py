import math

import pytest
import torch

from limitlab.errors import InvalidArgument, UnknownName
from limitlab.spaces import Grid, lp_norm, relative_l2, relative_sobolev, sobolev_norm


def sine(grid: Grid, mode: int) -> torch.Tensor:
    return torch.sin(2 * math.pi * mode * grid.points()[..., 0] / grid.lengths[0])[None, None]


@pytest.mark.parametrize("kind", ["periodic", "cells", "nodes"])
def test_l2_norm_of_a_sine(kind):
    grid = Grid.uniform(64, lengths=3.0, kind=kind)
    assert float(lp_norm(sine(grid, 2), grid)) == pytest.approx(math.sqrt(1.5), rel=1e-3)


@pytest.mark.parametrize("mode", [1, 3])
def test_h1_to_l2_ratio_of_a_sine(mode):
    grid = Grid.uniform(64 * mode)
    u = sine(grid, mode)
    exact = math.sqrt(1 + (2 * math.pi * mode) ** 2)
    l2 = lp_norm(u, grid)
    assert float(sobolev_norm(u, grid) / l2) == pytest.approx(exact, rel=1e-6)
    assert float(sobolev_norm(u, grid, method="finite_difference") / l2) == pytest.approx(exact, rel=1e-2)


@pytest.mark.parametrize("resolution", [16, 17])
def test_sobolev_norm_of_order_zero_is_l2_on_noise(resolution):
    grid = Grid.uniform((resolution, resolution + 1), lengths=2.0)
    u = torch.randn(3, 2, *grid.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(sobolev_norm(u, grid, s=0), lp_norm(u, grid), rtol=1e-12)


def test_negative_sobolev_norm_weighs_high_modes_less():
    grid = Grid.uniform(64)
    assert sobolev_norm(sine(grid, 5), grid, s=-1) < sobolev_norm(sine(grid, 1), grid, s=-1)


def test_relative_error_is_one_number_a_sample():
    grid = Grid.uniform(8, kind="cells")
    target = torch.ones(2, 1, 8)
    target[1] = 100.0
    prediction = target.clone()
    prediction[0] += 0.5
    assert torch.allclose(relative_l2(prediction, target, grid), torch.tensor([0.5, 0.0]))


def test_relative_errors_do_not_change_with_resolution():
    values = []
    for n in (32, 33, 128):
        grid = Grid.uniform(n, dimension=2)
        values.append(float(relative_sobolev(1.1 * sine(grid, 2), sine(grid, 2), grid)))
    assert values == pytest.approx([0.1] * 3, rel=1e-12)


def test_h1_norm_on_cells_converges_to_the_exact_one():
    grid = Grid.uniform((256, 256), kind="cells")
    x, y = grid.points().unbind(-1)
    u = (torch.sin(math.pi * x) * torch.sin(math.pi * y))[None, None]
    assert float(sobolev_norm(u, grid)) == pytest.approx(math.sqrt(0.25 + 0.5 * math.pi**2), rel=1e-3)


def test_gradient_of_the_relative_norm_agrees_with_finite_differences():
    grid = Grid.uniform(9)
    prediction = torch.randn(
        2, 1, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True
    )
    target = torch.randn(2, 1, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    assert torch.autograd.gradcheck(lambda u: relative_sobolev(u, target, grid), prediction)


@pytest.mark.parametrize("norm", [lp_norm, sobolev_norm])
def test_gradient_at_an_exact_prediction_is_zero(norm):
    for kind in ("periodic", "cells"):
        u = torch.zeros(2, 1, 8, requires_grad=True)
        norm(u, Grid.uniform(8, kind=kind)).sum().backward()
        assert torch.equal(u.grad, torch.zeros_like(u))


def test_bad_norms_are_refused():
    grid = Grid.uniform(8)
    with pytest.raises(InvalidArgument, match="one shape"):
        relative_l2(torch.zeros(1, 1, 8), torch.zeros(2, 1, 8), grid)
    with pytest.raises(UnknownName, match="did you mean 'spectral'"):
        sobolev_norm(torch.zeros(1, 1, 8), grid, method="spectrall")
    with pytest.raises(InvalidArgument, match="p must be >= 1"):
        lp_norm(torch.zeros(1, 1, 8), grid, p=0.5)
