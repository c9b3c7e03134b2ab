import math

import numpy as np
import pytest
import torch
import xarray as xr
from torch import nn

from limitlab.errors import InvalidArgument, UnknownName
from limitlab.infinite_width import (
    best_learning_rate,
    coordinate_check,
    coordinates,
    cross_entropy,
    digit_networks,
    digit_task,
    mutransfer_sweep,
    octaves,
    passes,
    standard_network,
    width_exponents,
)

BETAS = (0.9, 0.95)


def check(kind, widths=(64, 128, 256, 512, 1024, 2048), **options):
    make_model, groups = digit_networks(kind, betas=BETAS)
    task = digit_task()
    chosen = {"learning_rate": 1e-2, "steps": 3, "seeds": (0, 1, 2, 3), "groups": groups} | options
    return coordinate_check(
        make_model, widths, loss=cross_entropy, batches=task.batches, probe=task.images[:256], **chosen
    )


def test_mup_passes_and_sp_explodes_with_the_width():
    mup, sp = check("mup"), check("sp")
    assert passes(mup).all()
    assert (abs(width_exponents(mup["change"].isel(step=-1))) <= 0.1).all()
    slopes = width_exponents(sp["change"].isel(step=-1))
    assert float(slopes.sel(module="h2")) >= 0.4
    assert float(slopes.sel(module="output")) >= 0.8
    assert list(passes(sp).values) == [True, False, False]


def test_output_of_mup_falls_like_the_root_of_the_width_at_the_start():
    slopes = width_exponents(check("mup", steps=1)["size"].isel(step=0))
    assert float(slopes.sel(module="output")) == pytest.approx(-0.5, abs=0.1)
    assert float(slopes.sel(module="h2")) == pytest.approx(0.0, abs=0.05)


def test_the_check_is_labelled_and_repeats_itself():
    first, second = (check("mup", (64, 96), seeds=(1,)) for _ in range(2))
    assert first["change"].dims == ("module", "width", "step", "seed")
    assert list(first["module"].values) == ["h1", "h2", "output"]
    assert not first["change"].sel(step=0).any()
    xr.testing.assert_identical(first, second)


def test_chosen_modules_are_looked_at_in_the_order_of_their_calls():
    seen = coordinates(standard_network(8), torch.ones(2, 64), ["x2", "x1"])
    assert list(seen) == ["x1", "x2"]
    assert (seen["x1"] >= 0).all()


def test_exponent_of_a_power_is_its_power():
    widths = [16, 32, 64]
    values = xr.DataArray(
        [[3 * n**-0.5 for n in widths], [n**1.0 for n in widths]], dims=("module", "width"), coords={"width": widths}
    )
    np.testing.assert_allclose(width_exponents(values), [-0.5, 1.0], atol=1e-12)


def valley(bottom, rates=range(-11, -3)):
    return [math.exp(0.1 * (octave - bottom) ** 2 + 0.5) for octave in rates]


def losses(*bottoms):
    return xr.DataArray(
        [valley(bottom) for bottom in bottoms],
        dims=("width", "learning_rate"),
        coords={"width": [2**k for k in range(len(bottoms))], "learning_rate": [2.0**k for k in range(-11, -3)]},
    )


def test_bottom_of_a_parabola_is_found_between_the_rates():
    best = best_learning_rate(losses(-6.3, -8.45))
    np.testing.assert_allclose(np.log2(best["learning_rate"]), [-6.3, -8.45], atol=1e-9)
    np.testing.assert_allclose(best["loss"], math.exp(0.5), rtol=1e-9)
    assert float(octaves(best["learning_rate"])) == pytest.approx(2.15)


def test_order_of_the_rates_does_not_matter():
    xr.testing.assert_allclose(
        best_learning_rate(losses(-6.3, -8.45).isel(learning_rate=slice(None, None, -1))),
        best_learning_rate(losses(-6.3, -8.45)),
    )


def test_at_the_edge_and_beside_a_divergence_the_lowest_point_itself_is_the_best():
    edge = losses(-13.0)
    beside = losses(-6.3)
    beside[0, 6] = np.inf
    assert float(best_learning_rate(edge)["learning_rate"][0]) == 2.0**-11
    assert float(best_learning_rate(beside)["learning_rate"][0]) == 2.0**-6


def sweep(kind, widths, rates, **options):
    make_model, groups = digit_networks(kind, betas=BETAS)
    task = digit_task()
    return mutransfer_sweep(
        make_model, widths, rates, loss=cross_entropy, batches=task.batches, groups=groups, **options
    )


def test_best_rate_of_sp_falls_with_the_width_and_that_of_mup_stays():
    rates = [2.0**k for k in range(-10, -3)]
    shift = {
        kind: float(octaves(best_learning_rate(sweep(kind, (64, 512), rates, steps=30)["loss"])["learning_rate"]))
        for kind in ("sp", "mup")
    }
    assert shift["sp"] >= 2.0  # three octaves of width, and the optimum goes like 1/n
    assert abs(shift["mup"]) <= 1.0


def test_sweep_is_labelled_and_widths_share_their_batches():
    found = sweep("mup", (64, 96), [0.001, 0.01, 0.02], steps=2, seeds=(0, 1), evaluate=lambda model: 7.0)
    assert found["loss"].dims == ("width", "learning_rate", "seed")
    assert (found["final"] == 7.0).all()
    assert "final" not in sweep("mup", (64,), [0.001], steps=1)


def test_a_training_that_diverges_has_infinite_loss():
    def network(width, seed):
        return nn.Sequential(nn.Linear(64, width), nn.Linear(width, 10))

    def squares(model, batch):
        return {"square": (model(batch["input"]) - batch["target"]).square().sum()}

    found = mutransfer_sweep(
        network, (8,), [1e-6, 1e4], loss=squares, batches=digit_task().batches, steps=30, optimizer="sgd"
    )
    assert np.isfinite(found["loss"].values.ravel()).tolist() == [True, False]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: check("mup", ()), "widths and seeds must hold"),
        (lambda: check("mup", (0,)), "a width must be a whole number >= 1"),
        (lambda: check("mup", (64,), steps=0), "steps must be a whole number >= 1"),
        (lambda: coordinates(nn.Sequential(nn.ReLU()), torch.ones(1, 2)), "no module with parameters"),
        (lambda: coordinates(nn.LSTM(2, 3), torch.ones(1, 1, 2)), "gives tuple, not a tensor"),
        (lambda: width_exponents(losses(-6.0).isel(width=0)), "need the dim 'width'"),
        (lambda: best_learning_rate(losses(-6.0).isel(learning_rate=[0, 1])), "three rates or more"),
        (lambda: best_learning_rate(losses(-6.0) * np.inf), "no finite loss"),
        (lambda: sweep("mup", (64,), [], steps=1), "learning_rates must hold"),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(InvalidArgument, match=message):
        call()


def test_unknown_modules_get_the_nearest():
    with pytest.raises(UnknownName, match="did you mean 'output'"):
        coordinates(standard_network(8), torch.ones(1, 64), ["outptu"])
