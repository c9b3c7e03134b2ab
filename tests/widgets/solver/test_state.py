from functools import partial
from itertools import count

import numpy as np
import pytest
import torch

from limitlab import problems
from limitlab.errors import InvalidArgument, UnknownName
from limitlab.solvers.ode.solve import solve_ode
from limitlab.solvers.sde.native.solve import made
from limitlab_widgets import SolverState
from limitlab_widgets.shared import budget
from limitlab_widgets.solver.controls import initial_ranges
from limitlab_widgets.solver.methods import GROUPS, refusal, usable
from limitlab_widgets.solver.question import Question


@pytest.fixture
def opened(closed_at_end):
    return lambda *arguments: closed_at_end(SolverState(*arguments))


def directly(state: SolverState, method: str, **options) -> np.ndarray:
    problem = state.problem
    t = torch.from_numpy(np.linspace(0.0, state.span, state.solution.sizes["time"]))
    return solve_ode(problem.field(), problem.initial_value[None], t, method=method, **options).y.numpy()


def test_solutions_are_those_of_the_solver(opened):
    state = opened("lotka_volterra")
    state.tolerance = 1e-3
    assert state.methods == ("tsit5", "dopri8")
    for method in state.methods:
        expected = directly(state, method, rtol=1e-3, atol=1e-6)
        np.testing.assert_array_equal(state.solutions[method]["y"].values, expected)


def test_fixed_steps_divide_the_span(opened):
    state = opened("lotka_volterra")
    state.control, state.steps, state.methods = "steps", 128, ("rk4",)
    expected = directly(state, "rk4", step_size=state.span / 128)
    np.testing.assert_array_equal(state.solutions["rk4"]["y"].values, expected)
    assert int(state.solution["accepted"].sum()) == 128


def test_parameters_start_and_span_reach_the_solution(opened):
    state = opened("linear_decay")
    state.problem = state.problem.with_parameters(rate=-2.0)
    state.initial, state.span = (0.5,), 3.0
    y = state.solutions["tsit5"]["y"].isel(sample=0, state=0)
    assert float(y["time"][-1]) == 3.0
    np.testing.assert_allclose(y, 0.5 * np.exp(-2.0 * y["time"]), rtol=1e-3)


def test_the_error_is_that_against_the_exact_solution(opened):
    state = opened("linear_decay")
    assert state.wait(30)
    y = state.solutions["tsit5"]["y"].isel(sample=0, state=0)
    assert state.errors["tsit5"] == pytest.approx(float(abs(y - np.exp(-y["time"])).max()))


def test_without_an_exact_solution_the_error_falls_with_the_tolerance(opened):
    state = opened("lotka_volterra")
    errors = []
    for tolerance in (1e-3, 1e-6):
        state.tolerance = tolerance
        state.wait(30)
        errors.append(state.errors["tsit5"])
    assert 0 < errors[1] < errors[0] / 100


def test_the_cursor_does_not_solve_again(opened):
    state = opened("linear_decay")
    before, revision = state.solutions, state.revision
    state.cursor = 1.0
    assert state.solutions is before
    assert state.revision == revision


def test_another_method_leaves_the_others_solved(opened):
    state = opened("linear_decay")
    before = state.solutions["tsit5"]
    state.methods = ("tsit5", "rodas5")
    assert state.solutions["tsit5"] is before
    assert list(state.solution["method"].values) == ["tsit5", "rodas5"]


def test_another_problem_solves_once(opened):
    state = opened("linear_decay")
    revision = state.revision
    state.choose("van_der_pol_mild")
    assert state.revision == revision + 1
    assert state.initial == ()
    assert 0 < state.cursor < state.span


def test_a_stiff_problem_defeats_an_explicit_method_and_keeps_what_was_solved(opened):
    state = opened("robertson")
    assert state.methods == ("rodas5", "kvaerno5")
    assert state.failures == {}
    state.max_steps, state.methods = 200, ("tsit5", "rodas5")
    assert state.failures["tsit5"].startswith("tsit5: too many steps (200) at t = ")
    assert state.failures["tsit5"].endswith("stiff? try rodas5")
    reached = np.isfinite(state.solution["y"].sel(state="y1")).sum("time").isel(sample=0)
    explicit, stiff = (int(reached.sel({"method": name})) for name in state.methods)
    assert 0 < explicit < stiff


def test_a_singularity_ends_the_solution_there(opened):
    state = opened("blow_up")
    state.span = 2.0
    assert "blow-up at t = 1" in state.failures["dopri8"]
    y = state.solutions["dopri8"]["y"].isel(sample=0, state=0)
    assert np.isfinite(y.where(y["time"] < 0.99, drop=True)).all()
    assert np.isnan(y[-1])


def test_stiff_methods_show_the_state_at_their_steps(opened):
    state = opened("van_der_pol")
    state.methods, state.span = ("rodas5",), 1000.0
    solution = state.solutions["rodas5"].isel(sample=0)
    uniform = solution["y"].sel(state="v").sel(time=state.times)
    # the jump lasts a thousandth of the distance of the times; its speed is 4 mu / 3
    assert float(abs(uniform).max()) < 500
    assert float(abs(solution["y"].sel(state="v")).max()) == pytest.approx(4000 / 3, rel=0.02)
    starts = solution["step_time"].where(solution["accepted"]).dropna("step")
    assert set(starts.values) <= set(solution["time"].values)


def test_methods_that_cannot_be_used_are_dropped(opened):
    state = opened("damped_oscillator")
    state.methods = ("rk4", "tsit5", "leapfrog")
    assert state.methods == ("tsit5",)
    state.methods = ("rk4",)
    assert state.methods == ("tsit5", "dopri8")


def test_leapfrog_is_for_separable_problems_only():
    for name, separable in (("henon_heiles", True), ("lotka_volterra", False), ("lorenz", False)):
        assert (refusal(problems.get(name), "leapfrog", "steps") == "") == separable


def test_an_own_system_is_solved(opened):
    state = opened("linear_decay")
    assert state.choose_text("x' = y; y' = -k*x", {"k": 4.0}, {"x": 1.0, "y": 0.0}, span=2.0)
    assert state.complaint == ""
    x = state.solutions["dopri8"]["y"].sel(state="x").isel(sample=0)
    np.testing.assert_allclose(x, np.cos(2.0 * x["time"]), atol=1e-3)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("x' = k*z", "unknown name 'z'"),
        ("x' = __import__('os').getcwd()", "unexpected"),
        ("u_t = u_xx", "problem must be an ODE or an SDE"),
        ("", "equation"),
    ],
)
def test_a_wrong_equation_is_refused_and_nothing_changes(opened, text, complaint):
    state = opened("linear_decay")
    before, solutions = state.problem, state.solutions
    assert not state.choose_text(text, {"k": 1.0} if "k" in text else {}, {})
    assert complaint in state.complaint
    assert state.problem is before
    assert state.solutions is solutions


def test_stochastic_paths_are_those_of_the_problem_on_the_same_noise(opened):
    state = opened("geometric_brownian")
    state.paths = 10
    times = np.linspace(0.0, 1.0, state.steps + 1)
    options = {"brownian": state.question.noise, "step_size": 1.0 / state.steps, "method": "sri2w1"}
    expected = state.problem.solve(state.start.expand(10, -1), times, **options).y
    np.testing.assert_array_equal(state.solutions["sri2w1"]["y"].values, expected.numpy())


def test_machine_code_of_noise_is_made_before_the_clock_runs(opened):
    """The solve that is timed finds its code."""
    state = opened("ornstein_uhlenbeck")
    state.control, state.steps = "steps", 64
    made.cache_clear()
    state.question.make_code("sri2w1")
    compiled = made.cache_info().misses
    state.question.solve("sri2w1", lambda: None)
    assert (compiled, made.cache_info().misses) == (1, 1)
    assert made.cache_info().hits == 1


def test_a_slider_does_not_make_again_what_was_made(opened, monkeypatch):
    state, made_for = opened("ornstein_uhlenbeck"), []
    monkeypatch.setattr(Question, "make_code", lambda question, method: made_for.append(method))
    state.control = "steps"
    methods = list(state.methods)
    made_for.clear()
    state.steps, state.paths = 64, 3
    assert made_for == []
    state.methods = (*methods, "sri2w1")
    assert made_for == ["sri2w1"]


def test_the_strong_error_falls_by_the_order_of_the_scheme(opened):
    state = opened("geometric_brownian")
    errors = {}
    for steps in (16, 256):
        state.steps = steps
        state.wait(30)
        errors[steps] = dict(state.errors)
    # sixteen times finer: a quarter for order 1/2; two orders of magnitude for 3/2 would be a factor of 64
    assert errors[256]["euler_maruyama"] < errors[16]["euler_maruyama"] / 2.5
    assert errors[256]["sri2w1"] < errors[16]["sri2w1"] / 20


def test_a_refined_brownian_path_keeps_its_points(opened):
    state = opened("ornstein_uhlenbeck")
    state.steps = 16
    state.refine = True
    found = state.solved.levels
    assert list(found["level"].values) == [16, 64, 256]
    coarse, fine = found["noise"][0].dropna("time"), found["noise"][2]
    assert coarse.sizes["time"] == 17
    np.testing.assert_allclose(coarse, fine.sel(time=coarse["time"]), atol=1e-12)


def test_noise_without_an_adaptive_scheme_says_so_and_another_problem_goes_on(opened):
    state = opened("heston")
    assert state.control == "steps"
    state.control = "tolerance"
    assert state.solutions == {}
    assert "no scheme can choose its steps for general noise" in state.failures[""]
    state.choose("levy_area")
    assert state.control == "steps"
    assert state.solutions


def test_the_seed_changes_the_paths_and_nothing_else_does(opened):
    state = opened("geometric_brownian")
    first = state.solution
    state.seed = 1
    assert not state.solution["y"].equals(first["y"])
    state.seed = 0
    assert state.solution["y"].equals(first["y"])


@pytest.mark.parametrize("kind", ["ode", "sde"])
def test_every_problem_has_methods_and_ranges_that_hold_its_start(kind):
    for problem in problems.catalogue(kind):
        assert usable(problem, (), "steps")
        assert set(usable(problem, (), "steps")) <= {m for group in GROUPS[kind].values() for m in group}
        if not problem.sites:
            for start, value in zip(initial_ranges(problem), problem.initial_value.tolist(), strict=True):
                assert start.low <= value <= start.high
                assert start.low < start.high


@pytest.mark.parametrize(
    ("trait", "value"),
    [
        ("span", 0.0),
        ("span", np.nan),
        ("tolerance", -1.0),
        ("initial", (1.0, 2.0)),
        ("initial", (np.inf,)),
        ("steps", 100),
        ("paths", 0),
        ("seed", -1),
        ("cursor", np.nan),
    ],
)
def test_a_value_that_cannot_be_solved_for_is_refused_and_the_next_one_is_answered(opened, trait, value):
    state = opened("linear_decay")
    before, revision = getattr(state, trait), state.revision
    with pytest.raises(InvalidArgument, match=trait):
        setattr(state, trait, value)
    assert getattr(state, trait) == before
    assert state.revision == revision
    state.span = 3.0
    assert state.revision == revision + 1


@pytest.mark.parametrize(
    ("problem", "trait", "value"),
    [
        ("linear_decay", "seed", 3),
        ("linear_decay", "paths", 7),
        ("linear_decay", "steps", 64),
        ("geometric_brownian", "log_time", True),
        ("geometric_brownian", "max_steps", 500),
    ],
)
def test_what_a_problem_does_not_use_solves_nothing(opened, problem, trait, value):
    state = opened(problem)
    solved, revision = state.solved, state.revision
    setattr(state, trait, value)
    assert state.solved is solved
    assert state.revision == revision


def test_logarithmic_time_holds_the_uniform_times_too(opened):
    state = opened("damped_oscillator")
    uniform = state.times
    state.log_time = True
    assert set(uniform) <= set(state.times)
    early = state.times[1:][state.times[1:] < uniform[1]]
    assert len(early) > 100
    assert early[0] == pytest.approx(1e-7 * state.span)


def test_a_stop_ends_a_long_solve_and_says_that_the_solution_is_old(opened, monkeypatch, until):
    state = opened("lorenz")
    before = state.solution
    monkeypatch.setattr(state, "_patience", 0.0)
    state.tolerance, state.max_steps = 1e-13, 10**6
    state.span = 1e6
    until(lambda: state.phase == "working")
    assert state.stale
    state.stop()
    assert state.wait(30)
    assert (state.stale, state.phase, state.activity) == (True, "idle", "stopped")
    assert state.solution is before


@pytest.fixture
def ticking(monkeypatch):
    """A clock that goes on by ten milliseconds, or so many seconds, each time that somebody looks at it."""

    def by(seconds):
        monkeypatch.setattr(budget, "CLOCK", partial(next, count(0.0, seconds)))

    by(0.01)
    return by


@pytest.mark.parametrize(
    ("problem", "control", "methods", "kind", "tick"),
    [
        # machine code looks at the clock every 32 768 attempts
        ("van_der_pol", "tolerance", ("tsit5", "dopri8"), "loosen the tolerance", 0.2),
        # and torch at every step
        ("lorenz", "steps", ("kvaerno3", "kvaerno5"), "take fewer steps", 0.01),
    ],
)
def test_a_hostile_solve_shows_what_it_has_and_says_so(opened, ticking, request, problem, control, methods, kind, tick):
    ticking(tick)
    if control == "steps":
        request.getfixturevalue("by_torch")
    state = opened(problem)
    with state.together():
        state.control, state.methods, state.tolerance, state.max_steps, state.steps = (
            control,
            methods,
            1e-13,
            10**6,
            2048,
        )
    assert not state.stale
    # two seconds together
    attempts = 2**15 if control == "tolerance" else 1
    assert int(np.isfinite(state.solution["step_size"].values).sum()) <= attempts * 2 / tick
    for method in methods:
        until = state.solved.reached[method]
        y = state.solutions[method]["y"].isel(sample=0)
        reached = np.isfinite(y).all("state").values
        assert 0 < until < state.span
        assert reached[0]
        assert not reached[y["time"].values > until].any()
        said = state.failures[method]
        assert said.startswith(f"{method}: stopped at t = {until:.4g} of {state.span:.4g}, as there are 2 s")
        assert said.endswith(f"{kind}, or shorten the span")
    state.methods = methods[:1]
    assert set(state.solved.reached) == set(state.failures) == set(methods[:1])


def test_paths_that_take_too_long_go_as_far_as_they_do(opened, ticking):
    state = opened("geometric_brownian")
    state.steps, state.seconds = 2048, 0.1
    assert set(state.solved.reached) == set(state.methods)
    for method, until in state.solved.reached.items():
        y = state.solutions[method]["y"].isel(state=0)
        assert np.isfinite(y.where(y["time"] <= until, drop=True)).all()
        assert np.isnan(y.where(y["time"] > until, drop=True)).all()
        assert "100 of 100 paths" in state.failures[method]


def test_more_seconds_solve_to_the_end(opened, ticking, by_torch):
    state = opened("van_der_pol_mild")
    with state.together():
        state.control, state.methods, state.steps, state.seconds = "steps", ("kvaerno3",), 512, 0.2
    assert set(state.solved.reached) == set(state.methods)
    state.seconds = 3600.0
    assert (state.solved.reached, state.failures) == ({}, {})
    assert np.isfinite(state.solution["y"].sel(time=state.times)).all()


def test_a_calculus_is_sent_only_where_there_is_noise(opened):
    state = opened("linear_decay")
    assert state.choose_text("x' = -x", {}, {}, calculus="stratonovich")
    assert state.choose_text("dX = -X*dt + X*dW", {}, {}, calculus="stratonovich")
    assert state.problem.calculus == "stratonovich"


def test_a_complaint_goes_when_another_equation_is_looked_at(opened):
    state = opened("lotka_volterra")
    state.choose_text("x' = q", {}, {})
    assert "unknown name 'q'" in state.complaint
    state.problem = state.problem.with_parameters(**{next(iter(state.problem.values)): 0.7})
    assert state.complaint == ""


def test_bad_problems_are_told_at_once():
    with pytest.raises(UnknownName, match="did you mean 'lorenz'"):
        SolverState("lorentz")
    with pytest.raises(InvalidArgument, match="ODE or an SDE"):
        SolverState("burgers")
