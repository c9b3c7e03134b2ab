"""Integral equations as texts: kernel, forcing, response, and where it is known the solution.

    second kind          u(x)  = f(x) + int_0^b K(x, t) g(u(t)) dt
    first kind           f(x)  =        int_0^b K(x, t) g(u(t)) dt
    integro-differential u'(x) = f(x) + int_0^b K(x, t) g(u(t)) dt,    u(0) = 0

b is x for Volterra's and 1 for Fredholm's equations. An Abel order a multiplies the kernel by (x - t)^(a-1)/Gamma(a),
which is singular at t = x for a < 1: the fractional integral of order a. Source: Wazwaz 2011; Diethelm 2010.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.errors import InvalidArgument, check_number
from limitlab.problems.base import Kind, Parameter, Problem, library_version
from limitlab.problems.dynamics import parse_scalar
from limitlab.problems.vector_field import Layout, evaluator

if TYPE_CHECKING:
    import xarray

SERIES_TERMS = 700


@dataclass(frozen=True, kw_only=True)
class IntegralProblem(Problem):
    """One integral equation for u on [0, end].

    kernel: text in x, t and parameters. forcing: text in x. response: text in u. abel: order, text in parameters.
    solution: text in x, or a function (x, values) -> u. The equation's text is made of these.
    """

    kind: ClassVar[Kind] = "integral"
    descriptive: ClassVar[frozenset[str]] = Problem.descriptive | {"solution"}

    form: Literal["second kind", "first kind", "integro-differential"] = "second kind"
    type: Literal["volterra", "fredholm"]
    kernel: str
    forcing: str
    response: str = "u"
    abel: str | None = None
    end: float = 1.0
    default_resolution: int = 201
    equation: str = ""
    solution: str | Callable[[Tensor, Mapping[str, float]], Tensor] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        upper = "x" if self.type == "volterra" else "1"
        singular = "" if self.abel is None else f"*(x - t)^({self.abel} - 1)/Gamma({self.abel})"
        inside = self.response.replace("u", "u(t)")
        kernel = "" if self.kernel == "1" else f"({self.kernel}){singular}*"
        integral = f"integral(0, {upper}, {kernel}{inside}, dt)"
        left = {"second kind": "u(x) = ", "first kind": "", "integro-differential": "u'(x) = "}[self.form]
        right = f"{integral} = {self.forcing}" if self.form == "first kind" else f"{self.forcing} + {integral}"
        object.__setattr__(self, "equation", left + right)

    def kernel_at(self, x: Tensor, t: Tensor) -> Tensor:
        """K(x, t) without the factor of Abel; x and t broadcast."""
        x, t = torch.broadcast_tensors(x, t)
        return self._evaluated(self.kernel, "x", x, t)

    def forcing_at(self, x: Tensor) -> Tensor:
        """f(x)."""
        return self._evaluated(self.forcing, "x", x)

    def response_at(self, u: Tensor) -> Tensor:
        """g(u)."""
        return self._evaluated(self.response, "u", u)

    def abel_order(self) -> float | None:
        """Order of the singular factor (x - t)^(a-1)/Gamma(a), None without one."""
        return (
            None if self.abel is None else float(self._evaluated(self.abel, "x", torch.zeros((), dtype=torch.float64)))
        )

    def solution_at(self, x: Float[Tensor, " point"]) -> Float[Tensor, " point"]:
        """The solution u(x). Raises InvalidArgument where none is known."""
        if self.solution is None:
            raise InvalidArgument(f"no exact solution of {self.name} is known here")
        if callable(self.solution):
            return self.solution(x, self.values)
        return self._evaluated(self.solution, "x", x)

    def exact(self, resolution: int | None = None) -> xarray.Dataset:
        """The solution on equally spaced points of [0, end], variable `u` (x)."""
        import xarray

        count = check_number("resolution", resolution or self.default_resolution, low=2, high=10**6, integer=True)
        x = torch.linspace(0.0, self.end, int(count), dtype=torch.float64)
        attrs = {"long_name": "solution u", "units": "1"}
        return xarray.Dataset(
            {"u": ("x", np.asarray(self.solution_at(x)), attrs)},
            coords={"x": ("x", x.numpy(), {"long_name": "position x", "units": "1"})},
            attrs={"problem": self.name, "equation": self.equation, "limitlab_version": library_version()},
        )

    def latex(self) -> str:
        """The equation as LaTeX."""
        import sympy

        from limitlab.problems.notation import ordered_latex

        x, t = (sympy.Symbol(name, real=True) for name in "xt")
        names = {p.name: p.latex for p in self.parameters if p.latex}
        parameters = tuple(self.values)
        kernel, forcing = (parse_scalar(text, (*parameters, "x")) for text in (self.kernel, self.forcing))
        if self.abel is not None:
            order = parse_scalar(self.abel, parameters)
            kernel = kernel * (x - t) ** (order - 1) / sympy.gamma(order)
        response = ordered_latex(parse_scalar(self.response, ("u",)), {"u": "u(t)"})
        sign = "-" if forcing != 0 and kernel.could_extract_minus_sign() and not kernel.is_Add else "+"
        shown = ordered_latex(-kernel if sign == "-" else kernel, names)
        factor = "" if shown == "1" else f"\\left({shown}\\right) " if kernel.is_Add else f"{shown} "
        upper = "x" if self.type == "volterra" else "1"
        integral = f"\\int_{{0}}^{{{upper}}} {factor}{response}\\, \\mathrm{{d}}t"
        shown = ordered_latex(forcing, names)
        if self.form == "first kind":
            return f"{integral} = {shown}"
        left = "u(x)" if self.form == "second kind" else "u'(x)"
        return f"{left} = {shown} {sign} {integral}"

    def _evaluated(self, text: str, name: str, value: Tensor, t: Tensor | None = None) -> Tensor:
        layout = Layout((), tuple(self.values), extras=(name,))
        run = evaluator((parse_scalar(text, (*self.values, name)),), layout).bind(self.values)
        time = torch.zeros((), dtype=value.dtype) if t is None else t[..., None]
        (found,) = run(time, value, value)
        return torch.as_tensor(found, dtype=value.dtype, device=value.device).expand(value.shape)


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
    terms = torch.exp(order * k * torch.log(x[..., None].double()) - torch.lgamma(order * k + 1))
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
