"""Finite networks: their law at the start, and the two parametrisations of one function."""

import math

import pytest
import torch
from torch import nn

from limitlab.errors import InvalidArgument
from limitlab.infinite_width import (
    Conv,
    Dense,
    Flatten,
    GlobalPool,
    LayerNorm,
    Network,
    chain,
    kernels,
    load_standard,
    mlp,
    residual,
    standard_learning_rates,
    to_standard,
)

ARCHITECTURES = {
    "mlp": (mlp(2, "erf", 2.0, 0.1), (4,)),
    "residual": (chain(Dense(1.5, 0.1), residual("tanh", Dense(1.0, 0.2)), LayerNorm(), "relu", Dense()), (4,)),
    "conv": (chain(Conv(1.5, 0.1, 3, "periodic"), "relu", Conv(1.0), "erf", Flatten(), Dense(2.0, 0.3)), (2, 5)),
    "pool": (chain(Conv(1.5, 0.1), "relu", GlobalPool(), Dense(2.0)), (2, 4, 3)),
}


def data(shape, count=6):
    return torch.randn(count, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def test_outputs_have_the_covariance_of_the_limit():
    """f(x) f(x') over 100 outputs of each of 100 seeds: 4 standard errors, about 5 %, hide the bias of order 1/n."""
    architecture, x = mlp(2, "relu", 2.0, 0.1), data((4,), 3)
    with torch.no_grad():
        f = torch.stack([Network(architecture, 4, 128, 100, seed=seed)(x) for seed in range(100)])
    sampled = f @ f.mT / f.shape[2]
    error = sampled.std(0) / math.sqrt(len(sampled))
    assert ((sampled.mean(0) - kernels(architecture, x).nngp).abs() < 4 * error).all()


def test_same_seed_same_network():
    first, second, other = (Network(mlp(1), 3, 8, seed=seed)(data((3,))) for seed in (0, 0, 1))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_standard_twin_is_the_same_function(name):
    architecture, shape = ARCHITECTURES[name]
    network, x = Network(architecture, shape, 16, 3), data(shape)
    twin = to_standard(network)
    kinds = {type(module) for module in twin.modules()}
    assert kinds & {nn.Linear, nn.Conv1d, nn.Conv2d}
    assert (twin(x) - network(x)).abs().max() < 1e-12


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_standard_rates_repeat_the_training(name):
    """Gradient descent of rate eta on the network, and of eta s_w^2/n and eta s_b^2 on its twin, layer by layer."""
    architecture, shape = ARCHITECTURES[name]
    network, x, y = Network(architecture, shape, 16), data(shape), torch.ones(6, 1, dtype=torch.float64)
    twin = to_standard(network)
    optimisers = {
        network: torch.optim.SGD(network.parameters(), lr=0.02),
        twin: torch.optim.SGD(standard_learning_rates(network, twin, 0.02), lr=0.0),
    }
    start = network(x).detach()
    for _ in range(20):
        for model, optimiser in optimisers.items():
            optimiser.zero_grad()
            (model(x) - y).square().sum().backward()
            optimiser.step()
    assert (network(x) - start).abs().max() > 0.1
    assert (twin(x) - network(x)).abs().max() < 1e-11
    again = Network(architecture, shape, 16, seed=5)
    load_standard(again, twin)
    assert (again(x) - network(x)).abs().max() < 1e-11


def test_one_rate_moves_all_widths_alike_only_in_ntk_parametrisation():
    """The first step changes the outputs by eta K (f - y), whose size does not grow with the width; the twin's does."""
    x, y = data((4,)), torch.ones(6, 1, dtype=torch.float64)
    moves = {"ntk": [], "standard": []}
    for width in (64, 1024):
        network = Network(mlp(2, "relu", 2.0, 0.1), 4, width)
        for kind, model in (("ntk", network), ("standard", to_standard(network))):
            start = model(x)
            (start - y).square().sum().backward()
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter -= 1e-6 * parameter.grad
                moves[kind].append(float((model(x) - start).norm() / (start - y).norm()))
    assert moves["ntk"][1] / moves["ntk"][0] < 2
    assert moves["standard"][1] / moves["standard"][0] > 8


BAD_CALLS = {
    "width must be a whole number >= 1; got 0": lambda: Network(mlp(1), 3, 0),
    "inputs must be a whole number >= 1; got 0": lambda: Network(mlp(1), 0, 4),
    "outputs must be a whole number >= 1": lambda: Network(mlp(1), 3, 4, 0),
    "seed must be a whole number >= 0": lambda: Network(mlp(1), 3, 4, seed=-1),
    "must end in Dense": lambda: Network(chain(Dense(), "relu"), 3, 4),
    "Dense on a grid needs Flatten": lambda: Network(mlp(1), (3, 4), 4),
    "Conv needs inputs of shape": lambda: Network(chain(Conv(), "relu", Flatten(), Dense()), 3, 4),
    r"x must have shape \(batch, 3\); got \(2, 4\)": lambda: Network(mlp(1), 3, 4)(torch.ones(2, 4)),
    "twin must have the parameters": lambda: load_standard(Network(mlp(1), 3, 4), nn.Linear(3, 4)),
    "has a scale of zero": lambda: load_standard(Network(mlp(1, "relu", 0.0), 3, 4), Network(mlp(1), 3, 4)),
}


@pytest.mark.parametrize("message", BAD_CALLS)
def test_bad_input_is_named(message):
    with pytest.raises(InvalidArgument, match=message):
        BAD_CALLS[message]()
