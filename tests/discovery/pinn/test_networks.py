"""Derivatives that a network hands on, against reverse-mode automatic differentiation taken twice."""

import itertools

import pytest
import torch

from limitlab.discovery.pinn.jets.layers import ACTIVATIONS
from limitlab.discovery.pinn.networks import Architecture, JetNetwork
from limitlab.errors import InvalidArgument, UnknownName

SWITCHES = {
    "plain": {},
    "fourier": {"fourier": 5, "fourier_scale": 2.0},
    "factorised": {"factorised": True},
    "gated": {"gated": True},
    "decays": {"decays": (0.1, 2.0)},
    "all": {"fourier": 3, "factorised": True, "gated": True, "decays": (0.5,)},
}
DIRECTIONS = torch.tensor([[0.0, 1.0], [1.0, 1.0], [1.0, 0.0]], dtype=torch.float64)


def points(count=7):
    generator = torch.Generator().manual_seed(3)
    return torch.rand(count, 2, generator=generator, dtype=torch.float64) * torch.tensor([3.0, 2.0]) - torch.tensor(
        [0, 1]
    )


def along(values, z, direction):
    """Derivative of each output along a direction, by reverse mode."""
    columns = [
        torch.autograd.grad(values[:, k].sum(), z, create_graph=True)[0] @ direction for k in range(values.shape[1])
    ]
    return torch.stack(columns, -1)


@pytest.mark.parametrize("periodic", [False, True])
@pytest.mark.parametrize(("activation", "switch"), list(itertools.product(ACTIVATIONS, SWITCHES)))
def test_derivatives_are_those_of_reverse_mode(activation, switch, periodic):
    architecture = Architecture(width=9, activation=activation, waves=2, **SWITCHES[switch])
    network = JetNetwork([0, -1], [3, 1], 2, architecture, periods=(None, 2.0) if periodic else None, seed=5)
    z = points().requires_grad_()
    jet = network.jet(z, DIRECTIONS, curved=2)
    value = network(z)
    assert (jet.value - value).abs().max() < 1e-12
    for index, direction in enumerate(DIRECTIONS):
        first = along(value, z, direction)
        assert (jet.first[index] - first).abs().max() < 1e-10
        if index < 2:
            assert (jet.second[index] - along(first, z, direction)).abs().max() < 1e-10


def test_polarisation_gives_the_mixed_derivative():
    network, z = JetNetwork([0, -1], [3, 1], 1, seed=1), points().requires_grad_()
    basis = torch.eye(2, dtype=torch.float64)
    second = network.jet(z, torch.cat([basis, torch.ones_like(basis[:1])]), curved=3).second
    mixed = along(along(network(z), z, basis[0]), z, basis[1])
    assert ((second[2] - second[0] - second[1]) / 2 - mixed).abs().max() < 1e-10


def test_gradient_in_the_weights_is_that_of_reverse_mode():
    network, z = JetNetwork([0, -1], [3, 1], 1, Architecture(width=6), seed=1), points().requires_grad_()
    jet = network.jet(z, DIRECTIONS[:1], curved=1)
    handed = torch.autograd.grad((jet.second[0] * jet.value).sum(), list(network.parameters()))
    value = network(z)
    reverse = torch.autograd.grad(
        (along(along(value, z, DIRECTIONS[0]), z, DIRECTIONS[0]) * value).sum(), list(network.parameters())
    )
    assert max((a - b).abs().max() for a, b in zip(handed, reverse, strict=True)) < 1e-10


def test_periodic_axis_repeats():
    network = JetNetwork([0, -1], [3, 1], 1, Architecture(fourier=4), periods=(None, 2.0))
    z = points()
    assert (network(z) - network(z + torch.tensor([0.0, 2.0]))).abs().max() < 1e-12


def test_factorised_weights_begin_as_plain_ones():
    plain, factorised = (JetNetwork([0], [1], 1, Architecture(width=200, factorised=f), seed=0) for f in (False, True))
    layer = factorised.hidden[1]
    weight = (layer.scale.exp()[:, None] * layer.weight).std()
    assert weight.item() == pytest.approx(plain.hidden[1].weight.std().item(), rel=0.02)


def test_seed_decides_every_draw():
    first, again, other = (JetNetwork([0], [1], 1, Architecture(fourier=2), seed=s) for s in (4, 4, 5))
    assert torch.equal(first.features.rates, again.features.rates)
    assert torch.equal(first.hidden[0].weight, again.hidden[0].weight)
    assert not torch.equal(first.hidden[0].weight, other.hidden[0].weight)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: Architecture(activation="tan"), UnknownName, "did you mean 'tanh'"),
        (lambda: Architecture(width=0), InvalidArgument, "width"),
        (lambda: JetNetwork([1.0], [0.0], 1), InvalidArgument, "low must lie below high"),
        (lambda: JetNetwork([0.0], [1.0], 1, periods=(None, 1.0)), InvalidArgument, "periods"),
        (lambda: JetNetwork([0.0], [1.0], 1, Architecture(fourier=3), periods=(1.0,)), InvalidArgument, "fourier"),
    ],
)
def test_bad_arguments_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
