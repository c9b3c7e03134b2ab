"""Machine code is made where it can be, said in the solution, and refused with the reason where it is asked for."""

import pytest
import torch
from torch.autograd import forward_ad

from limitlab import problems
from limitlab.errors import InvalidArgument, UnknownName
from limitlab.solvers import Event, solve_ode
from limitlab.solvers.native import choice

Y0 = torch.tensor([[1.0, 0.5]], dtype=torch.float64)
PROBLEM = problems.get("lotka_volterra")


def solved(field=None, y0=Y0, **options):
    return solve_ode(PROBLEM.field() if field is None else field, y0, [0.0, 1.0], **options)


def test_the_solution_says_what_made_it():
    assert solved().backend == "native"
    assert solved(backend="torch").backend == "torch"
    assert solved(lambda t, y: -y).backend == "torch"
    assert "native" in str(solved().card())


TORCH_ALONE = {
    "known as formulas": lambda: solved(lambda t, y: -y, backend="native"),
    "a gradient is asked for": lambda: solved(y0=Y0.clone().requires_grad_(), backend="native"),
    "float64 on the CPU; got torch.float32": lambda: solved(y0=Y0.float(), backend="native"),
    "events is torch's": lambda: solved(events=[Event(lambda t, y: y[:, 0] - 1.2)], backend="native"),
    "shared_steps is torch's": lambda: solved(shared_steps=True, backend="native"),
    "log_states is torch's": lambda: solved(log_states=True, backend="native"),
    "a jacobian of your own is torch's": lambda: solved(
        method="rodas5", jacobian=lambda t, y: PROBLEM.jacobian()(t, y), backend="native"
    ),
    "'auto' is not among": lambda: solved(method="auto", backend="native"),
    "'reversible_heun' is not among": lambda: solved(method="reversible_heun", step_size=0.1, backend="native"),
    "one for each sample": lambda: solved(PROBLEM.field({"alpha": torch.ones(3).double()}), backend="native"),
    "a state of another shape": lambda: solve_ode(PROBLEM.field(), Y0[:, None], [0.0, 1.0], backend="native"),
}


@pytest.mark.parametrize("reason", TORCH_ALONE)
def test_what_torch_alone_can_do_is_refused_with_the_reason(reason):
    with pytest.raises(InvalidArgument, match="backend='native' cannot make this solve: .*" + reason):
        TORCH_ALONE[reason]()


def test_gradients_of_parameters_fall_to_torch():
    rate = torch.tensor(1.3, dtype=torch.float64, requires_grad=True)
    solution = solved(PROBLEM.field({next(iter(PROBLEM.values)): rate}))
    assert solution.backend == "torch"
    solution.y.sum().backward()
    assert rate.grad is not None
    with torch.no_grad():
        assert solved(PROBLEM.field({next(iter(PROBLEM.values)): rate})).backend == "native"


def test_tangents_of_states_and_parameters_fall_to_torch():
    """Forward mode, as a dual number and as a transform, gives what torch's own path gives."""

    def end(y0, rate, backend="auto"):
        return solved(PROBLEM.field({"alpha": rate}), y0=y0, backend=backend).y[:, -1]

    rate, one = torch.tensor(1.3, dtype=torch.float64), torch.tensor(1.0, dtype=torch.float64)
    for at, along in (((Y0, rate), (torch.ones_like(Y0), 0 * one)), ((Y0, rate), (0 * Y0, one))):
        _, expected = torch.func.jvp(lambda y0, rate: end(y0, rate, "torch"), at, along)
        assert float(expected.abs().max()) > 0.1
        torch.testing.assert_close(torch.func.jvp(end, at, along)[1], expected)
        with forward_ad.dual_level():
            found = forward_ad.unpack_dual(end(*map(forward_ad.make_dual, at, along))).tangent
        torch.testing.assert_close(found, expected)


def test_a_field_of_another_size_is_refused_as_torch_does():
    with pytest.raises((InvalidArgument, ValueError, RuntimeError)):
        solved(y0=torch.ones(1, 3, dtype=torch.float64))


def test_an_unknown_backend_is_refused_by_name():
    with pytest.raises(UnknownName, match="native"):
        solved(backend="nativ")


def test_without_numba_torch_makes_the_solve(monkeypatch):
    monkeypatch.setattr(choice, "_missing", lambda: "numba cannot be used here: no module")
    assert solved().backend == "torch"
    with pytest.raises(InvalidArgument, match="numba cannot be used here"):
        solved(backend="native")


def test_long_formulas_are_left_to_torch(monkeypatch):
    monkeypatch.setattr(choice, "MOST_OPERATIONS", 10)
    assert solved().backend == "torch"
    with pytest.raises(InvalidArgument, match="more than 10 take long to compile"):
        solved(backend="native")
