"""Gradients of stochastic solves: direct against differences; reversal, checkpoints and adjoint against direct."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from limitlab.errors import InvalidArgument
from limitlab.solvers.sde.brownian import BrownianPath
from limitlab.solvers.sde.fields import Fields, Interval
from limitlab.solvers.sde.schemes import reversible_heun, reversible_start
from limitlab.solvers.sde.solve import solve_sde

DOUBLE = torch.float64
BATCH, STATE = 6, 3
ASKED = [0.0, 0.33, 0.5, 1.0]


class Net(nn.Module):
    """A bounded field that mixes all components and time."""

    def __init__(self, width):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(STATE + 1, 8), nn.Tanh(), nn.Linear(8, width)).to(DOUBLE)

    def forward(self, t, y):
        return torch.tanh(self.layers(torch.cat([t, y], 1)))


class Problem:
    """Neural drift and diffusion; a context that only a closure knows; weights for a loss of all outputs."""

    def __init__(self, noise):
        torch.manual_seed(0)
        self.noise = noise
        self.drift_net, self.noise_net = Net(STATE), Net(STATE * (2 if noise == "general" else 1))
        self.context = torch.randn(BATCH, STATE, dtype=DOUBLE, requires_grad=True)
        self.y0 = torch.randn(BATCH, STATE, dtype=DOUBLE, requires_grad=True)
        self.inputs = [self.y0, self.context, *self.drift_net.parameters(), *self.noise_net.parameters()]

    def drift(self, t, y):
        return self.drift_net(t, y) + 0.1 * self.context

    def diffusion(self, t, y):
        if self.noise == "diagonal":
            # of one component at a time: diagonal noise that is coupled has no order above 1/2
            padded = torch.diag_embed(y).flatten(0, 1)
            return self.noise_net(t.repeat_interleave(STATE, 0), padded).view(-1, STATE, STATE).diagonal(dim1=1, dim2=2)
        g = self.noise_net(t, y)
        return {"diagonal": g, "scalar": g[..., None], "general": g.view(-1, STATE, g.shape[1] // STATE)}[self.noise]

    def solve(self, asked=ASKED, seed=5, **options):
        return solve_sde(self.drift, self.diffusion, self.y0, asked, seed=seed, noise=self.noise, **options)

    def loss(self, **options):
        y = self.solve(**options).y
        return (y * torch.linspace(1, 2, y.numel(), dtype=DOUBLE).view_as(y)).square().sum()

    def gradient(self, **options):
        return torch.autograd.grad(self.loss(**options), self.inputs)


def distance(found, expected):
    return max(float((a - b).abs().max() / b.abs().max()) for a, b in zip(found, expected, strict=True))


HEUN = {"method": "reversible_heun", "calculus": "stratonovich"}


@pytest.mark.parametrize(
    ("method", "noise", "calculus"),
    [
        ("euler_maruyama", "general", "ito"),
        ("milstein", "diagonal", "ito"),
        ("milstein", "scalar", "ito"),
        ("heun", "diagonal", "stratonovich"),
        ("sri2w1", "scalar", "ito"),
        ("tamed_euler", "diagonal", "ito"),
    ],
)
def test_direct_gradient_equals_central_differences(method, noise, calculus):
    problem = Problem(noise)
    options = {"method": method, "calculus": calculus, "step_size": 0.1}
    generator = torch.Generator().manual_seed(1)
    directions = [torch.randn(tensor.shape, dtype=DOUBLE, generator=generator) for tensor in problem.inputs]
    slope = sum(float((g * v).sum()) for g, v in zip(problem.gradient(**options), directions, strict=True))
    losses = []
    for shift in (1e-5, -2e-5):
        with torch.no_grad():
            for tensor, direction in zip(problem.inputs, directions, strict=True):
                tensor += shift * direction
            losses.append(float(problem.loss(**options)))
    assert slope == pytest.approx((losses[0] - losses[1]) / 2e-5, rel=1e-6)


@pytest.mark.parametrize("noise", ["diagonal", "scalar", "general"])
@pytest.mark.parametrize("step_size", [1 / 16, 0.05, 0.03, 0.07])
def test_reversible_gradient_equals_direct_at_any_step_and_for_times_off_the_grid(noise, step_size):
    problem = Problem(noise)
    direct = problem.gradient(step_size=step_size, **HEUN)
    assert distance(problem.gradient(step_size=step_size, gradient="reversible", **HEUN), direct) <= 1e-10


@pytest.mark.parametrize(
    ("method", "noise", "calculus"),
    [
        ("euler_maruyama", "diagonal", "ito"),
        ("milstein", "diagonal", "stratonovich"),
        ("reversible_heun", "general", "stratonovich"),
        ("sri2w1", "scalar", "ito"),
    ],
)
def test_checkpointed_gradient_equals_direct(method, noise, calculus):
    problem = Problem(noise)
    options = {"method": method, "calculus": calculus, "step_size": 0.03}
    assert distance(problem.gradient(gradient="checkpoint", **options), problem.gradient(**options)) <= 1e-12


@pytest.mark.parametrize(
    ("method", "noise", "calculus", "expected"),
    [
        ("heun", "diagonal", "stratonovich", 1.0),
        ("euler_heun", "scalar", "stratonovich", 1.0),
        ("euler_maruyama", "scalar", "ito", 0.5),
        ("euler_maruyama", "diagonal", "ito", 0.5),
    ],
)
def test_stochastic_adjoint_converges_to_the_direct_gradient_with_the_step(method, noise, calculus, expected):
    problem = Problem(noise)
    path = BrownianPath(5, (BATCH, {"diagonal": STATE, "scalar": 1, "general": 2}[noise]), (0.0, 1.0))
    options = {"asked": [0.0, 0.5, 1.0], "seed": None, "brownian": path, "method": method, "calculus": calculus}
    steps = (8, 32, 96)
    errors = []
    for count in steps:
        direct = problem.gradient(step_size=1 / count, **options)
        errors.append(distance(problem.gradient(step_size=1 / count, gradient="adjoint", **options), direct))
    slope = -np.polyfit(np.log(steps), np.log(errors), 1)[0]
    # one path of six samples shows its order roughly
    assert slope > expected - 0.3
    assert errors[-1] < 0.1


def test_adaptive_checkpoints_equal_direct_where_steps_are_the_same():
    problem = Problem("diagonal")
    # rounding moves steps, and the rough path amplifies that: without noise, direct and checkpoint choose equal steps
    quiet = {"method": "heun", "calculus": "stratonovich", "rtol": 1e-3, "atol": 1e-4, "first_step": 0.01}
    problem.diffusion = lambda t, y: torch.zeros_like(y)
    problem.inputs = problem.inputs[:6]
    assert distance(problem.gradient(gradient="checkpoint", **quiet), problem.gradient(**quiet)) <= 1e-10


def test_error_and_stiffness_of_an_adaptive_solve_have_gradients():
    problem = Problem("diagonal")
    log = problem.solve(method="milstein", rtol=1e-2, atol=1e-2).log
    regulariser = (log.error * log.size)[log.accepted].sum() + log.stiffness[log.accepted].sum()
    found = torch.autograd.grad(regulariser, problem.inputs)
    assert all(bool(torch.isfinite(gradient).all()) for gradient in found)
    assert all(float(gradient.abs().max()) > 0 for gradient in found)


def saved_tensors(gradient, step_size):
    """How many tensors a solve leaves on the tape."""
    problem, count = Problem("diagonal"), 0

    def pack(tensor):
        nonlocal count
        count += 1
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        problem.solve(step_size=step_size, gradient=gradient, **HEUN)
    return count


def test_memory_of_reversal_does_not_grow_and_that_of_checkpoints_grows_like_the_root_of_the_steps():
    growth = {name: saved_tensors(name, 1 / 900) / saved_tensors(name, 1 / 100) for name in ("direct", "reversible")}
    assert growth["direct"] > 8
    assert growth["reversible"] == 1
    assert saved_tensors("adjoint", 1 / 900) == saved_tensors("adjoint", 1 / 100)
    checkpointed = [Problem("diagonal").solve(step_size=1 / n, gradient="checkpoint", **HEUN).y for n in (100, 900)]
    assert [len(y.grad_fn.starts) for y in checkpointed] == [10, 30]


def test_reversible_heun_comes_back_after_ten_thousand_steps():
    def turned(t, y):
        return torch.stack([-y[:, 1], y[:, 0]], 1)

    fields = Fields(turned, lambda t, y: 0.5 * turned(t, y), "scalar", "stratonovich", elementwise=True)
    steps, h = 10_000, 1e-3
    path = BrownianPath(3, (4, 1), (0.0, 10.0), grid=np.linspace(0, 10, steps + 1))
    increments = path.increments(np.linspace(0, 10, steps + 1))[0].unbind(0)
    t = torch.zeros(4, 1, dtype=DOUBLE)
    start = y = torch.tensor([[1.0, 0.0]], dtype=DOUBLE).repeat(4, 1)
    carry = reversible_start(fields, t, y)
    for w in increments:
        y, carry, *_ = reversible_heun(fields, Interval(t, t, h, w, w), y, carry, False)
    moved = float((y - start).abs().min())
    for w in reversed(increments):
        y, carry, *_ = reversible_heun(fields, Interval(t, t, -h, -w, w), y, carry, False)
    assert moved > 0.01
    assert float((y - start).abs().max()) <= 1e-13


def test_tensors_that_only_closures_know_get_their_gradient():
    rate = torch.tensor(0.7, dtype=DOUBLE, requires_grad=True)
    scale = torch.tensor(0.3, dtype=DOUBLE, requires_grad=True)
    y0 = torch.ones(4, 1, dtype=DOUBLE)
    found = {}
    for gradient in ("direct", "checkpoint", "adjoint", "reversible"):
        y = solve_sde(
            lambda t, y: -rate * y,
            lambda t, y: scale * y,
            y0,
            [0.0, 1.0],
            seed=2,
            method="reversible_heun",
            calculus="stratonovich",
            step_size=1 / 512,
            gradient=gradient,
        ).y
        found[gradient] = torch.stack(torch.autograd.grad(y[:, -1].sum(), [rate, scale]))
    w = BrownianPath(2, (4, 1), (0.0, 1.0), grid=np.linspace(0, 1, 513)).increment(0.0, 1.0)
    end = torch.exp(-0.7 + 0.3 * w)
    exact = torch.stack([-end.sum(), (w * end).sum()])
    for gradient in found.values():
        assert float((gradient / exact - 1).abs().max()) < 5e-3


def test_gradient_reaches_a_tensor_that_was_computed_before_the_solve():
    encoder = nn.Linear(STATE, STATE).to(DOUBLE)
    problem = Problem("diagonal")
    given = torch.ones(BATCH, STATE, dtype=DOUBLE)
    found = {}
    for gradient in ("direct", "reversible", "adjoint"):
        problem.context = encoder(given)
        loss = problem.loss(step_size=1 / 256, gradient=gradient, **HEUN)
        found[gradient] = torch.autograd.grad(loss, list(encoder.parameters()))
    assert distance(found["reversible"], found["direct"]) <= 1e-10
    assert distance(found["adjoint"], found["direct"]) <= 0.05


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"method": "heun", "step_size": 0.1, "gradient": "reversible"}, "needs method='reversible_heun'"),
        ({"method": "heun", "gradient": "adjoint"}, "gradient 'adjoint' needs a step_size"),
    ],
)
def test_gradients_that_cannot_be_are_refused_in_words(options, said):
    with pytest.raises(InvalidArgument, match=said):
        Problem("diagonal").solve(calculus="stratonovich", **options)


def test_no_tape_is_written_where_nobody_asks_for_a_gradient():
    y0 = torch.ones(2, 1, dtype=DOUBLE)
    y = solve_sde(lambda t, y: -y, lambda t, y: y, y0, [0.0, 1.0], seed=0, method="milstein", step_size=0.1).y
    assert not y.requires_grad
    assert math.isfinite(float(y.sum()))


@pytest.mark.parametrize("method", ["euler_maruyama", "heun"])
def test_a_tangent_goes_through_the_solve_of_a_linear_equation_as_its_solution_does(method):
    times = torch.linspace(0, 1, 5, dtype=DOUBLE)

    def paths(y0):
        calculus = "stratonovich" if method == "heun" else "ito"
        solution = solve_sde(
            lambda t, y: -y, lambda t, y: 0.3 * y, y0, times, seed=0, method=method, calculus=calculus, step_size=0.05
        )
        return solution.y

    start, tangent = torch.rand(3, 2, dtype=DOUBLE), torch.rand(3, 2, dtype=DOUBLE)
    _, moved = torch.func.jvp(paths, (start,), (tangent,))
    assert (moved - paths(start) * (tangent / start)[:, None]).abs().max() < 1e-14
