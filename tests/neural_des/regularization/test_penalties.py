"""Solves with a penalty: global terms where they can act, refused where they would not; spans that end at random."""

import pytest
import torch

from limitlab.errors import InvalidArgument, UnknownName
from limitlab.neural_des.ode import MLPField, NeuralODE
from limitlab.neural_des.regularization.penalties import Global, Steer, Unregularized
from limitlab.neural_des.regularization.step_terms import step_term


def network(**options):
    field = MLPField(2, width=8, seed=1).double()
    return NeuralODE(field, (0.0, 1.0), rtol=1e-5, atol=1e-5, **options)


def gradient_of(ode, value):
    return torch.cat([part.flatten() for part in torch.autograd.grad(value, list(ode.field.parameters()))])


@pytest.mark.parametrize("shared", [True, False])
def test_checkpoint_and_tape_have_the_same_gradient_of_the_term(shared):
    torch.manual_seed(0)
    y0, gradients = torch.randn(6, 2).double(), []
    for gradient in ("direct", "checkpoint"):
        ode = network(gradient=gradient, shared_steps=shared)
        gradients.append(gradient_of(ode, Global("mixed").solve(ode, y0, None, 0.5).value))
    assert torch.allclose(*gradients, rtol=1e-9)


def test_the_state_and_its_cost_are_those_of_the_plain_solve():
    y0, ode = torch.randn(6, 2, generator=torch.Generator().manual_seed(0)).double(), network(shared_steps=True)
    plain, term = (kind.solve(ode, y0, None, 0.5) for kind in (Unregularized(), Global()))
    assert torch.equal(plain.y, term.y)
    assert torch.equal(plain.y, ode(y0))
    assert torch.equal(term.evaluations, ode.last.evaluations.function)
    assert float(term.value) == float(step_term(ode.last.log, "error", "sum"))


def test_shared_steps_have_one_error_the_mean_square_of_all():
    y0 = torch.randn(6, 2, generator=torch.Generator().manual_seed(1)).double()
    ode = network(shared_steps=True)
    error = Global().solve(ode, y0, None, 0.5).solution.log.error
    assert bool((error == error[:1]).all())


def test_a_trajectory_is_asked_for_by_its_times():
    y0, ode, times = torch.ones(3, 2).double(), network(), torch.linspace(0, 1, 5)
    for kind in (Unregularized(), Global()):
        assert torch.equal(kind.solve(ode, y0, times, 0.5).y, ode.solve(y0, times).y)


def test_the_drawn_end_runs_over_the_whole_interval():
    ode = NeuralODE(lambda t, y: torch.ones_like(y), (1.0, 3.0))
    ends = [float(Steer(0.5).solve(ode, torch.zeros(1, 1).double(), None, draw).y) for draw in (0.0, 0.5, 1.0)]
    assert ends == pytest.approx([1.0, 2.0, 3.0], abs=1e-12)


@pytest.mark.parametrize(
    ("solve", "message"),
    [
        (lambda: Global().solve(network(gradient="adjoint"), torch.ones(2, 2).double(), None, 0.5), "no gradient"),
        (lambda: Global().solve(network(step_size=0.1), torch.ones(2, 2).double(), None, 0.5), "uniform steps"),
        (lambda: Steer().solve(network(), torch.ones(2, 2).double(), torch.linspace(0, 1, 3), 0.5), "no times"),
        (lambda: Unregularized().solve(network(), {"q": torch.ones(2, 2)}, None, 0.5), "must be a tensor"),
        (lambda: Steer(1.0), "width must be"),
        (lambda: Steer("wide"), "width must be"),
    ],
)
def test_what_would_change_nothing_is_refused(solve, message):
    with pytest.raises(InvalidArgument, match=message):
        solve()


def test_unknown_terms_are_refused_with_the_nearest():
    with pytest.raises(UnknownName, match="did you mean 'stiffness'"):
        Global("stifness")
