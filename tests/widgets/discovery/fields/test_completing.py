"""The path of a field from measurements to a forecast: Burgers' equation without its transport, small."""

from functools import partial
from itertools import count

import numpy as np
import pytest
import torch

from limitlab.discovery.symbolic import Expr
from limitlab.errors import InvalidArgument, UnknownName
from limitlab_widgets import DiscoveryState
from limitlab_widgets.discovery.fields import figures
from limitlab_widgets.discovery.fields.completing import field_of, network_part
from limitlab_widgets.shared import budget

SMALL = {"adam": 30, "quasi_newton": 20, "width": 8, "collocation": 48, "seconds": 1.0}


@pytest.fixture(scope="module")
def searched():
    state = DiscoveryState("burgers", points=40, **SMALL)
    for step in (state.learning.train, state.learning.search):
        step()
        assert state.learning.wait(120)
        assert state.learning.error == ""
    yield state
    state.close()


def test_a_training_looks_at_the_field_and_at_the_visited_set(searched):
    learned = searched.learning.learned
    assert (learned.steps, learned.equations) == (50, ("u",))
    assert sorted(learned.losses) == ["data", "residual"]
    assert [str(name) for name in learned.samples["feature"].values] == ["u", "u_x", "u_xx"]
    features = learned.samples["features"].values
    np.testing.assert_allclose(learned.samples["truth"].values[:, 0], -features[:, 0] * features[:, 1])
    # the start holds by form
    start = torch.sin(2 * torch.pi * learned.measured.x) + torch.cos(4 * torch.pi * learned.measured.x) / 2
    np.testing.assert_allclose(field_of(learned)[0], start, atol=1e-12)


@pytest.fixture
def forecast_of_all(searched):
    learning = searched.learning
    if learning.completed is None:
        product = Expr.parse("a*u*u_x", ("u", "u_x"), parameters={"a": -0.5})
        learning._refit_of({"u": [product]}, 1)
        assert learning.wait(120)
        assert learning.error == ""
        assert searched.forecast.wait(120)
    return searched.forecast


def test_a_formula_is_refitted_to_the_measurements_and_forecast(searched, forecast_of_all):
    learning = searched.learning
    # whatever the network says: the refit sees the measurements
    assert learning.completed.formulas[0].values == pytest.approx((-1.0,), abs=1e-4)
    forecasts = searched.forecast.forecasts
    assert set(forecasts.states) == {"truth", "formula", "network"}
    assert forecasts.error("formula") < 1e-4
    assert forecasts.error("network") > forecasts.error("formula")
    assert searched.forecast.start == ("1.3*(sin(2*pi*x) + cos(4*pi*x)/2)",)
    searched.forecast.start = ("0.5*cos(2*pi*x)",)
    assert searched.forecast.wait(120)
    x = np.arange(64) / 64
    for name in ("truth", "formula", "network"):
        np.testing.assert_allclose(searched.forecast.forecasts.states[name][0], 0.5 * np.cos(2 * np.pi * x), atol=1e-12)


def test_a_forecast_that_takes_too_long_shows_what_it_has_and_says_so(searched, forecast_of_all, monkeypatch):
    forecast = forecast_of_all
    whole = {name: u.copy() for name, u in forecast.forecasts.states.items()}
    # a look takes a fortieth of a second, and there is one a step
    monkeypatch.setattr(budget, "CLOCK", partial(next, count(0.0, 0.025)))
    forecast.answer()
    assert forecast.wait(120)
    assert forecast.error.startswith("stopped, as there are 10 s for all of them: ")
    assert forecast.error.endswith(f" of {forecast.span:.4g}; shorten the span")
    assert set(forecast.forecasts.states) == set(whole)
    for name in ("formula", "network"):
        u, times = forecast.forecasts.states[name], forecast.forecasts.times
        reached = int(np.isfinite(u).all(1).sum())
        assert 1 < reached < len(times)
        assert np.isnan(u[reached:]).all()
        np.testing.assert_allclose(u[:reached], whole[name][:reached], atol=1e-12)
        assert f"{name} at t = {times[reached - 1]:.4g}" in forecast.error
        assert forecast.forecasts.error(name) == np.inf
    assert figures.forecast(searched.learning.learned.plan.sampling.problem, forecast.forecasts, 1.0).data


def test_a_start_that_is_no_text_or_not_periodic_is_refused(searched):
    before = searched.forecast.start
    for start, message in (((0.5,), "one text in x"), (("x",), "periodic")):
        with pytest.raises(InvalidArgument, match=message):
            searched.forecast.start = start
    assert searched.forecast.start == before


def test_the_network_in_the_equation_is_that_of_the_hidden_term(searched):
    learned = searched.learning.learned
    values = torch.rand(2, 16, dtype=torch.float64)
    features = {"u": values, "u_x": 2 * values, "u_xx": -values}
    given = network_part(learned).part(torch.arange(2))(features)
    asked = torch.stack([values.flatten(), 2 * values.flatten(), -values.flatten()], -1)
    with torch.no_grad():
        torch.testing.assert_close(given.detach().flatten(), learned.model.hidden_term(asked)[:, 0])


def test_a_file_with_gaps_is_learned_and_refitted_with_its_start():
    state = DiscoveryState("heat", points=40, **SMALL)
    rng = np.random.default_rng(0)
    t, x = rng.random(60), rng.random(60)
    u = np.exp(-0.04 * np.pi**2 * t) * np.sin(2 * np.pi * x) + 0.5 * np.exp(-0.16 * np.pi**2 * t) * np.cos(
        4 * np.pi * x
    )
    cells = ["" if k % 10 == 0 else f"{value:.8f}" for k, value in enumerate(u)]
    rows = "\n".join(f"{a:.8f},{b:.8f},{c}" for a, b, c in zip(t, x, cells, strict=True))
    try:
        assert state.load("mine.csv", f"t,x,u\n{rows}\n".encode())
        assert state.wait(60)
        assert int(state.measured.seen.values.isfinite().sum()) == 54
        state.learning.train()
        assert state.learning.wait(120)
        assert state.learning.error == ""
        # nobody knows the truth of a file
        assert state.learning.learned.error is None
        diffusion = Expr.parse("a*u_xx", ("u", "u_xx"), parameters={"a": 0.02})
        state.learning._refit_of({"u": [diffusion]}, 1)
        assert state.learning.wait(120)
        assert state.learning.error == ""
        assert state.learning.completed.formulas[0].values == pytest.approx((0.01,), rel=1e-3)
        assert state.forecast.wait(120)
        assert "truth" not in state.forecast.forecasts.states
        assert not state.load("other.csv", b"time,u\n0,1\n1,2\n2,3\n3,4\n")
        assert "column x" in state.error
    finally:
        state.close()


def test_what_a_field_cannot_have_is_refused_by_name():
    state = DiscoveryState("heat", points=10, **SMALL)
    try:
        with pytest.raises(InvalidArgument, match="trajectories"):
            state.trajectories = 2
        with pytest.raises(UnknownName, match="u_xxx"):
            state.depend("u_xxx", True)
        with pytest.raises(InvalidArgument, match="begins as the text"):
            _ = state.start
        assert not state.begin("x")
        assert "periodic" in state.error
        assert state.begin("cos(2*pi*x) + sin(6*pi*x)")
        assert state.initial == "cos(2*pi*x) + sin(6*pi*x)"
    finally:
        state.close()
    with pytest.raises(InvalidArgument, match="korteweg_de_vries has no network"):
        DiscoveryState("korteweg_de_vries")


def test_a_typed_field_is_taken_and_a_system_after_it():
    state = DiscoveryState("linear_decay")
    try:
        state.trajectories = 2
        assert state.choose_field("u_t = D*u_xx + u*(1 - u)", {"D": 0.01}, "0.5 + sin(2*pi*x)/4", 1.0, 1.0)
        assert state.complaint == ""
        assert (state.trajectories, state.inputs, state.points) == (1, ("u", "u_x", "u_xx"), 100)
        assert state.hidden == (("u", "-u^2"),)
        assert state.learning.method == "ssbfgs"
        assert not state.choose_field("u_t = -u_xxx", {}, "", 1.0, 1.0)
        assert "order 3" in state.complaint
        state.choose("linear_decay")
        assert (state.inputs, state.points, state.learning.method) == (("u",), 30, "lbfgs")
    finally:
        state.close()
