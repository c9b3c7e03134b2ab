"""Wide networks on the circle at a reduced size: twelve points, two hidden relu layers, the laws of the width."""

import math

import numpy as np
import pytest
import torch

from limitlab import experiments
from limitlab.errors import InvalidArgument
from limitlab.experiments.infinite_width import ntk_circle
from limitlab.infinite_width import Network, decay_fit, empirical_ntk, kernel_regression, kernels, slope

WIDTHS, SEEDS, STEPS = (32, 128, 512), 6, 200


@pytest.fixture(scope="module")
def circle():
    experiment = experiments.get("ntk_circle")
    settings = experiment.configure("smoke", widths=WIDTHS, seeds=SEEDS, steps=STEPS, records=16)
    return experiment.train(settings).finish()


@pytest.fixture(scope="module")
def networks(circle):
    return circle.grid("width")


def test_the_limit_is_gradient_descent_on_outputs(circle):
    """f <- f - eta K (f - y) from f = 0, written out for training and test points together: to 1e-10."""
    study, task = circle.data.study, circle.data.task
    kernel = kernels(study.architecture, torch.cat([task.x, task.x_test])).ntk[:, :12]
    outputs = torch.zeros(len(kernel), dtype=torch.float64)
    for _ in range(STEPS):
        outputs = outputs - study.rate * kernel @ (outputs[:12] - task.y)
    predicted = circle.metrics["prediction"].sel(model="ntk").isel(seed=0).values
    np.testing.assert_allclose(predicted, outputs[12:].numpy(), atol=1e-10)


def test_the_last_layer_baseline_is_regression_with_the_covariance(circle):
    study = circle.data.study
    covariance, cross, _ = study.block("nngp")
    predicted = circle.metrics["prediction"].sel(model="nngp").isel(seed=0).values
    np.testing.assert_allclose(predicted, kernel_regression(covariance, study.y, cross, 0.0).numpy(), atol=1e-8)


def test_networks_descend_on_half_the_squared_error_and_their_modes_are_logged(circle, networks):
    """w <- w - eta grad, written out: outputs, and the residual along the eigenvectors of K_0 after every step."""
    study, task = circle.data.study, circle.data.task
    network = Network(study.architecture, 2, 32, seed=1)
    _, vectors = torch.linalg.eigh(empirical_ntk(network, task.x, outputs="trace"))
    modes = ntk_circle.modes_of(circle)["residual"].sel(width=32, seed=1)
    weights = list(network.parameters())
    for step in range(STEPS + 1):
        residual = network(task.x)[:, 0] - task.y
        if step in modes["step"]:
            along = (vectors.T @ residual.detach()).flip(0)[:6]
            np.testing.assert_allclose(abs(modes.sel(step=step)), along.abs(), atol=1e-10)
        if step < STEPS:
            gradients = torch.autograd.grad(0.5 * residual.square().sum(), weights)
            with torch.no_grad():
                for weight, gradient in zip(weights, gradients, strict=True):
                    weight -= study.rate * gradient
    prediction = networks["prediction"].sel(width=32, seed=1)
    np.testing.assert_allclose(prediction, network(task.x_test)[:, 0].detach(), atol=1e-10)


def test_kernel_drifts_like_one_over_width(networks):
    """Exponent in [-1.3, -0.7]."""
    assert -1.3 < slope(WIDTHS, networks["drift"].mean("seed").values) < -0.7


def test_network_leaves_its_twin_like_one_over_root_width(networks):
    """Exponent in [-0.9, -0.35] at the test points; near zero at the training points, which both of them fit."""
    assert -0.9 < slope(WIDTHS, networks["deviation"].mean("seed").values) < -0.35
    assert networks["deviation_train"].sel(width=512).max() < 0.01


def test_kernel_at_the_start_errs_like_one_over_root_width(networks):
    """Error times root of width in [1.5, 6], exponent -1/2 +- 0.15."""
    error = networks["kernel_error"].mean("seed")
    assert ((error * np.sqrt(networks["width"]) > 1.5) & (error * np.sqrt(networks["width"]) < 6)).all()
    assert slope(WIDTHS, error.values) == pytest.approx(-0.5, abs=0.15)


def test_modes_die_along_predicted_lines_when_wide_and_off_them_when_narrow(circle):
    """R^2 of the six leading modes, the median of the seeds: above 0.98 at width 512, below 0.95 at 32."""
    fit = decay_fit(ntk_circle.modes_of(circle)).median("seed")
    assert fit.sel(width=512) > 0.98
    assert fit.sel(width=32) < 0.95


def test_regression_with_the_limit_lies_within_the_band_of_the_networks(circle, networks):
    """|mean over seeds - mean of the limit| <= 3 std/sqrt(seeds) + 0.05, at every test point of the widest networks."""
    widest = networks["prediction"].sel(width=512)
    band = 3 * widest.std("seed", ddof=1) / math.sqrt(SEEDS) + 0.05
    assert (abs(widest.mean("seed") - circle.data.limit["mean"].isel(step=-1).values) <= band).all()


def test_wide_networks_are_nearer_to_their_limit(networks):
    distance = networks["distance"].mean("seed")
    assert distance.sel(width=512) < 0.6 * distance.sel(width=32)


def test_training_points_are_fitted(networks):
    assert float(networks["residual"].max()) < 0.05


def test_modes_that_died_before_the_first_record_are_refused(circle):
    late = ntk_circle.modes_of(circle).sel(step=[0, STEPS])
    with pytest.raises(InvalidArgument, match="record earlier steps"):
        decay_fit(late)


def test_the_slices_are_a_row_of_the_kernel(circle):
    """Before training, that of a fresh network; the limit is even in the angle, which no network is."""
    slices, limit = ntk_circle.slices(circle, 32)
    task = circle.data.task
    network = Network(circle.data.study.architecture, 2, 32, seed=2)
    row = empirical_ntk(network, task.x_test, task.x[:1], outputs="trace")[:, 0]
    np.testing.assert_allclose(slices.sel(case="width 32, start", seed=2), row, atol=1e-10)
    np.testing.assert_allclose(limit[1:], limit[:0:-1], atol=1e-10)


def test_every_figure_is_drawn(circle):
    assert set(circle.figures()) == {"training", "functions", "modes", "laws"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"widths": (8, 8)}, "widths must hold different entries"),
        ({"modes": 20, "points": 12}, "modes must be <= points"),
        ({"activation": "rellu"}, "did you mean 'relu'"),
        ({"target": "sin 4θ"}, "did you mean 'sin 3θ'"),
        ({"widths": (0,)}, "widths"),
    ],
)
def test_bad_settings_get_one_clear_error(options, message):
    with pytest.raises(InvalidArgument, match=message):
        experiments.get("ntk_circle").configure("smoke", **options)
