"""A + B N and its derivatives, against automatic differentiation of the formula."""

import pytest
import torch

from limitlab.discovery.pinn import Ansatz, Architecture, Derivative, JetNetwork, Surrogate
from limitlab.errors import InvalidArgument

WANTED = tuple(Derivative(u, tuple(axes)) for u in "uv" for axes in ("", "t", "x", "tt", "tx", "xx"))


def surrogate():
    ansatz = Ansatz(base=("-sin(pi*x)", "exp(-t)*x"), factor=("t*(1 - x^2)", "2 + cos(x)*t^2"))
    network = JetNetwork([0, -1], [2, 1], 2, Architecture(width=8, layers=2), seed=3)
    return Surrogate(network, ansatz, ("t", "x"), ("u", "v"), WANTED)


def test_named_derivatives_are_those_of_automatic_differentiation():
    model = surrogate()
    z = torch.rand(9, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64).requires_grad_()
    t, x = z.unbind(-1)
    network = model.network(z)
    u = -torch.sin(torch.pi * x) + t * (1 - x**2) * network[:, 0]
    v = torch.exp(-t) * x + (2 + torch.cos(x) * t**2) * network[:, 1]
    fields = model.fields(z)
    for name, value in (("u", u), ("v", v)):
        derivatives = {"": value}
        for axes, column in (("t", 0), ("x", 1), ("tt", 0), ("tx", 1), ("xx", 1)):
            before = derivatives[axes[:-1]]
            derivatives[axes] = torch.autograd.grad(before.sum(), z, create_graph=True)[0][:, column]
        for axes, expected in derivatives.items():
            assert (fields[f"{name}_{axes}" if axes else name] - expected).abs().max() < 1e-10, axes


def test_values_alone_are_the_same():
    model, z = surrogate(), torch.rand(5, 2, dtype=torch.float64)
    fields = model.fields(z)
    assert torch.allclose(model(z), torch.stack([fields["u"], fields["v"]], -1), atol=1e-14)


def test_one_form_for_each_unknown():
    with pytest.raises(InvalidArgument, match="u, v"):
        Surrogate(JetNetwork([0], [1], 2), Ansatz(("1",), ("t",)), ("t",), ("u", "v"), ())


def test_points_that_change_in_place_are_seen():
    model, z = surrogate(), torch.rand(5, 2, dtype=torch.float64)
    model.fields(z)
    z += 0.25
    assert torch.equal(model.fields(z)["u"], surrogate().fields(z)["u"])


def test_what_was_kept_without_a_gradient_serves_with_one():
    model, z = surrogate(), torch.rand(5, 2, dtype=torch.float64)
    with torch.inference_mode():
        model.fields(z)
    with torch.no_grad():
        model.fields(z)
    model.fields(z)["u_xx"].sum().backward()
    assert model.network.last.weight.grad.abs().max() > 0
