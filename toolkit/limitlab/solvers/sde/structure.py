"""Whether a diffusion has the structure that its noise was declared to have; the orders of the schemes rest on it.

| noise | structure | what is lost without it |
|---|---|---|
| "additive" | Dg = 0 | the calculus, and so the solution |
| "diagonal" | g_j dg_i/dy_j = 0 for all i != j | the order of Milstein and SRI2W1, and steps by their error |
| "commutative" | (Dg_b) g_a = (Dg_a) g_b for all columns | order one |

It is proved where a solve starts, and again at states that it has reached. Schemes that take general noise keep their
order 1/2 on coupled diagonal noise: only a scheme that does not is refused there.
Source: Kloeden & Platen, Numerical Solution of SDEs, 10.3.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.errors import InvalidArgument
from limitlab.solvers.derivatives import directional, pullback
from limitlab.solvers.methods.method import VectorField
from limitlab.solvers.sde.fields import Calculus, Noise, State
from limitlab.solvers.sde.schemes import SCHEMES

SMALL = 1e-4  # of its terms: a bracket that is not zero, but too small to be seen in any error
MOMENTS = 2


class Structure:
    """What `noise` promises of the diffusion, as far as the scheme named `method` rests on it."""

    def __init__(self, diffusion: VectorField, noise: Noise, method: str, calculus: Calculus) -> None:
        self._diffusion, self._noise, self._method, self._calculus = diffusion, noise, method, calculus
        scheme = SCHEMES[method]
        high = scheme.strong_order > 0.5
        relies = {"additive": True, "commutative": high, "diagonal": high and not scheme.fits(calculus, "general")}
        self.matters = relies.get(noise, False)

    @torch.no_grad()
    def require(self, t: Float[Tensor, "batch 1"], y: State) -> None:
        """Raise InvalidArgument where the diffusion does not keep the promise at (t, y)."""
        if not self.matters:
            return
        y = y.detach()
        if self._noise == "additive":
            broken = depends_on_state(self._diffusion, t, y, beside(y))
        elif self._noise == "diagonal":
            broken = is_coupled(self._diffusion, t, y, along=True)
        else:
            broken = has_brackets(self._diffusion, t, y)
        if broken:
            raise self._refused(t)

    def require_along(self, times: Float[Tensor, "batch time"], states: Float[Tensor, "batch time state"]) -> None:
        """The same at some of the states that a solve has reached; samples that are lost are left out."""
        if not self.matters:
            return
        states = states.detach()
        last = states.shape[1] - 1
        for moment in sorted({-(-last * part // MOMENTS) for part in range(1, MOMENTS + 1)}):
            y = states[:, moment]
            self.require(times[:, moment : moment + 1].to(y.dtype), torch.where(y.isfinite(), y, states[:, 0]))

    def _refused(self, t: Tensor) -> InvalidArgument:
        fitting = {name: scheme for name, scheme in SCHEMES.items() if scheme.fits(self._calculus, "general")}
        general = [name for name, scheme in fitting.items() if not scheme.positive]
        others = f"use one of {', '.join(general)}, of order 1/2 at least"
        order = f"{self._method!r} of order {SCHEMES[self._method].strong_order:g}"
        promise, remedy = {
            "additive": ("does not depend on y", "declare the noise that it is, such as 'diagonal' or 'general'"),
            "diagonal": (f"has g_i of y_i alone, which {order} needs", others),
            "commutative": (
                f"has columns whose brackets vanish, (Dg_b) g_a = (Dg_a) g_b, which {order} needs",
                f"declare noise='general', and {others}",
            ),
        }[self._noise]
        return InvalidArgument(
            f"noise {self._noise!r} promises that diffusion {promise}; got one that does not, near t = "
            f"{float(t[0, 0]):.6g}: {remedy}"
        )


def beside(y: State) -> State:
    """States near these, for what a state at rest or at zero may hide."""
    return y + 0.1 * (1 + y.abs()) * _irregular(y)


def depends_on_state(diffusion: VectorField, t: Float[Tensor, "batch 1"], y: State, other: State) -> bool:
    """Whether the diffusion differs between two states, which needs no derivative."""
    once, again, moved = diffusion(t, y), diffusion(t, y), diffusion(t, other)
    if not torch.equal(once, again):
        return False  # drawn anew at every call
    return _exceeds(moved - once, torch.finfo(y.dtype).eps ** 0.5 * _largest(once))


def is_coupled(diffusion: VectorField, t: Float[Tensor, "batch 1"], y: State, along: bool = False) -> bool:
    """Whether the Jacobian J of diagonal noise has entries off its diagonal; if not, J^T v = v J^T 1 for every v.

    along: columns of components without noise, which do not matter to the brackets, are left out.
    """
    with torch.enable_grad():
        at = y.detach().requires_grad_()
        g = diffusion(t, at)
        if not g.requires_grad:
            return False
        weights = 1.5 + 0.5 * _irregular(y)
        plain, weighted = (pullback(g, at, v, False) for v in (torch.ones_like(y), weights))
    if along:
        plain, weighted = plain * g.detach(), weighted * g.detach()
    return _exceeds(weighted - weights * plain, _bound([plain, weighted]))


def has_brackets(diffusion: VectorField, t: Float[Tensor, "batch 1"], y: State) -> bool:
    """Whether two mixtures of the columns of the diffusion have a bracket, (Dg_v) g_u - (Dg_u) g_v."""
    g = diffusion(t, y).detach()
    generator = torch.Generator().manual_seed(0)
    mixtures = [torch.randn(g.shape[-1], generator=generator).to(g) for _ in range(2)]

    def moved(mixture: Tensor, other: Tensor) -> Tensor:
        return directional(lambda t, y: diffusion(t, y) @ mixture, t, y, g @ other)

    try:
        there, back = moved(mixtures[0], mixtures[1]), moved(mixtures[1], mixtures[0])
    except RuntimeError:
        return False  # twice differentiable it need not be
    return _exceeds(there.detach() - back.detach(), _bound([there.detach(), back.detach()]))


def _bound(terms: Sequence[Tensor]) -> Tensor:
    """What differences of such terms may be: a small part of themselves, or rounding beside the largest of them."""
    eps = torch.finfo(terms[0].dtype).eps
    return sum(SMALL * term.abs() + eps**0.5 * _largest(term) for term in terms)


def _exceeds(difference: Tensor, bound: Tensor) -> bool:
    # a NaN, from a derivative at the edge of the field's domain, says nothing
    return bool((difference.abs() > bound).any())


def _largest(values: Tensor) -> Tensor:
    """Of each sample."""
    return values.abs().flatten(1).amax(1).view(-1, *(1,) * (values.dim() - 1))


def _irregular(y: State) -> State:
    """Numbers in [-1, 1] of no pattern that a coupling might have, so that its entries do not cancel."""
    return torch.arange(1, y.shape[1] + 1, dtype=y.dtype, device=y.device).square().cos().expand_as(y)
