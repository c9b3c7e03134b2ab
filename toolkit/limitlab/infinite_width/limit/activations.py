"""Activations and their dual kernels, as data: what a wide random layer does to a covariance.

For (u, v) ~ N(0, [[k, k12], [k12, k']]) the two moments of an activation s are

    E[s(u) s(v)]    and    E[s'(u) s'(v)] = d/dk12 E[s(u) s(v)]    (Price's theorem).

Closed forms, with r = k12/sqrt(k k'), phi = arccos r, q = (1 + 2k)(1 + 2k'), D = (1 + k)(1 + k') - k12^2:

    relu        sqrt(k k')/(2 pi) (sin phi + (pi - phi) cos phi)         (pi - phi)/(2 pi)
    leaky_relu  a k12 + (1 - a)^2 relu                                   a + (1 - a)^2 relu'     (slope a; abs: a = -1)
    erf         2/pi arcsin(2 k12/sqrt q)                                4/pi (q - 4 k12^2)^(-1/2)
    gelu        k12 A + P (k k' + k12^2 e)                               A + P k12 (1 + 2 e + (k k' + k12^2 e)/D)
                A = 1/4 + arcsin(k12/sqrt((1 + k)(1 + k')))/(2 pi),      P = 1/(2 pi sqrt D),
                e = 1/(1 + k) + 1/(1 + k') - 1
    sin, cos    e^(-(k + k')/2) sinh k12, cosh k12                       cos's and sin's
    exp(a u)    e^(a^2 (k + k' + 2 k12)/2)                               a^2 times that
    sign, step  2/pi arcsin r, (pi - phi)/(2 pi)                         0: that of the derivative almost everywhere
    he_m        r^m at k = k' = 1

Every other activation goes through its Hermite coefficients (limitlab.infinite_width.limit.hermite).
Source: Williams 1997 (erf); Cho, Saul 2009 (relu, step); Tsuchida et al., arXiv 2002.08517 (gelu).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from limitlab.errors import InvalidArgument, check_number, unknown_name
from limitlab.infinite_width.limit.hermite import (
    TERMS,
    Function,
    derivative,
    expectation_of_product,
    expectation_of_slopes,
)

Moments = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Activation:
    """An elementwise function with its moments(k, k', k12) -> (E[s s], E[s' s']), variances broadcasting against k12.

    smooth: whether the kernel has the derivatives in its inputs that a differential equation needs. origin: name and
    options that `activation` made it from.
    """

    name: str
    function: Function
    moments: Moments
    smooth: bool = True
    origin: tuple[str, dict[str, Any]] | None = field(default=None, compare=False)

    def spelling(self) -> dict[str, Any]:
        """Name and options, as a file holds it. Raises InvalidArgument for one from a function."""
        if self.origin is None:
            raise InvalidArgument(f"the activation {self.name} is a function of its own, which no file can hold")
        name, options = self.origin
        return {"name": name, **options}

    @classmethod
    def spelled(cls, name: str, **options: Any) -> Activation:
        """The activation of its spelling."""
        return activation(name, **options)

    def __repr__(self) -> str:
        return f"Activation({self.name})"


def activation(name: str | Activation, **options: Any) -> Activation:
    """The activation of that name. Options: leaky_relu slope, exp scale, hermite degree, polynomial coefficients.

    An Activation comes back as it is. Raises UnknownName with the nearest name, InvalidArgument for an option.

    >>> ll.infinite_width.activation("leaky_relu", slope=0.2).function(torch.tensor([-1.0, 1.0]))
    tensor([-0.2000,  1.0000])
    """
    if isinstance(name, Activation) and not options:
        return name
    if not isinstance(name, str) or name not in ACTIVATIONS:
        raise unknown_name("activation", name, ACTIVATIONS)
    accepted = OPTIONS.get(name, ())
    for option in options:
        if option not in accepted:
            raise unknown_name(f"option of {name}", option, accepted)
    missing = [option for option in REQUIRED.get(name, ()) if option not in options]
    if missing:
        raise InvalidArgument(f"{name} needs the option {missing[0]}")
    return replace(ACTIVATIONS[name](**options), origin=(name, options))


def from_function(
    function: Function,
    name: str = "custom",
    *,
    slope: Function | None = None,
    smooth: bool = True,
    terms: int = TERMS,
) -> Activation:
    """An activation from any elementwise torch function, through `terms` Hermite coefficients.

    slope: its derivative, by automatic differentiation where left out; smooth=False takes the moments of the derivative
    by Stein's identity instead, as an activation with kinks needs it.

    >>> soft = ll.infinite_width.from_function(lambda u: u / (1 + u.abs()), "softsign")
    >>> kernels = ll.infinite_width.kernels(ll.infinite_width.mlp(1, soft), torch.eye(2))
    """
    differentiated = derivative(function) if slope is None else slope

    def moments(k1: Tensor, k2: Tensor, k12: Tensor) -> tuple[Tensor, Tensor]:
        product = expectation_of_product(function, k1, k2, k12, terms)
        if not smooth:
            return product, expectation_of_slopes(function, k1, k2, k12, terms)
        return product, expectation_of_product(differentiated, k1, k2, k12, terms)

    return Activation(name, function, moments, smooth)


def polynomial(coefficients: Sequence[float], name: str = "polynomial") -> Activation:
    """sum_j coefficients[j] u^j; its Hermite series ends, so the moments are exact."""
    numbers = [check_number("a coefficient of the polynomial", float(c)) for c in coefficients]
    if not 1 <= len(numbers) <= 32:
        raise InvalidArgument(f"coefficients must hold 1 to 32 numbers; got {len(numbers)}")

    slopes = [j * c for j, c in enumerate(numbers)][1:] or [0.0]
    return from_function(_horner(numbers), name, slope=_horner(slopes), terms=len(numbers))


def hermite(degree: int) -> Activation:
    """The normalised Hermite polynomial he_m = He_m/sqrt(m!) of degree m."""
    m = int(check_number("degree", degree, low=0, high=20, integer=True))
    basis = np.polynomial.hermite_e.herme2poly([0.0] * m + [1.0]) / math.sqrt(math.factorial(m))
    return polynomial(basis.tolist(), f"hermite({m})")


def leaky_relu(slope: float = 0.01) -> Activation:
    """u for u > 0, slope * u below."""
    a = check_number("slope", slope)

    def moments(k1: Tensor, k2: Tensor, k12: Tensor) -> tuple[Tensor, Tensor]:
        product, slopes = _relu(k1, k2, k12)
        return a * k12 + (1 - a) ** 2 * product, a + (1 - a) ** 2 * slopes

    return Activation(f"leaky_relu({a:g})", lambda u: functional.leaky_relu(u, a), moments, smooth=False)


def exponential(scale: float = 1.0) -> Activation:
    """exp(scale u)."""
    a = check_number("scale", scale)

    def moments(k1: Tensor, k2: Tensor, k12: Tensor) -> tuple[Tensor, Tensor]:
        product = torch.exp(a**2 * ((k1 + k2) / 2 + k12))
        return product, a**2 * product

    return Activation(f"exp({a:g})", lambda u: torch.exp(a * u), moments)


def _horner(coefficients: Sequence[float]) -> Function:
    def function(u: Tensor) -> Tensor:
        value = torch.full_like(u, coefficients[-1])
        for c in reversed(coefficients[:-1]):
            value = value * u + c
        return value

    return function


def _silu_slope(u: Tensor) -> Tensor:
    gate = torch.sigmoid(u)
    return gate * (1 + u * (1 - gate))


def _sigmoid_slope(u: Tensor) -> Tensor:
    gate = torch.sigmoid(u)
    return gate * (1 - gate)


def _angle(k1: Tensor, k2: Tensor, k12: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """sqrt(k k'), r and phi; r = 0 where a variance is. The root of a product: for equal variances it is exact."""
    # the least product, 1e-300, is still a normal number, by whose root one can divide
    scale = (k1.clamp_min(1e-150) * k2.clamp_min(1e-150)).sqrt()
    # rounding takes it beyond 1, where arccos is NaN
    correlation = (k12 / scale).clamp(-1, 1)
    return scale, correlation, torch.arccos(correlation)


def _relu(k1: Tensor, k2: Tensor, k12: Tensor) -> tuple[Tensor, Tensor]:
    scale, correlation, angle = _angle(k1, k2, k12)
    slopes = 0.5 - angle / (2 * math.pi)
    # cheaper than the sine of the angle
    sine = (1 - correlation * correlation).sqrt()
    # (sin + (pi - phi) cos)/(2 pi), with pi - phi in what is there already
    return scale * torch.add(slopes * correlation, sine, alpha=0.5 / math.pi), slopes


def _erf(k1: Tensor, k2: Tensor, k12: Tensor) -> tuple[Tensor, Tensor]:
    root1, root2 = torch.rsqrt(1 + 2 * k1), torch.rsqrt(1 + 2 * k2)
    # two roots, not one of the product: a number for each point instead of each pair
    sine = k12 * (2 * root1) * root2
    return 2 / math.pi * torch.arcsin(sine), torch.rsqrt(1 - sine * sine) * (4 / math.pi * root1) * root2


def _gelu(k1: Tensor, k2: Tensor, k12: Tensor) -> tuple[Tensor, Tensor]:
    q = (1 + k1) * (1 + k2)
    square = k12 * k12
    determinant = q - square
    orthant = 0.25 + torch.arcsin(k12 / q.sqrt()) / (2 * math.pi)
    density = torch.rsqrt(determinant) / (2 * math.pi)
    excess = 1 / (1 + k1) + 1 / (1 + k2) - 1
    spread = k1 * k2 + square * excess
    return k12 * orthant + density * spread, orthant + density * k12 * (1 + 2 * excess + spread / determinant)


def _waves(k1: Tensor, k2: Tensor, k12: Tensor) -> tuple[Tensor, Tensor]:
    """sin's and cos's. As differences of exponentials that cannot overflow, since |k12| <= (k + k')/2."""
    mean = (k1 + k2) / 2
    # sinh k12 alone overflows at 710, where the product with the decay is near one half
    near, far = torch.exp(k12 - mean) / 2, torch.exp(-k12 - mean) / 2
    return near - far, near + far


def _sign(k1: Tensor, k2: Tensor, k12: Tensor) -> tuple[Tensor, Tensor]:
    _, _, angle = _angle(k1, k2, k12)
    # arcsin r = pi/2 - arccos r
    return 1 - 2 / math.pi * angle, torch.zeros_like(angle)


def _step(k1: Tensor, k2: Tensor, k12: Tensor) -> tuple[Tensor, Tensor]:
    _, _, angle = _angle(k1, k2, k12)
    return (math.pi - angle) / (2 * math.pi), torch.zeros_like(angle)


def _identity(k1: Tensor, k2: Tensor, k12: Tensor) -> tuple[Tensor, Tensor]:
    return k12, torch.ones_like(k12)


def _absolute(k1: Tensor, k2: Tensor, k12: Tensor) -> tuple[Tensor, Tensor]:
    product, slopes = _relu(k1, k2, k12)
    return 4 * product - k12, 4 * slopes - 1


ACTIVATIONS: dict[str, Callable[..., Activation]] = {
    "abs": lambda: Activation("abs", torch.abs, _absolute, smooth=False),
    "cos": lambda: Activation("cos", torch.cos, lambda k1, k2, k12: _waves(k1, k2, k12)[::-1]),
    "erf": lambda: Activation("erf", torch.erf, _erf),
    "exp": exponential,
    "gelu": lambda: Activation("gelu", functional.gelu, _gelu),
    "hermite": hermite,
    "leaky_relu": leaky_relu,
    "linear": lambda: Activation("linear", lambda u: u, _identity),
    "polynomial": polynomial,
    "relu": lambda: Activation("relu", torch.relu, _relu, smooth=False),
    "sigmoid": lambda: from_function(torch.sigmoid, "sigmoid", slope=_sigmoid_slope),
    "sign": lambda: Activation("sign", torch.sign, _sign, smooth=False),
    "silu": lambda: from_function(functional.silu, "silu", slope=_silu_slope),
    "sin": lambda: Activation("sin", torch.sin, _waves),
    "softplus": lambda: from_function(functional.softplus, "softplus", slope=torch.sigmoid),
    # heaviside takes its value at zero from a tensor
    "step": lambda: Activation("step", lambda u: torch.heaviside(u, torch.zeros_like(u)), _step, smooth=False),
    "tanh": lambda: from_function(torch.tanh, "tanh", slope=lambda u: 1 - torch.tanh(u) ** 2),
}
OPTIONS = {"exp": ("scale",), "hermite": ("degree",), "leaky_relu": ("slope",), "polynomial": ("coefficients",)}
REQUIRED = {"hermite": ("degree",), "polynomial": ("coefficients",)}
