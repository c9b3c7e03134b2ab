"""Gradients of a solve: against finite differences, against each other, and what they remember."""

import weakref

import pytest
import torch
from torch import nn

from limitlab.errors import InvalidArgument
from limitlab.solvers import Event, solve_ode
from limitlab.solvers.gradients.checkpoint import Checkpoints
from limitlab.solvers.gradients.leaves import gradient_leaves
from limitlab.solvers.gradients.replay import Generators

DOUBLE = torch.float64


class Problem:
    """A small neural field with a tensor in its closure, an explicit time, and a loss over all times."""

    def __init__(self):
        generator = torch.Generator().manual_seed(0)

        def draw(*shape):
            return torch.randn(*shape, dtype=DOUBLE, generator=generator)

        self.net = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 3)).double()
        with torch.no_grad():
            for parameter in self.net.parameters():
                parameter.copy_(0.6 * draw(*parameter.shape))
        self.scale = torch.tensor(0.7, dtype=DOUBLE, requires_grad=True)
        self.y0 = draw(4, 3).requires_grad_()
        self.times = torch.linspace(0, 3, 7, dtype=DOUBLE)
        self.weights = draw(4, 7, 3)
        self.leaves = [self.y0, self.scale, *self.net.parameters()]

    def field(self, t, y):
        return self.scale * self.net(y) + torch.sin(t)

    def loss(self, regularised=False, **options):
        solution = solve_ode(self.field, self.y0, self.times, **options)
        loss = (solution.y * self.weights).sum()
        if regularised:
            log = solution.log
            loss = loss + (log.error * log.size).nansum() + 0.1 * (log.stiffness * log.size).nansum()
        return loss

    def gradients(self, **options):
        return torch.autograd.grad(self.loss(**options), self.leaves)


@pytest.fixture
def problem():
    return Problem()


def difference(found, reference):
    """Largest relative difference over the leaves."""
    return max(float((f - r).abs().max() / r.abs().max()) for f, r in zip(found, reference, strict=True))


def finite_differences(problem, step=1e-6, **options):
    """Central differences in one random direction of every leaf, beside what the gradient says of it."""
    found = problem.gradients(**options)
    pairs = []
    generator = torch.Generator().manual_seed(1)
    for leaf, gradient in zip(problem.leaves, found, strict=True):
        direction = torch.randn(leaf.shape, dtype=DOUBLE, generator=generator)
        values = []
        for sign in (1, -1):
            with torch.no_grad():
                leaf += sign * step * direction
                values.append(float(problem.loss(**options)))
                leaf -= sign * step * direction
        pairs.append(((values[0] - values[1]) / (2 * step), float((gradient * direction).sum())))
    return pairs


@pytest.mark.parametrize("gradient", ["direct", "checkpoint"])
@pytest.mark.parametrize("method", ["rk4", "tsit5", "dopri8", "leapfrog"])
def test_gradient_of_uniform_steps_is_the_derivative(problem, method, gradient):
    """Uniform steps do not move with the parameters: finite differences see the same function."""
    if method == "leapfrog":
        torch.manual_seed(0)
        problem.net = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 2)).double()
        problem.y0 = problem.y0.detach()[:, :2].clone().requires_grad_()
        problem.weights = problem.weights[..., :2]
        problem.leaves = [problem.y0, problem.scale, *problem.net.parameters()]
    for numeric, exact in finite_differences(problem, method=method, step_size=0.17, gradient=gradient):
        assert exact == pytest.approx(numeric, rel=1e-6, abs=1e-8)


def test_gradient_of_adaptive_steps_is_the_derivative(problem):
    for numeric, exact in finite_differences(problem, rtol=1e-10, atol=1e-12, step=1e-4):
        assert exact == pytest.approx(numeric, rel=1e-6, abs=1e-7)


def test_gradient_of_the_regulariser_is_the_derivative_on_a_frozen_grid(problem):
    options = {"method": "tsit5", "step_size": 0.25, "rtol": 1e-3, "atol": 1e-3, "regularised": True}
    for numeric, exact in finite_differences(problem, step=1e-5, **options):
        assert exact == pytest.approx(numeric, rel=1e-5, abs=1e-7)


@pytest.mark.parametrize(
    "options",
    [
        {"rtol": 1e-5},
        {"rtol": 1e-4, "method": "dopri8"},
        {"rtol": 1e-3, "method": "reversible_heun"},
        {"step_size": 0.1, "method": "rk4"},
        {"rtol": 1e-5, "stops": [0.3, 1.7]},
        {"rtol": 1e-5, "shared_steps": True},
    ],
)
def test_checkpointed_gradient_equals_the_direct_one(problem, options):
    direct = problem.gradients(**options)
    assert difference(problem.gradients(gradient="checkpoint", **options), direct) < 1e-12


def test_checkpointed_gradient_of_the_log_equals_the_direct_one(problem):
    options = {"rtol": 1e-5, "regularised": True}
    assert difference(problem.gradients(gradient="checkpoint", **options), problem.gradients(**options)) < 1e-8


@pytest.mark.parametrize(
    "options",
    [
        {"rtol": 1e-3, "atol": 1e-3, "first_step": 2.0},
        {"rtol": 1e-4, "atol": 1e-4, "first_step": 2.0, "shared_steps": True},
        {"rtol": 1e-2, "method": "rodas5", "first_step": 2.0},
        {"rtol": 1e-2, "method": "kvaerno3", "first_step": 0.8},
    ],
)
def test_checkpointed_gradient_of_rejected_attempts_equals_the_direct_one(problem, options):
    """Their errors stand in the log, and depend on the parameters like those of the others."""

    def gradients(**more):
        torch.manual_seed(0)
        log = solve_ode(problem.field, problem.y0, problem.times, **options, **more).log
        rejected = log.attempted & ~log.accepted
        assert int(rejected.sum()) > 0
        return torch.autograd.grad(log.error[rejected].sum() + log.stiffness[rejected].nansum(), problem.leaves)

    direct = gradients()
    assert all(float(gradient.abs().max()) > 0 for gradient in direct)
    assert difference(gradients(gradient="checkpoint"), direct) < 1e-8


def test_checkpointed_gradient_beside_stops_that_fall_on_steps_equals_the_direct_one(problem):
    """A stop on a grid time makes a step of size zero in the middle."""
    options = {"method": "rk4", "step_size": 0.25, "stops": [0.5, 1.0, 1.1], "regularised": False}
    direct = problem.gradients(**options)
    assert difference(problem.gradients(gradient="checkpoint", **options), direct) < 1e-12


def test_adjoint_converges_with_the_tolerance(problem):
    reference = problem.gradients(rtol=1e-12, atol=1e-13)
    errors = []
    for tolerance in (1e-4, 1e-6, 1e-8):
        found = problem.gradients(rtol=tolerance, atol=tolerance, gradient="adjoint")
        errors.append(difference(found, reference))
        assert errors[-1] < 10 * tolerance
    assert errors[2] < 1e-2 * errors[0]


def test_adjoint_of_uniform_steps_converges_with_the_step(problem):
    reference = problem.gradients(rtol=1e-12, atol=1e-13)
    errors = [
        difference(problem.gradients(method="rk4", step_size=h, gradient="adjoint"), reference) for h in (0.1, 0.05)
    ]
    assert errors[1] < errors[0] / 8


@pytest.mark.parametrize("step", [1 / 16, 1 / 64, 0.05, 0.37])
def test_reversible_gradient_is_exact_at_any_step(problem, step):
    """Also where output times lie between the steps."""
    options = {"method": "reversible_heun", "step_size": step}
    assert difference(problem.gradients(gradient="reversible", **options), problem.gradients(**options)) < 1e-10


def test_reversible_gradient_with_times_of_every_sample(problem):
    problem.times = problem.times * torch.tensor([[1.0], [0.5], [0.25], [1.0]], dtype=DOUBLE)
    options = {"method": "reversible_heun", "step_size": 0.11}
    assert difference(problem.gradients(gradient="reversible", **options), problem.gradients(**options)) < 1e-10


@pytest.mark.parametrize("gradient", ["direct", "checkpoint", "adjoint"])
def test_backward_time_and_trees_have_gradients(gradient):
    rate = torch.tensor(0.3, dtype=DOUBLE, requires_grad=True)
    y0 = {"a": torch.ones(2, 3, dtype=DOUBLE, requires_grad=True)}
    solution = solve_ode(lambda t, y: {"a": -rate * y["a"]}, y0, [2.0, 0.5], rtol=1e-9, atol=1e-11, gradient=gradient)
    found = torch.autograd.grad(solution.y["a"][:, -1].sum(), [rate, y0["a"]])
    grown = float(torch.exp(rate.detach() * 1.5))
    assert float(found[0]) == pytest.approx(6 * 1.5 * grown, rel=1e-7)
    assert torch.allclose(found[1], torch.full((2, 3), grown, dtype=DOUBLE), rtol=1e-7)


def test_every_tensor_of_a_field_is_found(problem):
    with torch.enable_grad():
        slope = problem.field(torch.zeros(4, 1, dtype=DOUBLE), problem.y0.detach())
    found = {id(leaf) for leaf in gradient_leaves([slope])}
    assert found == {id(leaf) for leaf in problem.leaves[1:]}
    unused = nn.Linear(2, 2)
    assert len(gradient_leaves([slope], [unused])) == len(found) + 2


@pytest.mark.parametrize("gradient", ["checkpoint", "adjoint"])
def test_tensors_made_outside_the_field_get_their_gradient(gradient):
    """The weight is no leaf: its tape reaches out of the field, once for every step."""
    raw = torch.tensor([0.2, 0.4], dtype=DOUBLE, requires_grad=True)
    rate = torch.nn.functional.softplus(raw)
    y0 = torch.ones(1, 2, dtype=DOUBLE)

    def loss(**options):
        return solve_ode(lambda t, y: -rate * y, y0, [0.0, 1.0, 2.0], rtol=1e-9, atol=1e-11, **options).y.sum()

    (direct,) = torch.autograd.grad(loss(), raw, retain_graph=True)
    (found,) = torch.autograd.grad(loss(gradient=gradient), raw, retain_graph=True)
    assert torch.allclose(found, direct, rtol=1e-7)


def test_a_rejected_overflow_leaves_no_nan_in_the_gradient():
    """A first step far too long overflows the power; its tape must not reach the parameters."""
    rate = torch.tensor(1.0, dtype=DOUBLE, requires_grad=True)
    y0 = torch.tensor([[1.0], [0.1]], dtype=DOUBLE)
    solution = solve_ode(lambda t, y: -rate * y**99, y0, [0.0, 1.0], first_step=0.9, rtol=1e-6)
    assert int(solution.log.rejected.sum()) > 0
    (gradient,) = torch.autograd.grad(solution.y[:, -1].sum(), rate)
    assert bool(gradient.isfinite())


def test_nothing_asks_for_a_gradient_nothing_is_taped():
    solution = solve_ode(lambda t, y: -y, torch.ones(2, 1), [0.0, 1.0])
    assert not solution.y.requires_grad


def test_checkpoints_grow_like_the_square_root():
    for count in (10, 100, 1000, 10_000):
        checkpoints = Checkpoints(Generators(torch.device("cpu")))
        for step in range(count):
            checkpoints.offer(torch.tensor(step), (), 1)
        starts = [int(state) for state, _, _ in checkpoints.starts]
        assert starts == list(range(0, count, checkpoints.stride))
        assert len(starts) <= 2 * checkpoints.stride <= 4 * (2 * count) ** 0.5


def largest_tape(steps, gradient):
    """Most numbers held for the backward pass at one time, counted as tensors come and go."""
    net = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 2))
    held, largest = 0, 0

    class Kept:
        def __init__(self, tensor):
            # without its history, or a result that is saved for its own backward pass would never be let go
            self.tensor = tensor.detach()

    def keep(tensor):
        nonlocal held, largest
        kept, size = Kept(tensor), tensor.numel()

        def let_go():
            nonlocal held
            held -= size

        weakref.finalize(kept, let_go)
        held += size
        largest = max(largest, held)
        return kept

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda kept: kept.tensor):
        solution = solve_ode(
            lambda t, y: net(y), torch.ones(8, 2), [0.0, 1.0], method="rk4", step_size=1 / steps, gradient=gradient
        )
        solution.y.sum().backward()
    return largest


def test_memory_of_checkpoints_grows_like_the_square_root_and_of_the_tape_linearly():
    direct = [largest_tape(n, "direct") for n in (64, 256)]
    kept = [largest_tape(n, "checkpoint") for n in (64, 256)]
    assert direct[1] > 3.5 * direct[0]
    assert kept[1] < 2.6 * kept[0]
    assert kept[1] < direct[1] / 7


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gradient": "reversible"}, "needs method='reversible_heun'"),
        ({"gradient": "adjoint", "method": "reversible_heun"}, "needs an explicit Runge-Kutta method"),
        ({"gradient": "checkpoint", "events": [Event(lambda t, y: y[:, 0])]}, "events have no gradient"),
    ],
)
def test_gradients_that_do_not_fit_are_refused(problem, options, message):
    with pytest.raises(InvalidArgument, match=message):
        problem.loss(**options)


@pytest.mark.parametrize("gradient", ["direct", "checkpoint", "adjoint"])
def test_weights_of_a_later_stretch_have_their_gradient(gradient):
    """y' = -a y until 1/2, then -b y: dy(1)/db = -y(1)/2."""
    a, b = (torch.tensor(value, dtype=DOUBLE, requires_grad=True) for value in (1.0, 2.0))

    def switched(t, y):
        return -(a if float(t.max()) < 0.5 else b) * y

    y0 = torch.ones(1, 1, dtype=DOUBLE)
    end = solve_ode(switched, y0, [0.0, 1.0], rtol=1e-8, stops=[0.5], gradient=gradient).y[0, -1, 0]
    to_a, to_b = torch.autograd.grad(end, (a, b))
    assert abs(float(to_b) + 0.5 * float(end)) < 1e-6
    assert abs(float(to_a) + 0.5 * float(end)) < 1e-6


def test_weights_that_a_replay_alone_sees_are_refused():
    """They depend on the state, so that no evaluation at the initial one knows of them."""
    a, b = (torch.tensor(value, dtype=DOUBLE, requires_grad=True) for value in (1.0, 2.0))
    y0 = torch.ones(1, 1, dtype=DOUBLE)
    field = lambda t, y: -(a if float(y.detach().max()) > 0.7 else b) * y  # noqa: E731
    end = solve_ode(field, y0, [0.0, 1.0], method="rk4", step_size=0.1, gradient="checkpoint").y[0, -1, 0]
    with pytest.raises(InvalidArgument, match="uses 1 tensors that ask for a gradient at some states or times only"):
        end.backward()


def test_times_that_ask_for_a_gradient_are_refused():
    times = torch.tensor([0.0, 1.0], dtype=DOUBLE, requires_grad=True)
    with pytest.raises(InvalidArgument, match="t has no gradient, times are constants of a solve"):
        solve_ode(lambda t, y: -y, torch.ones(1, 1, dtype=DOUBLE), times)
    with torch.no_grad():
        assert solve_ode(lambda t, y: -y, torch.ones(1, 1, dtype=DOUBLE), times).y.shape == (1, 2, 1)


def test_solve_under_vmap_says_that_samples_are_a_batch():
    def end(y):
        return solve_ode(lambda t, y: -y, y[None], [0.0, 1.0], method="rk4", step_size=0.1).y[0, -1]

    with pytest.raises(InvalidArgument, match=r"y0 is mapped by torch.func.vmap.* samples are the batch"):
        torch.func.vmap(end)(torch.ones(3, 1))
