import numpy as np
import pytest
import torch

from limitlab import experiments
from limitlab.errors import InvalidArgument, UnknownName
from limitlab.experiments.infinite_width import abc_regimes
from limitlab.infinite_width import ABCMLP, digit_task, parametrization

WIDTHS = (64, 128, 256, 512, 1024, 2048)
EXPERIMENT = experiments.get("abc_regimes")


@pytest.fixture(scope="module")
def smoke():
    return EXPERIMENT.train(EXPERIMENT.configure("smoke", device="cpu")).finish()


def test_smoke_size_trains_and_draws(smoke):
    assert all(np.isfinite(smoke.metrics[name]).all() for name in smoke.metrics)
    assert set(smoke.figures()) == {"sp_plane", "mup_plane", "changes"}
    assert all(len(figure.data) for figure in smoke.figures().values())


def test_regimes_of_the_trained_points_are_those_of_the_theory(smoke):
    powers = abc_regimes.exponents(smoke)
    assert dict(zip(powers["parametrization"].values, powers["regime"].values, strict=True)) == {
        "sp": "unstable",
        "sp-lazy": "kernel",
        "ntp": "kernel",
        "mup": "feature",
    }
    # three narrow widths leave the exponents their signs and their order
    last = powers["last"].sel(module="h2")
    assert float(last.sel(parametrization="sp")) > 0.5 > -0.2 > float(last.sel(parametrization="ntp"))
    np.testing.assert_allclose(powers["predicted_last"].sel(module="h2"), -powers["r"])


def test_the_stable_regimes_move_the_features_by_their_exponents_after_five_steps():
    options = {"widths": WIDTHS, "seeds": 2, "probes": 128, "parametrizations": ("sp-lazy", "ntp", "mup")}
    powers = abc_regimes.exponents(EXPERIMENT.train(EXPERIMENT.configure(**options, device="cpu")).finish())
    for name in options["parametrizations"]:
        last = float(powers["last"].sel(parametrization=name, module="h2"))
        assert last == pytest.approx(-parametrization(name, 2).r, abs=0.15), name
    # the kernel of the features is what it was, or is not, with them
    assert -2.0 <= float(powers["kernel"].sel(parametrization="ntp")) <= -0.3
    assert -0.1 <= float(powers["kernel"].sel(parametrization="mup")) <= 0.2


def test_unstable_standard_parametrisation_moves_the_output_by_the_width_after_one_step():
    options = {"widths": WIDTHS, "seeds": 2, "probes": 128, "parametrizations": ("sp",), "steps": 1}
    settings = EXPERIMENT.configure(**options, learning_rate=0.1, device="cpu")
    powers = abc_regimes.exponents(EXPERIMENT.train(settings).finish()).sel(parametrization="sp")
    np.testing.assert_allclose(powers["first"], (-0.5, 0.5, 1.0), atol=0.15)
    np.testing.assert_allclose(powers["predicted_first"], (-0.5, 0.5, 1.0))


def test_any_point_of_the_plane_can_be_trained_and_a_shift_of_it_is_trained_alike():
    settings = EXPERIMENT.configure(widths=(64, 96), seeds=1, steps=2, device="cpu")
    point = parametrization("mup", 2).with_layer(1, 0.0)
    points = {"point": point, "shifted": point.shift(0.25)}
    result = EXPERIMENT.train(settings, prepared=abc_regimes.prepare_points(points, settings)).finish()
    grid = result.grid("parametrization", "width")
    assert grid["change"].dims == ("parametrization", "width", "seed", "module")
    np.testing.assert_allclose(*(grid["change"].sel(parametrization=name) for name in points), rtol=1e-3)
    powers = abc_regimes.exponents(result).sel(parametrization="point")
    np.testing.assert_allclose(powers["predicted_last"], (-1.0, 0.0, 0.0))


def test_the_kernel_that_is_compared_is_that_of_the_features():
    model = ABCMLP(64, 8, 10, parametrization("mup", 2), activation="relu", seed=3)
    x = digit_task().images[:5]
    last = torch.relu(model.get_submodule("h2")(torch.relu(model.get_submodule("h1")(x))))
    by_hand = [[float((one * other).mean()) for other in last] for one in last]
    np.testing.assert_allclose(abc_regimes.feature_kernel(model, x), by_hand, rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"widths": (64,)}, "widths need two or more"), ({"widths": (0, 64)}, "widths must be a whole number >= 1")],
)
def test_settings_that_mean_nothing_are_refused(options, message):
    with pytest.raises(InvalidArgument, match=message):
        EXPERIMENT.configure("smoke", **options)


def test_unknown_choices_get_the_nearest():
    with pytest.raises(UnknownName, match="did you mean 'mup'"):
        EXPERIMENT.configure("smoke", parametrizations="mupp")
