"""Methods that keep a structure: leapfrog and its fourth-order composition (symplectic), reversible Heun (invertible).

Leapfrog, for y = (q, p) with q' depending on p alone and p' on q alone, as in separable Hamiltonian problems:

    p_half = p + h/2 p'(q),    q+ = q + h q'(p_half),    p+ = p_half + h/2 p'(q+).

Reversible Heun keeps a shadow z of y:

    z+ = 2 y - z + h f(t, z),    y+ = y + h/2 (f(t, z) + f(t + h, z+)),

and (y+, z+) with -h gives back (y, z). Sources: Yoshida 1990; Hairer, Lubich & Wanner, Geometric Numerical
Integration; Kidger, Foster, Li & Lyons 2021 (reversible Heun, stable on the imaginary interval [-i, i] only).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.errors import InvalidArgument
from limitlab.solvers.methods.method import Attempt, Method, VectorField

HERMITE = np.array([[1.0, -2.0, 1.0], [0.0, -1.0, 1.0], [0.0, 3.0, -2.0]])
_YOSHIDA = 1.0 / (2.0 - 2.0 ** (1.0 / 3.0))


def hermite_increments(
    h: Tensor, slope: Tensor, last_slope: Tensor, y: Tensor, end: Tensor
) -> tuple[Float[Tensor, "batch state"], ...]:
    """Increments that `HERMITE` turns into the cubic through both ends with their slopes."""
    return h * slope, h * last_slope, end - y


@dataclass(frozen=True)
class SymplecticMethod(Method):
    """A composition of leapfrogs of sizes w_i h; the first half of the state is q, the second p."""

    weights: tuple[float, ...]

    @property
    def polynomials(self) -> np.ndarray:
        return HERMITE

    @property
    def calls(self) -> int:
        return 2 * len(self.weights) + 1

    def begin(self, field: VectorField, t: Tensor, y: Tensor, slope: Tensor) -> tuple[Tensor]:
        if y.shape[1] % 2:
            raise InvalidArgument(
                f"{self.name} needs a state (q, p) of two halves of one size; got {y.shape[1]} components"
            )
        return (slope,)

    def attempt(self, field: VectorField, t: Tensor, y: Tensor, h: Tensor, carry: tuple[Tensor]) -> Attempt:
        step, time, force = h.to(y.dtype), t, carry[0].chunk(2, 1)[1]
        q, p = y.chunk(2, 1)
        for weight in self.weights:
            p = p + 0.5 * weight * step * force
            middle = (time + 0.5 * weight * h).to(y.dtype)
            q = q + weight * step * field(middle, torch.cat([q, p], 1)).chunk(2, 1)[0]
            # a composition of order four has to go back in time: the middle weight is negative
            time = time + weight * h
            force = field(time.to(y.dtype), torch.cat([q, p], 1)).chunk(2, 1)[1]
            p = p + 0.5 * weight * step * force
        end = torch.cat([q, p], 1)
        # the force there is known, but the interpolant needs the whole slope
        slope = field((t + h).to(y.dtype), end)
        return Attempt(end, (slope,), (), hermite_increments(step, carry[0], slope, y, end))


@dataclass(frozen=True)
class ReversibleHeun(Method):
    """One field call a step; `carry` is the slope at the shadow, and the shadow."""

    @property
    def polynomials(self) -> np.ndarray:
        return HERMITE

    @property
    def calls(self) -> int:
        return 1

    def begin(self, field: VectorField, t: Tensor, y: Tensor, slope: Tensor) -> tuple[Tensor, Tensor]:
        return slope, y

    def attempt(self, field: VectorField, t: Tensor, y: Tensor, h: Tensor, carry: tuple[Tensor, Tensor]) -> Attempt:
        slope, shadow = carry
        step = h.to(y.dtype)
        # a step of size zero would swap the shadow to the other side
        ahead = torch.where(step == 0, shadow, 2 * y - shadow + step * slope)
        last = field((t + h).to(y.dtype), ahead)
        end = y + 0.5 * step * (slope + last)
        error = 0.5 * step * (last - slope)
        return Attempt(end, (last, ahead), (error,), hermite_increments(step, slope, last, y, end))


LEAPFROG = SymplecticMethod("leapfrog", 2, 0, (1.0,))
# weights that cancel the leapfrog's error of order three: 2 w^3 + (1 - 2 w)^3 = 0
YOSHIDA4 = SymplecticMethod("yoshida4", 4, 0, (_YOSHIDA, 1.0 - 2.0 * _YOSHIDA, _YOSHIDA))
REVERSIBLE_HEUN = ReversibleHeun("reversible_heun", 2, 2)
