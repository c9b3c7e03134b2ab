import numpy as np
import pytest
import scipy.optimize
import torch
from torch import nn

from limitlab.errors import InvalidArgument
from limitlab.training.optimizers.quasi_newton import LBFGS, SelfScaledBFGS

METHODS = {
    "ssbfgs": SelfScaledBFGS,
    "bfgs": lambda params: SelfScaledBFGS(params, scaling=False),
    "lbfgs": LBFGS,
}


def quadratic(largest=1e6, dimension=100):
    """A matrix with condition 1e6 in a random basis, and a start."""
    generator = torch.Generator().manual_seed(0)
    basis = torch.linalg.qr(torch.randn(dimension, dimension, dtype=torch.float64, generator=generator))[0]
    eigenvalues = largest * torch.logspace(-6, 0, dimension, dtype=torch.float64)
    matrix = (basis * eigenvalues) @ basis.T
    return (matrix + matrix.T) / 2, torch.randn(dimension, dtype=torch.float64, generator=generator)


def rosenbrock(x):
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


def minimise(method, f, start, steps, reached=lambda x, gradient: False):
    """Points after each step, and evaluations."""
    x = start.clone().requires_grad_()
    optimizer, points, evaluations = method([x]), [], 0

    def closure():
        nonlocal evaluations
        evaluations += 1
        optimizer.zero_grad()
        loss = f(x)
        loss.backward()
        return loss

    while optimizer.ended is None and len(points) < steps:
        optimizer.step(closure)
        points.append(x.detach().clone())
        if reached(points[-1], x.grad):
            break
    return points, evaluations, optimizer


def with_numpy(f):
    def both(values):
        x = torch.tensor(values, requires_grad=True)
        loss = f(x)
        return float(loss.detach()), torch.autograd.grad(loss, x)[0].numpy()

    return both


@pytest.mark.parametrize("largest", [1e6, 1e3])
def test_self_scaled_bfgs_solves_a_quadratic_of_condition_a_million_in_250_steps(largest):
    matrix, start = quadratic(largest)
    points, _, _ = minimise(
        SelfScaledBFGS, lambda x: x @ matrix @ x / 2, start, 250, lambda x, gradient: gradient.norm() < 1e-8
    )
    assert (matrix @ points[-1]).norm() < 1e-8


def test_scaling_helps_where_the_identity_underestimates_the_inverse_hessian():
    matrix, start = quadratic(1e3)
    steps = [
        len(minimise(METHODS[name], lambda x: x @ matrix @ x / 2, start, 600, lambda x, g: g.norm() < 1e-8)[0])
        for name in ("ssbfgs", "bfgs")
    ]
    assert steps[0] < 0.9 * steps[1]


@pytest.mark.parametrize("f", [rosenbrock, lambda x: x @ quadratic(1e6, 6)[0] @ x / 2], ids=["rosenbrock", "quadratic"])
def test_first_steps_of_plain_bfgs_are_those_of_scipy(f):
    """The line search is MINPACK's too, so that no step length has to be handed over."""
    start = torch.tensor([-1.2, 1.0, 0.5, -0.3, 0.8, 1.1], dtype=torch.float64)
    theirs = []
    scipy.optimize.minimize(
        with_numpy(f),
        start.numpy(),
        jac=True,
        method="BFGS",
        options={"maxiter": 5},
        callback=lambda x: theirs.append(x.copy()),
    )
    ours = torch.stack(minimise(METHODS["bfgs"], f, start, 5)[0])
    torch.testing.assert_close(ours, torch.tensor(np.array(theirs)), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("method", METHODS)
def test_rosenbrock_is_solved_and_the_end_says_why(method):
    start = torch.full((8,), -1.0, dtype=torch.float64)
    points, evaluations, optimizer = minimise(METHODS[method], rosenbrock, start, 300)
    torch.testing.assert_close(points[-1], torch.ones(8, dtype=torch.float64), rtol=0, atol=1e-9)
    assert "gradient" in optimizer.ended or "no weight" in optimizer.ended or "no lower loss" in optimizer.ended
    assert evaluations < 2.5 * len(points)


def test_lbfgs_finds_the_minimum_of_scipy():
    generator = torch.Generator().manual_seed(1)
    features, target = (torch.randn(40, n, dtype=torch.float64, generator=generator) for n in (12, 1))

    def logistic(x):
        return nn.functional.softplus(-(features @ x) * target[:, 0].sign()).mean() + 1e-2 * x.square().sum()

    start = torch.zeros(12, dtype=torch.float64)
    options = {"ftol": 1e-15, "gtol": 1e-12, "maxcor": 50, "maxiter": 500}
    theirs = scipy.optimize.minimize(with_numpy(logistic), start.numpy(), jac=True, method="L-BFGS-B", options=options)
    ours = minimise(LBFGS, logistic, start, 500)[0][-1]
    assert float(logistic(ours)) == pytest.approx(theirs.fun, rel=1e-13)
    torch.testing.assert_close(ours, torch.tensor(theirs.x), rtol=0, atol=1e-6)


def test_lbfgs_with_all_pairs_walks_as_bfgs_from_the_same_multiple_of_the_identity():
    """On a quadratic, with exact arithmetic, both minimise over growing Krylov spaces: ten dimensions end it alike."""
    matrix, start = quadratic(1e2, 10)
    for method in METHODS.values():
        points, _, _ = minimise(method, lambda x: x @ matrix @ x / 2, start, 400)
        assert (matrix @ points[-1]).norm() < 1e-9


@pytest.mark.parametrize("method", METHODS)
def test_state_dict_carries_a_minimisation_over_exactly(method):
    start = torch.full((5,), -1.0, dtype=torch.float64)
    whole = minimise(METHODS[method], rosenbrock, start, 20)[0]

    first = start.clone().requires_grad_()
    optimizer = METHODS[method]([first])

    def closure_of(x, optimizer):
        def closure():
            optimizer.zero_grad()
            loss = rosenbrock(x)
            loss.backward()
            return loss

        return closure

    for _ in range(9):
        optimizer.step(closure_of(first, optimizer))
    second = first.detach().clone().requires_grad_()
    resumed = METHODS[method]([second])
    resumed.load_state_dict(optimizer.state_dict())
    for point in whole[9:]:
        resumed.step(closure_of(second, resumed))
        assert torch.equal(second.detach(), point)


def test_complex_weights_move_as_pairs_of_reals():
    target = torch.tensor([1 + 2j, -0.5j], dtype=torch.complex128)
    weights = torch.zeros(2, dtype=torch.complex128, requires_grad=True)
    optimizer = SelfScaledBFGS([weights])

    def closure():
        optimizer.zero_grad()
        loss = ((weights - target).abs().square() * torch.tensor([1.0, 30.0])).sum()
        loss.backward()
        return loss

    while optimizer.ended is None:
        optimizer.step(closure)
    torch.testing.assert_close(weights.detach(), target, rtol=0, atol=1e-10)


def test_a_loss_that_no_step_lowers_ends_with_the_weights_as_they_were():
    x = torch.ones(3, dtype=torch.float64, requires_grad=True)
    optimizer = SelfScaledBFGS([x])

    def closure():
        optimizer.zero_grad()
        # the gradient points the other way
        x.grad = -torch.ones_like(x)
        return -x.detach().sum()

    optimizer.step(closure)
    assert "no lower loss" in optimizer.ended
    assert torch.equal(x.detach(), torch.ones(3, dtype=torch.float64))


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_start_that_is_not_finite_moves_nothing(loss):
    x = torch.ones(2, dtype=torch.float64, requires_grad=True)
    optimizer = LBFGS([x])

    def closure():
        x.grad = torch.ones_like(x)
        return loss

    optimizer.step(closure)
    assert optimizer.ended == "the loss or its gradient is not finite"
    assert torch.equal(x.detach(), torch.ones(2, dtype=torch.float64))


@pytest.mark.parametrize(
    ("params", "options", "message"),
    [
        ([torch.zeros(2, requires_grad=True)], {}, "needs weights of float64; got float32"),
        ([{"params": [torch.zeros(2, dtype=torch.float64, requires_grad=True)], "betas": (0.9, 0.9)}], {}, "betas"),
        ([{"params": [torch.zeros(2, dtype=torch.float64, requires_grad=True)], "rate": 0.5}], {}, "every rate"),
        ([torch.zeros(2, dtype=torch.float64, requires_grad=True)], {"lr": -1}, "lr"),
        ([torch.zeros(2, dtype=torch.float64, requires_grad=True)], {"history": 0}, "history"),
    ],
)
def test_what_it_cannot_use_is_refused(params, options, message):
    with pytest.raises(InvalidArgument, match=message):
        LBFGS(params, **options)


def test_dense_inverse_hessian_that_does_not_fit_is_refused():
    x = torch.zeros(3_000_000, dtype=torch.float64, requires_grad=True)
    optimizer = SelfScaledBFGS([x])

    def closure():
        x.grad = torch.ones_like(x)
        return 1.0

    with pytest.raises(InvalidArgument, match=r"inverse Hessian of 3000000 weights .*lbfgs"):
        optimizer.step(closure)
