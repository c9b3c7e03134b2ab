"""Gradients of fields that draw numbers: replayed with the very same ones, or refused."""

import numpy as np
import pytest
import torch
from solvers.toys import DOUBLE
from torch import nn

from limitlab.errors import InvalidArgument
from limitlab.solvers import solve_ode, solve_sde
from limitlab.solvers.gradients.replay import Generators, require_no_chance, require_same_end

ODE = {"rk4": {"method": "rk4", "step_size": 0.05}, "adaptive": {"rtol": 1e-1, "atol": 1e-1, "first_step": 0.01}}


@pytest.mark.parametrize("options", ODE.values(), ids=ODE)
@pytest.mark.parametrize("times", [[0.0, 1.0], [0.0, 0.33, 1.0]])
def test_gradient_belongs_to_the_numbers_that_were_drawn(options, times):
    """y' = a r(t): whatever was drawn, dy(T)/da = (y(T) - y(0)) / a."""
    a = torch.tensor(2.0, dtype=DOUBLE, requires_grad=True)
    field = lambda t, y: a * (1 + 0.1 * torch.rand_like(y))  # noqa: E731
    y = solve_ode(field, torch.zeros(3, 2, dtype=DOUBLE), times, gradient="checkpoint", **options).y
    (slope,) = torch.autograd.grad(y[:, -1].sum(), a)
    assert float(slope) == pytest.approx(float(y[:, -1].sum()) / 2, rel=1e-12)


@pytest.mark.parametrize("options", [{"step_size": 0.03}, {"method": "milstein", "rtol": 0.5, "atol": 0.5}])
def test_gradient_of_a_drift_that_draws_belongs_to_its_numbers(options):
    a = torch.tensor(2.0, dtype=DOUBLE, requires_grad=True)
    y = solve_sde(
        lambda t, y: a * (1 + 0.1 * torch.rand_like(y)), lambda t, y: 0 * y, torch.zeros(3, 2, dtype=DOUBLE),
        [0.0, 0.5, 1.0], seed=0, gradient="checkpoint", **options,
    ).y  # fmt: skip
    (slope,) = torch.autograd.grad(y[:, -1].sum(), a)
    assert float(slope) == pytest.approx(float(y[:, -1].sum()) / 2, rel=1e-12)


def test_dropout_inside_a_field_is_replayed():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Dropout(0.5), nn.Linear(16, 2)).double()
    y0 = torch.ones(2, 2, dtype=DOUBLE)
    weights = list(net.parameters())

    def loss():
        torch.manual_seed(1)
        options = {"method": "midpoint", "step_size": 0.1, "gradient": "checkpoint"}
        return solve_ode(lambda t, y: net(y), y0, [0.0, 1.0], **options).y.square().sum()

    found = torch.autograd.grad(loss(), weights)
    directions = [torch.randn_like(weight) for weight in weights]
    values = []
    for shift in (1e-6, -2e-6):
        with torch.no_grad():
            for weight, direction in zip(weights, directions, strict=True):
                weight += shift * direction
        values.append(float(loss()))
    slope = sum(float((gradient * direction).sum()) for gradient, direction in zip(found, directions, strict=True))
    assert slope == pytest.approx((values[0] - values[1]) / 2e-6, rel=1e-6)


def test_replay_leaves_the_callers_generator_alone():
    a = torch.tensor(2.0, dtype=DOUBLE, requires_grad=True)
    field = lambda t, y: a * torch.rand_like(y)  # noqa: E731
    options = {"method": "euler", "step_size": 0.1, "gradient": "checkpoint"}
    y = solve_ode(field, torch.zeros(1, 1, dtype=DOUBLE), [0.0, 1.0], **options).y
    before = torch.get_rng_state()
    y.sum().backward()
    assert torch.equal(torch.get_rng_state(), before)


def test_chance_of_other_generators_is_refused_by_the_replay():
    a, generator = torch.tensor(2.0, dtype=DOUBLE, requires_grad=True), np.random.default_rng(0)
    field = lambda t, y: a * float(generator.random()) * torch.ones_like(y)  # noqa: E731
    y0 = torch.zeros(1, 1, dtype=DOUBLE)
    y = solve_ode(field, y0, [0.0, 1.0], method="euler", step_size=0.1, gradient="checkpoint").y
    with pytest.raises(InvalidArgument, match=r"other values when its steps are made again .* use gradient='direct'"):
        y.sum().backward()
    y = solve_sde(field, lambda t, y: 0 * y, y0, [0.0, 1.0], seed=0, step_size=0.1, gradient="checkpoint").y
    with pytest.raises(InvalidArgument, match="other values when its steps are made again"):
        y.sum().backward()


def test_chance_in_stages_that_only_outputs_need_is_refused():
    a = torch.tensor(2.0, dtype=DOUBLE, requires_grad=True)
    field, y0 = lambda t, y: a * torch.rand_like(y), torch.zeros(1, 1, dtype=DOUBLE)
    y = solve_ode(field, y0, [0.0, 0.33, 1.0], method="dopri8", step_size=0.1, gradient="checkpoint").y
    with pytest.raises(InvalidArgument, match="other values when its steps are made again"):
        y.sum().backward()


@pytest.mark.parametrize("gradient", ["adjoint", "reversible"])
def test_backward_equations_refuse_chance(gradient):
    a, generator = torch.tensor(2.0, dtype=DOUBLE, requires_grad=True), np.random.default_rng(0)
    y0 = torch.zeros(1, 1, dtype=DOUBLE)
    method = "reversible_heun" if gradient == "reversible" else "rk4"
    heun = {"method": "reversible_heun", "calculus": "stratonovich", "step_size": 0.1, "seed": 0}
    for draw, said in (
        (lambda y: torch.rand_like(y), "draws random numbers"),
        (lambda y: float(generator.random()) * torch.ones_like(y), "other values at every call"),
    ):
        field = lambda t, y, draw=draw: a * draw(y)  # noqa: E731
        with pytest.raises(InvalidArgument, match=f"{said}.* use gradient='direct' or 'checkpoint'"):
            solve_ode(field, y0, [0.0, 1.0], method=method, step_size=0.1, gradient=gradient)
        for fields in ((field, lambda t, y: 0 * y), (lambda t, y: -y, field)):
            with pytest.raises(InvalidArgument, match=said):
                solve_sde(*fields, y0, [0.0, 1.0], gradient=gradient, **heun)


def test_generators_go_on_where_they_were():
    generators = Generators(torch.device("cpu"))
    state = generators.state()
    first = torch.rand(3)
    with generators.unmoved():
        generators.restore(state)
        assert torch.equal(torch.rand(3), first)
    assert generators.have_moved(state)
    generators.restore(state)
    assert not generators.have_moved(state)
    assert torch.equal(torch.rand(3), first)


def test_only_what_differs_is_refused():
    y = torch.tensor([[1.0, 2.0], [torch.nan, 0.0]])
    require_same_end(y + 1e-6, y)
    with pytest.raises(InvalidArgument):
        require_same_end(y + 0.1, y)
    require_no_chance("adjoint", y.device, lambda: torch.sin(y))
