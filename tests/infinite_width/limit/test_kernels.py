"""NNGP and NTK recursions: a second recursion, frozen values of another library, exact laws, finite networks, errors.

neural_tangents.npz holds kernels and predictions of neural-tangents 0.6.5 in float64 (weights sqrt(2), biases 0.1). It
needs jax 0.4.30, so they were made once.
"""

from pathlib import Path

import numpy as np
import pytest
import torch

from limitlab.errors import InvalidArgument
from limitlab.infinite_width import (
    Conv,
    Dense,
    Flatten,
    GlobalPool,
    LayerNorm,
    Network,
    activation,
    chain,
    empirical_ntk,
    kernel_function,
    kernels,
    mlp,
    parallel,
    residual,
)

DENSE = Dense(2.0, 0.01)
BLOCK = residual("relu", DENSE)


def convolutions(name, pooling, padding):
    conv = Conv(2.0, 0.01, 3, padding)
    tail = (
        (GlobalPool(), DENSE, "relu", DENSE)
        if (pooling, name) == ("pool", "relu")
        else (
            {"pool": GlobalPool(), "flatten": Flatten()}[pooling],
            DENSE,
        )
    )
    return chain(conv, name, conv, name, *tail)


ORACLES = {
    **{f"mlp_{name}": (mlp(2, name, 2.0, 0.01), "x") for name in ("relu", "erf", "abs", "gelu", "sin", "cos")},
    "mlp_leaky_relu": (mlp(2, "leaky_relu", 2.0, 0.01, slope=0.2), "x"),
    "residual": (chain(DENSE, BLOCK, BLOCK, "relu", DENSE), "x"),
    "layer_norm": (chain(DENSE, LayerNorm(1e-12), "relu", DENSE, LayerNorm(1e-12), "relu", DENSE), "x"),
    **{
        f"conv{dimension}_{pooling}_{padding}": (convolutions(name, pooling, padding), data)
        for dimension, name, data in (("2d", "relu", "images"), ("1d", "erf", "sequences"))
        for pooling in ("flatten", "pool")
        for padding in ("zeros", "periodic")
    },
}


@pytest.fixture(scope="module")
def oracle():
    with np.load(Path(__file__).parent / "neural_tangents.npz") as arrays:
        return {name: torch.from_numpy(arrays[name]) for name in arrays.files}


def points(count=12, features=5, seed=0):
    return torch.randn(count, features, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def relative(value, reference):
    return float((value - reference).abs().max() / reference.abs().max())


@pytest.mark.parametrize("name", ORACLES)
def test_kernels_are_those_of_neural_tangents(oracle, name):
    """To 1e-10, but 1e-8 on its diagonal for convolutions, where arccos near 1 costs it half of the digits."""
    architecture, data = ORACLES[name]
    ours = kernels(architecture, oracle[data], block=7)
    for kind in ("nngp", "ntk"):
        theirs = oracle[f"{name}_{kind}"]
        off_diagonal = ~torch.eye(len(theirs), dtype=torch.bool)
        assert relative(getattr(ours, kind)[off_diagonal], theirs[off_diagonal]) < 1e-10
        assert relative(getattr(ours, kind), theirs) < (1e-8 if name.startswith("conv2d") else 1e-10)


def recursion(x, hidden, dual, weight=2.0, bias=0.01):
    """The equations of the dense chain, once more: numpy, the whole matrix, no exact diagonal."""
    nngp = ntk = weight * x @ x.T / x.shape[1] + bias
    for _ in range(hidden):
        product, slopes = dual(nngp, np.sqrt(np.outer(nngp.diagonal(), nngp.diagonal())))
        nngp, slopes = weight * product + bias, weight * slopes
        ntk = nngp + ntk * slopes
    return nngp, ntk


def relu_dual(nngp, scale):
    angle = np.arccos(np.clip(nngp / scale, -1, 1))
    return scale * (np.sin(angle) + (np.pi - angle) * np.cos(angle)) / (2 * np.pi), (np.pi - angle) / (2 * np.pi)


def erf_dual(nngp, _scale):
    root = 1 + 2 * nngp.diagonal()
    q = np.outer(root, root)
    return 2 / np.pi * np.arcsin(2 * nngp / np.sqrt(q)), 4 / np.pi / np.sqrt(q - 4 * nngp**2)


@pytest.mark.parametrize("hidden", [1, 3, 6])
@pytest.mark.parametrize(("name", "dual"), [("relu", relu_dual), ("erf", erf_dual)])
def test_kernels_obey_the_recursion(name, dual, hidden):
    x = points(20)
    nngp, ntk = recursion(x.numpy(), hidden, dual)
    ours = kernels(mlp(hidden, name, 2.0, 0.01), x)
    off_diagonal = ~np.eye(20, dtype=bool)
    assert np.abs(ours.nngp.numpy() - nngp)[off_diagonal].max() < 1e-12
    assert np.abs(ours.ntk.numpy() - ntk)[off_diagonal].max() < 1e-12 * hidden**2


def test_relu_without_bias_keeps_variances_and_adds_them_up():
    """With weight variance 2, S(x, x) is the same in every layer and T(x, x) = (number of Dense layers) S(x, x)."""
    x = points(9)
    variance = 2 * x.square().mean(1)
    for hidden in (1, 2, 5, 20):
        ours = kernels(mlp(hidden, "relu", 2.0), x)
        assert relative(ours.nngp.diagonal(), variance) < 1e-12
        assert relative(ours.ntk.diagonal(), (hidden + 1) * variance) < 1e-12


def test_tangent_kernel_of_a_linear_network_is_the_number_of_layers_times_its_covariance():
    ours = kernels(mlp(4, "linear"), points())
    assert relative(ours.ntk, 5 * ours.nngp) < 1e-12


@pytest.mark.parametrize("name", ["relu", "erf", "tanh"])
def test_kernels_are_invariant_under_rotations_and_permutations(name):
    x, y = points(), points(7, seed=1)
    rotation, _ = torch.linalg.qr(points(5, seed=2))
    permutation = torch.randperm(5)
    reference = kernels(mlp(2, name, 2.0, 0.01), x, y).ntk
    assert relative(kernels(mlp(2, name, 2.0, 0.01), x @ rotation, y @ rotation).ntk, reference) < 1e-12
    assert relative(kernels(mlp(2, name, 2.0, 0.01), x[:, permutation], y[:, permutation]).ntk, reference) < 1e-12


@pytest.mark.parametrize("name", ["relu", "erf", "tanh", "gelu"])
def test_kernels_are_symmetric_and_positive_semidefinite(name):
    x = torch.cat([points(20), points(3), -points(2)])
    for kernel in vars(kernels(mlp(3, name, 2.0, 0.0), x)).values():
        assert torch.equal(kernel, kernel.T)
        eigenvalues = torch.linalg.eigvalsh(kernel)
        assert eigenvalues[0] > -1e-10 * eigenvalues[-1]


def test_blocks_change_nothing():
    """1e-14: sums of another order. Between two sets of points as among one, away from equal points."""
    x, y = points(11), points(6, seed=3)
    architecture = mlp(2, "gelu", 1.5, 0.1)
    for one, other in ((x, None), (x, y)):
        assert relative(kernels(architecture, one, other, block=4).ntk, kernels(architecture, one, other).ntk) < 1e-14
    both = kernels(architecture, torch.cat([x, y])).ntk
    assert relative(both[:11, 11:], kernels(architecture, x, y).ntk) < 1e-14


def test_periodic_convolution_does_not_see_translations():
    images = torch.randn(3, 2, 5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    conv = Conv(2.0, 0.1, 3, "periodic")
    moved = torch.cat([images[:1].roll((2, -1), (2, 3)), images[1:]])
    pooled, flat = (chain(conv, "relu", conv, "erf", end, Dense()) for end in (GlobalPool(), Flatten()))
    assert relative(kernels(pooled, moved).ntk, kernels(pooled, images).ntk) < 1e-12
    assert relative(kernels(flat, moved).ntk, kernels(flat, images).ntk) > 1e-2


def test_convolution_of_one_tap_on_one_point_is_dense():
    x = points()
    dense, conv = mlp(2, "erf", 1.7, 0.3), Conv(1.7, 0.3, 1)
    on_grid = chain(conv, "erf", conv, "erf", Flatten(), Dense(1.7, 0.3))
    assert relative(kernels(on_grid, x[:, :, None]).ntk, kernels(dense, x).ntk) < 1e-14


def test_sum_of_independent_branches_adds_their_kernels():
    x = points()
    one, two = ("relu", Dense(1.0, 0.1)), ("erf", Dense(0.5))
    first = chain(DENSE, *one)
    second = chain(DENSE, *two)
    both = kernels(chain(DENSE, parallel(one, two)), x)
    assert relative(both.ntk, kernels(first, x).ntk + kernels(second, x).ntk) < 1e-14


SHAPES = {
    "dense": (mlp(2, "tanh", 1.5, 0.1), (5,)),
    "residual": (chain(DENSE, residual("relu", DENSE), LayerNorm(), "gelu", DENSE), (5,)),
    "conv1d": (chain(Conv(1.5, 0.1), "erf", Conv(1.5, 0.1, 3, "periodic"), "relu", Flatten(), DENSE), (3, 6)),
    "conv2d": (chain(Conv(1.5, 0.1), "relu", GlobalPool(), DENSE, "erf", DENSE), (2, 4, 3)),
}


@pytest.mark.parametrize("name", SHAPES)
def test_finite_network_tends_to_the_kernel_like_one_over_root_width(name):
    """Mean over seeds of |K_n - K|/|K|: from width 32 to 512 it falls fourfold, here by 2.5 to 6.5."""
    architecture, shape = SHAPES[name]
    x = torch.randn(5, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    limit = kernels(architecture, x).ntk
    errors = [
        np.mean(
            [
                float(
                    (empirical_ntk(Network(architecture, shape, width, seed=seed), x, outputs="trace") - limit).norm()
                )
                for seed in range(8)
            ]
        )
        for width in (32, 512)
    ]
    assert 2.5 < errors[0] / errors[1] < 6.5


def test_empirical_error_times_root_width_stays_in_its_band():
    """[1.5, 6] at widths 64, 256, 1024, for relu and erf on 20 Gaussian inputs; the mean over three seeds."""
    x = points(20)
    for name in ("relu", "erf"):
        architecture = mlp(2, name, 2.0, 0.01)
        limit = kernels(architecture, x).ntk
        for width in (64, 256, 1024):
            own = [empirical_ntk(Network(architecture, 5, width, seed=s), x, outputs="trace") for s in range(3)]
            error = np.mean([float((k - limit).norm() / limit.norm()) for k in own])
            assert 1.5 < error * width**0.5 < 6


def test_kernels_can_be_differentiated_in_the_data():
    x = points(3, 2).requires_grad_()
    architecture = mlp(2, "tanh", 1.5, 0.1)
    assert torch.autograd.gradcheck(lambda data: kernels(architecture, data, points(2, 2, seed=1)).ntk, (x,))


BAD_CALLS = {
    "x1 must be a real tensor": lambda: kernels(mlp(1), [[1.0]]),
    "x1 must be a real tensor .*, got torch.int64": lambda: kernels(mlp(1), torch.ones(2, 2, dtype=torch.int64)),
    "x1 has no points": lambda: kernels(mlp(1), torch.ones(0, 2)),
    "x1 must be finite": lambda: kernels(mlp(1), torch.full((2, 2), torch.nan)),
    "must have points of one shape": lambda: kernels(mlp(1), points(), points(3, 4)),
    "Dense on a grid needs Flatten": lambda: kernels(mlp(1), torch.ones(2, 3, 4)),
    "Conv needs points of shape": lambda: kernels(chain(Conv(), "relu", Flatten(), Dense()), points()),
    "leaves the grid as it is": lambda: kernels(chain(Conv()), torch.ones(2, 3, 4)),
    "the kernel overflows float64": lambda: kernels(mlp(3, activation("exp", scale=9.0)), 30 * points()),
    "a kernel between 300000 and 300000 points needs 1.34e.03 GiB": lambda: kernels(mlp(1), torch.ones(300_000, 1)),
    "12 points needs .* but 9.31e-07 GiB are free": lambda: kernels(mlp(1), points(), memory_limit=1000),
    "weight_variance of Dense must be a number >= 0; got -1": lambda: Dense(-1.0),
    "bias_variance of Conv must be a number >= 0": lambda: Conv(1.0, -0.1),
    "size of a Conv must be odd; got 2": lambda: Conv(size=2),
    "unknown padding 'periodik'; did you mean 'periodic'": lambda: Conv(padding="periodik"),
    "unknown activation 'taanh'; did you mean 'tanh'": lambda: mlp(2, "taanh"),
    "hidden must be a whole number >= 0": lambda: mlp(-1),
    "layer 1, relu, must come after Dense or Conv": lambda: chain("relu", Dense()),
    "layer 3, erf, must come after Dense or Conv": lambda: chain(Dense(), "relu", "erf"),
    "layer 3, LayerNorm, must come after Dense or Conv": lambda: chain(Dense(), "relu", LayerNorm()),
    "layer 3, relu, comes after Flatten": lambda: chain(Conv(), Flatten(), "relu"),
    "unknown kind of kernel 'ntkk'; did you mean 'ntk'": lambda: kernel_function(mlp(1, "erf"), "ntkk"),
    "layer 1, Sum, must come after Dense or Conv": lambda: chain(residual("relu", Dense())),
    "all but one ending in Dense or Conv": lambda: chain(Dense(), residual("relu")),
    "a layer must be Dense, Conv ... or, in chain": lambda: chain(Dense(), 3),
}


@pytest.mark.parametrize("message", BAD_CALLS)
def test_bad_input_is_named(message):
    with pytest.raises(InvalidArgument, match=message):
        BAD_CALLS[message]()
