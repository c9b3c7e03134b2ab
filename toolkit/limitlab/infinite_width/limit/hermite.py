"""Gaussian expectations of any nonlinearity, by its Hermite coefficients.

For (u, v) ~ N(0, [[k, k12], [k12, k']]) with correlation r = k12/sqrt(k k'), Mehler's formula splits the expectation:

    E[s(u) s(v)] = sum_m a_m(k) a_m(k') r^m,      a_m(k) = E[s(sqrt(k) z) he_m(z)],   z ~ N(0, 1),

with the normalised polynomials he_m = He_m/sqrt(m!). A kernel of N x M entries costs N + M quadratures in one dimension
and a polynomial in r, where a Gauss-Hermite tensor rule costs N M nodes^2 calls of s. The sum is positive semi-definite
term by term, and smooth in k12 up to r = 1, where a tensor rule differentiates a square root at zero.

The coefficients come from the trapezoidal rule, which converges geometrically for integrands analytic in a strip; the
poles of tanh hold Gauss-Hermite back. Largest error for tanh, which is at r = 1, of the 192 terms here and of a tensor
rule with 32 and 64 nodes: k = 1: 3e-14, 3e-6, 3e-9; k = 2: 5e-14, 1e-4, 1e-6; k = 4: 4e-10, 2e-3, 9e-5.

Source: Mehler 1866; Daniely, Frostig, Singer, arXiv 1602.05897 (dual activations); Trefethen, Weideman, The
exponentially convergent trapezoidal rule (2014).
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.errors import check_number

Function = Callable[[Tensor], Tensor]

TERMS = 192
# e^{-z^2/4} he_m(z) is below 1e-15 beyond 12, and a spacing of 0.06 resolves he_191 times tanh(3 z)
_REACH, _NODES = 12.0, 401
# one call instead of a loop over the terms, where calls cost more than numbers: single entries being differentiated
_SMALL = 2**14


def hermite_coefficients(
    function: Function, variance: Float[Tensor, "*shape"], terms: int = TERMS
) -> Float[Tensor, "*shape terms"]:
    """a_m(variance) for m = 0 .. terms - 1 of an elementwise function."""
    count = int(check_number("terms", terms, low=1, high=256, integer=True))
    points, analysis = (table.to(variance) for table in _rule(count))
    return function(variance.sqrt().unsqueeze(-1) * points) @ analysis


def expectation_of_product(
    function: Function,
    k1: Float[Tensor, "*shape1"],
    k2: Float[Tensor, "*shape2"],
    k12: Float[Tensor, "*shape"],
    terms: int = TERMS,
) -> Float[Tensor, "*shape"]:
    """E[s(u) s(v)] for variances k1, k2 that broadcast against the covariance k12."""
    first, second = (hermite_coefficients(function, k, terms) for k in (k1, k2))
    return _mehler(first, second, _ratio(k1, k2, k12))


def expectation_of_slopes(
    function: Function,
    k1: Float[Tensor, "*shape1"],
    k2: Float[Tensor, "*shape2"],
    k12: Float[Tensor, "*shape"],
    terms: int = TERMS,
) -> Float[Tensor, "*shape"]:
    """E[s'(u) s'(v)] without s', by Stein's identity E[s'(sqrt(k) z) he_m] = sqrt((m + 1)/k) a_{m+1}(k).

    For nonlinearities with kinks; the terms decay more slowly than those of the expectation itself.
    """
    order = torch.arange(1, terms + 1, dtype=k12.dtype, device=k12.device)
    first, second = (
        # one more, as the identity takes the coefficient m + 1
        hermite_coefficients(function, k, terms + 1)[..., 1:] * (order / k.unsqueeze(-1).clamp_min(1e-300)).sqrt()
        for k in (k1, k2)
    )
    return _mehler(first, second, _ratio(k1, k2, k12))


def derivative(function: Function) -> Function:
    """s' of an elementwise s, by forward differentiation."""
    return lambda u: torch.func.jvp(function, (u,), (torch.ones_like(u),))[1]


def _ratio(k1: Tensor, k2: Tensor, k12: Tensor) -> Tensor:
    """The correlation, 0 where a variance is. Not clamped: the gradient of a clamp would vanish beyond 1."""
    scale = (k1 * k2).sqrt()
    # both: the gradient of a quotient that `where` drops would be NaN
    return torch.where(scale > 0, k12 / scale.where(scale > 0, torch.ones_like(scale)), 0.0)


def _mehler(
    first: Float[Tensor, "*shape1 terms"], second: Float[Tensor, "*shape2 terms"], correlation: Float[Tensor, "*shape"]
) -> Float[Tensor, "*shape"]:
    terms = first.shape[-1]
    if correlation.numel() * terms <= _SMALL:
        return (first * second * correlation.unsqueeze(-1) ** torch.arange(terms).to(correlation)).sum(-1)
    total = torch.zeros_like(correlation)
    # Horner: a tensor of all powers of r would be terms times as large as the kernel
    for a, b in zip(reversed(first.unbind(-1)), reversed(second.unbind(-1)), strict=True):
        total = torch.addcmul(total * correlation, a, b)
    return total


@functools.lru_cache(maxsize=16)
def _rule(terms: int) -> tuple[Tensor, Tensor]:
    """Nodes z (nodes,) and the matrix w_i he_m(z_i) (nodes, terms), w the trapezoidal rule for the normal density."""
    points, spacing = np.linspace(-_REACH, _REACH, _NODES, retstep=True)
    # the recurrence starts from w, not from 1, so that neither factor over- or underflows
    analysis = np.zeros((max(terms, 2), _NODES))
    analysis[0] = np.exp(-(points**2) / 2) / np.sqrt(2 * np.pi) * spacing
    analysis[1] = points * analysis[0]
    # of the normalised polynomials: He_m itself overflows near m = 300
    for m in range(1, terms - 1):
        analysis[m + 1] = (points * analysis[m] - np.sqrt(m) * analysis[m - 1]) / np.sqrt(m + 1)
    # kept for all callers: what is made in inference mode could serve no gradient
    with torch.inference_mode(False):
        return torch.from_numpy(points), torch.from_numpy(np.ascontiguousarray(analysis[:terms].T))
