"""Systems that a person types: read as what they are, solved like the catalogue's, refused with the reason."""

import json

import numpy as np
import pytest
import torch

from limitlab import problems
from limitlab.errors import InvalidArgument, UnknownName


def test_the_kind_is_recognised_from_the_left_side():
    assert isinstance(problems.parse("x' = -x"), problems.ODEProblem)
    assert isinstance(problems.parse("dX = -X*dt + dW"), problems.SDEProblem)
    assert isinstance(problems.parse("u_t = u_xx"), problems.PDEProblem)


def test_a_typed_system_is_the_catalogues():
    text = "dx/dt = alpha*x - beta*x*y\ndy/dt = delta*x*y - gamma*y"
    known = problems.get("lotka_volterra")
    own = problems.parse(text, known.values, initial=known.initial, span=known.span, frames=known.frames)
    assert np.array_equal(own.solve().y, known.solve().y)
    assert own.latex() == known.latex().replace(r"\alpha", r"\alpha")


def test_typed_parameters_get_a_range_and_initial_values_may_be_texts():
    own = problems.parse("x' = a*x", {"a": -2.0}, initial={"x": "3*a"}, span=1.0)
    assert own.initial_value.tolist() == [-6.0]
    end = own.with_parameters(a=-1.0).solve(times=[0.0, 1.0]).y[0, -1]
    assert float(end) == pytest.approx(-3 * np.exp(-1), rel=1e-7)
    with pytest.raises(InvalidArgument):
        own.with_parameters(a=100.0)


def test_a_typed_lattice_needs_its_number_of_sites():
    text = "u[i]' = D*(u[i-1] - 2*u[i] + u[i+1])"
    own = problems.parse(text, {"D": 1.0}, sites=6, initial=["sin(2*pi*i/N)"], stiff=True)
    rate = 2 - 2 * np.cos(2 * np.pi / 6)
    end = own.solve(times=[0.0, 1.0]).y[0, -1]
    assert torch.allclose(end, own.initial_value * float(np.exp(-rate)), atol=1e-7)
    with pytest.raises(InvalidArgument, match="sites must be given"):
        problems.parse(text, {"D": 1.0})


def test_a_typed_stochastic_system_is_simulated_along_its_noise():
    own = problems.parse("dX = mu*X*dt + s*X*dW", {"mu": 0.1, "s": 0.3}, span=1.0, frames=3, step_size=1e-3)
    known = problems.get("geometric_brownian", mu=0.1, sigma=0.3).with_domain(span=1.0, frames=3)
    path = own.brownian(20, seed=3)
    times, start = torch.from_numpy(own.times), torch.ones(20, 1, dtype=torch.float64)
    w = torch.stack([torch.zeros(20, 1), *path.increments(own.times)[0].cumsum(0)], 1)
    exact = known.solution_at(times, w, start)
    found = own.solve(start, own.times, brownian=path).y
    assert torch.allclose(found, exact, atol=5e-3)


def test_stratonovich_text_is_taken_as_such():
    options = {"span": 1.0, "frames": 2, "step_size": 1e-2}
    ito = problems.parse("dX = 0.125*X*dt + 0.5*X*dW", **options)
    stratonovich = problems.parse("dX = 0*X*dt + 0.5*X*dW", calculus="stratonovich", **options)
    time, y = torch.zeros(1, 1, dtype=torch.float64), torch.ones(1, 1, dtype=torch.float64)
    assert torch.allclose(stratonovich.drift(calculus="ito")(time, y), ito.drift()(time, y))


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("x' = y", {}, "unknown name 'y'"),
        ("x' = mu*x", {"parameters": {"mv": 1.0}}, "did you mean 'mv'"),
        ("x' = -x", {"initial": {"z": 1.0}}, "unknown state 'z'"),
        ("x' = -x", {"initial": [1.0, 2.0]}, "a value for each of x"),
        ("x' = -x", {"initial": {"x": float("nan")}}, "initial value of x must be a number"),
        ("x' = -x", {"initial": {"x": "q"}}, "unknown name 'q'"),
        ("x' = log(x - 1)", {"initial": {"x": 0.5}}, "not finite"),
        ("dX = dt + sqrt(X - 2)*dW", {}, "not finite"),
        ("x' = -x", {"span": -1.0}, "span"),
        ("x' = -x", {"frames": 1}, "frames"),
        ("x' = -x", {"length": 2.0}, "unknown option of an ordinary differential equation 'length'"),
        ("dX = dW", {"stiff": True}, "unknown option of a stochastic differential equation 'stiff'"),
        ("u_t = u_xx", {"sites": 3}, "unknown option of a partial differential equation 'sites'"),
        ("x' = a*x", {"parameters": {"a": "1"}}, "parameter a must be a number"),
        ("x' = time*x", {"parameters": {"time": 1.0}}, "cannot be called 'time'"),
        ("x' = x*dt", {}, "unknown name 'dt'"),
        ("x' + 1 = 2", {}, "begins with|expected"),
        ("import os", {}, "unknown name 'import'"),
        (None, {}, "must be text"),
    ],
)
def test_mistakes_are_refused_with_their_reason(text, options, message):
    with pytest.raises(InvalidArgument, match=message):
        problems.parse(text, **options)


def test_a_misspelt_option_suggests_the_nearest():
    with pytest.raises(UnknownName, match="did you mean 'calculus'"):
        problems.parse("dX = dW", calculs="ito")


def test_typed_problems_have_a_spec_and_can_be_cached(tmp_path, monkeypatch):
    monkeypatch.setenv("LIMITLAB_HOME", str(tmp_path))
    own = problems.parse("x' = -x; y' = x*y", span=1.0, frames=3)
    assert json.loads(json.dumps(own.spec())) == own.spec()
    assert own.dataset(3, seed=1).sizes == {"sample": 3, "time": 3, "state": 2}
