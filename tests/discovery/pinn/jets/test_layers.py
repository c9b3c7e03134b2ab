"""Layers on streams: their gradients against differences and against what automatic differentiation makes of them."""

import pytest
import torch

from limitlab.discovery.pinn.jets.layers import ACTIVATIONS, Jet, JetLinear, gated

DIRECTIONS, CURVED = 3, 2


def layer(factorised=False):
    return JetLinear(2, 4, factorised, torch.Generator().manual_seed(1))


def streams(units=2, points=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shape = (units, 1 + DIRECTIONS + CURVED, points)
    return torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()


def written_out(linear, activation, x):
    """Value, first and second derivatives, by products that automatic differentiation sees."""
    z = torch.einsum("oi,isp->osp", linear.weight, x)
    y, slope, curvature = activation.upto_second(z[:, 0] + linear.bias[:, None])
    first = [slope * z[:, k] for k in range(1, 1 + DIRECTIONS)]
    second = [slope * z[:, 1 + DIRECTIONS + k] + curvature * z[:, 1 + k] ** 2 for k in range(CURVED)]
    return torch.stack([y, *first, *second], 1)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_layer_and_its_gradient_are_those_of_products_written_out(name):
    linear, x, activation = layer(), streams(), ACTIVATIONS[name]
    outputs = linear(x, activation, CURVED), written_out(linear, activation, x)
    assert torch.allclose(*outputs, rtol=0, atol=1e-13)
    seen = [x, linear.weight, linear.bias]
    direction = streams(4, seed=2).detach()
    closed, automatic = (torch.autograd.grad(y, seen, direction) for y in outputs)
    assert max((a - b).abs().max() for a, b in zip(closed, automatic, strict=True)) < 1e-12


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_gradient_of_the_gradient_is_that_of_differences(name):
    linear, x = layer(), streams(points=2)

    def of(x, weight, bias):
        return torch.func.functional_call(linear, {"weight": weight, "bias": bias}, (x, ACTIVATIONS[name], CURVED))

    inputs = (x, linear.weight.detach().requires_grad_(), linear.bias.detach().requires_grad_())
    assert torch.autograd.gradcheck(of, inputs)
    assert torch.autograd.gradgradcheck(of, inputs)


def test_gradients_of_many_outputs_at_once_are_those_of_each():
    linear, x = layer(), streams()
    y = linear(x, ACTIVATIONS["tanh"], CURVED)
    basis = torch.stack([streams(4, seed=s).detach() for s in (3, 4)])
    (together,) = torch.autograd.grad(y, [linear.weight], basis, is_grads_batched=True, retain_graph=True)
    each = [torch.autograd.grad(y, linear.weight, b, retain_graph=True)[0] for b in basis]
    assert torch.allclose(together, torch.stack(each), rtol=0, atol=1e-12)


def test_gate_obeys_the_product_rule():
    # polynomials in the step h along each direction hold the derivatives as coefficients
    h, u, v = (streams(3, seed=s).detach() for s in (5, 6, 7))
    mixed = gated(h, u, v, CURVED)
    step = 1e-4

    def at(x, k, s):
        return x[:, 0] + s * x[:, 1 + k] + s**2 / 2 * x[:, 1 + DIRECTIONS + k]

    def value(k, s):
        return at(v, k, s) + at(h, k, s) * (at(u, k, s) - at(v, k, s))

    for k in range(CURVED):
        slope = (value(k, step) - value(k, -step)) / (2 * step)
        bend = (value(k, step) - 2 * value(k, 0) + value(k, -step)) / step**2
        assert torch.allclose(mixed[:, 1 + k], slope, atol=1e-6)
        assert torch.allclose(mixed[:, 1 + DIRECTIONS + k], bend, atol=1e-5)


def test_parts_of_a_jet_are_its_streams():
    x = streams().detach()
    jet = Jet.of(x, CURVED)
    assert torch.equal(jet.value, x[:, 0].T)
    assert torch.equal(jet.first, x[:, 1 : 1 + DIRECTIONS].permute(1, 2, 0))
    assert torch.equal(jet.second, x[:, -CURVED:].permute(1, 2, 0))
    assert Jet.of(x[:, :1], 0).second.shape == (0, 5, 2)
