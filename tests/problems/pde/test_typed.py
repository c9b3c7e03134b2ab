"""Partial differential equations of a person's own: solved like the catalogue's, or refused with the reason."""

import math

import numpy as np
import pytest
import torch

from limitlab import problems
from limitlab.errors import InvalidArgument
from limitlab.problems.pde.laws import FourierLaw
from limitlab.problems.pde.periodic import cole_hopf
from limitlab.problems.pde.typed import parse
from limitlab.spaces.transforms import spectral_resample


def test_own_equation_is_solved_like_the_catalogues():
    own = parse("u_t = -u*u_x + mu*u_xx", {"mu": 0.05}, span=0.5, initial="sin(2*pi*x)")
    data = own.simulate(1, resolution=64)
    grid = own.grid(1024)
    initial = torch.sin(2 * math.pi * grid.points()[:, 0])[None]
    exact = spectral_resample(cole_hopf(initial, grid, torch.from_numpy(own.times), 0.05), grid, 64)
    assert abs(data["u"].values - exact.numpy()).max() < 1e-5


def test_own_logistic_growth_is_exact_for_constant_values():
    own = parse("u_t = rho*u*(1 - u)", {"rho": 3.0}, initial="1/10", frames=11)
    u = own.simulate(1)["u"].values[0, :, 0]
    assert np.allclose(u, 1 / (1 + 9 * np.exp(-3 * own.times)), atol=1e-6)


def test_own_forcing_in_x_reaches_its_steady_state():
    """0 = nu u_xx + sin(2 pi x) has the solution sin(2 pi x) / (4 pi^2 nu)."""
    own = parse("u_t = nu*u_xx + sin(2*pi*x)", {"nu": 0.5}, initial="0", span=4.0, frames=3)
    u = own.simulate(1, resolution=32)["u"].values[0, -1]
    assert np.allclose(u, np.sin(2 * np.pi * np.arange(32) / 32) / (2 * np.pi**2), atol=1e-6)


def test_own_parameters_get_a_range_and_can_be_changed():
    own = parse("u_t = -c*u_x", {"c": 2.0})
    assert own.with_parameters(c=0.5).values == {"c": 0.5}
    with pytest.raises(InvalidArgument):
        own.with_parameters(c=1e9)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("u_t = -u_xx", "ill-posed"),
        ("u_t = u_xxxx", "ill-posed"),
        ("u_t = nu*u_xx - 2*nu*u_xx", "ill-posed"),
        ("u_t = u*u_xx - 0.1*u_xx", "ill-posed"),
        ("u_t = 9*u^3", "not settle"),
        ("u_t = -u*u_x", r"not settle|not resolve"),
        ("u_t = x*u + u_xx", "period"),
        ("u_t = t*u", "no t"),
        ("u_tt = u_xx", "'u_t = ...'"),
        ("u_t = u_xt", "no t"),
        ("u_xx = u_t", "'u_t = ...'"),
        ("u_t = nuu*u_xx", "did you mean 'nu'"),
        ("__import__('os').system('true')", "unexpected"),
    ],
)
def test_equations_that_cannot_be_solved_are_refused_with_the_reason(text, message):
    with pytest.raises(InvalidArgument, match=message):
        parse(text, {"nu": 0.1}, resolution=16, span=2.0)


def test_initial_text_must_fit_the_domain():
    with pytest.raises(InvalidArgument, match="period"):
        parse("u_t = u_xx", initial="x")
    with pytest.raises(InvalidArgument, match="unknown name"):
        parse("u_t = u_xx", initial="q")


def test_growth_beyond_single_precision_is_an_error_not_an_infinity():
    own = parse("u_t = 400*u")
    with pytest.raises(ArithmeticError, match="single precision"):
        own.simulate(1)


def test_the_plane_is_recognised_by_its_coordinate_or_by_two_lengths():
    assert parse("u_t = 0.1*(u_xx + u_yy)").lengths == (1.0, 1.0)
    assert parse("u_t = 0.1*u_xx", length=(1.0, 2.0)).lengths == (1.0, 2.0)
    assert parse("u_t = D_y*u_xx", {"D_y": 0.1}).lengths == (1.0,)


def test_an_equation_in_the_plane_is_solved_like_the_catalogues():
    own = parse("u_t = nu*(u_xx + u_yy) + u - u^3", {"nu": 0.01}, length=2.0, span=0.5, frames=3, resolution=32)
    known = problems.get("allen_cahn_2d", eps=0.1)
    start = 0.9 * torch.sin(math.pi * own.grid().points()).prod(-1)[None, None]
    assert torch.allclose(own.solve(start), known.solve(start, own.times, dt=0.01), atol=1e-7)
    assert own.minimum_resolution >= 64
    data = own.simulate(1, resolution=16)
    assert data["u"].dims == ("sample", "time", "x", "y")
    assert parse("u_t = nu*(u_xx + u_yy) + u - u^3", {"nu": 0.01}, dt=0.1).with_parameters(nu=0.02).values["nu"] == 0.02


def test_a_rotation_of_two_typed_fields_is_exact():
    own = parse("a_t = w*b; b_t = -w*a", {"w": 3.0}, initial={"a": "sin(2*pi*x)", "b": 0.0}, frames=5)
    data = own.simulate(1, resolution=32)
    x = np.arange(32) / 32
    for variable, turn in (("a", np.cos(3 * own.times)), ("b", -np.sin(3 * own.times))):
        assert np.allclose(data[variable].values[0], turn[:, None] * np.sin(2 * np.pi * x), atol=1e-6)


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("-u_xx - u_yy = 1", {}, "no time derivative.*poisson"),
        ("u_tt = u_xx + u_yy", {}, "as two equations"),
        ("u_t = u_xx - u_yy", {}, "ill-posed"),
        ("u_t = v_x; v_t = -u_x", {}, "ill-posed"),
        ("u_t = y*u + u_xx", {}, "terms in y must have the period 1"),
        ("u_t = u_xx + u_yy", {"initial": "x*sin(2*pi*y)"}, "not finite and of period"),
        ("u_t = u_xx; v_t = v_xx", {"initial": {"w": 1.0}}, "unknown field 'w'"),
        ("u_t = u_xx + w; v_t = u", {}, "unknown name 'w'"),
        ("u_t = u_xx", {"length": (1.0, 2.0, 3.0)}, "length"),
        ("u_t = u^2 + 0.01*(u_xx + u_yy)", {"initial": 2.0}, "not settle"),
        ("u_t = u_xx + u_yy", {"initial": FourierLaw()}, "on an interval"),
    ],
)
def test_systems_that_cannot_be_solved_are_refused_with_the_reason(text, options, message):
    with pytest.raises(InvalidArgument, match=message):
        parse(text, resolution=16, **options).simulate(1)
