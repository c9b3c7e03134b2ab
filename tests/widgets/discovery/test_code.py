"""What the code of a state computes, in a namespace of its own, is what the figures show."""

import numpy as np
import pytest

from limitlab.discovery.symbolic import Candidate, Expr, ParetoFront
from limitlab_widgets import DiscoveryState
from limitlab_widgets.discovery.code import discovery_code


def executed(state):
    namespace = {}
    exec(discovery_code(state), namespace)
    np.testing.assert_allclose(namespace["measured"].seen.values, state.measured.seen.values, rtol=1e-12)
    return namespace


def assert_same(state):
    # what was typed may still be measured
    assert state.wait(60)
    state.learning.train()
    assert state.learning.wait(300)
    assert state.learning.error == ""
    samples, shown = executed(state)["samples"], state.learning.learned.samples
    np.testing.assert_allclose(samples["values"], shown["values"], rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(samples["features"], shown["features"], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("seed", [0, 7])
def test_code_of_noise_trajectories_and_a_hidden_term(opened, seed):
    state = opened("lotka_volterra", points=12, noise=0.05)
    with state.together():
        state.seed, state.trajectories = seed, 2
        state.problem = state.problem.with_parameters(alpha=0.8)
    state.hidden = (("y", "delta*x*y"),)
    assert_same(state)


def test_code_of_a_typed_system(opened):
    state = opened("logistic", points=10)
    assert state.choose_text("x' = -k*x + a*x^2", {"k": 1.0, "a": 0.3}, {"x": 0.5}, span=2.0)
    assert_same(state)


def test_code_of_a_field(opened):
    assert_same(opened("burgers", points=40))


def test_code_of_a_file_reads_it_and_before_a_training_measures_alone(opened, tmp_path, monkeypatch):
    text = "t,u\n" + "\n".join(f"{t / 4},{0.1 + t / 9}" for t in range(9))
    (tmp_path / "mine.csv").write_text(text)
    monkeypatch.chdir(tmp_path)
    state = opened("logistic", points=10)
    assert "samples" not in executed(state)
    assert state.load("mine.csv", text.encode()), state.error
    assert state.wait(60)
    executed(state)


def refitted(state, formulas):
    """A state whose search found these formulas, in variables of the hidden term, refitted to the measurements."""
    learning = state.learning
    learning.train()
    assert learning.wait(300)
    for equation, (text, constants) in formulas.items():
        expr = Expr.parse(text, state.inputs, parameters=constants)
        learning.fronts[equation] = ParetoFront([Candidate(expr, complexity=3, loss=0.1, n=20, engine="sparse")])
        learning.picked = {**learning.picked, equation: 0}
    learning.refit_picked()
    assert learning.wait(300)
    assert state.forecast.wait(300)
    assert learning.error == ""
    assert state.forecast.error == ""
    return state


@pytest.mark.parametrize(
    ("problem", "options", "formulas"),
    [
        ("logistic", {"points": 12, "noise": 0.02}, {"u": ("a*u^2", {"a": -0.5})}),
        (
            "lotka_volterra",
            {"points": 20},
            {"x": ("a*x*y", {"a": -0.5}), "y": ("b*x*y + c*y", {"b": 0.3, "c": 0.01})},
        ),
        ("burgers", {"points": 60}, {"u": ("a*u*u_x", {"a": -0.8})}),
    ],
    ids=["logistic", "lotka_volterra", "burgers"],
)
def test_code_of_formulas_fits_them_again_and_forecasts_what_is_shown(opened, problem, options, formulas):
    state = refitted(opened(problem, **options), formulas)
    shown, found = state.learning.completed, executed(state)
    completed = found["completed"]
    assert [formula.structure for formula in completed.formulas] == [formula.structure for formula in shown.formulas]
    for again, formula in zip(completed.formulas, shown.formulas, strict=True):
        # a fit that begins where another one ended
        np.testing.assert_allclose(again.values, formula.values, rtol=1e-4)
    assert completed.loss == pytest.approx(shown.loss, rel=1e-3)
    forecasts = state.forecast.forecasts
    assert set(found["forecasts"]) == set(forecasts.states) == {"truth", "formula", "network"}
    for name, states in forecasts.states.items():
        size = np.nanmax(np.abs(states))
        np.testing.assert_allclose(found["forecasts"][name], states, rtol=0, atol=1e-3 * size, err_msg=name)


def test_code_of_a_search_writes_what_it_found_with_its_constants(opened):
    state = opened("logistic", points=12)
    state.learning.train()
    assert state.learning.wait(300)
    expr = Expr.parse("a*u^2 + b*u", ("u",), parameters={"a": -1 / 3, "b": 1e-17})
    state.learning.fronts["u"] = ParetoFront([Candidate(expr, complexity=5, loss=0.1, n=20, engine="sparse")])
    state.learning.picked = {"u": 0}
    found = executed(state)
    assert found["formulas"] == {"u": expr}
    assert "completed" not in found


def test_code_of_a_model_that_ships_opens_it(closed_at_end):
    state = closed_at_end(DiscoveryState())
    assert state.wait(60)
    assert "model = ll.weights.open('lotka_volterra_upinn')  # trained before it shipped" in discovery_code(state)
    samples, shown = executed(state)["samples"], state.learning.learned.samples
    np.testing.assert_array_equal(samples["values"], shown["values"])
