"""Machine code is made where it can be, said in the solution, and refused with the reason where it is asked for."""

import pytest
import torch
from torch.autograd import forward_ad

from limitlab import problems
from limitlab.errors import InvalidArgument, UnknownName
from limitlab.solvers import solve_sde
from limitlab.solvers.sde.native import choice

PROBLEM = problems.get("geometric_brownian")
Y0 = torch.ones(2, 1, dtype=torch.float64)


def solved(y0=Y0, times=(0.0, 1.0), **options):
    return PROBLEM.solve(y0, list(times), **{"seed": 0, "step_size": 0.1, **options})


def test_the_solution_says_what_made_it():
    assert solved().backend == "native"
    assert solved(backend="torch").backend == "torch"
    assert "native" in str(solved().card())
    assert solve_sde(lambda t, y: -y, PROBLEM.diffusion(), Y0, [0.0, 1.0], seed=0, step_size=0.1).backend == "torch"


TORCH_ALONE = {
    "not both known as formulas": lambda: solve_sde(
        PROBLEM.drift(), lambda t, y: y, Y0, [0.0, 1.0], seed=0, step_size=0.1, backend="native"
    ),
    "or have sites": lambda: problems.get(SITES).solve(seed=0, backend="native"),
    "steps by the error": lambda: solved(step_size=None, method="milstein", backend="native"),
    "times of each sample's own": lambda: solved(
        times=[[0.0, 1.0], [0.0, 0.5]], method="euler_maruyama", backend="native"
    ),
    "float64 on the CPU; got torch.float32": lambda: solved(y0=Y0.float(), backend="native"),
    "a gradient is asked for": lambda: solved(y0=Y0.clone().requires_grad_(), backend="native"),
}
SITES = next(name for name in problems.names("sde") if problems.get(name).sites)


@pytest.mark.parametrize("reason", TORCH_ALONE)
def test_what_torch_alone_can_do_is_refused_with_the_reason(reason):
    with pytest.raises(InvalidArgument, match="backend='native' cannot make this solve: .*" + reason):
        TORCH_ALONE[reason]()


@pytest.mark.parametrize("gradient", ["direct", "checkpoint", "adjoint"])
def test_gradients_of_parameters_fall_to_torch(gradient):
    rate = torch.tensor(0.1, dtype=torch.float64, requires_grad=True)
    solution = solved(values={"mu": rate}, gradient=gradient)
    assert solution.backend == "torch"
    solution.y.sum().backward()
    assert rate.grad is not None
    with torch.no_grad():
        assert solved(values={"mu": rate}, gradient=gradient).backend == "native"


def test_tangents_fall_to_torch():
    """Without noise, ten steps of Euler's method: X_1 = (1 + mu/10)^10."""
    with forward_ad.dual_level():
        rate = forward_ad.make_dual(torch.tensor(0.1, dtype=torch.float64), torch.tensor(1.0, dtype=torch.float64))
        solution = solved(values={"mu": rate, "sigma": 0.0}, method="euler_maruyama")
        tangent = forward_ad.unpack_dual(solution.y[:, -1]).tangent
    assert solution.backend == "torch"
    torch.testing.assert_close(tangent, torch.full_like(tangent, (1 + 0.1 * 0.1) ** 9))


def test_noise_that_breaks_its_promise_is_refused_as_by_torch():
    """Structure is proved before and after a solve, whoever makes the steps."""
    problem = problems.parse("dX = -X*dt + 0.1*Y*dW1; dY = -Y*dt + 0.1*X*dW2")
    y0 = torch.ones(2, 2, dtype=torch.float64)
    for backend in ("native", "torch"):
        with pytest.raises(InvalidArgument, match="noise 'diagonal' promises"):
            problem.solve(y0, [0.0, 1.0], seed=0, noise="diagonal", method="milstein", step_size=0.1, backend=backend)


def test_an_unknown_backend_is_refused_by_name():
    with pytest.raises(UnknownName, match="native"):
        solved(backend="nativ")


def test_without_llvm_torch_makes_the_solve(monkeypatch):
    monkeypatch.setattr(choice, "_missing", lambda: "LLVM cannot be used here: no module")
    assert solved().backend == "torch"
    with pytest.raises(InvalidArgument, match="LLVM cannot be used here"):
        solved(backend="native")


def test_long_formulas_are_left_to_torch(monkeypatch):
    monkeypatch.setattr(choice, "MOST_OPERATIONS", 2)
    assert solved().backend == "torch"
    with pytest.raises(InvalidArgument, match="more than 2 take long to compile"):
        solved(backend="native")
