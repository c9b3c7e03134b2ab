"""The linear limit of muP is a finite network, exactly; networks and samples of it tend to it like width^(-1/2)."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from limitlab.errors import LimitlabError
from limitlab.infinite_width import LinearLimit, LinearNetwork, descend, linear_convergence, relative_distance
from limitlab.infinite_width.finite.width_study import slope
from limitlab.training import descent, fit, fixed

D, OUT = 6, 3
DOUBLE = {"dtype": torch.float64}
GENERATOR = torch.Generator().manual_seed(0)
X = torch.randn(64, D, generator=GENERATOR, **DOUBLE)
Y = X @ torch.randn(D, OUT, generator=GENERATOR, **DOUBLE) / math.sqrt(D)


def squared_error(network, batch):
    return {"loss": 0.5 * (network(batch["x"]) - batch["y"]).square().sum(1).mean()}


def trained(network, steps=40, rate=0.1, **options):
    recipe = descent(squared_error, fixed(x=X, y=Y), steps, rate)
    for _ in fit(network, replace(recipe, **options), device="cpu"):
        pass
    return network


def orthonormal_network(width, bias=0.0):
    """Columns of U_0 and of V_0' orthonormal at a finite width, as they are at infinite width."""
    network = LinearNetwork(D, OUT, width, bias=bias, **DOUBLE)
    basis = torch.linalg.qr(torch.randn(width, D + OUT, generator=torch.Generator().manual_seed(1), **DOUBLE))[0]
    network.u.data, network.v.data = basis[:, :D].clone(), basis[:, D:].T.clone()
    return network


@pytest.mark.parametrize("options", [{}, {"weight_decay": 0.1, "clip": 0.3}], ids=["sgd", "decay and clipping"])
@pytest.mark.parametrize("width", [D + OUT, 40])
def test_a_network_with_orthonormal_columns_is_the_limit_exactly(width, options):
    limit, network = (
        trained(n, **options) for n in (LinearLimit(D, OUT, bias=0.7, **DOUBLE), orthonormal_network(width, 0.7))
    )
    with torch.no_grad():
        difference = (network(X) - limit(X)).abs().max()
    assert float(difference) < 1e-12


def test_adam_is_not_linear_in_the_weights_and_has_another_limit():
    limit, network = (
        trained(n, optimizer="adam") for n in (LinearLimit(D, OUT, **DOUBLE), orthonormal_network(D + OUT))
    )
    with torch.no_grad():
        difference = (network(X) - limit(X)).abs().max()
    assert float(difference) > 1e-3


def test_a_gradient_step_is_the_written_one():
    """dV = chi h', dU = V' chi x', db = alpha V' chi, with chi = (f - y)/n and h = U x + alpha b."""
    network = trained(LinearLimit(D, OUT, bias=0.7, **DOUBLE), steps=3)
    u, v, b = (p.detach().clone() for p in (network.u, network.v, network.b))
    hidden = X @ u.T + 0.7 * b
    chi = (hidden @ v.T - Y) / len(X)
    trained(network, steps=1)
    assert torch.allclose(network.v, v - 0.1 * chi.T @ hidden, rtol=0, atol=1e-12)
    assert torch.allclose(network.u, u - 0.1 * v.T @ chi.T @ X, rtol=0, atol=1e-12)
    assert torch.allclose(network.b, b - 0.1 * 0.7 * v.T @ chi.sum(0), rtol=0, atol=1e-12)


def test_without_an_initial_readout_its_columns_can_be_dropped():
    small = LinearLimit(D, OUT, sigma_2=0.0, bias=0.5, **DOUBLE)
    large = LinearLimit(D, OUT, bias=0.5, **DOUBLE)
    large.v.data.zero_()
    assert len(small.u) == D
    assert len(large.u) == D + OUT
    assert torch.allclose(trained(small)(X), trained(large)(X), rtol=0, atol=1e-12)


def test_trained_networks_approach_the_limit_like_a_tenth_of_the_root_of_the_width():
    distance = linear_convergence(X, Y, [64, 256, 1024, 4096], seeds=range(4))["distance"].mean("seed")
    assert slope(distance["width"].values, distance.values) == pytest.approx(-0.5, abs=0.15)
    scaled = distance * np.sqrt(distance["width"])
    assert bool(((scaled > 0.03) & (scaled < 0.3)).all())


def test_distances_are_those_of_the_seeds_that_were_asked_for():
    every = linear_convergence(X, Y, [64], seeds=(0, 7))["distance"]
    assert every["seed"].values.tolist() == [0, 7]
    assert float(linear_convergence(X, Y, [64], seeds=(7,))["distance"].item()) == float(every.sel(seed=7).item())
    assert float(every.sel(seed=0).item()) != float(every.sel(seed=7).item())


@pytest.mark.parametrize("bias", [0.0, 1.0])
def test_samples_of_a_trained_limit_err_by_the_variance_of_a_wishart_matrix(bias):
    """E (v'(omega' omega - I) h)^2 = (|v|^2 |h|^2 + (v'h)^2)/n for a row v of V and h = U x + alpha b."""
    limit = trained(LinearLimit(D, OUT, bias=bias, **DOUBLE)).requires_grad_(False)
    hidden = X @ limit.u.T + (bias * limit.b if bias else 0.0)
    size = hidden.square().sum(1, keepdim=True) * limit.v.square().sum(1) + limit(X).square()
    for width in (64, 1024, 16384):
        errors = torch.stack([limit.sample(width, seed)(X) - limit(X) for seed in range(10)])
        assert float(errors.square().mean() * width / size.mean()) == pytest.approx(1, abs=0.35)


def test_samples_at_inputs_of_length_one_third_err_by_less_than_the_root_of_the_width():
    limit = trained(LinearLimit(D, OUT, **DOUBLE)).requires_grad_(False)
    x = torch.nn.functional.normalize(X) / 3
    for width in (16, 256, 4096):
        errors = torch.stack([limit.sample(width, seed)(x) - limit(x) for seed in range(4)])
        assert 0.03 < float(errors.square().mean().sqrt()) * math.sqrt(width) < 1


def test_a_sample_of_an_untrained_limit_has_the_law_of_a_network():
    limit = LinearLimit(D, OUT, sigma_1=0.5, sigma_2=2.0, **DOUBLE).requires_grad_(False)
    sample = limit.sample(20_000)
    assert type(sample) is LinearNetwork
    sample = sample.requires_grad_(False)
    assert float(sample.u.std()) * math.sqrt(20_000) == pytest.approx(0.5, rel=0.02)
    assert float(sample.v.std()) * math.sqrt(20_000) == pytest.approx(2.0, rel=0.02)
    assert torch.equal(limit.sample(10, seed=3).u, limit.sample(10, seed=3).u)


def test_training_goes_on_from_a_sample_as_from_the_limit():
    limit = trained(LinearLimit(D, OUT, **DOUBLE), steps=10, rate=0.05)
    sample = limit.sample(16384)
    assert relative_distance(trained(sample, steps=10, rate=0.05), trained(limit, steps=10, rate=0.05), X) < 0.03


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: LinearNetwork(D, OUT, 0), "width must be a whole number >= 1"),
        (lambda: LinearNetwork(0, OUT, 4), "inputs must be"),
        (lambda: LinearLimit(D, 0), "outputs must be"),
        (lambda: LinearLimit(D, OUT, sigma_1=-1.0), "sigma_1 must be a number >= 0"),
        (lambda: LinearLimit(D, OUT, bias=-1.0), "bias must be a number >= 0"),
        (lambda: LinearLimit(D, OUT).sample(0), "width must be"),
        (lambda: LinearLimit(D, OUT)(torch.zeros(2, D + 1)), r"x must have shape \(..., 6\); got \(2, 7\)"),
        (
            lambda: relative_distance(LinearLimit(D, OUT), LinearLimit(D, OUT, sigma_2=0.0), X.float()),
            "outputs are zero",
        ),
        (lambda: linear_convergence(X, Y, []), "widths and seeds must not be empty"),
        (lambda: linear_convergence(X, Y, [4], seeds=()), "widths and seeds must not be empty"),
        (lambda: linear_convergence(X, Y[:5], [4]), "x and y must have as many points"),
        (lambda: linear_convergence(X, Y, [4], rate=1e4), "diverged"),
    ],
)
def test_bad_input_gets_one_clear_error(call, message):
    with pytest.raises(LimitlabError, match=message):
        call()


def test_full_batch_descent_of_the_library_is_the_training_here():
    """descend's mean is over points and outputs, so that its rate is outputs times as high."""
    one, other = LinearLimit(D, OUT, **DOUBLE), LinearLimit(D, OUT, **DOUBLE)
    for _ in descend(one, X, Y, rate=0.1 * OUT, steps=5, loss="mean"):
        pass
    assert torch.allclose(one(X), trained(other, steps=5)(X), rtol=0, atol=1e-12)
