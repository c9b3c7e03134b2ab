"""What the code of a state computes, in a namespace of its own, is what the figures show."""

import numpy as np
import pytest

from limitlab import problems
from limitlab.errors import InvalidArgument
from limitlab_widgets import SolverState
from limitlab_widgets.solver.code import solver_code


@pytest.fixture
def state(closed_at_end):
    return lambda *arguments: closed_at_end(SolverState(*arguments))


def executed(state):
    namespace = {}
    exec(solver_code(state.solved), namespace)
    return namespace["solutions"]


def assert_same(state, *, rtol=1e-9):
    solutions = executed(state)
    assert list(solutions) == list(state.solutions)
    for method, solution in solutions.items():
        shown = state.solutions[method]["y"].sel(time=solution["time"])
        scale = float(np.nanmax(np.abs(shown)))
        np.testing.assert_allclose(solution["y"], shown, rtol=0, atol=rtol * scale)


@pytest.mark.parametrize("name", ["van_der_pol_mild", "lorenz", "linear_decay"])
def test_code_of_a_problem_at_moved_parameters(state, name):
    solver = state(name)
    first = solver.problem.parameters[0]
    with solver.together():
        solver.problem = solver.problem.with_parameters(**{first.name: 0.5 * (first.default + first.high)})
        # chaos tells every bit apart after a while
        solver.span, solver.tolerance = min(solver.span, 5.0), 1e-5
        solver.initial = tuple(1.25 * value + 0.1 for value in solver.start[0].tolist())
    assert_same(solver)


def test_code_of_a_typed_system_with_fixed_steps_and_another_start(state):
    solver = state()
    assert solver.choose_text("x' = y\ny' = -k*x", {"k": 2.5}, {"x": 1.0, "y": 0.5}, span=7.0)
    with solver.together():
        solver.control, solver.steps, solver.methods = "steps", 64, ("rk4", "heun")
        solver.initial = (0.3, -1.2)
    assert_same(solver, rtol=1e-12)


def test_code_of_a_stiff_problem_in_logarithmic_time(state):
    solver = state("robertson")
    solver.log_time = True
    # steps of a method of order four or five round differently where they end at other times too
    assert_same(solver, rtol=1e-4)


@pytest.mark.parametrize("seed", [0, 7])
def test_code_of_noise_has_its_seed(state, seed):
    solver = state("ornstein_uhlenbeck")
    solver.seed, solver.paths, solver.span = seed, 5, 1.0
    assert_same(solver, rtol=1e-12)
    other = executed(solver)
    solver.seed = seed + 1
    assert not np.allclose(next(iter(other.values()))["y"], next(iter(solver.solutions.values()))["y"])


def test_code_of_typed_noise_that_chooses_its_steps(state):
    solver = state()
    text, values = "dX = a*X*dt + s*X*dW", {"a": 0.1, "s": 0.3}
    assert solver.choose_text(text, values, {"X": 1.5}, span=2.0, calculus="stratonovich")
    with solver.together():
        solver.control, solver.paths = "tolerance", 3
    assert_same(solver, rtol=1e-12)


def test_code_of_a_law_in_python_is_no_matter_and_nothing_solved_has_none(state):
    own = problems.parse("x' = -x", initial=problems.Gaussian((1.0,), (0.1,)))
    assert_same(state(own))
    with pytest.raises(InvalidArgument, match="no method has a solution"):
        solver_code(None)
