"""Dual activations against integrals over two correlated Gaussians, and against each other's identities."""

import itertools
import math

import numpy as np
import pytest
import scipy.integrate
import scipy.special
import torch

from limitlab.errors import InvalidArgument
from limitlab.infinite_width import ACTIVATIONS, activation, from_function
from limitlab.infinite_width.limit.hermite import _rule as hermite_rule
from limitlab.infinite_width.limit.hermite import derivative, expectation_of_product, expectation_of_slopes

COVARIANCES = [(1.0, 1.0, 0.3), (1.0, 1.0, 0.999), (2.0, 0.5, -0.7), (0.1, 3.0, 0.2), (2.0, 2.0, 2.0)]
SMOOTH = {
    "erf": scipy.special.erf,
    "gelu": lambda u: u * scipy.special.ndtr(u),
    "sin": np.sin,
    "cos": np.cos,
    "exp": np.exp,
    "tanh": np.tanh,
    "sigmoid": scipy.special.expit,
    "silu": lambda u: u * scipy.special.expit(u),
    "softplus": lambda u: np.logaddexp(0, u),
    "linear": lambda u: u,
}
KINKED = {
    "relu": (lambda u: np.maximum(u, 0), 1),
    "abs": (np.abs, 1),
    "leaky_relu": (lambda u: np.where(u > 0, u, 0.01 * u), 1),
    "sign": (np.sign, 0),
    "step": (lambda u: (u > 0).astype(float), 0),
}


def moments(name, covariance, **options):
    k1, k2, k12 = torch.tensor(covariance, dtype=torch.float64)
    return [float(moment) for moment in activation(name, **options).moments(k1, k2, k12)]


def integral_on_a_fine_grid(function, covariance):
    """E[s(u) s(v)] by the trapezoidal rule in two dimensions, which converges geometrically for analytic s."""
    k1, k2, k12 = covariance
    z = np.linspace(-13, 13, 1201)
    weights = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi) * (z[1] - z[0])
    u = math.sqrt(k1) * z[:, None]
    v = k12 / math.sqrt(k1) * z[:, None] + math.sqrt(max(k2 - k12**2 / k1, 0)) * z
    return weights @ (function(u) * function(v)) @ weights


def integral_over_the_angle(function, degree, covariance):
    """The same for a homogeneous s: its radial part is a moment of the chi distribution, the rest one integral."""
    k1, k2, k12 = covariance
    angle = math.acos(min(1.0, k12 / math.sqrt(k1 * k2)))
    kinks = sorted(
        shift % (2 * math.pi) for shift in (math.pi / 2, -math.pi / 2, angle + math.pi / 2, angle - math.pi / 2)
    )
    edges = [0.0, *kinks, 2 * math.pi]
    parts = [
        scipy.integrate.quad(
            lambda a: float(function(np.cos(a)) * function(np.cos(a - angle))), low, high, epsabs=1e-13
        )[0]
        for low, high in itertools.pairwise(edges)
        if high > low
    ]
    return (2 * math.sqrt(k1 * k2) if degree else 1.0) * sum(parts) / (2 * math.pi)


@pytest.mark.parametrize("covariance", COVARIANCES)
@pytest.mark.parametrize("name", SMOOTH)
def test_dual_of_a_smooth_activation_is_its_gaussian_integral(name, covariance):
    expected = integral_on_a_fine_grid(SMOOTH[name], covariance)
    assert moments(name, covariance)[0] == pytest.approx(expected, rel=1e-10, abs=1e-12)


@pytest.mark.parametrize("covariance", COVARIANCES)
@pytest.mark.parametrize("name", KINKED)
def test_dual_of_a_homogeneous_activation_is_its_integral_over_the_angle(name, covariance):
    expected = integral_over_the_angle(*KINKED[name], covariance)
    assert moments(name, covariance)[0] == pytest.approx(expected, rel=1e-10, abs=1e-12)


@pytest.mark.parametrize("name", sorted({*SMOOTH, "relu", "abs", "leaky_relu"}))
def test_slope_kernel_is_the_derivative_of_the_kernel_in_the_covariance(name):
    """Price's theorem, by a fourth-order difference: 1e-10 is its rounding."""
    k1, k2, k12, h = 1.3, 0.8, 0.4, 1e-3
    near, far = (
        (moments(name, (k1, k2, k12 + s * h))[0] - moments(name, (k1, k2, k12 - s * h))[0]) / s for s in (1, 2)
    )
    assert moments(name, (k1, k2, k12))[1] == pytest.approx((4 * near - far) / (6 * h), abs=1e-10)


@pytest.mark.parametrize("name", ["sign", "step"])
def test_piecewise_constant_activation_has_no_slope(name):
    assert moments(name, (1.0, 1.0, 0.5))[1] == 0


@pytest.mark.parametrize("degree", [0, 1, 2, 5])
def test_hermite_polynomial_is_a_power_of_the_correlation(degree):
    for correlation in (-0.6, 0.2, 1.0):
        assert moments("hermite", (1.0, 1.0, correlation), degree=degree)[0] == pytest.approx(
            correlation**degree, abs=1e-12
        )


def test_polynomial_has_the_moments_of_isserlis():
    """E[u^2 v^2] = k k' + 2 k12^2 and E[2u 2v] = 4 k12."""
    assert moments("polynomial", (1.5, 0.7, 0.4), coefficients=(0, 0, 1)) == pytest.approx(
        [1.05 + 2 * 0.16, 1.6], abs=1e-12
    )


def test_leaky_relu_joins_relu_identity_and_absolute_value():
    covariance = (1.2, 0.9, -0.3)
    for slope, name in ((0.0, "relu"), (1.0, "linear"), (-1.0, "abs")):
        assert moments("leaky_relu", covariance, slope=slope) == pytest.approx(moments(name, covariance), abs=1e-15)


@pytest.mark.parametrize(
    ("name", "function"), [("erf", torch.erf), ("sin", torch.sin), ("gelu", torch.nn.functional.gelu)]
)
def test_hermite_series_gives_the_closed_forms(name, function):
    """To 1e-10 for variances up to 2; slopes by automatic differentiation and by Stein's identity."""
    k1, k2 = (torch.tensor([0.1, 1.0, 2.0], dtype=torch.float64).reshape(shape) for shape in ((3, 1, 1), (3, 1)))
    k12 = torch.linspace(-1, 1, 9, dtype=torch.float64) * (k1 * k2).sqrt()
    product, slopes = activation(name).moments(k1, k2, k12)
    assert (expectation_of_product(function, k1, k2, k12) - product).abs().max() < 1e-10
    assert (expectation_of_product(derivative(function), k1, k2, k12) - slopes).abs().max() < 1e-10
    assert (expectation_of_slopes(function, k1, k2, k12) - slopes).abs().max() < 1e-10


def test_hermite_series_of_tanh_beats_gauss_hermite():
    """At variance 4 and correlation 1, where its poles are nearest: 1e-8 with 192 terms, 1e-5 with 64 nodes."""
    four = torch.tensor(4.0, dtype=torch.float64)
    exact = integral_on_a_fine_grid(np.tanh, (4.0, 4.0, 4.0))
    nodes, weights = np.polynomial.hermite_e.hermegauss(64)
    gauss = (weights / weights.sum()) @ np.tanh(2 * nodes) ** 2
    assert abs(float(expectation_of_product(torch.tanh, four, four, four)) - exact) < 1e-8
    assert abs(gauss - exact) > 1e-5


def test_kinked_activation_converges_through_stein_too():
    """Its slope kernel jumps at correlation 1; away from there the terms fall geometrically."""
    k1, k2, k12 = torch.tensor([1.0, 2.0, 0.6], dtype=torch.float64)
    own = from_function(torch.relu, smooth=False).moments(k1, k2, k12)
    assert [float(m) for m in own] == pytest.approx(moments("relu", (1.0, 2.0, 0.6)), abs=2e-3)


def test_small_variances_see_the_linear_part():
    """erf is 2/sqrt(pi) u near 0, so its kernel tends to 4/pi k12."""
    assert moments("erf", (1e-8, 1e-8, 5e-9))[0] == pytest.approx(4 / math.pi * 5e-9, rel=1e-6)


def test_equal_arguments_have_exact_moments_and_zero_variance_is_no_accident():
    for name in ACTIVATIONS:
        options = {"hermite": {"degree": 3}, "polynomial": {"coefficients": (1, 2)}}.get(name, {})
        assert all(
            math.isfinite(m)
            for covariance in ((0, 0, 0), (0, 2, 0), (7.3, 7.3, 7.3))
            for m in moments(name, covariance, **options)
        )
    assert moments("relu", (7.3, 7.3, 7.3)) == [7.3 / 2, 0.5]


def test_waves_do_not_overflow():
    assert moments("sin", (2000.0, 2000.0, 2000.0))[0] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("rellu", {}, "unknown activation 'rellu'; did you mean 'relu'"),
        ("relu", {"slope": 0.1}, "unknown option of relu 'slope'"),
        ("leaky_relu", {"slop": 0.1}, "did you mean 'slope'"),
        ("hermite", {}, "hermite needs the option degree"),
        ("hermite", {"degree": -1}, "degree must be a whole number >= 0"),
        ("polynomial", {"coefficients": ()}, "coefficients must hold 1 to 32 numbers"),
    ],
)
def test_bad_names_and_options_are_named(name, options, message):
    with pytest.raises(InvalidArgument, match=message):
        activation(name, **options)


def test_rule_that_was_first_made_in_inference_mode_serves_gradients():
    with torch.inference_mode():
        rule = hermite_rule(17)
    assert not any(part.is_inference() for part in rule)
