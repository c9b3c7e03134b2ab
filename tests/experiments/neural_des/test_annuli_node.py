"""Plain and augmented flows at smoke size: the bound of the line holds, and one dimension more breaks it."""

import numpy as np
import pytest
import torch
from scipy.optimize import isotonic_regression

from limitlab import experiments
from limitlab.errors import InvalidArgument, UnknownName
from limitlab.experiments.neural_des.annuli_node import Flow, leak, points_of


@pytest.fixture(scope="module")
def result():
    experiment = experiments.get("annuli_node")
    return experiment.train(experiment.configure("smoke", seeds=1)).finish()


def test_the_bound_on_a_line_is_that_of_isotonic_regression(result):
    """The best increasing fit to -x by another method is its mean."""
    x = np.sort(result.data.seen["reflection"][:, 0].double().numpy())
    fitted = isotonic_regression(-x).x
    assert np.square(fitted + x).mean() == pytest.approx(x.var())


def test_a_plain_flow_keeps_the_bound_and_an_augmented_one_falls_below(result):
    ratio = result.grid("task", "extra")["mse_over_variance"].sel(task="reflection").isel(seed=0)
    assert float(ratio.sel(extra=0)) >= 0.999
    assert float(ratio.sel(extra=1)) < 0.1


def test_one_dimension_more_separates_the_annuli(result):
    accuracy = result.grid("task", "extra")["accuracy"].sel(task="annuli").isel(seed=0)
    assert float(accuracy.sel(extra=1)) >= 0.98
    leak = result.grid("task", "extra")["leak"].sel(task="annuli").isel(seed=0)
    assert float(leak.sel(extra=0)) > 0
    assert float(leak.sel(extra=1)) < float(leak.sel(extra=0))


def test_no_plain_flow_keeps_the_circle_off_the_side_of_its_centre():
    """Whatever its weights; the identity with a line far away keeps all of it there."""
    settings = experiments.get("annuli_node").configure("smoke")
    for seed in range(6):
        model = Flow("annuli", 0, width=settings.width, depth=settings.depth, tolerance=settings.tolerance, seed=seed)
        with torch.no_grad():
            for parameter in model.flow.parameters():
                parameter.mul_(3.0)
            assert leak(model, torch.device("cpu")) > 0


def test_every_trained_plain_flow_keeps_the_order_of_the_line(result):
    (plain,) = (m for (name, _), m in result.models.items() if name == "reflection/extra-0")
    x = result.data.seen["reflection"].sort(0).values
    with torch.no_grad():
        assert (plain(x).diff() > -1e-4).all()


def test_field_calls_are_logged_while_training(result):
    calls = result.curves["field_calls"]
    assert calls.attrs["kind"] == "metric"
    assert (calls.dropna("step") >= 7).all()
    assert set(result.figures()) == {"training", "field_calls"}


def test_points_come_from_the_seed_and_those_to_measure_on_are_others():
    experiment = experiments.get("annuli_node")
    points, again = (points_of(experiment.configure("smoke")) for _ in range(2))
    other = points_of(experiment.configure("smoke", seed=1))
    assert points.unseen.equal(again.unseen)
    assert not points.seen["annuli"].equal(points.unseen)
    assert not points.unseen.equal(other.seen["annuli"])


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"extra": (1, 1)}, InvalidArgument, "extra must hold different entries"),
        ({"extra": (6,)}, InvalidArgument, "extra must be a whole number >= 0 <= 5"),
        ({"tasks": ("spirals",)}, UnknownName, "annuli"),
    ],
)
def test_bad_settings_get_one_clear_error(options, error, message):
    with pytest.raises(error, match=message):
        experiments.get("annuli_node").configure("smoke", **options)
