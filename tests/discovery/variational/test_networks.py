"""Networks of a Ritz solver: gradients in closed form against autograd, and the boundary values that each has."""

import math

import pytest
import torch

from limitlab.discovery import variational as v
from limitlab.discovery.variational.networks import ACTIVATIONS
from limitlab.errors import InvalidArgument, UnknownName

X = torch.rand(12, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def require_gradient(network):
    network = network.double()
    value, gradient = network.value_and_gradient(X)
    assert torch.allclose(value, network(X), atol=1e-12)
    x = X.clone().requires_grad_()
    (expected,) = torch.autograd.grad(network(x).sum(), x)
    assert torch.allclose(gradient, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("walls", ["neumann", "periodic", "dirichlet"])
def test_closed_gradients_are_those_of_autograd(activation, walls):
    require_gradient(v.ansatz(3, 16, activation, walls=walls, seed=3))


def test_a_residual_network_has_its_gradient_with_and_without_a_tape():
    network = v.Residual(3, 8, depth=2).double()
    require_gradient(network)
    network.value_and_gradient(X)[1].square().sum().backward()
    assert all(p.grad is not None for p in network.parameters() if p is not network.readout.bias)
    with torch.no_grad():
        assert not network.value_and_gradient(X)[1].requires_grad


def test_a_residual_network_is_that_of_its_seed_and_leaves_the_generator_alone():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first, second = (v.Residual(2, 4, seed=1) for _ in range(2))
    assert torch.equal(first.lift.weight, second.lift.weight)
    assert torch.equal(torch.rand(1), expected)


def test_periodic_networks_agree_on_opposite_walls_with_their_gradients():
    network = v.ansatz(3, 16, walls="periodic").double()
    opposite = X.clone()
    X[:, 1], opposite[:, 1] = 0.0, 1.0
    for here, there in zip(network.value_and_gradient(X), network.value_and_gradient(opposite), strict=True):
        assert torch.allclose(here, there, atol=1e-12)


def test_hard_dirichlet_values_are_those_asked_for():
    walls = v.cosines(3)
    network = v.ansatz(3, 16, walls="dirichlet", values=walls).double()
    x = torch.rand(30, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    x[torch.arange(30), torch.arange(30) % 3] = (torch.arange(30) // 3 % 2).double()
    assert torch.allclose(network(x), walls.value(x), atol=1e-8)
    assert network(torch.full((1, 3), 0.5, dtype=torch.float64)).isfinite().all()


def test_the_distance_does_not_vanish_in_many_dimensions():
    """Its L2 norm in ten dimensions, where that of the product of 4 x (1 - x) is (8/15)^5 = 0.04."""
    x = torch.rand(4000, 10, generator=torch.Generator().manual_seed(2))
    assert float(v.distance(x)[0].square().mean().sqrt()) > 0.3


def test_networks_start_as_the_card_of_their_draws_says():
    network = v.TwoLayer(10, 4096, seed=0)
    assert float(network.inner.std()) == pytest.approx(2 / math.sqrt(10), rel=0.02)
    assert float(network.outer.std()) == pytest.approx(1 / 64, rel=0.05)
    assert float(network.bias.abs().max()) <= 1


def test_bad_arguments_are_refused():
    with pytest.raises(UnknownName, match="did you mean 'tanh'"):
        v.TwoLayer(2, 4, "tahn")
    with pytest.raises(UnknownName, match="did you mean 'dirichlet'"):
        v.ansatz(2, walls="dirichlett")
    with pytest.raises(InvalidArgument, match="Neumann walls are the natural ones"):
        v.ansatz(2, values=v.cosines(2))
