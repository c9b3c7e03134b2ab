"""Exponential time differencing: order, exactness, de-aliasing, independence of the batch, and failure in words."""

import math

import numpy as np
import pytest
import torch

from limitlab.errors import InvalidArgument
from limitlab.solvers.failures import SolutionBlewUp
from limitlab.solvers.pde.spectral import dealiased, etdrk4_coefficients, integrate_spectral
from limitlab.spaces.grid import Grid
from limitlab.spaces.transforms import derivative_symbol, fourier, inverse_fourier, wavenumbers


def observed_orders(errors):
    return np.log2(np.array(errors[:-1]) / np.array(errors[1:]))


def conservative_square(grid, factor):
    ik = derivative_symbol(grid, 0)

    def term(spectrum):
        return factor * ik * fourier(inverse_fourier(spectrum, grid) ** 2, grid)

    return dealiased(term, grid)


def soliton(grid, time):
    """KdV soliton of speed 4, u_t + 6 u u_x + u_xxx = 0, whose tail at the seam is below 1e-12."""
    x = grid.points()[:, 0]
    return (2 / torch.cosh(x - 4 * time - grid.lengths[0] / 2 + 1) ** 2)[None]


def kdv_error(dt):
    grid = Grid.uniform(320, lengths=40.0)
    k = wavenumbers(grid)[0]
    linear = torch.complex(torch.zeros_like(k), k**3)
    linear[-1] = 0
    solution = integrate_spectral(soliton(grid, 0.0), grid, linear, conservative_square(grid, -3.0), [0.0, 0.5], dt=dt)
    return float((solution[:, -1] - soliton(grid, 0.5)).abs().max())


def test_etdrk4_has_order_four_on_kdv_whose_symbol_is_imaginary():
    orders = observed_orders([kdv_error(dt) for dt in (0.02, 0.01, 0.005, 0.0025)])
    assert orders.mean() >= 3.7


def burgers_solution(dt, samples=1):
    grid = Grid.uniform(128, lengths=2 * math.pi)
    (k,) = wavenumbers(grid)
    x = grid.points()[:, 0]
    phases = torch.arange(samples, dtype=torch.float64)[:, None]
    initial = torch.sin(x + phases) + 0.5 * torch.cos(2 * x - phases)
    return integrate_spectral(initial, grid, -0.1 * k**2, conservative_square(grid, -0.5), [0.0, 1.0], dt=dt)


def test_etdrk4_has_order_four_on_burgers():
    reference = burgers_solution(1 / 1600)
    errors = [float((burgers_solution(dt) - reference).abs().max()) for dt in (0.1, 0.05, 0.025, 0.0125)]
    assert 3.7 <= observed_orders(errors).mean() <= 4.4


@pytest.mark.parametrize("z", [-1e-9, -1e-3, -0.7, -40.0, 1e-3j, 3.0 - 7.0j])
def test_contour_coefficients_equal_their_series_and_formulas(z):
    """phi_n(z) = sum_j z^j/(j+n)! near zero, the closed form far from it: f1 = phi1 - 3 phi2 + 4 phi3 and so on."""
    linear = torch.tensor([z], dtype=torch.complex128 if isinstance(z, complex) else torch.float64)
    found = etdrk4_coefficients(linear, 1.0)

    def phi(n, z):
        if abs(z) < 2:
            return sum(z**j / math.factorial(j + n) for j in range(30))
        value = np.exp(z)
        for order in range(n):
            value = (value - 1 / math.factorial(order)) / z
        return value

    p1, p2, p3 = (phi(n, z) for n in (1, 2, 3))
    expected = [np.exp(z), np.exp(z / 2), phi(1, z / 2) / 2, p1 - 3 * p2 + 4 * p3, p2 - 2 * p3, 4 * p3 - p2]
    for value, exact in zip(found, expected, strict=True):
        assert abs(complex(value[0]) - exact) < 1e-13


def test_without_nonlinear_term_the_propagator_is_exact_at_any_step():
    grid = Grid.uniform(32, lengths=2 * math.pi)
    x = grid.points()[:, 0]
    (k,) = wavenumbers(grid)
    solution = integrate_spectral(torch.sin(3 * x)[None], grid, -0.2 * k**2, None, [0.0, 0.3, 1.7], dt=5.0)
    for frame, time in enumerate((0.0, 0.3, 1.7)):
        assert torch.allclose(solution[0, frame], math.exp(-1.8 * time) * torch.sin(3 * x), atol=1e-14)


def test_a_sample_does_not_depend_on_its_batch():
    together = burgers_solution(0.02, samples=5)
    grid = Grid.uniform(128, lengths=2 * math.pi)
    (k,) = wavenumbers(grid)
    alone = integrate_spectral(
        together[3:4, 0], grid, -0.1 * k**2, conservative_square(grid, -0.5), [0.0, 1.0], dt=0.02
    )
    assert torch.allclose(alone[0], together[3], rtol=0, atol=1e-14)


def test_steps_land_on_output_times_that_no_step_divides():
    grid = Grid.uniform(8, lengths=2 * math.pi)
    linear = torch.zeros(5, dtype=torch.float64)
    times = [0.0, 0.13, 0.5, 1.0]
    solution = integrate_spectral(torch.ones(1, 8, dtype=torch.float64), grid, linear, lambda v: -v, times, dt=0.07)
    assert torch.allclose(solution[0, :, 0], torch.exp(-torch.tensor(times, dtype=torch.float64)), atol=1e-6)


def test_spectral_initial_values_equal_values_on_the_grid_in_two_dimensions():
    grid = Grid.uniform((16, 12), lengths=(1.0, 2.0))
    kx, ky = wavenumbers(grid)
    linear = -0.01 * (kx**2 + ky**2)
    generator = torch.Generator().manual_seed(0)
    u = torch.randn(2, 16, 12, generator=generator, dtype=torch.float64)

    def cubic(v):
        return -fourier(inverse_fourier(v, grid) ** 3, grid)

    by_value = integrate_spectral(u, grid, linear, cubic, [0.0, 0.2], dt=0.05)
    by_mode = integrate_spectral(fourier(u, grid), grid, linear, cubic, [0.0, 0.2], dt=0.05)
    assert torch.allclose(by_value, by_mode, atol=1e-13)
    assert by_value.shape == (2, 2, 16, 12)


def test_dealiased_square_of_a_truncated_wave_holds_no_alias():
    grid = Grid.uniform(24, lengths=2 * math.pi)
    x = grid.points()[:, 0]
    square = dealiased(lambda v: fourier(inverse_fourier(v, grid) ** 2, grid), grid)
    # cos^2(7x) = (1 + cos 14x)/2, and mode 14 would alias to mode 10
    assert torch.allclose(square(fourier(torch.cos(7 * x), grid)).abs()[1:], torch.zeros(12).double(), atol=1e-15)
    assert float(square(fourier(torch.cos(9 * x), grid)).abs().max()) < 1e-15


def test_blow_up_names_the_sample_and_the_time():
    grid = Grid.uniform(8)
    initial = torch.tensor([[-1.0], [2.0]], dtype=torch.float64).expand(2, 8)
    linear = torch.zeros(5, dtype=torch.float64)

    def square(v):
        return fourier(inverse_fourier(v, grid) ** 2, grid)

    with pytest.raises(SolutionBlewUp, match=r"sample 11 .* t = 0\.4 and t = 0\.8"):
        integrate_spectral(initial, grid, linear, square, [0.0, 0.4, 0.8], dt=0.01, first=10)


def test_gradients_flow_through_the_integration():
    initial = torch.randn(1, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1), requires_grad=True)
    grid = Grid.uniform(8)
    (k,) = wavenumbers(grid)

    def solve(u):
        return integrate_spectral(u, grid, -0.001 * k**2, conservative_square(grid, -0.1), [0.0, 0.1], dt=0.05)

    assert torch.autograd.gradcheck(solve, (initial,))


@pytest.mark.parametrize(
    ("times", "dt", "shape"), [([0.0, 0.0], 0.1, (1, 8)), ([0.0, 1.0], 0.0, (1, 8)), ([0.0, 1.0], 0.1, (8,))]
)
def test_wrong_arguments_are_refused(times, dt, shape):
    with pytest.raises(InvalidArgument):
        integrate_spectral(torch.zeros(shape).double(), Grid.uniform(8), torch.zeros(5).double(), None, times, dt=dt)


def test_intervals_in_single_precision_take_no_step_more():
    calls = []
    grid = Grid.uniform(8)
    linear = torch.zeros(5, dtype=torch.float64)
    for times in (torch.linspace(0, 1, 11), torch.linspace(0, 1, 11, dtype=torch.float64)):
        calls.append(0)

        def nonlinear(v):
            calls[-1] += 1
            return -v

        integrate_spectral(torch.ones(1, 8, dtype=torch.float64), grid, linear, nonlinear, times, dt=0.1)
    assert calls == [40, 40]


def test_waves_of_one_length_share_their_coefficients():
    grid = Grid.uniform((8, 12), lengths=(1.0, 2.0))
    kx, ky = wavenumbers(grid)
    linear = -0.01 * (kx**2 + ky**2)
    for together, apart in zip(
        etdrk4_coefficients(linear, 0.1), etdrk4_coefficients(linear.flatten(), 0.1), strict=True
    ):
        assert torch.allclose(together.flatten(), apart, rtol=1e-14, atol=0)


def test_coefficients_in_the_plane_have_tangents_and_gradients():
    linear = torch.tensor([[-1.0, -0.5], [-1.0, 0.3]], dtype=torch.float64)

    def q(symbol):
        return etdrk4_coefficients(symbol, 0.1).q

    assert torch.autograd.gradcheck(q, (linear.clone().requires_grad_(),))
    _, tangent = torch.func.jvp(q, (linear,), (torch.ones_like(linear),))
    assert torch.allclose(tangent, (q(linear + 1e-6) - q(linear - 1e-6)) / 2e-6, atol=1e-9)
