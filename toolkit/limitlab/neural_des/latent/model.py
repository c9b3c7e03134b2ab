"""Latent ODE: a series is what is seen of a state z, which starts from a law and follows an equation.

    q(z_0 | series) = N(mu, diag s^2),    y(t_first) = lift(z_0),    y' = f(y),    x_i ~ N(read-out(y(t_i)), sigma^2)

Time is counted from each sample's first row, where z_0 lives. Source: Chen, Rubanova, Bettencourt & Duvenaud, Neural
ordinary differential equations (2018), 5; Rubanova, Chen & Duvenaud, Latent ODEs for irregularly-sampled time series
(2019).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from limitlab.data.series import require_increasing
from limitlab.errors import check_number
from limitlab.neural_des.latent.encoders import GRUEncoder
from limitlab.neural_des.latent.posterior import Posterior
from limitlab.neural_des.latent.times import Times, since_first, solve_at
from limitlab.neural_des.ode.fields import MLPField
from limitlab.neural_des.solved import Solved
from limitlab.training.streams import seeded

STD = 0.5
"""Deviation of the measurements before training, for values that have been standardised."""


class LatentODE(Solved):
    """An encoder, a latent state of `latent` components, an ODE of `hidden` components, and a linear read-out.

    encoder: a module from (times, values) to (batch, hidden), GRUEncoder when left out. field: of (t, y) with y
    (batch, hidden) and t since the first row; a network when left out. times: how times of their own are solved for,
    see `solve_at`. options: of `limitlab.solvers.solve_ode`. `log_std` is that of the measurements, one a channel,
    learned; `last` the Solution of the last decoding. Raises InvalidArgument, naming the sample, for times that repeat
    or run backwards and for a series without a measurement.

    >>> model = ll.neural_des.latent.LatentODE(channels=1, latent=2, hidden=8)
    >>> model(torch.tensor([[0.0, 0.5, 1.0]]), torch.ones(1, 3, 1)).shape
    torch.Size([1, 3, 1])
    """

    before_any = "nothing was decoded yet"

    def __init__(
        self,
        channels: int,
        latent: int = 4,
        hidden: int = 16,
        *,
        encoder: nn.Module | None = None,
        field: Callable[[Tensor, Tensor], Tensor] | None = None,
        times: Times = "scaled",
        seed: int = 0,
        **options: Any,
    ) -> None:
        super().__init__()
        channels, self.latent, hidden = (
            int(check_number(name, value, low=1, integer=True))
            for name, value in (("channels", channels), ("latent", latent), ("hidden", hidden))
        )
        self.encoder = GRUEncoder(channels, hidden, seed=seed) if encoder is None else encoder
        self.field = MLPField(hidden, hidden, 2, seed=seed) if field is None else field
        with seeded(seed):
            self.to_law = nn.Linear(hidden, 2 * self.latent)
            self.lift = nn.Sequential(nn.Linear(self.latent, hidden), nn.Softplus(), nn.Linear(hidden, hidden))
            self.read_out = nn.Linear(hidden, channels)
        self.log_std = nn.Parameter(torch.full((channels,), math.log(STD)))
        self.times = times
        self.options = {"rtol": 1e-3, "atol": 1e-4, **options}

    def encode(self, times: Float[Tensor, "batch time"], values: Float[Tensor, "batch time channel"]) -> Posterior:
        """The law of the latent state at the first row; NaN is what was not measured."""
        mean, log_std = self.to_law(self.encoder(times, values)).chunk(2, dim=-1)
        return Posterior(mean, log_std)

    def decode(
        self,
        z: Float[Tensor, "batch latent"],
        times: Float[Tensor, "batch time"],
        lengths: Int64[Tensor, " batch"] | None = None,
    ) -> Float[Tensor, "batch time channel"]:
        """What is expected at these times, of which the first is that of z. lengths: rows of each sample that count."""
        rows = torch.arange(times.shape[1], device=times.device)
        require_increasing(times, None if lengths is None else rows < lengths[:, None])
        states, self._last = solve_at(
            self.field, self.lift(z), since_first(times, lengths), by=self.times, **self.options
        )
        return self.read_out(states)

    def forward(
        self,
        times: Float[Tensor, "batch time"],
        values: Float[Tensor, "batch time channel"],
        lengths: Int64[Tensor, " batch"] | None = None,
    ) -> Float[Tensor, "batch time channel"]:
        """The series as the mean of the latent state explains it, at all of its times, missing values too."""
        return self.decode(self.encode(times, values).mean, times, lengths)

    @torch.no_grad()
    def sample(self, samples: int, times: Float[Tensor, " time"], seed: int) -> Float[Tensor, "sample time channel"]:
        """Series from the prior, without the noise of measurements, at times of which the first is that of z."""
        samples = int(check_number("samples", samples, low=1, integer=True))
        like = self.read_out.weight
        prior = Posterior(like.new_zeros(samples, self.latent), like.new_zeros(samples, self.latent))
        return self.decode(prior.draw(seed), times.to(like).expand(samples, -1))
