"""Layers as one node of the tape: those of torch one after the other, whatever is differentiated."""

import gc
import itertools
import weakref

import pytest
import torch

from limitlab.discovery.machine_code import code_of
from limitlab.discovery.pinn.jets.layers import ACTIVATIONS, JetLinear
from limitlab.discovery.pinn.jets.stack import stacked

TANH = ACTIVATIONS["tanh"]
WIDTHS = (3, 6, 4, 5)


def layers(factorised=False):
    generator = torch.Generator().manual_seed(1)
    return [JetLinear(a, b, factorised, generator) for a, b in itertools.pairwise(WIDTHS)]


def streams(units=WIDTHS[0], straight=1, curved=2, points=7, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shape = (units, 1 + straight + 2 * curved, points)
    return torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()


def one_by_one(chain, x, curved, last=None):
    for layer in chain:
        x = layer(x, TANH, curved)
    return x if last is None else last(x)


def seen(chain, x):
    return [x, *(p for layer in chain for p in layer.parameters())]


@pytest.mark.parametrize("factorised", [False, True])
@pytest.mark.parametrize(("straight", "curved"), [(0, 0), (2, 0), (0, 1), (1, 2)])
@pytest.mark.parametrize(("points", "linear"), [(1, False), (7, True), (400, False), (400, True)])
def test_stack_and_its_gradient_are_those_of_torch(straight, curved, points, linear, factorised):
    chain, x = layers(factorised), streams(3, straight, curved, points)
    chain, last = (chain[:-1], chain[-1]) if linear else (chain, None)
    outputs = stacked(chain, x, TANH, curved, last), one_by_one(chain, x, curved, last)
    chain = chain + [last] * linear
    assert torch.allclose(*outputs, rtol=0, atol=1e-13)
    direction = streams(WIDTHS[-1], straight, curved, points, seed=2).detach()
    code, by_torch = (torch.autograd.grad(y, seen(chain, x), direction) for y in outputs)
    # sums over the points and streams
    assert all(torch.allclose(a, b, rtol=1e-11, atol=1e-12) for a, b in zip(code, by_torch, strict=True))


@pytest.mark.parametrize(("straight", "curved"), [(0, 0), (1, 0), (3, 0), (0, 1), (0, 2), (1, 1), (2, 2)])
@pytest.mark.parametrize("points", [1, 11, 12, 13, 1000])
def test_one_output_whose_streams_share_a_gradient(straight, curved, points):
    """The gradients of first derivatives along straight directions and of second ones differ by a factor a point."""
    generator = torch.Generator().manual_seed(3)
    chain, last = layers(), JetLinear(WIDTHS[-1], 1, False, generator)
    x = streams(3, straight, curved, points)
    outputs = stacked(chain, x, TANH, curved, last), one_by_one(chain, x, curved, last)
    assert torch.allclose(*outputs, rtol=0, atol=1e-13)
    direction = streams(1, straight, curved, points, seed=2).detach()
    code, by_torch = (torch.autograd.grad(y, seen([*chain, last], x), direction) for y in outputs)
    assert all(torch.allclose(a, b, rtol=1e-11, atol=1e-11) for a, b in zip(code, by_torch, strict=True))


def test_the_number_of_threads_changes_no_bit():
    chain, last = layers(), JetLinear(WIDTHS[-1], 1, False, torch.Generator().manual_seed(3))
    x = streams(3, 1, 1, 1500)

    def made(threads):
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            y = stacked(chain, x, TANH, 1, last)
            return [y, *torch.autograd.grad(y.square().sum(), seen([*chain, last], x))]
        finally:
            torch.set_num_threads(before)

    assert all(map(torch.equal, made(1), made(2)))


def test_second_derivatives_are_those_of_differences():
    chain, x = layers()[:2], streams(points=2)
    parts = [p.detach().requires_grad_() for layer in chain for p in (layer.weight, layer.bias)]

    def of(x, *parts):
        state = [dict(zip(("weight", "bias"), parts[k : k + 2], strict=True)) for k in (0, 2)]
        for layer, values in zip(chain, state, strict=True):
            for name, value in values.items():
                del layer._parameters[name]
                setattr(layer, name, value)
                layer._parameters[name] = value
        return stacked(chain, x, TANH, 2)

    assert torch.autograd.gradgradcheck(of, (x, *parts))


def test_many_gradients_at_once_are_those_of_each():
    chain, x = layers(), streams()
    y = stacked(chain, x, TANH, 2)
    basis = torch.stack([streams(WIDTHS[-1], seed=s).detach() for s in (3, 4)])
    together = torch.autograd.grad(y, seen(chain, x), basis, is_grads_batched=True, retain_graph=True)
    each = [torch.autograd.grad(y, seen(chain, x), b, retain_graph=True) for b in basis]
    for row, parts in enumerate(each):
        assert all(torch.allclose(a[row], b, rtol=0, atol=1e-12) for a, b in zip(together, parts, strict=True))


def test_gradient_is_the_same_when_it_is_taken_again():
    chain, x = layers(), streams()
    y = stacked(chain, x, TANH, 2)
    first, again = (torch.autograd.grad(y.square().sum(), seen(chain, x), retain_graph=True) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))


def test_values_without_a_gradient_are_the_same():
    chain, x = layers(), streams()
    with torch.no_grad():
        alone = stacked(chain, x, TANH, 2)
    assert torch.equal(alone, stacked(chain, x, TANH, 2))


def test_gradient_of_the_weights_alone():
    chain, x = layers(), streams().detach()
    weights = seen(chain, x)[1:]
    code, by_torch = (
        torch.autograd.grad(make(chain).square().sum(), weights)
        for make in (lambda c: stacked(c, x, TANH, 2), lambda c: one_by_one(c, x, 2))
    )
    assert all(torch.allclose(a, b, rtol=1e-11, atol=1e-12) for a, b in zip(code, by_torch, strict=True))


def test_memory_goes_with_the_result():
    chain, x = layers(), streams()
    y = stacked(chain, x, TANH, 2)
    gone = weakref.ref(y.grad_fn)
    gc.disable()
    try:
        del y
        assert gone() is None
    finally:
        gc.enable()


def test_single_precision_and_other_activations_are_torchs():
    chain, x = layers(), streams().detach()
    for layer in chain:
        layer.float()
    single = stacked(chain, x.float(), TANH, 2)
    assert single.dtype == torch.float32
    for name in ACTIVATIONS:
        y = stacked(layers(), x, ACTIVATIONS[name], 2)
        assert ("_Stack" in type(y.grad_fn).__name__) == (name == "tanh")


def test_torch_takes_the_place_of_code_that_cannot_be_made(monkeypatch):
    chain, x = layers(), streams()
    expected = stacked(chain, x, TANH, 2)
    monkeypatch.setitem(__import__("sys").modules, "limitlab.discovery.pinn.jets.panels", None)
    code_of.cache_clear()
    try:
        instead = stacked(chain, x, TANH, 2)
    finally:
        code_of.cache_clear()
    assert "_Stack" not in type(instead.grad_fn).__name__
    assert torch.allclose(instead, expected, rtol=0, atol=1e-13)
