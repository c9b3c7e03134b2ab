"""The measured receptive field is that of counting: of convolutions by their kernels, of Fourier layers the domain."""

import pytest
import torch
from torch import nn

from limitlab import operators
from limitlab.operators.deployment import describe, receptive_field
from limitlab.spaces import Grid


@pytest.mark.parametrize(("size", "dilation", "layers"), [(3, 1, 1), (3, 1, 4), (5, 2, 2)])
def test_convolutions_see_as_far_as_their_kernels_reach(size, dilation, layers):
    padding = dilation * (size // 2)
    torch.manual_seed(0)
    chain = nn.Sequential(*(nn.Conv2d(1, 1, size, padding=padding, dilation=dilation) for _ in range(layers)))
    reach = 1 + layers * dilation * (size - 1)
    assert receptive_field(chain, torch.randn(1, 1, 40, 41)) == (reach, reach)


def test_axes_are_told_apart():
    assert receptive_field(nn.Conv2d(2, 3, (3, 7), padding="same"), torch.randn(1, 2, 16, 20)) == (3, 7)


def test_a_fourier_layer_sees_the_whole_domain():
    assert receptive_field(operators.FNO(1, 1, (4, 4), width=4, layers=1), torch.randn(1, 1, 12, 16)) == (12, 16)


def test_persistence_sees_one_point_and_a_mean_none():
    u = torch.randn(1, 1, 9)
    assert receptive_field(operators.Persistence(), u) == (1,)
    assert receptive_field(operators.MeanPredictor(torch.ones(1, 9)), u) == (0,)


def test_a_card_says_on_which_grids_an_operator_is_itself():
    line = Grid.uniform((16,))
    u = torch.randn(2, 1, 16)
    kinds = {
        "any grid": operators.DeepONet(1, 1, line, reading="integrals", width=8, terms=4),
        "the grid (16,) alone": operators.DeepONet(1, 1, line, width=8, terms=4),
        "any grid, but another map on another spacing": operators.UNet(1, 1, 1, width=4, levels=1),
    }
    for resolution, model in kinds.items():
        assert dict(describe(operators.Normalized(model, (0.0, 1.0), (0.0, 1.0)), u).facts)["resolution"] == resolution
