"""Every stiff method of the catalogue: orders, stability, stiff references, gradients, independence of the batch."""

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp
from solvers.toys import double, driven_logistic, driven_logistic_solution, largest_errors, slopes, van_der_pol

from limitlab import problems
from limitlab.solvers import solve_ode
from limitlab.solvers.methods.catalogue import METHODS

STIFF = [name for name, method in METHODS.items() if method.jacobians]
REFERENCES = {
    f"{name} to {reference.time:g}": (problems.get(name), reference)
    for name in ("robertson", "van_der_pol", "hires", "oregonator", "brusselator")
    for reference in problems.get(name).references
}


def driven_pair(t, y):
    x, v = y.split(1, 1)
    return torch.cat([x * v * torch.cos(t), -v * v * torch.cos(t)], 1)


def driven_pair_solution(t):
    return torch.stack([2 + torch.sin(t), 1 / (2 + torch.sin(t))], 1)


@pytest.mark.parametrize("method", STIFF)
def test_stiff_method_has_its_order(method):
    for field, exact, y0, end in (
        (driven_logistic, driven_logistic_solution, double([0.1]), 3.0),
        (driven_pair, driven_pair_solution, double([2.0, 0.5]), 6.0),
    ):
        errors = largest_errors(field, exact, y0, end, method, (128, 256), moments=16)
        assert slopes(errors)[0] == pytest.approx(METHODS[method].order, abs=0.15)


@pytest.mark.parametrize("method", STIFF)
def test_dense_output_keeps_the_order(method):
    errors = largest_errors(driven_logistic, driven_logistic_solution, double([0.1]), 3.0, method, (64, 128), 301)
    assert slopes(errors)[0] == pytest.approx(METHODS[method].order, abs=0.15)


@pytest.mark.parametrize("method", STIFF)
def test_stiff_method_is_stable_in_the_left_half_plane_and_forgets_at_infinity(method):
    stability = METHODS[method].amplification
    z = 1e-3 * 1.3 ** np.arange(80) * np.exp(1j * np.linspace(0.5, 1.0, 201)[:, None] * np.pi)
    assert np.abs(stability(z)).max() <= 1.0 + 1e-12
    assert np.abs(stability(np.array([-1e12 + 0j]))) < 1e-10
    small = np.array([1e-2 + 0j])
    assert abs(stability(small) - np.exp(small))[0] < 1e-2 ** (METHODS[method].order + 1)


@pytest.mark.parametrize("name", REFERENCES)
def test_rodas5_finds_the_stiff_reference(name):
    assert_reference("rodas5", name)


@pytest.mark.parametrize("method", ["rodas4", "kvaerno5"])
@pytest.mark.parametrize("name", ["robertson to 40", "hires to 321.812", "oregonator to 360", "brusselator to 20"])
def test_stiff_method_finds_the_stiff_reference(method, name):
    assert_reference(method, name)


def assert_reference(method, name):
    """Without the analytic Jacobian that the problem knows."""
    problem, reference = REFERENCES[name]
    y0 = problem.initial_value[None]
    solution = solve_ode(problem.field(), y0, [0, reference.time], method=method, rtol=1e-6, atol=1e-15)
    torch.testing.assert_close(solution.y[0, -1], double(*reference.state), rtol=1e-5, atol=1e-14)


@pytest.mark.parametrize("method", STIFF)
def test_robertson_agrees_with_radau_and_keeps_its_mass(method):
    def field(t, y):
        fast = 3e7 * y[1] ** 2
        return [-0.04 * y[0] + 1e4 * y[1] * y[2], 0.04 * y[0] - 1e4 * y[1] * y[2] - fast, fast]

    reference = solve_ivp(field, (0, 1e4), [1, 0, 0], method="Radau", rtol=1e-7, atol=1e-11).y[:, -1]
    rtol = 1e-5 if METHODS[method].order > 3 else 1e-4
    robertson = problems.get("robertson").field()
    y = solve_ode(robertson, double([1, 0, 0]), [0, 10, 1e4], method=method, rtol=rtol, atol=1e-4 * rtol).y[0]
    np.testing.assert_allclose(y[-1].numpy(), reference, rtol=5e-4)
    assert (y.sum(1) - 1).abs().max() < 1e-12


@pytest.mark.parametrize("method", STIFF)
@pytest.mark.parametrize("components", [3, 10])
def test_stiff_solution_of_a_sample_is_bitwise_the_same_in_any_batch(method, components):
    mix = torch.linspace(-1, 1, components**2, dtype=torch.float64).view(components, components)
    rate = torch.logspace(0, 3, components, dtype=torch.float64)

    def field(t, y):
        coupling = sum(mix[:, j] * y[:, j : j + 1] for j in range(components))
        return rate * (1 + t * coupling - y) * (1 + y * y)

    y0 = torch.rand(256, components, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    options = {"method": method, "rtol": 1e-3, "atol": 1e-3}
    together = solve_ode(field, y0, [0, 0.1, 0.3], **options)
    for sample in (0, 77, 255):
        alone = solve_ode(field, y0[sample : sample + 1], [0, 0.1, 0.3], **options)
        assert torch.equal(together.y[sample], alone.y[0])
        assert together.log.steps[sample] == alone.log.steps[0]


@pytest.mark.parametrize("method", STIFF)
@pytest.mark.parametrize("gradient", ["direct", "checkpoint"])
def test_gradient_is_that_of_the_steps_taken(method, gradient):
    y0 = double([1.5, 0.0], [0.5, 1.0])
    weights = double([1.0, -2.0], [0.5, 3.0])

    def loss(mu, start):
        y = solve_ode(
            lambda t, y: van_der_pol(mu)(t, y) + torch.cos(t), start, [0, 0.3, 1], method=method, step_size=0.05,
            gradient=gradient,
        ).y  # fmt: skip
        return (weights * y[:, 1] + y[:, 2] ** 2).sum()

    mu, start = torch.tensor(20.0, dtype=torch.float64, requires_grad=True), y0.clone().requires_grad_()
    of_mu, of_start = torch.autograd.grad(loss(mu, start), (mu, start))
    width, direction = 1e-5, double([0.3, -1.0], [0.7, 0.2])
    with torch.no_grad():
        by_mu = (loss(mu + 20 * width, y0) - loss(mu - 20 * width, y0)) / (40 * width)
        by_start = (loss(mu, y0 + width * direction) - loss(mu, y0 - width * direction)) / (2 * width)
    torch.testing.assert_close(of_mu, by_mu, rtol=1e-6, atol=0)
    torch.testing.assert_close((of_start * direction).sum(), by_start, rtol=1e-6, atol=0)


@pytest.mark.parametrize("method", STIFF)
def test_stiffness_is_the_largest_eigenvalue_and_has_a_gradient(method):
    rate = torch.tensor(300.0, dtype=torch.float64, requires_grad=True)
    field = torch.tensor([[-1.0, 0.0], [0.2, 0.0]], dtype=torch.float64)
    unit = torch.tensor([[0.0, 0.0], [0.0, -1.0]], dtype=torch.float64)
    log = solve_ode(lambda t, y: y @ (field + rate * unit).T, double([1, 1]), [0, 1], method=method, rtol=1e-3).log
    estimate = log.stiffness[0, 0]
    assert float(estimate.detach()) == pytest.approx(300.0, rel=1e-2)
    (slope,) = torch.autograd.grad(estimate, rate)
    assert float(slope) == pytest.approx(1.0, rel=1e-2)


@pytest.mark.parametrize("method", STIFF)
def test_stiff_method_works_in_single_precision(method):
    y = solve_ode(van_der_pol(100.0), torch.tensor([[2.0, 0.0]]), [0, 20], method=method, rtol=1e-3, atol=1e-5).y
    exact = solve_ode(van_der_pol(100.0), double([2, 0]), [0, 20], method="rodas5", rtol=1e-9).y
    assert y.dtype == torch.float32
    torch.testing.assert_close(y[0, -1].double(), exact[0, -1], rtol=1e-2, atol=1e-4)
