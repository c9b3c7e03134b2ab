import math

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from limitlab.errors import InvalidArgument, UnknownName
from limitlab.spaces import Axis, Grid, sobolev_norm
from limitlab.spaces.norms import lp_norm
from limitlab.training.losses.relative import operator_loss, relative_l2, relative_sobolev


def sine(grid, k):
    return torch.sin(2 * torch.pi * k * grid.points(torch.float64)[..., 0])[None, None]


@pytest.mark.parametrize(("method", "tolerance"), [("spectral", 1e-6), ("finite_difference", 1e-2)])
@pytest.mark.parametrize("k", [1, 3])
def test_h1_of_a_sine_is_root_one_plus_wavenumber_squared_times_its_l2(k, method, tolerance):
    grid = Grid.uniform(64 * k)
    ratio = sobolev_norm(sine(grid, k), grid, method=method) / lp_norm(sine(grid, k), grid)
    assert float(ratio) == pytest.approx(math.sqrt(1 + (2 * math.pi * k) ** 2), rel=tolerance)


def test_h1_loss_weighs_an_error_by_its_wavenumber_against_that_of_the_target():
    grid = Grid.uniform(96)
    target, error = sine(grid, 1), 0.1 * sine(grid, 4)
    expected = 0.1 * math.sqrt((1 + (8 * math.pi) ** 2) / (1 + (2 * math.pi) ** 2))
    terms = operator_loss("h1", grid)(nn.Identity(), {"input": target + error, "target": target})
    assert {name: float(value) for name, value in terms.items()} == pytest.approx({"relative_h1": expected}, rel=1e-9)


def test_l2_loss_is_the_mean_of_ratios_not_the_ratio_of_means():
    grid = Grid.uniform(32)
    target = torch.cat([sine(grid, 1), 1000 * sine(grid, 1)])
    prediction = torch.cat([1.5 * sine(grid, 1), 1000 * sine(grid, 1)])
    terms = operator_loss("l2", grid)(nn.Identity(), {"input": prediction, "target": target})
    assert float(terms["relative_l2"]) == pytest.approx(0.25)


def test_loss_of_one_function_does_not_change_with_the_resolution_of_the_batch():
    loss = operator_loss("h1", Grid.uniform(32))
    values = []
    for n in (32, 64):
        grid = Grid.uniform(n)
        batch = {"input": sine(grid, 1) + 0.3 * sine(grid, 5), "target": sine(grid, 1)}
        values.append(float(loss(nn.Identity(), batch)["relative_h1"]))
    assert values[0] == pytest.approx(values[1], rel=1e-12)


def test_h1_loss_on_cells_takes_finite_differences_of_the_true_spacing():
    target_of = {}
    for length in (1.0, 2.0):
        grid = Grid((Axis("x", 64, length, 0.0, "cells"),))
        x = grid.points(torch.float64)[..., 0]
        terms = operator_loss("h1", grid)(nn.Identity(), {"input": (1 + x)[None, None], "target": torch.ones(1, 1, 64)})
        target_of[length] = float(terms["relative_h1"])
    # ||x||_H1 / ||1||_H1 on [0, L] is sqrt(L^2 / 3 + 1)
    assert target_of == pytest.approx({1.0: math.sqrt(4 / 3), 2.0: math.sqrt(7 / 3)}, rel=1e-4)


def test_relative_errors_are_those_of_the_spaces():
    grid = Grid.uniform(16)
    u, v = sine(grid, 1), 2 * sine(grid, 1)
    assert float(relative_l2(v, u, grid)) == pytest.approx(1.0)
    assert float(relative_sobolev(v, u, grid)) == pytest.approx(1.0)


def test_unknown_loss_is_answered_with_the_known_ones():
    with pytest.raises(UnknownName, match="known: h1, l2"):
        operator_loss("sobolev", Grid.uniform(16))


def test_batch_of_another_dimension_is_refused():
    loss = operator_loss("l2", Grid.uniform(16, dimension=2))
    with pytest.raises(InvalidArgument, match=r"batch, channel, x, y"):
        loss(nn.Identity(), {"input": torch.ones(2, 1, 16), "target": torch.ones(2, 1, 16)})


@pytest.mark.parametrize("kind", ["l2", "h1"])
@pytest.mark.parametrize("axes", ["periodic", "cells"])
def test_model_and_loss_stay_on_the_device_of_the_batch(kind, axes):
    with FakeTensorMode(), torch.device("cuda"):
        model = nn.Sequential(nn.Conv2d(1, 3, 3, padding=1), nn.GELU(), nn.Conv2d(3, 1, 1))
        batch = {"input": torch.randn(2, 1, 8, 8), "target": torch.randn(2, 1, 8, 8)}
        terms = operator_loss(kind, Grid.uniform(8, dimension=2, kind=axes))(model, batch)
        assert terms[f"relative_{kind}"].device.type == "cuda"
