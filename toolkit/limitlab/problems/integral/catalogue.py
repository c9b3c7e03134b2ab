"""Integral equations of the catalogue, each a row of data, and the special functions that solve them."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from limitlab.problems.base import Parameter
from limitlab.problems.integral.problem import IntegralProblem

SERIES_TERMS = 700


def scaled_complementary_error(x: Tensor, values: Mapping[str, float]) -> Tensor:
    """exp(pi x) erfc(sqrt(pi x))."""
    return torch.special.erfcx(torch.sqrt(math.pi * x))


def mittag_leffler(x: Tensor, values: Mapping[str, float]) -> Tensor:
    """E_a(-x^a) = sum_k (-x^a)^k/Gamma(a k + 1), for 0 < a <= 1 and x up to about 5.

    Its terms are no larger than those of exp(x), whatever a, so that few digits cancel.
    """
    order = float(values["alpha"])
    k = torch.arange(SERIES_TERMS, dtype=torch.float64)
    signs = 1 - 2 * (k % 2)
    # by logarithms: powers and Gamma overflow long before their quotient does
    terms = torch.exp(order * k * torch.log(x[..., None].double()) - torch.lgamma(order * k + 1))
    # 0 * log 0 in the term k = 0
    terms = torch.where(x[..., None] == 0, (k == 0).double(), terms)
    return (signs * terms).sum(-1).to(x.dtype)


PROBLEMS: tuple[IntegralProblem, ...] = (
    IntegralProblem(
        name="volterra_sine",
        title="Volterra equation of the sine",
        type="volterra",
        kernel="t - x",
        forcing="x",
        end=6.283185307179586,
        solution="sin(x)",
        source="Wazwaz 2011, 3.2",
    ),
    IntegralProblem(
        name="volterra_exponential",
        title="Volterra equation of the exponential",
        type="volterra",
        kernel="1",
        forcing="1",
        end=2.0,
        solution="exp(x)",
        source="Wazwaz 2011, 3.2",
    ),
    IntegralProblem(
        name="volterra_tangent",
        title="Nonlinear Volterra equation of the tangent",
        type="volterra",
        kernel="1",
        forcing="x",
        response="u^2",
        end=1.4,
        solution="sin(x)/cos(x)",
        source="the solution ends at pi/2",
    ),
    IntegralProblem(
        name="abel",
        title="Abel's weakly singular equation",
        type="volterra",
        kernel="-sqrt(pi)",
        forcing="1",
        abel="1/2",
        end=2.0,
        solution=scaled_complementary_error,
        source="Linz 1985; the slope of the solution is infinite at 0",
    ),
    IntegralProblem(
        name="fredholm_separable",
        title="Fredholm equation with a separable kernel",
        type="fredholm",
        kernel="x*t",
        forcing="exp(x) - x",
        solution="exp(x)",
        source="Wazwaz 2011, 4.2",
    ),
    IntegralProblem(
        name="fredholm_resonance",
        title="Fredholm equation with a resonance",
        type="fredholm",
        kernel="strength*sin(pi*x)*sin(pi*t)",
        forcing="sin(pi*x)",
        parameters=(Parameter("strength", 1.0, -3.0, 1.9, "strength; resonance at 2", latex=r"\lambda"),),
        solution="sin(pi*x)/(1 - strength/2)",
        source="Kress, Linear Integral Equations",
    ),
    IntegralProblem(
        name="volterra_derivative",
        title="Integro-differential equation of the sine",
        type="volterra",
        form="integro-differential",
        kernel="-1",
        forcing="1",
        end=6.283185307179586,
        solution="sin(x)",
        source="Wazwaz 2011, 5.2",
    ),
    IntegralProblem(
        name="fredholm_first_kind",
        title="Ill-posed Fredholm equation of the first kind",
        type="fredholm",
        form="first kind",
        # min(x, t)*(1 - max(x, t)), Green's function of -u''
        kernel="(x + t - abs(x - t))/2*(1 - (x + t + abs(x - t))/2)",
        forcing="sin(pi*x)/pi^2",
        solution="sin(pi*x)",
        source="Hansen 1998; eigenvalues 1/(k pi)^2 of sin(k pi x)",
    ),
    IntegralProblem(
        name="hammerstein",
        title="Hammerstein's nonlinear Fredholm equation",
        type="fredholm",
        kernel="x*t/4",
        forcing="1",
        response="u^2",
        # 1 + c x, with the small root of c = (1/2 + 2c/3 + c^2/4)/4
        solution="1 + (20 - sqrt(382))/3*x",
        source="Hammerstein 1930",
    ),
    IntegralProblem(
        name="fractional_relaxation",
        title="Fractional relaxation",
        type="volterra",
        kernel="-1",
        forcing="1",
        abel="alpha",
        end=5.0,
        parameters=(Parameter("alpha", 0.5, 0.1, 1.0, "order of the integral", latex=r"\alpha"),),
        solution=mittag_leffler,
        source="Diethelm 2010; Mittag-Leffler function E_alpha(-x^alpha)",
    ),
)
