"""The linearised twin, and gradient descent on it and on the network."""

import warnings

import pytest
import torch

from limitlab.errors import InvalidArgument, LimitlabError
from limitlab.infinite_width import (
    Conv,
    Dense,
    DivergentRate,
    Flatten,
    KernelDynamics,
    Linearized,
    Network,
    chain,
    descend,
    empirical_ntk,
    max_learning_rate,
    mlp,
)


def problem(outputs=1, count=6, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return (torch.randn(count, size, dtype=torch.float64, generator=generator) for size in (3, outputs))


def outputs_of(model, x):
    with torch.no_grad():
        return model(x)


def test_twin_is_the_first_order_expansion():
    """f(theta_0 + s d) - f_lin falls with s^2: by 100 from s = 1e-2 to 1e-3."""
    network, (x, _) = Network(mlp(2, "tanh", 2.0, 0.1), 3, 20, 2), problem()
    twin = Linearized(network)
    assert torch.equal(outputs_of(twin, x), outputs_of(network, x))
    generator = torch.Generator().manual_seed(1)
    direction = [torch.randn(p.shape, dtype=p.dtype, generator=generator) for p in network.parameters()]
    errors = []
    for s in (1e-2, 1e-3):
        moved = Network(mlp(2, "tanh", 2.0, 0.1), 3, 20, 2)
        twin = Linearized(network)
        with torch.no_grad():
            for model in (moved, twin.moving):
                for parameter, step in zip(model.parameters(), direction, strict=True):
                    parameter += s * step
        errors.append(float((outputs_of(moved, x) - outputs_of(twin, x)).norm()))
    assert errors[0] / errors[1] == pytest.approx(100, rel=0.1)


@pytest.mark.parametrize("loss", ["sum", "mean"])
def test_gradient_descent_on_the_twin_is_the_closed_form_of_its_own_kernel(loss):
    """(1 - eta K_0)^t, for training and other points, after 60 steps: to 1e-9. The network itself goes elsewhere."""
    network, (x, y) = Network(mlp(2, "relu", 2.0, 0.1), 3, 32, 2), problem(2)
    (there, _) = problem(count=4, seed=1)
    own = empirical_ntk(network, torch.cat([x, there]), x)
    dynamics = KernelDynamics(own[:6], y, law="discrete", rate=0.7 * max_learning_rate(own[:6]), loss=loss)
    rate = 0.7 * max_learning_rate(own[:6])
    start, start_there = outputs_of(network, x), outputs_of(network, there)
    twin = Linearized(network)
    for model in (twin, network):
        list(descend(model, x, y, rate=rate, steps=60, loss=loss))
    expected = dynamics.trained(start)(60), dynamics.elsewhere(own[6:], start, start_there)(60)
    assert (outputs_of(twin, x) - expected[0]).abs().max() < 1e-9
    assert (outputs_of(twin, there) - expected[1]).abs().max() < 1e-9
    assert (outputs_of(network, there) - expected[1]).abs().max() > 1e-3


def test_twin_of_a_convolution_has_its_kernel():
    conv = Conv(2.0, 0.1, 3, "periodic")
    network = Network(chain(conv, "erf", conv, "erf", Flatten(), Dense()), (2, 5), 6)
    x = torch.randn(4, 2, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    kernel = empirical_ntk(network, x)[..., 0, 0]
    y = torch.ones(4, 1, dtype=torch.float64)
    twin = Linearized(network)
    start = outputs_of(twin, x)
    list(descend(twin, x, y, rate=0.01, steps=1))
    assert (outputs_of(twin, x) - start + 0.01 * kernel @ (start - y)).abs().max() < 1e-12


@pytest.mark.parametrize(("fraction", "converges"), [(0.95, True), (1.05, False)])
def test_largest_rate_is_the_edge_for_the_twin(fraction, converges):
    """1.9/(largest eigenvalue) converges, 2.1/(largest eigenvalue) diverges, by losses that stay finite: it is said."""
    network, (x, y) = Network(mlp(2, "erf", 2.0, 0.1), 3, 16), problem()
    twin = Linearized(network)
    rate = fraction * max_learning_rate(empirical_ntk(network, x))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", DivergentRate)
        losses = [progress.loss for progress in descend(twin, x, y, rate=rate, steps=300)]
    assert (losses[-1] < losses[0]) == converges
    assert [w.filename for w in caught if w.category is DivergentRate] == [__file__] * (not converges)


def test_network_above_the_edge_catapults_to_a_flatter_place():
    """At 1.3 times the edge of its start the loss first grows; it ends below it, with a smaller largest eigenvalue."""
    network, (x, y) = Network(mlp(1, "relu", 2.0), 3, 512, seed=3), problem(count=3)
    edge = max_learning_rate(empirical_ntk(network, x))
    with warnings.catch_warnings():
        warnings.simplefilter("error", DivergentRate)
        losses = [progress.loss for progress in descend(network, x, y, rate=1.3 * edge, steps=300)]
    assert max(losses) > 2 * losses[0]
    assert losses[-1] < 1e-2 * losses[0]
    assert max_learning_rate(empirical_ntk(network, x)) > 1.3 * edge


def test_stochastic_steps_visit_every_point_once_an_epoch():
    """One epoch at a tiny rate moves the weights as one full step does, to first order; a seed repeats itself."""
    x, y = problem()
    moves = []
    for batch, steps in ((2, 3), (None, 1), (2, 3)):
        network = Network(mlp(1, "erf"), 3, 8)
        start = outputs_of(network, x)
        rate = 1e-7 if batch is None else 1e-7 / 3
        list(descend(network, x, y, rate=rate, steps=steps, batch=batch, seed=4))
        moves.append(outputs_of(network, x) - start)
    assert (moves[0] - moves[1]).abs().max() < 1e-4 * moves[1].abs().max()
    assert torch.equal(moves[0], moves[2])


NETWORK, (X, Y) = Network(mlp(1), 3, 4), problem()
BAD_CALLS = {
    "unknown loss 'men'; did you mean 'mean'": lambda: descend(NETWORK, X, Y, rate=0.1, steps=1, loss="men"),
    "x and y must have as many points; got 6 and 5": lambda: descend(NETWORK, X, Y[:5], rate=0.1, steps=1),
    "batch must be a whole number >= 1 <= 6": lambda: descend(NETWORK, X, Y, rate=0.1, steps=1, batch=7),
    "steps must be a whole number >= 1": lambda: descend(NETWORK, X, Y, rate=0.1, steps=0),
    "training diverged at step": lambda: list(descend(NETWORK, X, Y, rate=1e6, steps=200)),
}


@pytest.mark.parametrize("message", BAD_CALLS)
def test_bad_input_is_named(message):
    with pytest.raises(LimitlabError, match=message) as caught:
        BAD_CALLS[message]()
    assert isinstance(caught.value, InvalidArgument) != message.startswith("training diverged")
