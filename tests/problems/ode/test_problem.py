"""The ordinary problems: exact solutions solve their equations, invariants are kept, laws reach the data."""

import numpy as np
import pytest
import torch
from torch.autograd.functional import jvp

from limitlab import problems
from limitlab.errors import InvalidArgument
from limitlab.solvers.failures import SolveFailed

ODES = problems.catalogue("ode")
SOLVED = [problem.name for problem in ODES if problem.solution is not None]
REFERENCES = [(problem.name, number) for problem in ODES for number in range(len(problem.references))]
KEPT = [problem.name for problem in ODES if problem.invariants]


def f64(*values):
    return torch.tensor(values, dtype=torch.float64)


@pytest.mark.parametrize("name", SOLVED)
def test_exact_solutions_solve_their_equation(name):
    """u'(t) by automatic differentiation in t equals the field at u(t), for three random initial values."""
    problem = problems.get(name)
    y0, values = problem.sample(3, seed=1)
    field = problem.field(values)
    for time in (0.0, 0.13 * problem.span, 0.7 * problem.span):
        u, slope = jvp(
            lambda t: problem.solution_at(t[None], y0, values)[:, 0], f64(time)[0], torch.ones((), dtype=torch.float64)
        )
        expected = field(torch.full((3, 1), time, dtype=torch.float64), u)
        assert torch.allclose(slope, expected, rtol=1e-9, atol=1e-9 * float(expected.abs().max() + 1))
    assert torch.allclose(problem.solution_at(f64(0.0), y0, values)[:, 0], y0, rtol=1e-12)


@pytest.mark.parametrize("name", sorted(set(SOLVED) - {"kepler"}))
def test_simulated_trajectories_are_the_exact_ones(name):
    """At the data's tolerance 1e-8, with a factor 100 for the growth of errors over the span."""
    problem = problems.get(name).with_domain(frames=9)
    exact = problem.exact(3, seed=2)
    error = abs(problem.simulate(3, seed=2)["y"] - exact["y"]).max() / abs(exact["y"]).max()
    assert float(error) < 1e-6


@pytest.mark.parametrize("name", KEPT)
def test_invariants_are_kept_along_solutions(name):
    """Relative to their size, to 1e-7 at rtol 1e-10; the stiff ones, which are linear, already at 1e-8."""
    problem = problems.get(name)
    zeros = {key: 0.0 for invariant in problem.invariants for key in invariant.only_if_zero}
    span = min(problem.span, 40.0)
    problem = problem.with_parameters(**zeros).with_domain(span=span, frames=11)
    rtol = 1e-8 if problem.stiff else 1e-10
    kept = problem.conserved(problem.simulate(2, seed=4, rtol=rtol, atol=1e-13))
    for invariant in kept.values():
        drift = abs(invariant - invariant.isel(time=0)).max()
        assert float(drift) < 1e-7 * max(1.0, float(abs(invariant).max()))


def test_a_sample_depends_only_on_seed_and_its_number():
    problem = problems.get("lotka_volterra").with_domain(span=3.0, frames=5)
    together = problem.simulate(4, seed=5)
    alone = problem.simulate(1, seed=5, first=2)
    assert np.array_equal(together["y"].values[2], alone["y"].values[0])
    assert not np.array_equal(together["y"].values[0], problem.simulate(1, seed=6)["y"].values[0])


def test_data_carry_parameters_units_and_their_origin():
    data = problems.get("oral_dose", ka=2.0).simulate(2, seed=7, resolution=13)
    assert data["y"].dims == ("sample", "time", "state")
    assert data.sizes == {"sample": 2, "time": 13, "state": 2}
    assert data["ka"].values.tolist() == [2.0, 2.0]
    assert data["ka"].attrs["units"] == "1/h"
    assert data["unit"].values.tolist() == ["mg", "mg/L"]
    assert data["time"].attrs["units"] == "h"
    assert {"problem", "seed", "solver", "rtol", "atol", "limitlab_version"} <= set(data.attrs)


def test_data_of_a_dynamical_problem_are_cached_with_disjoint_splits(tmp_path, monkeypatch):
    monkeypatch.setenv("LIMITLAB_HOME", str(tmp_path))
    problem = problems.get("logistic").with_domain(frames=4)
    train, test = (problem.dataset(3, seed=0, split=split) for split in ("train", "test"))
    assert np.array_equal(problem.dataset(3, seed=0)["y"], train["y"])
    assert set(train["sample"].values).isdisjoint(test["sample"].values)
    assert not np.array_equal(train["y"], test["y"])


def test_an_explosion_is_an_error_that_names_sample_and_time():
    with pytest.raises(SolveFailed, match=r"sample 0 at t = 1"):
        problems.get("blow_up").solve(times=[0.0, 2.0])


def test_domains_sites_and_initial_values_can_be_changed():
    problem = problems.get("lorenz_96", sites=12, F=6.0, span=2.0, frames=5)
    assert problem.dimension == 12
    assert problem.components[-1] == "x_12"
    assert problem.times.tolist() == [0.0, 0.5, 1.0, 1.5, 2.0]
    moved = problems.get("lotka_volterra").with_initial(1.0, "alpha/beta")
    assert moved.initial_value.tolist() == pytest.approx([1.0, 1.3 / 0.9])
    with pytest.raises(InvalidArgument, match="sites must be a whole number >= 4"):
        problems.get("lorenz_96", sites=2)
    with pytest.raises(InvalidArgument, match="sites"):
        problems.get("lorenz", sites=3)
    with pytest.raises(InvalidArgument, match="one value for each of x, y"):
        problems.get("lotka_volterra").with_initial(1.0)


def test_what_is_not_known_is_said():
    with pytest.raises(InvalidArgument, match="no exact solution of lorenz"):
        problems.get("lorenz").exact()
    with pytest.raises(InvalidArgument, match="no invariant of lorenz"):
        problems.get("lorenz").conserved(problems.get("lorenz", span=0.1, frames=2).simulate(1))


@pytest.mark.parametrize("name", [problem.name for problem in ODES])
def test_every_system_has_latex_with_one_row_a_state(name):
    problem = problems.get(name)
    latex = problem.latex()
    assert latex.startswith(r"\begin{array}{rcl}")
    assert latex.endswith(r"\end{array}")
    assert latex.count(r"\\") == len(problem.states) - 1
    assert latex.count("{") == latex.count("}")


def test_latex_of_known_systems():
    assert problems.get("lorenz").latex() == (
        r"\begin{array}{rcl}\dot{x} &=& \displaystyle \sigma \left(y - x\right) \\ "
        r"\dot{y} &=& \displaystyle x \left(\rho - z\right) - y \\ "
        r"\dot{z} &=& \displaystyle x y - \beta z\end{array}"
    )
    assert r"\frac{1}{N} \sum_{j=1}^{N} \sin{\left(\theta_{i} - \theta_{j} \right)}" in problems.get("kuramoto").latex()


def deviation(computed, reference):
    digits = np.array(reference.state)
    known = ~np.isnan(digits)
    return np.abs(computed.numpy()[known] / digits[known] - 1).max()


@pytest.mark.parametrize(("name", "number"), REFERENCES)
def test_reference_values_are_reproduced(name, number):
    reference = problems.get(name).references[number]
    problem = problems.get(name, **reference.values)
    rtol = 1e-7 if problem.stiff else 1e-10
    end = problem.solve(times=[0.0, reference.time], rtol=rtol, atol=problem.atol * 1e-2, max_steps=50_000).y[0, -1]
    assert deviation(end, reference) < max(10 * rtol, reference.error)


def test_times_that_the_states_cannot_hold_are_refused_and_max_step_reaches_the_solver():
    problem = problems.get("lotka_volterra")
    start = problem.initial_value[None]
    with pytest.raises(InvalidArgument, match=r"times from 1700000000 to 1700000003 are too far .* torch\.float32"):
        problem.solve(start.float(), [1.7e9, 1.7e9 + 3])
    assert problem.solve(start, [1.7e9, 1.7e9 + 3]).y.isfinite().all()
    assert float(problem.solve(times=[0.0, 1.0], max_step=0.01).log.size.max()) <= 0.01 * (1 + 1e-8)
