"""The law of a latent state, given what was measured: independent normal components."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.errors import check_number


@dataclass(frozen=True, eq=False)
class Posterior:
    """N(mean, exp(log_std)^2), one a sample.

    >>> standard = ll.neural_des.latent.Posterior(torch.zeros(3, 2), torch.zeros(3, 2))
    >>> standard.kl().tolist(), standard.draw(seed=0).shape
    ([0.0, 0.0, 0.0], torch.Size([3, 2]))
    """

    mean: Float[Tensor, "batch latent"]
    log_std: Float[Tensor, "batch latent"]

    def draw(self, seed: int | None = None) -> Float[Tensor, "batch latent"]:
        """One state a sample, differentiable in mean and log_std; from torch's own generator where seed is None."""
        draws = None
        if seed is not None:
            draws = torch.Generator().manual_seed(int(check_number("seed", seed, low=0, integer=True)))
        noise = torch.randn(self.mean.shape, generator=draws, dtype=self.mean.dtype).to(self.mean.device)
        return self.mean + self.log_std.exp() * noise

    def kl(self) -> Float[Tensor, " batch"]:
        """The divergence KL(q || N(0, 1)) of each sample, in nats."""
        return 0.5 * (self.mean.square() + (2 * self.log_std).exp() - 1 - 2 * self.log_std).sum(-1)
