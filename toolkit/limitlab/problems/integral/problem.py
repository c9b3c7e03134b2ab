"""Integral equations as texts: kernel, forcing, response, and where it is known the solution.

    second kind          u(x)  = f(x) + int_0^b K(x, t) g(u(t)) dt
    first kind           f(x)  =        int_0^b K(x, t) g(u(t)) dt
    integro-differential u'(x) = f(x) + int_0^b K(x, t) g(u(t)) dt,    u(0) = 0

b is x for Volterra's and 1 for Fredholm's equations. An Abel order a multiplies the kernel by (x - t)^(a-1)/Gamma(a),
which is singular at t = x for a < 1: the fractional integral of order a. Source: Wazwaz 2011; Diethelm 2010.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.errors import InvalidArgument, check_number
from limitlab.labels import labelled
from limitlab.problems.base import Facts, Kind, Problem
from limitlab.problems.compiled.vector_field import Layout, evaluator
from limitlab.problems.text.systems import parse_scalar

if TYPE_CHECKING:
    import xarray


@dataclass(frozen=True, kw_only=True)
class IntegralProblem(Problem):
    """One integral equation for u on [0, end].

    kernel: text in x, t and parameters. forcing: text in x. response: text in u. abel: order, text in parameters.
    solution: text in x, or a function (x, values) -> u. The equation's text is made of these.

    >>> sine = ll.problems.IntegralProblem(name="sine", title="Sine", type="volterra", kernel="t - x", forcing="x")
    >>> sine.equation
    'u(x) = x + integral(0, x, (t - x)*u(t), dt)'
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
        # whole words: the u of mu is none
        inside = re.sub(r"\bu\b", "u(t)", self.response)
        kernel = "" if self.kernel == "1" else f"({self.kernel}){singular}*"
        integral = f"integral(0, {upper}, {kernel}{inside}, dt)"
        left = {"second kind": "u(x) = ", "first kind": "", "integro-differential": "u'(x) = "}[self.form]
        right = f"{integral} = {self.forcing}" if self.form == "first kind" else f"{self.forcing} + {integral}"
        # a frozen dataclass whose text is made of its parts
        object.__setattr__(self, "equation", left + right)

    def facts(self) -> Facts:
        known = "known" if self.solution is not None else "not known"
        return (("unknown", f"u at {self.default_resolution} points of [0, {self.end:g}]; its formula is {known}"),)

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
            # a copy: the function may work in place, and the points are still needed
            return self.solution(x.clone(), self.values)
        return self._evaluated(self.solution, "x", x)

    def exact(self, resolution: int | None = None) -> xarray.Dataset:
        """The solution on equally spaced points of [0, end], variable `u` (x)."""
        size = self.default_resolution if resolution is None else resolution
        count = check_number("resolution", size, low=2, high=10**6, integer=True)
        x = torch.linspace(0.0, self.end, int(count), dtype=torch.float64)
        return labelled(self.provenance(), u=("x", self.solution_at(x), "solution u"), x=("x", x, "position x"))

    def latex(self) -> str:
        """The equation as LaTeX."""
        import sympy

        from limitlab.problems.text.notation import ordered_latex

        x, t = (sympy.Symbol(name, real=True) for name in "xt")
        names = {p.name: p.latex for p in self.parameters if p.latex}
        parameters = tuple(self.values)
        kernel, forcing = (parse_scalar(text, (*parameters, "x")) for text in (self.kernel, self.forcing))
        if self.abel is not None:
            order = parse_scalar(self.abel, parameters)
            kernel = kernel * (x - t) ** (order - 1) / sympy.gamma(order)
        response = ordered_latex(parse_scalar(self.response, ("u",)), {"u": "u(t)"})
        sign = "-" if forcing != 0 and kernel.could_extract_minus_sign() and not kernel.is_Add else "+"
        kernel_latex = ordered_latex(-kernel if sign == "-" else kernel, names)
        factor = (
            "" if kernel_latex == "1" else f"\\left({kernel_latex}\\right) " if kernel.is_Add else f"{kernel_latex} "
        )
        upper = "x" if self.type == "volterra" else "1"
        integral = f"\\int_{{0}}^{{{upper}}} {factor}{response}\\, \\mathrm{{d}}t"
        forcing_latex = ordered_latex(forcing, names)
        if self.form == "first kind":
            return f"{integral} = {forcing_latex}"
        left = "u(x)" if self.form == "second kind" else "u'(x)"
        return f"{left} = {forcing_latex} {sign} {integral}"

    def _evaluated(self, text: str, name: str, value: Tensor, t: Tensor | None = None) -> Tensor:
        layout = Layout((), tuple(self.values), extras=(name,))
        run = evaluator((parse_scalar(text, (*self.values, name)),), layout).bind(self.values)
        time = torch.zeros((), dtype=value.dtype) if t is None else t[..., None]
        (computed,) = run(time, value, value)
        return torch.as_tensor(computed, dtype=value.dtype, device=value.device).expand(value.shape)
