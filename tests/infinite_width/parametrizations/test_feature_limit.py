"""The limit of two hidden layers in muP: finite networks tend to it, and its pieces are those of the mathematics."""

import pytest
import torch

from limitlab.errors import InvalidArgument
from limitlab.infinite_width import kernels, mlp
from limitlab.infinite_width.parametrizations.abc import parametrization
from limitlab.infinite_width.parametrizations.abc_mlp import ABCMLP
from limitlab.infinite_width.parametrizations.feature_limit import _WideMatrix, feature_limit
from limitlab.training import descent, fit, fixed

X = torch.nn.functional.normalize(
    torch.randn(4, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64), dim=1
)
Y = torch.tensor([0.5, -0.5, 0.5, -0.5], dtype=torch.float64)
STEPS = 8


def squared_error(network, batch):
    return {"loss": 0.5 * (network(batch["x"])[:, 0] - batch["y"]).square().sum()}


def finite_outputs(width, seed):
    network = ABCMLP(3, width, 1, parametrization("mup", 2), seed=seed, dtype=torch.float64)
    recipe = descent(squared_error, fixed(x=X, y=Y), STEPS, 1.0, groups=ABCMLP.groups)
    training = fit(network, recipe, device="cpu")
    start = network(X)[:, 0].detach()
    return torch.stack([start, *(network(X)[:, 0].detach() for _ in training)])


@pytest.fixture(scope="module")
def limit():
    return feature_limit(X, Y, steps=STEPS, samples=100_000)


def test_networks_of_width_4096_follow_the_limit(limit):
    # one network is off by its output at the start, about 0.01, which training enlarges: two are averaged
    mean = torch.stack([finite_outputs(4096, seed) for seed in (0, 1)]).mean(0)
    assert float((mean - limit.outputs).abs().max()) < 0.02


def test_networks_approach_the_limit_like_the_root_of_the_width(limit):
    errors = {
        width: torch.stack([(finite_outputs(width, seed) - limit.outputs).abs().amax() for seed in range(6)]).mean()
        for width in (128, 1024)
    }
    # the root of 8 is 2.8; the sampled limit itself is off by 0.004
    assert 1.7 < float(errors[128] / errors[1024]) < 5


def test_noise_of_the_sampler_is_half_a_percent(limit):
    other = feature_limit(X, Y, steps=STEPS, samples=100_000, seed=1)
    assert float((other.outputs - limit.outputs).abs().max()) < 0.012


def test_at_the_start_outputs_vanish_and_features_have_the_kernel_of_a_random_network():
    start = feature_limit(X, Y, steps=0, samples=400_000)
    assert float(start.outputs.abs().max()) < 5e-3
    assert torch.allclose(start.feature_kernel[0], kernels(mlp(2, "tanh"), X).nngp, atol=5e-3)


def test_features_move_in_training(limit):
    first, last = limit.feature_kernel[0], limit.feature_kernel[-1]
    assert float((last - first).norm() / first.norm()) > 0.2


def test_a_test_point_that_is_a_training_point_has_its_outputs():
    both = feature_limit(X, Y, X[:2], steps=3, samples=20_000)
    assert torch.allclose(both.outputs[:, :2], both.outputs[:, 4:], atol=1e-6)


@pytest.mark.parametrize(
    ("slope", "expected"),
    [(lambda h: 2 * h, lambda q: 4 * q + 4 * q), (lambda h: 3 * h**2, lambda q: 9 * 3 * q**2)],
    ids=["square: half of it is the correction", "cube: no correction"],
)
def test_transposed_product_of_what_the_matrix_made_has_the_known_size(slope, expected):
    size = 400_000
    generator = torch.Generator().manual_seed(3)
    x = 0.8 * torch.randn(1, size, generator=generator, dtype=torch.float64)
    q = float(x.square().mean())
    matrix = _WideMatrix(size, generator, x.device)
    back = matrix.transposed_times(slope(matrix.times(x)))
    assert float(back.square().mean()) == pytest.approx(expected(q), rel=0.02)


def test_products_with_one_vector_are_the_same_every_time():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 1000, generator=generator, dtype=torch.float64)
    matrix = _WideMatrix(1000, generator, x.device)
    first = matrix.times(x)
    assert torch.allclose(matrix.times(3 * x[:1] - x[1:]), 3 * first[:1] - first[1:], atol=1e-5)


def test_the_same_seed_gives_the_same_limit():
    one, other = (feature_limit(X, Y, steps=2, samples=1000, seed=5).outputs for _ in range(2))
    assert torch.equal(one, other)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"nonlinearity": "relu"}, "must be smooth"),
        ({"nonlinearity": "tanhh"}, "did you mean 'tanh'"),
        ({"samples": 1}, "samples"),
        ({"steps": -1}, "steps"),
        ({"rate": -1.0}, "rate"),
        ({"samples": 10**12}, "GiB are free"),
        ({"rate": 1e6, "nonlinearity": "gelu", "steps": 20}, "take a lower rate"),
    ],
)
def test_bad_input_gets_one_clear_error(change, message):
    with pytest.raises(InvalidArgument, match=message):
        feature_limit(X, Y, **{"samples": 1000, **change})


def test_targets_must_fit_the_points():
    with pytest.raises(InvalidArgument, match=r"got \(4, 3\) and \(3,\)"):
        feature_limit(X, Y[:3])
