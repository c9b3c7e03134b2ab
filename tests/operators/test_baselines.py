"""Mean, persistence, normalisation, and the table of operators."""

import math

import pytest
import torch
from torch import nn

from limitlab import operators
from limitlab.data import ChannelStatistics
from limitlab.errors import InvalidArgument, UnknownName


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def test_mean_predictor_has_the_least_mean_square_of_all_constants() -> None:
    targets = torch.randn(6, 2, 5, 4, dtype=torch.float64)
    best = operators.MeanPredictor(targets.mean(0))
    u = torch.zeros(6, 1, 5, 4, dtype=torch.float64)
    error = (best(u) - targets).square().mean()
    for _ in range(5):
        other = operators.MeanPredictor(targets.mean(0) + 0.1 * torch.randn(2, 5, 4, dtype=torch.float64))
        assert (other(u) - targets).square().mean() > error


def test_mean_field_is_the_same_function_on_another_grid() -> None:
    coarse, fine = (torch.sin(2 * math.pi * torch.arange(n, dtype=torch.float64) / n)[None] for n in (8, 20))
    assert (operators.MeanPredictor(coarse)(torch.zeros(3, 1, 20)).double() - fine).abs().max() < 1e-6
    assert operators.MeanPredictor(coarse).state_dict().keys() == {"mean_field"}


def test_persistence_answers_the_present_state() -> None:
    u = torch.randn(2, 3, 8)
    assert torch.equal(operators.Persistence()(u), u[:, 2:])
    assert torch.equal(operators.Persistence(out_channels=3)(u), u)
    with pytest.raises(InvalidArgument, match="channels"):
        operators.Persistence(out_channels=4)(u)


def test_normalised_identity_maps_input_statistics_to_target_statistics() -> None:
    u = 3 + 2 * torch.randn(50, 2, 16, 16, dtype=torch.float64)
    statistics = ChannelStatistics.of(u)
    mean, std = torch.tensor([5.0, -1.0]).double(), torch.tensor([0.5, 4.0]).double()
    result = operators.Normalized(nn.Identity(), statistics, (mean, std))(u)
    reached = ChannelStatistics.of(result)
    assert (reached.mean - mean).abs().max() < 1e-12
    assert (reached.std - std).abs().max() < 1e-12


def test_normalised_model_keeps_its_statistics_with_its_weights() -> None:
    model = operators.Normalized(operators.build("fno", 1, 1, 1, modes=4, width=4), (1.0, 2.0), (torch.ones(1), 3.0))
    other = operators.Normalized(operators.build("fno", 1, 1, 1, modes=4, width=4), (0.0, 1.0), (torch.zeros(1), 1.0))
    other.load_state_dict(model.state_dict())
    u = torch.randn(2, 1, 10)
    assert torch.equal(model(u), other(u))


@pytest.mark.parametrize(
    "statistics", [(0.0,), (torch.zeros(2), torch.ones(3)), (0.0, 0.0), (float("nan"), 1.0), (torch.tensor(1), 1.0)]
)
def test_bad_statistics_are_named(statistics: tuple[object, ...]) -> None:
    with pytest.raises(InvalidArgument, match="input_statistics"):
        operators.Normalized(nn.Identity(), statistics, (0.0, 1.0))


def test_parameters_count_real_degrees_of_freedom() -> None:
    layer = operators.SpectralConv(2, 3, (4, 4))
    assert operators.count_parameters(layer) == 2 * (2 * 3 * 4 * 3) + 3
    complex_layer = nn.Linear(2, 3, bias=False, dtype=torch.complex64)
    assert operators.count_parameters(complex_layer) == 12
    assert operators.count_parameters(complex_layer.requires_grad_(False)) == 0


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_every_trainable_name_builds_a_model_of_every_dimension(dimension: int) -> None:
    u = torch.randn(2, 2, *[6] * dimension)
    for name in ("fno", "unet"):
        assert operators.build(name, 2, 1, dimension, width=4)(u).shape == (2, 1, *[6] * dimension)
    assert operators.build("persistence", 2, 1, dimension)(u).shape == (2, 1, *[6] * dimension)
    assert operators.build("mean", 2, 1, dimension, mean_field=u[0, :1])(u).shape == (2, 1, *[6] * dimension)
    assert {"fno", "mean", "persistence", "unet"} <= set(operators.names())


def test_misspelt_names_get_a_suggestion() -> None:
    with pytest.raises(UnknownName, match="did you mean 'unet'"):
        operators.get("unett")
    with pytest.raises(UnknownName, match="did you mean 'width'"):
        operators.build("fno", 1, 1, 2, widht=8)
    with pytest.raises(InvalidArgument, match="modes must hold 2 whole numbers"):
        operators.build("fno", 1, 1, 2, modes=(4,))
    with pytest.raises(InvalidArgument, match="mean_field"):
        operators.build("mean", 1, 1, 2)
