"""What a network keeps by its form, exactly, whatever its weights are."""

import dataclasses

import pytest
import torch

import limitlab as ll
from limitlab.discovery.pinn import Ansatz, Architecture, Derivative, JetNetwork, Soft, Surrogate
from limitlab.discovery.pinn.conditions import evolution, free, initial_value
from limitlab.errors import InvalidArgument, UnknownName

WALLS = torch.tensor([[t, x] for t in (0.0, 0.3, 1.0) for x in (-1.0, 1.0)], dtype=torch.float64)


def burgers():
    problem = ll.problems.get("burgers", nu=0.05)
    return dataclasses.replace(problem, lengths=(2.0,), starts=(-1.0,))


def shaken(module):
    """Weights far from where they began."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn(parameter.shape, dtype=parameter.dtype))
    return module


def test_initial_values_hold_whatever_the_weights():
    problem = ll.problems.get("lotka_volterra", span=3.0)
    network = JetNetwork([0], [3], 2, seed=0)
    surrogate = Surrogate(network, initial_value(problem, [1.0, 2.0]), ("t",), ("x", "y"), ())
    start = torch.zeros(1, 1, dtype=torch.float64)
    for model in (surrogate, shaken(surrogate)):
        assert (model(start)[0] - problem.initial_value).abs().max() < 1e-14


def test_walls_and_initial_values_of_a_field_hold_whatever_the_weights():
    ansatz = evolution(burgers(), "-sin(pi*x)", "zero")
    network = JetNetwork([0, -1], [1, 1], 1, seed=0)
    surrogate = Surrogate(network, ansatz, ("t", "x"), ("u",), ())
    x = torch.linspace(-1, 1, 9, dtype=torch.float64)
    start = torch.stack([torch.zeros_like(x), x], -1)
    for model in (surrogate, shaken(surrogate)):
        assert model(WALLS).abs().max() < 1e-14
        assert (model(start)[:, 0] + torch.sin(torch.pi * x)).abs().max() < 1e-14


def test_periodic_fields_repeat_with_their_slope():
    ansatz = evolution(burgers(), "-sin(pi*x)", "periodic")
    network = JetNetwork([0, -1], [1, 1], 1, Architecture(waves=4), periods=ansatz.periods, seed=0)
    surrogate = Surrogate(network, ansatz, ("t", "x"), ("u",), (Derivative("u"), Derivative("u", ("x",))))
    fields = shaken(surrogate).fields(WALLS)
    for values in fields.values():
        assert (values[::2] - values[1::2]).abs().max() < 1e-10


def test_free_form_has_mean_and_scale():
    assert free([2.0], [-1.0]) == Ansatz(("(-1.0)",), ("2.0",))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: evolution(burgers(), "cos(pi*x)", "zero"), InvalidArgument, "zero at the walls of x"),
        (lambda: evolution(burgers(), "x", "periodic"), InvalidArgument, "periodic at the walls"),
        (lambda: evolution(burgers(), "sin(pi*x)", "dirichlet"), UnknownName, "walls"),
        (lambda: evolution(ll.problems.get("poisson"), "0", "zero"), InvalidArgument, "steady"),
        (lambda: initial_value(ll.problems.get("lotka_volterra"), 1.0, [1.0]), InvalidArgument, "initial"),
        (lambda: Ansatz(("1",), ()), InvalidArgument, "base and factor"),
        (lambda: Ansatz(("x",), ("t",)).parsed(("t",)), InvalidArgument, "'x'|x"),
        (lambda: Soft(torch.zeros(2, 1), torch.zeros(3, 1)), InvalidArgument, "points must be"),
    ],
)
def test_bad_conditions_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
