"""Rosenbrock and ESDIRK methods: orders, stability, the stiff references, gradients, independence of the batch."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from limitlab.solvers import solve_ode
from limitlab.solvers.methods.catalogue import METHODS

STIFF = ("rosenbrock23", "rodas4", "rodas5", "kvaerno3", "kvaerno5")


def double(*values):
    return torch.tensor(values, dtype=torch.float64)


def driven_logistic(t, y):
    return 2 * y * (1 - y) * (1 + torch.cos(2 * t))


def driven_logistic_solution(t):
    return (1 / (1 + 9 * torch.exp(-2 * t - torch.sin(2 * t))))[:, None]


def driven_pair(t, y):
    x, v = y.split(1, 1)
    return torch.cat([x * v * torch.cos(t), -v * v * torch.cos(t)], 1)


def driven_pair_solution(t):
    return torch.stack([2 + torch.sin(t), 1 / (2 + torch.sin(t))], 1)


def prothero_robinson(rate):
    return lambda t, y: rate * (y - torch.cos(t)) - torch.sin(t)


def robertson(t, y, first_rate=0.04):
    a, b, c = y.split(1, 1)
    slow, back, fast = first_rate * a, 1e4 * b * c, 3e7 * b * b
    return torch.cat([back - slow, slow - back - fast, fast], 1)


def van_der_pol(mu):
    def field(t, y):
        x, v = y.split(1, 1)
        return torch.cat([v, mu * (1 - x * x) * v - x], 1)

    return field


def hires(t, y):
    y1, y2, y3, y4, y5, y6, y7, y8 = y.split(1, 1)
    exchange = 280 * y6 * y8 - 1.81 * y7
    return torch.cat(
        [
            -1.71 * y1 + 0.43 * y2 + 8.32 * y3 + 0.0007,
            1.71 * y1 - 8.75 * y2,
            -10.03 * y3 + 0.43 * y4 + 0.035 * y5,
            8.32 * y2 + 1.71 * y3 - 1.12 * y4,
            -1.745 * y5 + 0.43 * (y6 + y7),
            -280 * y6 * y8 + 0.69 * y4 + 1.71 * y5 - 0.43 * y6 + 0.69 * y7,
            exchange,
            -exchange,
        ],
        1,
    )


def oregonator(t, y):
    a, b, c = y.split(1, 1)
    return torch.cat([77.27 * (b + a * (1 - 8.375e-6 * a - b)), (c - (1 + a) * b) / 77.27, 0.161 * (a - c)], 1)


def brusselator(t, y):
    u, v = y.split(1, 1)
    return torch.cat([1 + u * u * v - 4 * u, 3 * u - u * u * v], 1)


REFERENCES = {
    "robertson to 40": (robertson, (1, 0, 0), 40.0, (0.715827069, 9.18553476e-6, 0.284163746)),
    "robertson to 4e5": (robertson, (1, 0, 0), 4e5, (4.93827452e-3, 1.98499409e-8, 0.995061706)),
    "robertson to 1e11": (robertson, (1, 0, 0), 1e11, (2.08334015e-8, 8.33336077e-14, 0.999999979)),
    "van der pol": (van_der_pol(1000.0), (2, 0), 2000.0, (1.70616773, -8.92809701e-4)),
    "hires": (
        hires,
        (1, 0, 0, 0, 0, 0, 0, 0.0057),
        321.8122,
        (
            7.37131257e-4, 1.44248573e-4, 5.88872974e-5, 1.17565134e-3, 2.38635620e-3, 6.23896825e-3, 2.84999840e-3,
            2.85000160e-3,
        ),
    ),
    "oregonator": (oregonator, (1, 2, 3), 360.0, (1.00081487, 1228.17852, 132.055494)),
    "brusselator": (brusselator, (1.5, 3), 20.0, (0.49863707, 4.59678035)),
}  # fmt: skip


def largest_errors(field, exact, y0, end, method, steps, moments):
    """Largest error at equally spaced moments, for every number of steps."""
    t = torch.linspace(0, end, moments + 1, dtype=torch.float64)
    errors = []
    for count in steps:
        y = solve_ode(field, y0, t, method=method, step_size=end / count).y[0]
        errors.append(float((y - exact(t)).abs().max()))
    return np.array(errors)


def slopes(errors):
    return np.log2(errors[:-1] / errors[1:])


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
    stability: Any = METHODS[method]
    stability = stability.amplification
    z = 1e-3 * 1.3 ** np.arange(80) * np.exp(1j * np.linspace(0.5, 1.0, 201)[:, None] * np.pi)
    assert np.abs(stability(z)).max() <= 1.0 + 1e-12
    assert np.abs(stability(np.array([-1e12 + 0j]))) < 1e-10
    small = np.array([1e-2 + 0j])
    assert abs(stability(small) - np.exp(small))[0] < 1e-2 ** (METHODS[method].order + 1)


@pytest.mark.parametrize("name", REFERENCES)
def test_rodas5_finds_the_stiff_reference(name):
    assert_reference("rodas5", name)


@pytest.mark.parametrize("method", ["rodas4", "kvaerno5"])
@pytest.mark.parametrize("name", ["robertson to 40", "hires", "oregonator", "brusselator"])
def test_stiff_method_finds_the_stiff_reference(method, name):
    assert_reference(method, name)


def assert_reference(method, name):
    field, y0, end, reference = REFERENCES[name]
    solution = solve_ode(field, double(y0), [0, end], method=method, rtol=1e-6, atol=1e-15)
    torch.testing.assert_close(solution.y[0, -1], double(*reference), rtol=1e-5, atol=1e-14)


@pytest.mark.parametrize(("method", "order"), [("rodas4", 1), ("rodas5", 3), ("kvaerno3", 2), ("kvaerno5", 2)])
def test_order_on_prothero_robinson_is_lower_and_the_error_as_small_as_the_stiffness_is_large(method, order):
    mild, stiff = (
        largest_errors(
            prothero_robinson(rate), lambda t: torch.cos(t)[:, None], double([1.0]), 2.0, method, (16, 32, 64), 8
        )
        for rate in (-1e5, -1e6)
    )
    assert slopes(stiff)[-1] == pytest.approx(order, abs=0.15)
    assert (mild / stiff)[-1] == pytest.approx(10.0, rel=0.2)


@pytest.mark.parametrize("method", STIFF)
def test_robertson_agrees_with_radau_and_keeps_its_mass(method):
    def field(t, y):
        fast = 3e7 * y[1] ** 2
        return [-0.04 * y[0] + 1e4 * y[1] * y[2], 0.04 * y[0] - 1e4 * y[1] * y[2] - fast, fast]

    reference = solve_ivp(field, (0, 1e4), [1, 0, 0], method="Radau", rtol=1e-7, atol=1e-11).y[:, -1]
    rtol = 1e-5 if METHODS[method].order > 3 else 1e-4
    y = solve_ode(robertson, double([1, 0, 0]), [0, 10, 1e4], method=method, rtol=rtol, atol=1e-4 * rtol).y[0]
    np.testing.assert_allclose(y[-1].numpy(), reference, rtol=5e-4)
    assert (y.sum(1) - 1).abs().max() < 1e-12


def test_rosenbrock23_needs_a_handful_of_calls_where_an_explicit_method_needs_millions():
    problem = van_der_pol(1000.0), double([2, 0])
    solution = solve_ode(*problem, [0, 500], method="rosenbrock23", rtol=1e-4, atol=1e-6, control="i")
    calls = int(solution.evaluations.function)
    assert 45 <= calls <= 85
    assert int(solution.evaluations.jacobian) == int(solution.evaluations.factorization) == (calls - 2) // 2
    # SciPy's RK45 takes 2.4 million calls for the whole span
    assert int(solve_ode(*problem, [0, 0.2], rtol=1e-4, atol=1e-6).evaluations.function) > 10 * calls


def test_evaluations_of_newton_iterations_are_counted_by_sample():
    calls = torch.zeros(3, dtype=torch.int64)
    y0 = double([2.0, 0.0], [1.0, 0.5], [0.1, 0.0])

    def counted(t, y):
        calls.add_(1)
        return van_der_pol(10.0)(t, y)

    def jacobian(t, y):
        x, v = y.split(1, 1)
        return torch.cat([0 * x, 1 + 0 * x, -20 * x * v - 1, 10 * (1 - x * x)], 1).view(-1, 2, 2)

    together = solve_ode(counted, y0, [0, 2], method="kvaerno5", rtol=1e-5, jacobian=jacobian).evaluations
    calls.zero_()
    alone = solve_ode(counted, y0[:1], [0, 2], method="kvaerno5", rtol=1e-5, jacobian=jacobian).evaluations
    assert int(alone.function) == int(calls[0]) == int(together.function[0])
    assert len(set(together.function.tolist())) == 3
    assert torch.equal(together.jacobian, together.factorization)


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


@pytest.mark.parametrize(("method", "gamma"), [("rodas4", 0.25), ("kvaerno5", 0.26)])
def test_singular_matrix_rejects_the_step_of_its_sample_only(method, gamma):
    rate = double([1 / gamma], [1.0])
    options = {"method": method, "rtol": 1e-5, "first_step": 1.0}
    solution = solve_ode(lambda t, y: rate * y, double([1], [1]), [0, 1], **options)
    assert not bool(solution.log.accepted[0, 0])
    torch.testing.assert_close(solution.y[:, -1], rate.exp(), rtol=1e-3, atol=0)
    alone = solve_ode(lambda t, y: y, double([1]), [0, 1], **options)
    assert torch.equal(solution.y[1], alone.y[0])


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


def test_many_components_are_solved_by_their_factors():
    size = 24
    matrix = torch.diag(torch.full((size,), -2.0)) + torch.diag(torch.ones(size - 1), 1)
    matrix = (size + 1) ** 2 * (matrix + torch.diag(torch.ones(size - 1), -1)).double()
    y0 = torch.sin(torch.pi * torch.arange(1, size + 1, dtype=torch.float64) / (size + 1))[None] + 0.1
    for method in ("rodas5", "kvaerno5"):
        y = solve_ode(lambda t, y: y @ matrix.T, y0, [0, 0.1], method=method, rtol=1e-7, atol=1e-10).y[:, -1]
        torch.testing.assert_close(y, y0 @ torch.linalg.matrix_exp(0.1 * matrix).T, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("method", STIFF)
def test_stiff_method_works_in_single_precision(method):
    y = solve_ode(van_der_pol(100.0), torch.tensor([[2.0, 0.0]]), [0, 20], method=method, rtol=1e-3, atol=1e-5).y
    exact = solve_ode(van_der_pol(100.0), double([2, 0]), [0, 20], method="rodas5", rtol=1e-9).y
    assert y.dtype == torch.float32
    torch.testing.assert_close(y[0, -1].double(), exact[0, -1], rtol=1e-2, atol=1e-4)
