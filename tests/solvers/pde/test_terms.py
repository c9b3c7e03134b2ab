"""Terms of known form: machine code equals the called function, and gives way to it where it must."""

import math

import pytest
import torch

from limitlab.problems.pde import navier_stokes, periodic_catalogue
from limitlab.solvers.failures import SolutionBlewUp
from limitlab.solvers.pde.spectral import etdrk4_coefficients, integrate_spectral
from limitlab.solvers.pde.terms import PolynomialTerm, VorticityTransport
from limitlab.spaces import Grid, fourier, gaussian_field, inverse_fourier
from limitlab.spaces.transforms import dealias_mask, derivative_symbol, wavenumbers

ROUNDING = {torch.float32: 2e-5, torch.float64: 2e-13}
"""Relative, after some steps that add it up."""
LINES = {problem.name: problem for problem in periodic_catalogue.PROBLEMS}
FLOWS = {problem.name: problem for problem in navier_stokes.PROBLEMS}
NONLINEAR = ["burgers", "korteweg_de_vries", "kuramoto_sivashinsky", "allen_cahn"]


def is_compiled(initial, grid, symbol, term):
    return term.compiled(etdrk4_coefficients(symbol, 0.01), fourier(initial, grid)) is not None


def require_equal(initial, grid, symbol, term, dt, steps=20):
    """The solution by machine code is that with the term as a bare function, which nobody can compile."""
    assert is_compiled(initial, grid, symbol, term)
    times = [0.0, steps * dt / 2, steps * dt]
    found = integrate_spectral(initial, grid, symbol, term, times, dt=dt)
    called = integrate_spectral(initial, grid, symbol, lambda v: term(v), times, dt=dt)
    assert found.dtype == called.dtype == initial.dtype
    assert float((called[:, -1] - called[:, 0]).abs().max()) > 1e-3 * float(called.abs().max())
    assert float((found - called).abs().max()) < ROUNDING[initial.dtype] * float(called.abs().max())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", NONLINEAR)
def test_equations_on_an_interval_in_machine_code(name, dtype):
    problem = LINES[name]
    grid = problem.grid(64)
    for samples in (1, 11):
        initial = problem.initial.sample(grid, samples, 0, 0, problem.values).to(dtype)
        require_equal(initial, grid, *problem.tendency(grid, initial), problem.dt)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", FLOWS)
def test_flows_in_machine_code(name, dtype):
    problem = FLOWS[name]
    grid = problem.grid(32)
    for samples in (1, 5):
        w = 5 * gaussian_field(grid, samples, 0, alpha=4.0, tau=20.0 / grid.lengths[0], sigma=1.0)
        w = (3 * w / w.std()).to(dtype)
        forcing = problem.sample_forcing(grid, samples, 1, 0).to(dtype)
        require_equal(w, grid, *problem.tendency(grid, forcing), 0.01 * min(1.0, grid.lengths[0]))


def test_a_plane_of_unequal_sides_and_one_forcing_for_all():
    grid = Grid.uniform((16, 64), lengths=(2 * math.pi, 4 * math.pi))
    kx, ky = wavenumbers(grid)
    w = 4 * gaussian_field(grid, 3, 0, alpha=4.0, tau=3.0, sigma=27.0)
    forcing = gaussian_field(grid, 1, 1, alpha=4.0, tau=3.0, sigma=27.0)
    require_equal(w, grid, -0.01 * (kx**2 + ky**2), VorticityTransport(grid, forcing), 0.02)


def test_every_power_counts_with_and_without_a_mask():
    grid = Grid.uniform(16, lengths=2 * math.pi)
    (k,) = wavenumbers(grid)
    u = torch.rand(3, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for mask in (None, dealias_mask(grid, 1 / 2)):
        term = PolynomialTerm(grid, torch.ones_like(k).to(torch.complex128), (0.1, -0.3, 0.2, -0.5, 0.01), mask)
        require_equal(u, grid, -0.01 * k**2, term, 0.02)
    found = inverse_fourier(
        PolynomialTerm(grid, torch.ones(9).to(torch.complex128), (2.0, 0.0, 3.0))(fourier(u, grid)), grid
    )
    assert torch.allclose(found, 2 + 3 * u**2, atol=1e-14)


def burgers(points=32, samples=3, dtype=torch.float64):
    grid = Grid.uniform(points, lengths=2 * math.pi)
    (k,) = wavenumbers(grid, dtype)
    ik = derivative_symbol(grid, 0, 1, dtype)
    x, shift = grid.points(dtype)[:, 0], torch.arange(samples, dtype=dtype)[:, None]
    return torch.sin(x + shift), grid, -0.1 * k**2, PolynomialTerm(grid, -0.5 * ik, (0.0, 0.0, 1.0), dealias_mask(grid))


def test_what_machine_code_has_no_answer_for_is_called():
    initial, grid, symbol, term = burgers()
    assert is_compiled(initial, grid, symbol, term)
    assert not is_compiled(*burgers(points=24))
    assert not is_compiled(*burgers(points=33))
    assert not is_compiled(initial.float(), grid, symbol, term)
    assert not is_compiled(initial, grid, symbol.expand(3, -1), term)
    assert not is_compiled(initial.clone().requires_grad_(), grid, symbol, term)
    with torch.no_grad():
        assert is_compiled(initial.clone().requires_grad_(), grid, symbol, term)


def test_a_sample_is_the_same_to_the_last_bit_in_any_batch():
    initial, grid, symbol, term = burgers(samples=13)
    together = integrate_spectral(initial, grid, symbol, term, [0.0, 0.5], dt=0.02)
    alone = integrate_spectral(initial[7:8], grid, symbol, term, [0.0, 0.5], dt=0.02)
    assert torch.equal(together[7:8], alone)


def test_views_and_inference_mode_change_nothing():
    initial, grid, symbol, term = burgers(samples=4)
    expected = integrate_spectral(initial, grid, symbol, term, [0.0, 0.5], dt=0.02)
    with torch.inference_mode():
        view = initial.T.contiguous().T
        assert not view.is_contiguous()
        assert torch.equal(integrate_spectral(view, grid, symbol, term, [0.0, 0.5], dt=0.02), expected)


def test_gradients_and_tangents_pass_the_term():
    initial, grid, symbol, term = burgers(points=8, samples=1)

    def solve(u):
        return integrate_spectral(u, grid, symbol, term, [0.0, 0.1], dt=0.05)

    assert torch.autograd.gradcheck(solve, (initial.clone().requires_grad_(),))
    direction = torch.cos(initial)
    (_, tangent) = torch.func.jvp(solve, (initial,), (direction,))
    difference = (solve(initial + 1e-6 * direction) - solve(initial - 1e-6 * direction)) / 2e-6
    assert torch.allclose(tangent, difference, atol=1e-8)


def test_blow_up_in_machine_code_names_the_sample_and_the_time():
    grid = Grid.uniform(8)
    initial = torch.tensor([[-1.0], [2.0]], dtype=torch.float64).expand(2, 8)
    square = PolynomialTerm(grid, torch.ones(5, dtype=torch.complex128), (0.0, 0.0, 1.0))
    symbol = torch.zeros(5, dtype=torch.float64)
    assert is_compiled(initial, grid, symbol, square)
    with pytest.raises(SolutionBlewUp, match=r"sample 11 .* t = 0\.4 and t = 0\.8"):
        integrate_spectral(initial, grid, symbol, square, [0.0, 0.4, 0.8], dt=0.01, first=10)


def test_machine_code_has_order_four():
    initial, grid, symbol, term = burgers(points=64)
    ends = {
        n: integrate_spectral(initial, grid, symbol, term, [0.0, 1.0], dt=1 / n)[:, -1] for n in (10, 20, 40, 80, 640)
    }
    errors = [float((ends[n] - ends[640]).abs().max()) for n in (10, 80)]
    assert 3.7 < math.log2(errors[0] / errors[1]) / 3 < 4.4
