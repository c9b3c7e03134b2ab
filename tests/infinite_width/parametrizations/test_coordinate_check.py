import numpy as np
import pytest
import torch
import xarray as xr
from torch import nn

from limitlab.errors import InvalidArgument, UnknownName
from limitlab.infinite_width import (
    coordinates,
    digit_networks,
    digit_task,
    movement,
    passes,
    standard_network,
    width_exponents,
)


def test_output_of_mup_falls_like_the_root_of_the_width_at_the_start():
    make_model, _ = digit_networks("mup")
    probe, widths = digit_task().images[:256], (64, 128, 256, 512, 1024, 2048)

    def sizes(width):
        start = coordinates(make_model(width, 0), probe)
        return movement(start, start)["size"]

    slopes = width_exponents(xr.concat([sizes(n) for n in widths], xr.Variable("width", list(widths))))
    assert float(slopes.sel(module="output")) == pytest.approx(-0.5, abs=0.1)
    assert float(slopes.sel(module="h2")) == pytest.approx(0.0, abs=0.05)


def test_modules_that_hold_parameters_are_looked_at_by_default():
    assert list(coordinates(standard_network(8), torch.ones(2, 64))) == ["h1", "h2", "output"]


def test_chosen_modules_are_looked_at_in_the_order_of_their_calls():
    outputs = coordinates(standard_network(8), torch.ones(2, 64), ["x2", "x1"])
    assert list(outputs) == ["x1", "x2"]
    assert (outputs["x1"] >= 0).all()


def test_movement_is_the_mean_over_the_entries():
    start, now = {"h": torch.tensor([[1.0, -1.0]])}, {"h": torch.tensor([[4.0, -2.0]])}
    measured = movement(start, now).sel(module="h")
    assert (float(measured["size"]), float(measured["change"])) == (3.0, 2.0)
    assert not movement(start, start)["change"].any()


def test_exponent_of_a_power_is_its_power():
    widths = [16, 32, 64]
    values = xr.DataArray(
        [[3 * n**-0.5 for n in widths], [n**1.0 for n in widths]], dims=("module", "width"), coords={"width": widths}
    )
    np.testing.assert_allclose(width_exponents(values), [-0.5, 1.0], atol=1e-12)


@pytest.mark.parametrize(
    ("change", "size", "verdict"),
    [(0.0, 0.0, True), (0.05, -0.5, True), (0.2, 0.0, False), (-0.2, 0.0, False), (0.0, 0.2, False)],
)
def test_a_module_passes_that_neither_explodes_nor_freezes(change, size, verdict):
    widths = np.array([16.0, 32, 64])
    powers = {"change": change, "size": size}
    check = xr.Dataset({name: (("width", "step"), widths[:, None] ** power) for name, power in powers.items()})
    assert bool(passes(check.assign_coords(width=widths))) is verdict


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: coordinates(nn.Sequential(nn.ReLU()), torch.ones(1, 2)), "no module with parameters"),
        (lambda: coordinates(nn.LSTM(2, 3), torch.ones(1, 1, 2)), "gives tuple, not a tensor"),
        (lambda: width_exponents(xr.DataArray([1.0, 2.0], dims="step")), "need the dim 'width'"),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(InvalidArgument, match=message):
        call()


@pytest.mark.parametrize(("entry", "shown"), [(0.0, "0"), (-1.0, "-1"), (np.nan, "nan")])
def test_a_value_without_a_logarithm_is_named_with_its_place(entry, shown):
    values = np.ones((2, 3, 2))
    values[1, 2] = entry
    coords = {"module": ["h1", "output"], "width": [16, 32, 64]}
    array = xr.DataArray(values, dims=("module", "width", "step"), coords=coords)
    expected = rf"values must be positive.*; got {shown} at module output, width 64, step 0: a change at step 0 is zero"
    with pytest.raises(InvalidArgument, match=expected):
        width_exponents(array)


def test_a_zero_of_one_seed_is_averaged():
    values = xr.DataArray([[0.0, 2.0], [1.0, 3.0]], dims=("width", "seed"), coords={"width": [8, 16]})
    assert float(width_exponents(values)) == pytest.approx(1.0)


def test_unknown_modules_get_the_nearest():
    with pytest.raises(UnknownName, match="did you mean 'output'"):
        coordinates(standard_network(8), torch.ones(1, 64), ["outptu"])
