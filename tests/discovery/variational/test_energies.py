"""Energies against automatic differentiation: derivatives, DE, m and M, jets, right-hand sides."""

import math

import pytest
import torch

from limitlab.discovery import variational as v
from limitlab.errors import InvalidArgument, UnknownName

PARAMETERS = {
    "V1": {"contrast": 0.5, "rate": 2.0},
    "V2": {"beta": 5.0},
    "V3": {"alpha": 4.0, "scale": 0.7},
    "V4": {"alpha": 2.0},
    "V5": {"q": 3.0, "floor": 0.3},
    "V6": {"kappa": 1.5},
}


def smooth(seed, dimension=3):
    """A random sum of eight waves, of one point."""
    generator = torch.Generator().manual_seed(seed)
    k = 2 * torch.randn(8, dimension, generator=generator, dtype=torch.float64)
    a, b = torch.randn(2, 8, generator=generator, dtype=torch.float64)
    return lambda x: (a * torch.cos(k @ x + b)).sum()


@pytest.mark.parametrize("name", v.INSTANCES)
def test_de_is_minus_the_divergence_of_the_flux_plus_the_reaction(name):
    """The flux as a function of x, its divergence by automatic differentiation, at random smooth u: to 1e-10."""
    energy, u = v.instance(name, **PARAMETERS[name]), smooth(3)
    x = torch.rand(5, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def flux(point):
        return energy.in_slope(point, u(point), torch.func.grad(u)(point))

    jet = v.from_function(u, 3).jet(x)
    divergence = torch.stack([torch.func.jacrev(flux)(point).trace() for point in x])
    expected = energy.in_value(x, jet.value, jet.slope) - divergence
    assert torch.allclose(energy.operator(x, jet), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", v.INSTANCES)
def test_derivatives_are_those_of_the_density(name):
    energy = v.instance(name, **PARAMETERS[name])
    generator = torch.Generator().manual_seed(1)
    x, z = torch.rand(2, 6, 3, generator=generator, dtype=torch.float64)
    y = torch.randn(6, generator=generator, dtype=torch.float64)
    y, z = y.requires_grad_(), z.requires_grad_()
    in_y, in_z = torch.autograd.grad(energy.density(x, y, z).sum(), (y, z), allow_unused=True)
    zero = torch.zeros(6, dtype=torch.float64)
    assert torch.allclose(energy.in_value(x, y, z), zero if in_y is None else in_y, rtol=1e-12, atol=1e-13)
    assert torch.allclose(energy.in_slope(x, y, z), in_z, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", v.INSTANCES)
def test_second_derivatives_lie_between_m_and_big_m(name):
    """At 50 random places with |y| <= 1; the smallest and largest eigenvalues of the Hessian in (y, z)."""
    energy = v.instance(name, **PARAMETERS[name])
    low, high = energy.bounds(1.0)
    generator = torch.Generator().manual_seed(2)
    places = 2 * torch.rand(50, 4, generator=generator, dtype=torch.float64) - 1
    for place, x in zip(places, torch.rand(50, 3, generator=generator, dtype=torch.float64), strict=True):
        hessian = torch.func.hessian(lambda p, x=x: energy.density(x, p[0], p[1:]))(place)
        values = torch.linalg.eigvalsh(hessian)
        assert values[0] >= low - 1e-9
        assert values[-1] <= high + 1e-9


def test_p_laplacian_is_outside_of_the_theory():
    assert v.instance("V5", q=4.0).bounds()[1] == math.inf
    assert v.instance("V5", q=1.5).bounds()[0] == 0


def test_the_closed_jet_of_cosines_is_that_of_automatic_differentiation():
    x = torch.rand(4, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    automatic = v.from_function(lambda p: 5**-0.5 * torch.cos(math.pi * p).sum(), 5)
    for closed, expected in zip(v.cosines(5).jet(x), automatic.jet(x), strict=True):
        assert torch.allclose(closed, expected, atol=1e-12)


def test_right_hand_side_of_a_sum_of_cosines_is_the_closed_one():
    """-Lap u + u + 2 u^3 for u = sum cos(2 pi x_i) / sqrt(2)."""
    x = torch.rand(9, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    u = torch.cos(2 * math.pi * x).sum(-1) / math.sqrt(2)
    f = v.manufactured(v.instance("V2", beta=2.0), v.cosines(2, half_waves=2))
    assert torch.allclose(f(x), (1 + 4 * math.pi**2) * u + 2 * u**3, atol=1e-10)


def test_log_cosh_does_not_overflow():
    density = v.instance("V3", alpha=1.0).density(torch.zeros(1, 1), torch.zeros(1), torch.tensor([[1e4]]))
    assert density.item() == pytest.approx(0.5e8 + 1e4 - math.log(2), rel=1e-6)


def test_bad_names_and_numbers_are_refused():
    with pytest.raises(UnknownName, match="unknown instance 'V7'"):
        v.instance("V7")
    with pytest.raises(UnknownName, match="did you mean 'beta'"):
        v.instance("V2", betta=1.0)
    with pytest.raises(InvalidArgument, match=r"q must be a number >= 1\.5 <= 4"):
        v.instance("V5", q=8.0)
    with pytest.raises(InvalidArgument, match="x must end in the dimension 2"):
        v.from_function(lambda p: p.sum(), 2).jet(torch.ones(1, 3))
