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
