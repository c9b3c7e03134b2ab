"""Interpolation of series with gaps: a law of latent values at reference times, and a decoder that looks up any time.

    z along the path through what was seen, by a class of the menus, at reference times r_1 < .. < r_m of [0, 1]
    q(u_j | series) = N(mu_j, diag d_j^2),  (mu_j, log d_j) linear in z(r_j);  prior u_j ~ N(0, 1)
    h = GRU along u_1 .. u_m in both directions,  x(t) = map(sum_j a_j(t) h_j),  a(t) = softmax_j phi(t) Q (phi(r_j) K)'

phi(t) holds t and sines of it with learned frequencies. The bound is that of several draws of u (`importance_bound`);
the noise of z is drawn once for all of them, and is a part of the encoder.
Sources: Oh, Lim, Kim (2024), arXiv 2402.14989, 5.2; Shukla & Marlin, Multi-time attention networks (2021), 3.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Normal

from limitlab.errors import InvalidArgument, check_number
from limitlab.neural_des.stable_sde.driven import path_of
from limitlab.neural_des.stable_sde.dynamics import Architecture
from limitlab.neural_des.stable_sde.learning import importance_bound
from limitlab.neural_des.stable_sde.menus import Kind
from limitlab.neural_des.stable_sde.model import StableSDE
from limitlab.saved import Saved
from limitlab.spaces import ControlPath
from limitlab.training.streams import seeded

FREQUENCIES = 16


class TimeAttention(Saved):
    """What is at reference times, (batch, reference, feature), looked up at others: weights of t and r alone.

    >>> attention = ll.neural_des.stable_sde.TimeAttention(width=8)
    >>> at, references, held = torch.rand(3, 5), torch.linspace(0, 1, 4), torch.randn(3, 4, 2)
    >>> attention(at, references, held).shape
    torch.Size([3, 5, 2])
    """

    def __init__(self, width: int, seed: int = 0) -> None:
        super().__init__()
        width = int(check_number("width", width, low=1, integer=True))
        with seeded(seed):
            # from one turn a window to as many as there are frequencies
            self.frequency = nn.Parameter(2 * math.pi * torch.arange(1.0, FREQUENCIES + 1) / 2)
            self.phase = nn.Parameter(2 * math.pi * torch.rand(FREQUENCIES))
            self.query = nn.Linear(1 + FREQUENCIES, width)
            self.key = nn.Linear(1 + FREQUENCIES, width)

    def weights(
        self, at: Float[Tensor, "*batch time"], references: Float[Tensor, " reference"]
    ) -> Float[Tensor, "*batch time reference"]:
        """How much each reference time counts at each time; they add up to one."""
        scores = self.query(self._features(at)) @ self.key(self._features(references)).mT
        return (scores / math.sqrt(self.query.out_features)).softmax(-1)

    def forward(
        self,
        at: Float[Tensor, "*batch time"],
        references: Float[Tensor, " reference"],
        held: Float[Tensor, "*batch reference feature"],
    ) -> Float[Tensor, "*batch time feature"]:
        return self.weights(at, references) @ held

    def _features(self, t: Float[Tensor, "*time"]) -> Float[Tensor, "*time feature"]:
        return torch.cat([t[..., None], torch.sin(t[..., None] * self.frequency + self.phase)], -1)


class SeriesInterpolation(Saved):
    """Values at any times of [0, 1], from a path of `channels`, time and those values, through others.

    kind, architecture, step_size: of the encoder, a `StableSDE`, whose width all networks have. latent: components of
    u; references: how many times it is at; std: deviation of the measurements about x(t), fixed.

    >>> series = ll.data.damped_oscillators(6, seed=0)
    >>> path = ll.neural_des.stable_sde.path_through(series.dropped(0.5, seed=0))
    >>> model = ll.neural_des.stable_sde.SeriesInterpolation("lsde", path.channels, step_size=0.1)
    >>> model(path, series.times, noise=0).shape
    torch.Size([6, 40, 2])
    """

    def __init__(
        self,
        kind: str | Kind,
        channels: int,
        architecture: Architecture | None = None,
        *,
        latent: int = 8,
        references: int = 32,
        std: float = 0.1,
        step_size: float | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.latent = latent = int(check_number("latent", latent, low=1, integer=True))
        references = int(check_number("references", references, low=2, integer=True))
        architecture = architecture or Architecture()
        width, values = architecture.width, int(check_number("channels", channels, low=2, integer=True)) - 1
        self.std = float(check_number("std", std, low=1e-6))
        self.encoder = StableSDE(kind, channels, 2 * latent, architecture, step_size=step_size, seed=seed)
        self.attention = TimeAttention(width, seed=seed + 2)
        with seeded(seed + 3):
            self.memory = nn.GRU(latent, width, batch_first=True, bidirectional=True)
            self.read_out = nn.Sequential(nn.Linear(2 * width, width), nn.ReLU(), nn.Linear(width, values))
        self.register_buffer("references", torch.linspace(0, 1, references))
        self.references: Tensor

    def law(self, path: ControlPath, *, noise: int | None = None) -> Normal:
        """q(u | series), (batch, reference, latent), along one draw of the encoder's noise."""
        mean, log_std = self.encoder(path, self.references.double(), noise=noise).chunk(2, dim=-1)
        return Normal(mean, log_std.exp())

    def decode(
        self, u: Float[Tensor, "batch reference latent"], times: Float[Tensor, "batch time"]
    ) -> Float[Tensor, "batch time value"]:
        """x at these times."""
        return self.read_out(self.attention(times, self.references, self.memory(u)[0]))

    def forward(
        self, path: ControlPath, times: Float[Tensor, "batch time"], *, noise: int | None = None
    ) -> Float[Tensor, "batch time value"]:
        """x at these times, at the mean of u."""
        return self.decode(self.law(path, noise=noise).mean, times)


def interpolation(model: nn.Module, batch: Mapping[str, Any], draws: int = 5) -> dict[str, Tensor]:
    """The bound of several draws of u for "target" (batch, time, channel) at the times "at", NaN left out.

    batch: that of `PathBatches`, perhaps with "weight", of log q/p.

    >>> series = ll.data.damped_oscillators(6, seed=0)
    >>> path = ll.neural_des.stable_sde.path_through(series.dropped(0.5, seed=0))
    >>> batches = ll.neural_des.stable_sde.PathBatches(path, size=6, target=series.values, at=series.times)
    >>> model = ll.neural_des.stable_sde.SeriesInterpolation("lsde", path.channels, step_size=0.1)
    >>> list(ll.neural_des.stable_sde.interpolation.interpolation(model, batches.batch(0)))
    ['bound']
    """
    if not isinstance(model, SeriesInterpolation):
        # several processes wrap the model, and average gradients of its forward pass only
        raise InvalidArgument(f"interpolation trains a SeriesInterpolation, in one process; got {type(model).__name__}")
    target, at, law = batch["target"], batch["at"], model.law(path_of(batch))
    u = law.rsample((draws,))
    expected = model.decode(u.flatten(0, 1), at.repeat(draws, 1)).unflatten(0, (draws, -1))
    density = Normal(expected, model.std).log_prob(target.nan_to_num())
    likelihood = torch.where(target.isnan(), 0.0, density).sum((2, 3))
    divergence = (law.log_prob(u) - Normal(0.0, 1.0).log_prob(u)).sum((2, 3))
    return {"bound": importance_bound(likelihood, divergence, float(batch.get("weight", 1.0)))}
