"""The integral equations: their solutions satisfy them, by quadrature; functions and LaTeX come from the texts."""

import itertools
import math

import numpy as np
import pytest
import torch

from limitlab import problems
from limitlab.errors import InvalidArgument

EQUATIONS = problems.names("integral")


def quadrature(low, high, points=60):
    nodes, weights = (torch.from_numpy(part) for part in np.polynomial.legendre.leggauss(points))
    half = (high - low)[..., None] / 2
    return (low + high)[..., None] / 2 + half * nodes, half * weights


def integral(problem, x):
    """int K(x, t) g(u(t)) dt of the known solution to 1e-12: by Gauss on each side of the kink of K at t = x.

    Singular integrands by the double exponential rule t = x/(1 + exp(-pi sinh s)), with x - t = x/(1 + exp(pi sinh s)).
    """
    if problem.abel is None:
        ends = [0 * x, x] if problem.type == "volterra" else [0 * x, x, 1 + 0 * x]
        total = 0.0
        for low, high in itertools.pairwise(ends):
            t, weights = quadrature(low, high)
            values = problem.kernel_at(x[:, None], t) * problem.response_at(problem.solution_at(t))
            total = total + (weights * values).sum(-1)
        return total
    order = problem.abel_order()
    s = torch.linspace(-5, 5, 641, dtype=torch.float64)
    exponent = math.pi * torch.sinh(s)
    t, gap = x[:, None] * torch.sigmoid(exponent), x[:, None] * torch.sigmoid(-exponent)
    weights = t * gap / x[:, None] * math.pi * torch.cosh(s) * (s[1] - s[0]) * gap ** (order - 1) / math.gamma(order)
    return (weights * problem.kernel_at(x[:, None], t) * problem.response_at(problem.solution_at(t))).sum(-1)


@pytest.mark.parametrize("name", EQUATIONS)
def test_the_known_solution_satisfies_its_equation(name):
    problem = problems.get(name)
    x = torch.linspace(0.05, 0.95, 7, dtype=torch.float64) * problem.end
    found, forcing = integral(problem, x), problem.forcing_at(x)
    if problem.form == "first kind":
        residual = found - forcing
    elif problem.form == "second kind":
        residual = problem.solution_at(x) - forcing - found
    else:
        inputs = x.clone().requires_grad_()
        (slope,) = torch.autograd.grad(problem.solution_at(inputs).sum(), inputs)
        residual = slope - forcing - found
        assert float(problem.solution_at(torch.zeros(1, dtype=torch.float64))) == 0.0
    assert float(residual.abs().max()) < 1e-10


@pytest.mark.parametrize("alpha", [0.3, 0.5, 0.8])
def test_fractional_relaxation_holds_for_other_orders(alpha):
    problem = problems.get("fractional_relaxation", alpha=alpha)
    x = torch.tensor([0.2, 1.0, 4.0], dtype=torch.float64)
    residual = problem.solution_at(x) - problem.forcing_at(x) - integral(problem, x)
    assert float(residual.abs().max()) < 1e-9


def test_fractional_relaxation_is_the_exponential_at_order_one_and_erfcx_at_one_half():
    x = torch.linspace(0, 5, 11, dtype=torch.float64)
    assert torch.allclose(problems.get("fractional_relaxation", alpha=1.0).solution_at(x), torch.exp(-x), atol=1e-13)
    half = problems.get("fractional_relaxation", alpha=0.5).solution_at(x)
    assert torch.allclose(half, torch.special.erfcx(x.sqrt()), atol=1e-12)


@pytest.mark.parametrize("strength", [-3.0, 0.5, 1.9])
def test_the_resonant_equation_holds_on_both_sides_of_zero(strength):
    problem = problems.get("fredholm_resonance", strength=strength)
    x = torch.linspace(0.1, 0.9, 5, dtype=torch.float64)
    assert torch.allclose(problem.solution_at(x), problem.forcing_at(x) + integral(problem, x), rtol=1e-11)


@pytest.mark.parametrize("name", EQUATIONS)
def test_every_integral_equation_has_latex_data_and_a_text(name):
    problem = problems.get(name)
    latex = problem.latex()
    assert latex.count("{") == latex.count("}")
    assert r"\int_{0}" in latex
    assert "integral(0, " in problem.equation
    data = problem.exact(11)
    assert data.sizes == {"x": 11}
    assert bool(np.isfinite(data["u"]).all())


def test_latex_of_known_equations():
    assert problems.get("volterra_sine").latex() == (r"u(x) = x + \int_{0}^{x} \left(t - x\right) u(t)\, \mathrm{d}t")
    assert problems.get("abel").latex() == r"u(x) = 1 - \int_{0}^{x} \frac{1}{\sqrt{x - t}} u(t)\, \mathrm{d}t"


def test_integral_equations_have_no_span():
    with pytest.raises(InvalidArgument, match="unknown parameter of abel 'span'"):
        problems.get("abel", span=2.0)
