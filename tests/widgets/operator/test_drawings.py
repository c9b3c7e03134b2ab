import numpy as np
import pytest
import torch

from limitlab.spaces import Grid
from limitlab_widgets.operator.drawings import Curve, Painting


def test_a_drawn_wave_is_that_wave_on_every_grid_up_to_straight_pieces():
    values = tuple(np.sin(2 * np.pi * np.arange(64) / 64))
    for size in (16, 64, 100):
        grid = Grid.uniform(size, lengths=(2.0,), starts=(-1.0,))
        wave = torch.sin(np.pi * (grid.points()[..., 0] + 1))[None]
        # a chord of a wave is off by at most (2 pi/64)^2/8
        assert float((Curve(values).on(grid) - wave).abs().max()) <= (2 * np.pi / 64) ** 2 / 8 + 1e-12


def test_a_curve_between_walls_ends_at_its_last_value():
    grid = Grid.uniform(8, kind="cells")
    line = Curve((0.0, 1.0, 2.0)).on(grid)
    np.testing.assert_allclose(line[0], 2 * grid.points()[..., 0])


@pytest.mark.parametrize("size", [16, 32, 96])
def test_a_painting_has_its_share_of_each_level_on_every_grid(size):
    rows = tuple("0" * 16 + "1" * 16 for _ in range(32))
    painted = Painting(rows, (3.0, 12.0)).on(Grid.uniform((size, size), dimension=2, kind="cells"))
    # rows run along x, digits along y
    assert (painted[0, :, : size // 2] == 3.0).all()
    assert (painted[0, :, size // 2 :] == 12.0).all()


def plane(size):
    return Grid.uniform((size, size), dimension=2, lengths=2 * np.pi)


def test_a_painting_of_a_periodic_plane_is_the_average_around_each_point():
    # of a stripe of ones around x = 8 cells: the mass of a Gaussian between its ends
    rows = tuple(("1" if 4 <= place < 12 else "0") * 32 for place in range(32))
    smooth = Painting(rows, (0.0, 1.0)).on(plane(32))[0]
    assert torch.allclose(smooth, smooth[:, :1])
    away = torch.arange(32) - torch.arange(4, 12)[:, None]
    near = (away + 16) % 32 - 16
    weights = torch.exp(-(near**2) / 2.0) / np.sqrt(2 * np.pi)
    # on cells the weights are that of the law up to what it has beyond the highest wave, exp(-pi^2/2)
    np.testing.assert_allclose(smooth[:, 0], weights.sum(0), atol=0.01)


def test_a_painting_of_a_periodic_plane_is_one_smooth_function_on_all_grids():
    generator = torch.Generator().manual_seed(0)
    rows = tuple("".join(map(str, row)) for row in torch.randint(0, 9, (32, 32), generator=generator).tolist())
    painting = Painting(rows, tuple(float(level) for level in range(9)))
    fine = painting.on(plane(96))
    torch.testing.assert_close(painting.on(plane(32)), fine[:, ::3, ::3], atol=0.02, rtol=0)
    torch.testing.assert_close(painting.on(plane(48)), fine[:, ::2, ::2], atol=1e-12, rtol=0)
    mean = np.mean([int(digit) for row in rows for digit in row])
    assert float(fine.mean()) == pytest.approx(mean, abs=1e-12)
    assert 0 < float(fine.min()) < float(fine.max()) < 8
