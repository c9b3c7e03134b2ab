"""Hidden terms by regression: exact estimates give exact terms, and what cannot be regressed is refused."""

import numpy as np
import pytest
import torch

import limitlab as ll
from limitlab.discovery import pinn
from limitlab.discovery.pinn.sparse_rival import SparseField, SparseTerm, sparse_ode, sparse_term
from limitlab.discovery.symbolic.sparse.derivatives import estimated_slopes
from limitlab.errors import InvalidArgument


def exact_fields(predators, count=41):
    """The trajectory with its true derivatives, as a field of the equations."""
    times = np.linspace(0, 3, count)
    x, y = predators.solve(times=times).y[0].unbind(-1)
    fields = {"x": x, "y": y, "x_t": 1.3 * x - 0.9 * x * y, "y_t": -1.8 * y + 0.8 * x * y}
    return torch.tensor(times)[:, None], fields


def test_exact_derivatives_give_the_exact_terms_and_no_others(predators, hidden):
    points, fields = exact_fields(predators)
    term = sparse_term(pinn.equations_of(predators), hidden, points, fields)
    expected = torch.zeros(6, 2, dtype=torch.float64)
    expected[4] = torch.tensor([-0.9, 0.8])
    assert torch.equal(term.coefficients != 0, expected != 0)
    assert torch.allclose(term.coefficients.detach(), expected, atol=1e-10)
    features = torch.rand(5, 2, dtype=torch.float64)
    assert torch.allclose(term(features), features.prod(-1, keepdim=True) * torch.tensor([-0.9, 0.8]), atol=1e-9)


def test_known_terms_are_taken_from_the_equations_in_sums_too(predators):
    """A term of one equation is found from the sum of both, where the other's has no hole."""
    points, fields = exact_fields(predators)
    hidden = pinn.HiddenTerms({"x": "-beta*x*y"}, inputs=("x", "y"))
    equations = pinn.equations_of(predators).summed({"x": ("y",)})
    term = sparse_term(equations, hidden, points, fields)
    assert torch.nonzero(term.coefficients[:, 0]).flatten().tolist() == [4]


def test_dense_clean_points_give_the_law_and_its_trajectory(predators, hidden):
    times = np.linspace(0, 3, 61)
    y = predators.solve(times=times).y
    seen = pinn.Measurements(torch.tensor(times[1:])[None, :, None], y[:, 1:])
    model = sparse_ode(pinn.equations_of(predators), hidden, seen, predators.initial_value[None])
    assert model.term.coefficients[4].tolist() == pytest.approx([-0.9, 0.8], rel=2e-3)
    assert torch.allclose(model(seen.points[0, :, 0]), seen.values, atol=2e-3)


@pytest.mark.parametrize("sigma", [0.0, None])
def test_of_both_splines_the_one_whose_solved_equation_fits_better_is_taken(predators, hidden, sigma):
    times = np.linspace(0, 3, 31)
    y = predators.solve(times=times).y
    seen = pinn.Measurements(torch.tensor(times[1:])[None, :, None], y[:, 1:]).noisy(0.05, seed=0)
    equations, start = pinn.equations_of(predators), predators.initial_value[None]
    states, slopes = estimated_slopes(times, np.vstack([y[0, :1], seen.values[0]]), sigma=sigma)
    fields = dict(zip(("x", "y", "x_t", "y_t"), torch.from_numpy(np.hstack([states, slopes]).T), strict=True))
    term = sparse_term(equations, hidden, torch.zeros(len(states), 1, dtype=torch.float64), fields)
    either = pinn.UniversalODE(equations, hidden, seen, start, term=term)
    taken = sparse_ode(equations, hidden, seen, start)
    misfits = [(model(seen.points[0, :, 0]) - seen.values).norm() for model in (taken, either)]
    assert misfits[0] <= misfits[1] * (1 + 1e-6)


def test_field_meets_its_conditions_exactly_and_finds_the_known_term():
    """A travelling wave has G = -c u_x whatever its form."""
    problem = ll.problems.parse(
        "u_t = -c*u_x + nu*u_xx", {"c": 0.5, "nu": 1e-9}, length=2 * torch.pi, initial="sin(x)", span=1.0
    )
    equations = pinn.equations_of(problem)
    hidden = pinn.HiddenTerms({"u": "-c*u_x"}, inputs=("u", "u_x"))
    points = pinn.collocation(problem, 150, seed=1)

    def wave(at):
        return torch.sin(at[:, 1] - 0.5 * at[:, 0])

    line = torch.linspace(0, 1, 25, dtype=torch.float64)
    start = torch.stack([torch.zeros_like(line), 2 * torch.pi * line], -1)
    walls = [torch.stack([line[1:], torch.full_like(line[1:], x)], -1) for x in (0.0, 2 * torch.pi)]
    edge = torch.cat([start, *walls])
    known = pinn.Measurements(edge[None], wave(edge)[None, :, None])
    seen = pinn.Measurements(points[None], wave(points)[None, :, None])
    field = SparseField(equations, hidden, seen, known, count=1024)
    assert torch.allclose(field(edge)[:, 0], wave(edge), atol=1e-7)
    assert field.term.coefficients[2, 0].item() == pytest.approx(-0.5, abs=0.01)
    others = field.term.coefficients[[0, 1, 3, 4, 5], 0]
    assert others.abs().max() < 0.02


def test_states_that_nobody_measured_are_refused(predators, hidden, seen):
    values = seen.values.clone()
    values[0, 3, 1] = float("nan")
    with pytest.raises(InvalidArgument, match="every unknown at every point"):
        sparse_ode(
            pinn.equations_of(predators), hidden, pinn.Measurements(seen.points, values), predators.initial_value[None]
        )


def test_times_are_no_input_of_a_regression(predators, seen):
    forced = pinn.HiddenTerms({"x": None}, inputs=("t",), forcing=True)
    with pytest.raises(InvalidArgument, match="unknowns and derivatives"):
        sparse_ode(pinn.equations_of(predators), forced, seen, predators.initial_value[None])


def test_nothing_trains_a_polynomial():
    term = SparseTerm(torch.ones(6, 1, dtype=torch.float64), ("x", "y"), 2)
    assert not term(torch.rand(3, 2, dtype=torch.float64)).requires_grad
