"""The experiments of the tangent kernel at smoke size: what must hold at any size does."""

import numpy as np
import pytest
import torch
import xarray as xr

from limitlab import experiments
from limitlab.errors import InvalidArgument
from limitlab.experiments.infinite_width import ntk_circle, ntk_pinn
from limitlab.infinite_width import KernelDynamics, decay_fit, kernel_regression, width_study


@pytest.fixture(scope="module")
def circle():
    experiment = experiments.get("ntk_circle")
    return experiment.train(experiment.configure("smoke", widths=(16, 128), steps=60)).finish()


@pytest.fixture(scope="module")
def pinn():
    experiment = experiments.get("ntk_pinn")
    return experiment.train(experiment.configure("smoke", frequencies=(1,))).finish()


def test_the_limit_of_the_circle_is_the_closed_form_of_gradient_descent(circle):
    study = circle.prepared.data.study
    kernel, cross, _ = study.block("ntk")
    dynamics = KernelDynamics(kernel, study.y, law="discrete", rate=study.rate)
    predicted = circle.metrics["prediction"].sel(model="ntk").isel(seed=0).values
    np.testing.assert_allclose(predicted, dynamics.elsewhere(cross)(60.0).numpy(), atol=1e-12)


def test_the_last_layer_baseline_is_regression_with_the_covariance(circle):
    study = circle.prepared.data.study
    covariance, cross, _ = study.block("nngp")
    predicted = circle.metrics["prediction"].sel(model="nngp").isel(seed=0).values
    np.testing.assert_allclose(predicted, kernel_regression(covariance, study.y, cross, 0.0).numpy(), atol=1e-8)


def test_experiment_and_width_study_give_the_same_networks(circle):
    """Trained by the experiment or by `width_study`: the same outputs, drift and residual, to rounding."""
    study = circle.prepared.data.study
    runs = width_study(study.architecture, study.x, study.y, study.x_test, widths=(16,), seeds=2, steps=60)
    ours = ntk_circle.by_width(circle).sel(width=16)
    last = runs.isel(width=0, step=-1)
    np.testing.assert_allclose(ours["prediction"], last["network"], atol=1e-12)
    np.testing.assert_allclose(ours["linearized"], last["linearized"], atol=1e-12)
    np.testing.assert_allclose(ours["drift"], last["drift"], rtol=1e-10)
    modes = ntk_circle.modes_of(circle).sel(width=16)
    np.testing.assert_allclose(modes["residual"].isel(step=-1), last["residual"].isel(mode=slice(6)), atol=1e-12)
    np.testing.assert_allclose(
        modes["residual"].isel(step=0), runs.residual.isel(width=0, step=0, mode=slice(6)), atol=1e-12
    )


def test_every_wider_network_keeps_to_the_predicted_lines_better_than_any_narrow_one(circle):
    fit = decay_fit(ntk_circle.modes_of(circle))
    assert bool(np.isfinite(fit).all())
    assert float(fit.sel(width=128).min()) > float(fit.sel(width=16).max())


def test_modes_that_died_before_the_first_record_are_refused(circle):
    late = ntk_circle.modes_of(circle).sel(step=[0, 60])
    with pytest.raises(InvalidArgument, match="record earlier steps"):
        decay_fit(late)


def test_wider_networks_stay_nearer_to_their_linearised_twin(circle):
    study = ntk_circle.by_width(circle).mean("seed")
    for name in ("drift", "kernel_error", "deviation"):
        assert float(study[name].sel(width=128)) < float(study[name].sel(width=16))


def test_every_figure_of_the_experiments_is_drawn(circle, pinn):
    assert set(circle.figures()) == {"training", "functions", "modes", "laws"}
    assert set(pinn.figures()) == {"training", "spectra", "solutions"}


def test_weights_of_the_loss_even_out_the_traces_of_the_kernel(pinn):
    data = pinn.prepared.data
    model = pinn.models["a-1/weighted", 0]
    model.balance(data.interior, data.boundary)
    kernel = ntk_pinn.empirical_pinn_kernel(model.network, data.interior, data.boundary)
    weighted = kernel.weighted(float(model.boundary_weight), float(model.interior_weight))
    assert float(weighted.boundary.trace()) == pytest.approx(float(weighted.interior.trace()), rel=1e-9)
    assert float(pinn.models["a-1/plain", 0].interior_weight) == 1.0


def test_second_derivative_is_that_of_automatic_differentiation(pinn):
    model, x = pinn.models["a-1/plain", 0], torch.tensor([[0.2], [0.7]], dtype=torch.float64)
    nested = [torch.func.hessian(lambda z: model(z[None])[0, 0])(point)[0, 0] for point in x]
    assert torch.allclose(model.second_derivative(x)[:, 0], torch.stack(nested), atol=1e-10)


def test_a_killed_training_with_weights_goes_on_as_if_it_was_not(pinn, tmp_path):
    experiment = experiments.get("ntk_pinn")
    settings = experiment.configure("smoke", frequencies=(1,))
    training = experiment.train(settings, tmp_path / "run")
    for _ in range(67):  # in the middle of the weighted network, between two looks at its kernel
        next(training)
    training.close()
    resumed = experiment.train(settings, tmp_path / "run", resume=True).finish()
    xr.testing.assert_equal(resumed.metrics["relative_l2"], pinn.metrics["relative_l2"])


def test_the_exact_solution_solves_the_equation_of_the_loss():
    """sin(a pi x) has no residual: the loss of a network that is it would be zero."""
    x = torch.linspace(0.02, 0.98, 20, dtype=torch.float64)[:, None]
    wave = 4 * np.pi
    one = torch.ones_like(x)
    second = torch.func.jvp(lambda z: torch.func.jvp(lambda v: torch.sin(wave * v), (z,), (one,))[1], (x,), (one,))[1]
    assert float((second + wave**2 * torch.sin(wave * x)).abs().max()) < 1e-10


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("ntk_circle", {"widths": (8, 8)}, "widths must hold different numbers"),
        ("ntk_circle", {"modes": 20, "points": 12}, "modes must be <= points"),
        ("ntk_circle", {"activation": "rellu"}, "did you mean 'relu'"),
        ("ntk_circle", {"widths": (0,)}, "widths"),
        ("ntk_digits", {"models": ()}, "models must not be empty"),
        ("ntk_digits", {"activation": "rellu"}, "did you mean 'relu'"),
        ("ntk_pinn", {"activation": "relu"}, "activation"),
        ("ntk_pinn", {"frequencies": ()}, "frequencies must hold different numbers"),
    ],
)
def test_bad_settings_get_one_clear_error(name, options, message):
    with pytest.raises(InvalidArgument, match=message):
        experiments.get(name).configure("smoke", **options)


@pytest.fixture(scope="module")
def digits():
    experiment = experiments.get("ntk_digits")
    return experiment.train(experiment.configure("smoke", train_samples=400)).finish()


def test_wide_networks_read_digits_better_than_a_linear_map(digits):
    accuracy = digits.metrics["accuracy"].isel(seed=0)
    assert float(accuracy.sel(model="ntk")) > 0.95
    assert float(accuracy.sel(model="ntk")) > float(accuracy.sel(model="ridge")) + 0.02


def test_answers_are_those_of_kernel_regression_and_count_every_test_image(digits):
    model = digits.models["ntk", 0]
    split = model.split
    targets = torch.nn.functional.one_hot(split.train_classes, 10).double() - 0.1
    matrix = model.kernel(split.train, split.train)
    outputs = kernel_regression(matrix, targets, model.kernel(split.test, split.train), model.ridge)
    assert torch.allclose(model(split.test), outputs, atol=1e-8)
    answers = digits.metrics["answers"]
    assert int(answers.sum()) == 4 * len(split.test)
    np.testing.assert_array_equal(
        answers.sel(model="ntk").isel(seed=0).sum("answered"), np.bincount(split.test_classes, minlength=10)
    )


def test_training_and_test_images_never_meet(digits):
    split = digits.models["ntk", 0].split
    assert len(split.train) + len(split.test) == 1797
    assert float(torch.cdist(split.train, split.test).min()) > 0


def test_the_mistakes_are_drawn(digits):
    assert set(digits.figures()) == {"mistakes"}
