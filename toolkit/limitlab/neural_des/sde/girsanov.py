"""Girsanov's theorem: how far apart are the laws of two equations with the same diffusion.

    dz = f dt + s dW (law Q),      dz = h dt + s dW (law P),      u = s^-1 (f - h),

    log dP/dQ = - int u . dW - 1/2 int |u|^2 dt,      KL(Q || P) = E_Q 1/2 int |u|^2 dt,      E_Q exp(log dP/dQ) = 1.

With different diffusions the laws live on different paths and KL is infinite, so a latent SDE has one s for both.
Sources: Oksendal, Stochastic Differential Equations, 8.6; Li, Wong, Chen & Duvenaud 2020, eq. 8.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from limitlab.solvers import solve_sde
from limitlab.solvers.methods.method import VectorField


@dataclass(frozen=True)
class Divergence:
    """Paths of the posterior, 1/2 int |u|^2 dt of each, and log dP/dQ of each, at the asked times.

    >>> one = lambda t, z: torch.ones_like(z)
    >>> divergence = ll.neural_des.sde.path_divergence(one, one, one, torch.zeros(3, 1), [0.0, 1.0], seed=0)
    >>> float(divergence.kl.abs().max())
    0.0
    """

    states: Float[Tensor, "batch time state"]
    kl: Float[Tensor, "batch time"]
    log_ratio: Float[Tensor, "batch time"]


def path_divergence(
    posterior: VectorField,
    prior: VectorField,
    diffusion: VectorField,
    z0: Float[Tensor, "batch state"],
    t: Tensor | Sequence[float],
    *,
    seed: int,
    step_size: float = 0.01,
) -> Divergence:
    """Both sides of Girsanov's theorem along paths of dz = posterior dt + diffusion dW, in Ito's sense.

    posterior, prior, diffusion: (t, z) -> (batch, state), the noise diagonal. Errors are those of `solve_sde`.

    >>> drift, zero, one = (lambda t, z, c=c: torch.full_like(z, c) for c in (2.0, 0.0, 1.0))
    >>> divergence = ll.neural_des.sde.path_divergence(drift, zero, one, torch.zeros(2, 1), [0.0, 1.0], seed=0)
    >>> divergence.kl[:, -1].round(decimals=4).tolist()
    [2.0, 2.0]
    """

    def ratio(time: Tensor, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        f, s = posterior(time, z), diffusion(time, z)
        return f, s, (f - prior(time, z)) / s

    def drifts(time: Tensor, y: Tensor) -> Tensor:
        f, _, u = ratio(time, y[:, :-2])
        rate = 0.5 * u.square().sum(-1, keepdim=True)
        return torch.cat([f, rate, -rate], dim=-1)

    def columns(time: Tensor, y: Tensor) -> Tensor:
        # the noise of log dP/dQ is that of z, so that it is no diagonal one
        _, s, u = ratio(time, y[:, :-2])
        return torch.cat([torch.diag_embed(s), torch.zeros_like(u)[:, None], -u[:, None]], dim=1)

    start = nn.functional.pad(z0, (0, 2))
    y = solve_sde(drifts, columns, start, t, seed=seed, noise="general", step_size=step_size).y
    return Divergence(y[..., :-2], y[..., -2], y[..., -1])
