"""Partial differential equations of a person's own: solved like the catalogue's, or refused with the reason."""

import math

import numpy as np
import pytest
import torch

from limitlab.errors import InvalidArgument
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
