"""Continuous normalising flows: a density that a vector field carries, with its logarithm solved beside the point.

    y' = f(t, y),    (log p)' = -tr df/dy,    y(t_0) ~ N(0, 1)

Source: Chen, Rubanova, Bettencourt & Duvenaud, Neural ordinary differential equations (2018), theorem 1; the estimate
of the trace by one random vector: Grathwohl et al., FFJORD (2019), eq. 7.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn

from limitlab.errors import InvalidArgument, check_number, one_of
from limitlab.neural_des.ode.model import NeuralODE
from limitlab.saved import Saved

Trace = Literal["exact", "hutchinson"]


class ContinuousFlow(Saved):
    """The law of y(t_1), where y(t_0) is standard normal and y' = f(t, y).

    field: of (t, y) with y (batch, dimension). trace: "exact", by as many products with the Jacobian as there are
    dimensions, or "hutchinson", by one, along random signs that are drawn once a solve; its mean is the exact log
    density. span and options: those of `NeuralODE`.

    >>> spread = ll.neural_des.ode.ContinuousFlow(lambda t, y: y, dimension=1, rtol=1e-6)
    >>> round(float(spread.log_density(torch.zeros(1, 1))), 4)  # the normal density of deviation e at 0
    -1.9189
    """

    def __init__(
        self,
        field: Callable[[Tensor, Tensor], Tensor],
        dimension: int,
        span: tuple[float, float] = (0.0, 1.0),
        *,
        trace: Trace = "exact",
        **options: Any,
    ) -> None:
        super().__init__()
        self.field, self.span, self.options = field, span, options
        self.dimension = int(check_number("dimension", dimension, low=1, integer=True))
        self.trace = one_of("trace", trace, get_args(Trace))

    def log_density(self, x: Float[Tensor, "batch dimension"], *, seed: int | None = None) -> Float[Tensor, " batch"]:
        """The logarithm of the density at x, differentiable; seed: of the random signs, torch's generator if None."""
        if x.dim() != 2 or x.shape[1] != self.dimension:
            raise InvalidArgument(f"x must be (batch, {self.dimension}); got {tuple(x.shape)}")
        signs = _signs(x, seed) if self.trace == "hutchinson" else None

        def both(t: Float[Tensor, "batch 1"], state: Float[Tensor, "batch state"]) -> Float[Tensor, "batch state"]:
            slope, divergence = divergence_of(self.field, t, state[:, :-1], signs)
            return torch.cat([slope, divergence[:, None]], dim=-1)

        end = NeuralODE(both, self.span[::-1], **self.options)(nn.functional.pad(x, (0, 1)))
        point, change = end[:, :-1], end[:, -1]
        normal = -0.5 * (point.square().sum(-1) + self.dimension * math.log(2 * math.pi))
        # the integral ran backwards in time, and so has the sign of -tr
        return normal + change

    def sample(self, samples: int, seed: int) -> Float[Tensor, "samples dimension"]:
        """So many points of the law, in the precision and on the device of the field's parameters."""
        samples = int(check_number("samples", samples, low=1, integer=True))
        like = next(self.parameters(), torch.empty(0))
        draws = torch.Generator().manual_seed(int(check_number("seed", seed, low=0, integer=True)))
        start = torch.randn(samples, self.dimension, generator=draws, dtype=like.dtype).to(like.device)
        return NeuralODE(self.field, self.span, **self.options)(start)


def divergence_of(
    field: Callable[[Tensor, Tensor], Tensor],
    t: Float[Tensor, "batch 1"],
    y: Float[Tensor, "batch dimension"],
    signs: Float[Tensor, "batch dimension"] | None = None,
) -> tuple[Float[Tensor, "batch dimension"], Float[Tensor, " batch"]]:
    """The field at (t, y), and the trace of its Jacobian in y; its estimate signs . J signs where signs are given."""
    slope, pull, *_ = torch.func.vjp(lambda state: field(t, state), y)
    if signs is not None:
        return slope, (pull(signs)[0] * signs).sum(-1)
    basis = torch.eye(y.shape[1], dtype=y.dtype, device=y.device)
    rows = torch.func.vmap(lambda direction: pull(direction.expand_as(y))[0])(basis)
    return slope, rows.diagonal(dim1=0, dim2=2).sum(-1)


def _signs(like: Float[Tensor, "batch dimension"], seed: int | None) -> Float[Tensor, "batch dimension"]:
    draws = None
    if seed is not None:
        draws = torch.Generator().manual_seed(int(check_number("seed", seed, low=0, integer=True)))
    # drawn on the CPU, so that a seed gives the same signs on every device
    return (2 * torch.randint(2, like.shape, generator=draws) - 1).to(like)
