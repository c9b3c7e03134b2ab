import time
from functools import partial
from itertools import count

import numpy as np
import pytest
import torch

from limitlab import problems, weights
from limitlab.errors import InvalidArgument, UnknownName
from limitlab.solvers.native import choice
from limitlab_widgets import DiscoveryState
from limitlab_widgets.shared import budget

SMALL = {"adam": 30, "quasi_newton": 20, "width": 6, "collocation": 16, "seconds": 1.0}
FILE = b"time,u\n0,1\n1,0.61\n2,0.37\n3,0.22\n4,0.14\n5,0.08\n"


@pytest.fixture
def opened(closed_at_end):
    return lambda problem="linear_decay", **options: closed_at_end(
        DiscoveryState(problem, **{"points": 10, **SMALL, **options})
    )


@pytest.fixture
def searched(opened):
    state = opened()
    for step in (state.learning.train, state.learning.search):
        step()
        assert state.learning.wait(60)
        assert state.learning.error == ""
    return state


def test_a_model_that_ships_is_looked_at_before_anybody_trains_and_gives_way_to_a_training(closed_at_end):
    state = closed_at_end(DiscoveryState(**{**SMALL, "width": 32}))
    assert state.wait(60)
    card, learned = weights.card("lotka_volterra_upinn"), state.learning.learned
    assert (learned.shipped, state.learning.activity) == ("lotka_volterra_upinn", card.label)
    # its measurements are those of its training, over the span of which the studio measures
    assert state.span == card.settings["span"]
    assert (state.outdated, learned.steps, learned.losses) == ([], 0, {})
    assert learned.plan.settings.adam == card.settings["adam"]
    # as good as its card says, at the ends too
    assert learned.error < 3 * card.value
    assert learned.map.truth is not None
    state.learning.search()
    assert state.learning.wait(60)
    assert set(state.learning.fronts) == {"x", "y"}
    state.learning.train()
    assert state.learning.wait(60)
    assert (state.learning.learned.shipped, state.learning.learned.steps) == ("", 50)


def test_a_model_that_ships_is_shown_beside_its_own_measurements_alone(closed_at_end):
    for changed in ({"points": 29}, {"noise": 0.01}):
        state = closed_at_end(DiscoveryState(**{**SMALL, **changed}))
        assert state.wait(60)
        assert state.learning.learned is None
    state.noise = 0.0
    assert state.wait(60)
    assert state.learning.learned.shipped == "lotka_volterra_upinn"
    state.points = 20
    assert state.wait(60)
    assert state.outdated == ["points"]
    state.choose("logistic")
    assert state.wait(60)
    assert "problem" in state.outdated


def test_the_measurements_follow_every_move(opened):
    state = opened()
    assert state.measured.seen.values.shape == (1, 10, 1)
    state.points, state.trajectories = 7, 2
    assert state.wait(30)
    assert state.measured.seen.values.shape == (2, 7, 1)
    clean = state.measured.seen.values.clone()
    state.noise = 0.1
    assert state.wait(30)
    assert not torch.equal(state.measured.seen.values, clean)


def test_hiding_a_term_measures_nothing_anew(opened):
    state = opened("lotka_volterra")
    measured = state.measured
    state.hide("x", "alpha*x", True)
    assert state.hidden == (("x", "alpha*x"), ("x", "-beta*x*y"), ("y", "delta*x*y"))
    state.hide("y", "delta*x*y", False)
    assert state.hidden == (("x", "alpha*x"), ("x", "-beta*x*y"))
    assert state.measured is measured


def test_what_cannot_be_used_is_refused_and_nothing_moves(opened):
    state = opened()
    for name, value in (("points", 2), ("noise", -0.1), ("span", 0.0), ("hidden", (("u", "u^3"),)), ("problem", 3)):
        before = getattr(state, name)
        with pytest.raises(InvalidArgument, match=name):
            setattr(state, name, value)
        assert getattr(state, name) == before
    with pytest.raises(InvalidArgument, match="there is no 'layers'"):
        DiscoveryState(layers=3)
    with pytest.raises(UnknownName, match="lotka_volterra"):
        DiscoveryState("lotka_volterr")


def test_a_typed_system_is_taken_or_the_complaint_says_why_not(opened):
    state = opened()
    assert not state.choose_text("x' = q*x", {}, {})
    assert "unknown name 'q'" in state.complaint
    assert not state.choose_text("dX = -X*dt + dW", {}, {})
    assert "ordinary" in state.complaint
    assert state.problem.name == "linear_decay"
    assert state.choose_text("x' = a*x - x^2", {"a": 1.0}, {"x": 0.1}, 5.0)
    assert (state.complaint, state.span, state.hidden) == ("", 5.0, (("x", "-x^2"),))


def test_another_system_brings_a_span_and_terms_of_its_own(opened):
    state = opened()
    state.choose("logistic")
    assert state.hidden == (("u", "-r*u^2/K"),)
    assert 0 < state.span <= problems.get("logistic").span
    assert state.wait(30)
    assert state.measured.seen.points.max() == pytest.approx(state.span)


def test_a_training_needs_a_term(opened):
    state = opened()
    state.hidden = ()
    state.learning.train()
    assert "nothing is hidden" in state.learning.error
    assert state.learning.phase == "idle"


def test_the_path_from_measurements_to_the_equation(searched):
    learning = searched.learning
    learned = learning.learned
    assert (learned.steps, learned.equations) == (50, ("u",))
    assert sorted(learned.losses) == ["data", "residual"]
    assert learned.samples["values"].shape == (learned.samples.sizes["sample"], 1)
    row = next(k for k, candidate in enumerate(learning.fronts["u"]) if "u" in str(candidate.expr))
    learning.pick("u", row)
    assert learning.formula("u") is learning.fronts["u"][row].expr
    learning.refit_picked()
    assert learning.wait(60)
    assert searched.forecast.wait(60)
    # u' = -u, whatever the networks say: the refit sees the measurements
    (formula,) = learning.completed.formulas
    u = torch.linspace(0.2, 1.0, 5, dtype=torch.float64)[:, None]
    torch.testing.assert_close(torch.from_numpy(formula(u.numpy())), -u[:, 0], rtol=1e-3, atol=1e-3)
    forecasts = searched.forecast.forecasts
    assert set(forecasts.states) == {"truth", "formula", "network"}
    exact = searched.forecast.start[0] * torch.exp(-torch.from_numpy(forecasts.times))
    torch.testing.assert_close(torch.from_numpy(forecasts.states["truth"][:, 0]), exact, rtol=1e-4, atol=1e-5)
    assert forecasts.error("formula") < 1e-2


def test_a_new_start_is_solved_again(searched):
    searched.learning.refit_picked()
    assert searched.learning.wait(60)
    searched.forecast.start = (0.5,)
    assert searched.forecast.wait(60)
    assert searched.forecast.forecasts.states["truth"][0, 0] == 0.5


def test_a_forecast_that_takes_too_long_goes_as_far_as_it_does_and_says_so(searched, monkeypatch):
    searched.learning.refit_picked()
    assert searched.learning.wait(60)
    assert searched.forecast.wait(60)
    # a look takes more than a second
    monkeypatch.setattr(budget, "CLOCK", partial(next, count(0.0, 1.25)))
    forecast = searched.forecast
    forecast.span = 50.0
    assert forecast.wait(60)
    assert forecast.error.startswith("stopped, as there are 10 s for all of them: ")
    assert forecast.error.endswith(" of 50; shorten the span")
    for name, y in forecast.forecasts.states.items():
        until = forecast.forecasts.times[np.isfinite(y).all(1)][-1]
        assert (f"{name} at t = {until:.4g}" in forecast.error) == (until < 50.0)
        assert until == 50.0 or name == "truth" or forecast.forecasts.error(name) == np.inf


def test_measurements_that_take_too_long_are_not_shown(opened, monkeypatch):
    state = opened()
    before = state.measured
    # machine code looks at the clock once
    monkeypatch.setattr(budget, "CLOCK", partial(next, count(0.0, 50.0)))
    state.span = 2.0 * state.span
    assert state.wait(60)
    assert state.error
    assert state.stale
    assert state.measured is before


def test_what_changed_since_the_training_is_said(searched):
    assert searched.outdated == []
    searched.noise = 0.05
    assert searched.outdated == ["noise"]
    searched.noise = 0.0
    assert searched.outdated == []


def test_training_again_drops_what_rests_on_the_earlier_one(searched):
    searched.learning.train()
    assert searched.learning.fronts == {}
    assert searched.learning.wait(60)
    searched.learning.refit()
    assert "every hidden term needs a formula" in searched.learning.error


def test_stop_keeps_what_was_found(opened, until):
    state = opened(adam=100_000)
    learning = state.learning
    learning.train()
    until(lambda: learning.learned is not None)
    assert learning.phase == "working"
    learning.stop()
    assert (learning.phase, learning.stale, learning.activity) == ("idle", False, "stopped")
    assert learning.wait(30)
    assert 0 < learning.learned.steps < 100_000
    learning.search()
    assert learning.wait(60)
    assert learning.fronts["u"]


def test_a_file_takes_the_place_of_the_simulation(opened):
    state = opened()
    assert state.load("mine.csv", FILE)
    assert state.wait(30)
    assert state.measured.seen.values[0, :, 0].tolist() == [1, 0.61, 0.37, 0.22, 0.14, 0.08]
    state.hidden = (("u", ""),)
    state.learning.train()
    assert state.learning.wait(60)
    # nobody knows the truth of a file
    assert state.learning.learned.error is None
    state.file = None
    assert state.wait(30)
    assert state.hidden == (("u", "rate*u"),)
    assert state.outdated


def test_a_bad_file_changes_nothing_and_is_explained(opened, capfd):
    state = opened()
    measured = state.measured
    for content, message in ((b"time,u\n1,2\n", "4 to 5000 rows"), (b"time,v\n1,1\n2,2\n3,3\n4,4\n", "'u' is missing")):
        assert not state.load("mine.csv", content)
        assert message in state.error
    assert state.measured is measured
    assert state.file is None
    assert capfd.readouterr().err == ""


def test_a_failure_in_the_thread_is_shown_and_not_printed(searched, capfd, monkeypatch):
    monkeypatch.setattr("limitlab_widgets.discovery.learning.search", lambda *_a, **_b: 1 / 0)
    searched.learning.search()
    assert searched.learning.wait(30)
    assert "division by zero" in searched.learning.error
    assert searched.learning.phase == "idle"
    assert capfd.readouterr().err == ""


def test_close_ends_a_training(opened, until):
    state = opened(adam=100_000)
    state.learning.train()
    until(lambda: state.learning.learned is not None)
    begun = time.monotonic()
    state.close()
    assert state.learning.wait(0)
    assert time.monotonic() - begun < 10


def test_a_refit_is_ended_by_stop(searched, monkeypatch):
    from limitlab.solvers.ode import stepping

    learning, asked = searched.learning, []

    def stopping():
        asked.append(True)
        learning.stop()
        ask()

    ask = stepping.ask_to_go_on
    monkeypatch.setattr(stepping, "ask_to_go_on", stopping)
    learning.refit()
    assert learning.wait(60)
    # the first step after Stop is the last one
    assert len(asked) == 1
    assert (learning.phase, learning.refits, learning.error) == ("idle", None, "")


def test_a_number_that_is_none_is_refused(opened):
    state = opened()
    for name in ("noise", "span"):
        with pytest.raises(InvalidArgument, match=name):
            setattr(state, name, float("nan"))


def test_a_hidden_term_depends_on_the_states_that_are_ticked(opened):
    state = opened("lotka_volterra")
    assert state.inputs == ("x", "y")
    state.depend("y", False)
    assert state.inputs == ("x",)
    with pytest.raises(InvalidArgument, match="depends on something"):
        state.depend("x", False)
    with pytest.raises(UnknownName, match="input of a hidden term"):
        state.inputs = ("x", "z")
    assert state.inputs == ("x",)
    state.learning.train()
    assert state.learning.wait(60)
    learned = state.learning.learned
    assert [str(name) for name in learned.samples["feature"].values] == ["x"]
    # -beta*x*y is no curve over x, so there is no truth to draw over it
    assert learned.map.values.shape[0] == 2
    assert learned.map.truth is None
    assert state.outdated == []
    state.depend("y", True)
    assert state.outdated == ["hidden terms"]
    state.choose("logistic")
    assert state.inputs == ("u",)


def test_soap_is_an_optimiser_of_the_first_phase(opened):
    learned = {}
    for first in ("adam", "soap"):
        state = opened("logistic", first=first, quasi_newton=0, adam=120)
        state.learning.train()
        assert state.learning.wait(60)
        assert state.learning.error == ""
        learned[first] = state.learning.learned
        assert learned[first].plan.settings.first == first
    losses = {first: sum(map(np.array, one.losses.values())) for first, one in learned.items()}
    # the same network at first, another way down from there
    assert losses["soap"][0] == losses["adam"][0]
    assert losses["soap"][-1] != losses["adam"][-1]
    assert losses["soap"][-1] < losses["soap"][0] / 5


def test_a_typed_stiff_system_can_be_stopped_while_it_is_measured(opened, monkeypatch):
    # machine code would be through before anybody could say stop
    monkeypatch.setattr(choice, "_missing", lambda: "it is not asked for here")
    state = opened()
    measured = state.measured
    begun = time.monotonic()
    assert state.choose_text("x' = k*(1 - x^2)*y - x; y' = -k*k*(y - x)", {"k": 3000.0}, {"x": 2.0, "y": 0.0}, 500.0)
    assert state.phase == "working"
    state.stop()
    assert state.wait(10)
    assert time.monotonic() - begun < 30
    assert state.measured is measured
