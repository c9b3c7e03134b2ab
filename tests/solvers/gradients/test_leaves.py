"""Leaves that a field uses at some times or states only: every gradient is right, or refused."""

import pytest
import torch
from solvers.toys import DOUBLE
from torch import nn

from limitlab.errors import InvalidArgument
from limitlab.solvers import solve_ode, solve_sde
from limitlab.solvers.gradients.leaves import SameLeaves, inner_leaf

STEPS = {
    "direct": {"step_size": 0.01},
    "checkpoint": {"step_size": 0.01},
    "adaptive": {"rtol": 1e-3, "gradient": "checkpoint", "method": "heun"},
    "adjoint": {"step_size": 0.01},
    "reversible": {"step_size": 0.01},
}


def weights():
    return [torch.tensor(value, dtype=DOUBLE, requires_grad=True) for value in (1.0, 0.5)]


def later(t, first, second):
    """The second weight from t = 1/2 on."""
    return first if float(t.max()) < 0.5 else second


@pytest.mark.parametrize("gradient", STEPS)
@pytest.mark.parametrize("where", ["drift", "diffusion"])
def test_weights_of_a_later_stretch_of_a_stochastic_equation_have_their_gradient(gradient, where):
    """y' = c(t), or dy = c(t) dW: the end is linear in both weights."""
    a, b = weights()
    constant, none = (lambda t, y: later(t, a, b).expand_as(y)), (lambda t, y: torch.zeros_like(y))
    fields = (constant, none) if where == "drift" else (none, constant)
    options = {"method": "reversible_heun", "gradient": gradient} | STEPS[gradient]
    y0 = torch.zeros(3, 1, dtype=DOUBLE)
    end = solve_sde(*fields, y0, [0.0, 1.0], seed=0, calculus="stratonovich", **options).y[:, -1].sum()
    to_a, to_b = torch.autograd.grad(end, (a, b))
    assert abs(float(to_b)) > 0.1
    assert float(a * to_a + b * to_b) == pytest.approx(float(end), rel=1e-10)
    if where == "drift":
        assert float(to_b) == pytest.approx(1.5, abs=0.1)  # one step straddles the switch


@pytest.mark.parametrize("gradient", ["checkpoint", "adjoint", "reversible"])
@pytest.mark.parametrize("where", ["drift", "diffusion"])
def test_weights_that_only_some_states_of_a_stochastic_equation_use_are_refused(gradient, where):
    a, b = weights()
    switched = lambda t, y: (a if float(y.detach().max()) < 1.5 else b) * y  # noqa: E731
    fields = (switched, lambda t, y: 0 * y) if where == "drift" else (lambda t, y: y, switched)
    y0 = torch.ones(3, 1, dtype=DOUBLE)
    options = {"method": "reversible_heun", "calculus": "stratonovich", "step_size": 0.02, "gradient": gradient}
    y = solve_sde(*fields, y0, [0.0, 1.0], seed=0, **options).y
    with pytest.raises(InvalidArgument, match="uses 1 tensors that ask for a gradient at some states or times only"):
        y.sum().backward()


@pytest.mark.parametrize("held", [False, True], ids=["no weight at the start", "another weight at the start"])
@pytest.mark.parametrize(
    ("gradient", "method"), [("checkpoint", "rk4"), ("adjoint", "rk4"), ("reversible", "reversible_heun")]
)
def test_weights_that_only_some_states_use_are_refused(gradient, method, held):
    a, b = weights()
    switched = lambda t, y: ((a if held else 1.0) if float(y.detach().max()) < 1.5 else b) * y  # noqa: E731
    y0 = torch.ones(1, 1, dtype=DOUBLE, requires_grad=True)
    y = solve_ode(switched, y0, [0.0, 1.0], method=method, step_size=0.05, gradient=gradient).y
    with pytest.raises(InvalidArgument, match="uses 1 tensors that ask for a gradient at some states or times only"):
        y.sum().backward()


def test_what_was_made_before_is_walked_once_and_new_leaves_are_still_seen():
    encoder, other = nn.Sequential(*(nn.Linear(2, 2) for _ in range(5))), nn.Linear(2, 2)
    code, y = encoder(torch.ones(1, 2)), inner_leaf(torch.ones(1, 2))
    same = SameLeaves(list(encoder.parameters()))
    same.require([code * y])
    same.require([torch.sin(code + y), y])
    with pytest.raises(InvalidArgument, match="uses 2 tensors"):
        same.require([other(code * y)])
