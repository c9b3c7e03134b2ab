"""Compiled marches: the same numbers, forward and backward, and nothing compiled twice."""

import pytest
import torch
from solvers.toys import DOUBLE, lotka_volterra
from torch import nn

from limitlab.errors import InvalidArgument
from limitlab.solvers import Event, solve_ode


def compilations():
    return torch._dynamo.utils.counters["stats"]["unique_graphs"]


def test_compiled_solve_is_the_same_and_compiles_once():
    y0 = 0.5 + torch.rand(3, 2, dtype=DOUBLE, generator=torch.Generator().manual_seed(0))
    times = torch.linspace(0, 4, 9, dtype=DOUBLE)
    eager = solve_ode(lotka_volterra, y0, times, method="heun", rtol=1e-4)
    compiled = solve_ode(lotka_volterra, y0, times, method="heun", rtol=1e-4, compile=True)
    assert torch.allclose(compiled.y, eager.y, rtol=1e-9)
    assert torch.equal(compiled.log.steps, eager.log.steps)
    assert torch.equal(compiled.evaluations.function, eager.evaluations.function)
    before = compilations()
    for change in (1.1, 1.2):
        tolerances = {"rtol": 1e-4 * change, "atol": 1e-8 * change}
        solve_ode(lotka_volterra, change * y0, change * times, method="heun", compile=True, **tolerances)
    assert compilations() == before


def test_stages_that_only_the_output_needs_are_counted():
    y0, times = torch.full((2, 2), 0.7, dtype=DOUBLE), [0.0, 0.3, 1.0]
    solved = solve_ode(lotka_volterra, y0, times, method="dopri8", step_size=0.5, compile=True)
    bare = solve_ode(lotka_volterra, y0, times[::2], method="dopri8", step_size=0.5, compile=True)
    # three stages more for the extension of order seven; a compiled call makes it for each of the two steps
    assert (solved.evaluations.function - bare.evaluations.function).tolist() == [6, 6]


def test_compiled_gradients_are_the_same():
    """A replay comes after a plain backward pass, which lets its buffers go, and is no second run of the same code."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 2))
    y0 = torch.ones(3, 2, requires_grad=True)
    field = lambda t, y: net(y)  # noqa: E731

    def gradients(**options):
        y = solve_ode(field, y0, [0.0, 0.5, 1.0], method="euler", step_size=0.1, **options).y
        return torch.autograd.grad(y.square().sum(), [y0, *net.parameters()])

    eager = gradients()
    for gradient in ("direct", "checkpoint"):
        for found, expected in zip(gradients(compile=True, gradient=gradient), eager, strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_events_are_refused():
    with pytest.raises(InvalidArgument, match="compile=True takes no events"):
        solve_ode(lotka_volterra, torch.ones(1, 2), [0.0, 1.0], compile=True, events=[Event(lambda t, y: y[:, 0] - 2)])
