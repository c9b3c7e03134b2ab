"""Drift and diffusion of a stochastic equation, dy = f(t, y) dt + g(t, y) dW, and what schemes do with them.

| noise | g returns | meaning |
|---|---|---|
| "diagonal" | (batch, state) | every component has a noise of its own; commutative where g_i depends on y_i only |
| "scalar" | (batch, state, 1) | one noise for all components |
| "additive" | (batch, state, noise), or (batch, state) as in "diagonal" | g depends on t only |
| "commutative" | (batch, state, noise) | (Dg_j) g_k = (Dg_k) g_j for all columns |
| "general" | (batch, state, noise) | anything |

Diagonal and scalar noise are elementwise products. Source: Kloeden & Platen, Numerical Solution of SDEs, 10.3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.solvers.derivatives import directional, pullback
from limitlab.solvers.gradients.leaves import gradient_leaves, inner_leaf, moments_of
from limitlab.solvers.gradients.replay import Generators
from limitlab.solvers.methods.method import VectorField

Noise = Literal["diagonal", "scalar", "additive", "commutative", "general"]
Calculus = Literal["ito", "stratonovich"]
State = Float[Tensor, "batch state"]
Size = float | Float[Tensor, "batch 1"]


class Interval(NamedTuple):
    """A step from t to `after`, both (batch, 1) or broadcast to it, of size h, with its increments W and areas H."""

    t: Float[Tensor, "batch 1"]
    after: Float[Tensor, "batch 1"]
    h: Size
    w: Float[Tensor, "batch noise"]
    area: Float[Tensor, "batch noise"]


class Step(NamedTuple):
    """Where a step led, what the scheme carries on, and if asked the error and the slopes at states of an `Attempt`."""

    y: State
    carry: tuple[Tensor, ...] = ()
    error: State | None = None
    stiff_pair: tuple[State, State, State, State] | None = None


@dataclass(frozen=True)
class Fields:
    """f and g; `elementwise`: g is (batch, state) and multiplies increments (batch, state) or (batch, 1).

    coupled: diagonal noise where g_i depends on other components than y_i. originals: drift and diffusion as they were
    passed, which may be modules. time_dtype: of the t that they get, that of the state where it is left out.
    """

    drift: VectorField
    diffusion: VectorField
    noise: Noise
    calculus: Calculus
    elementwise: bool
    originals: tuple[object, ...] = ()
    coupled: bool = False
    time_dtype: torch.dtype | None = None

    def kicked(self, y: State, g: Tensor, w: Float[Tensor, "batch noise"], scale: float = 1.0) -> State:
        """y + scale g w."""
        if self.elementwise:
            return torch.addcmul(y, g, w, value=scale)
        return torch.add(y, self.product(g, w), alpha=scale)

    def product(self, g: Tensor, w: Float[Tensor, "batch noise"]) -> State:
        """g w; the sum over the noise does not depend on the batch, as a batched matrix product may."""
        return g * w if self.elementwise else (g * w[:, None, :]).sum(-1)

    def variance(self, g: Tensor) -> State:
        """Variance rate of each component: the diagonal of g g^T."""
        return g.square() if self.elementwise else g.square().sum(-1)

    def with_correction(self, t: Tensor, y: State) -> tuple[Tensor, State]:
        """g and sum_j (Dg_j) g_j, twice the drift that Stratonovich's integral has more than Ito's."""
        if self.noise == "additive":
            g = self.diffusion(t, y)
            return g, torch.zeros_like(y)
        if self.noise == "diagonal":
            return self._along_itself(t, y)
        if self.elementwise:
            g = self.diffusion(t, y)
            return g, directional(self.diffusion, t, y, g)
        g = self.diffusion(t, y)
        columns = (directional(self.diffusion, t, y, column)[..., j] for j, column in enumerate(g.unbind(-1)))
        return g, torch.stack(list(columns), -1).sum(-1)

    def _along_itself(self, t: Tensor, y: State) -> tuple[Tensor, State]:
        """g and g_i dg_i/dy_i for diagonal noise: one reverse pass where the Jacobian is diagonal, else one a row."""
        tape = torch.is_grad_enabled()
        with torch.enable_grad():
            at = y if y.requires_grad and tape else inner_leaf(y)
            g = self.diffusion(t, at)
            if not g.requires_grad:
                return g, torch.zeros_like(y)
            if self.coupled:
                rows = (pullback(g[:, i], at, torch.ones_like(g[:, i]), tape)[:, i] for i in range(g.shape[1]))
                along = torch.stack(list(rows), 1) * g
            else:
                along = pullback(g, at, g, tape)
        return (g, along) if tape else (g.detach(), along.detach())


def leaves(fields: Fields, span: tuple[Tensor, Tensor], y: State) -> tuple[Tensor, ...]:
    """Every tensor that drift and diffusion hold and that asks for a gradient at some time of the span."""
    y = y.detach()
    with Generators(y.device).unmoved(), torch.enable_grad():
        moments = [moment.to(y.dtype) for moment in moments_of(*span)]
        outputs = [field(moment, y) for field in (fields.drift, fields.diffusion) for moment in moments]
    return gradient_leaves(outputs, fields.originals)


def drifted(y: State, h: Size, f: State, scale: float = 1.0) -> State:
    """y + scale h f in one operation."""
    if isinstance(h, float):
        return torch.add(y, f, alpha=scale * h)
    return torch.addcmul(y, f, h, value=scale)


def squeezed(diffusion: VectorField) -> VectorField:
    """Scalar noise without its axis of length one."""
    return lambda t, y: diffusion(t, y).squeeze(-1)
