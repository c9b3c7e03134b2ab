"""Latent SDEs: data as noisy views of a hidden diffusion, trained by a bound of their likelihood.

    prior       z(0) ~ p,  dz = h(t, z) dt + s(z) dW
    posterior   z(0) ~ q(. | data),  dz = f(t, z, context(t)) dt + s(z) dW,       the same s
    data        x_i ~ N(C z(t_i) + b, sigma^2),   sigma learned

    -ELBO = - sum_i log p(x_i | z(t_i)) + KL(q || p) + E 1/2 int |s^-1 (f - h)|^2 dt.

The context is a GRU's that reads the data backwards: on (t_i-1, t_i] it knows x_i and all that follows, which is what a
path on its way there should know. A missing value enters as zero with a flag, and has no likelihood.

Source: Li, Wong, Chen & Duvenaud, Scalable gradients for stochastic differential equations (2020).
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.distributions import Normal, kl_divergence

from limitlab.data.series import require_increasing, require_measured
from limitlab.errors import InvalidArgument, check_number
from limitlab.neural_des.sde.model import blown_up, standard_normals, step_between
from limitlab.neural_des.sde.networks import ComponentwiseField, TimeField
from limitlab.saved import Saved
from limitlab.solvers import SolutionBlewUp, solve_sde
from limitlab.solvers.methods.method import VectorField
from limitlab.training.streams import seeded

SAME_TIMES = 1e-6


@dataclass(frozen=True)
class Evidence:
    """The parts of the bound, of each sample, and what the model makes of the data.

    >>> model, values = ll.neural_des.sde.LatentSDE(1, 2), torch.zeros(3, 4, 1)
    >>> ll.neural_des.sde.evidence_loss(model, {"times": torch.arange(4.0), "values": values, "noise_seed": 0}).keys()
    dict_keys(['misfit', 'kl_start', 'kl_path'])
    """

    log_likelihood: Float[Tensor, " batch"]
    kl_start: Float[Tensor, " batch"]
    kl_path: Float[Tensor, " batch"]
    latent: Float[Tensor, "batch time latent"]
    reconstruction: Float[Tensor, "batch time channel"]


class LatentSDE(Saved):
    """A hidden diffusion behind series of so many channels, all measured at the same times, perhaps with gaps.

    width: of both drifts, which have one hidden layer. context: units of the GRU. step_size: of the Euler steps, in the
    time of the data; one from each time to the next when left out. sigma: of the measurements, where training begins.

    >>> model = ll.neural_des.sde.LatentSDE(1, latent=2)
    >>> evidence = model(torch.linspace(0, 1, 5), torch.randn(3, 5, 1), seed=0)
    >>> evidence.kl_path.shape, model.sample(4, torch.linspace(0, 1, 5), seed=1).shape
    (torch.Size([3]), torch.Size([4, 5, 1]))
    """

    def __init__(
        self,
        channels: int,
        latent: int = 4,
        *,
        context: int = 16,
        width: int = 32,
        step_size: float | None = None,
        sigma: float = 0.1,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.channels = channels = int(check_number("channels", channels, low=1, integer=True))
        self.latent = latent = int(check_number("latent", latent, low=1, integer=True))
        context = int(check_number("context", context, low=1, integer=True))
        sigma = float(check_number("sigma", sigma, low=1e-6))
        self.step_size = step_size
        with seeded(seed):
            self.encoder = nn.GRU(2 * channels + 1, context, batch_first=True)
            self.to_start = nn.Linear(context, 2 * latent)
            self.readout = nn.Linear(latent, channels)
            seeds = torch.randint(2**31, (3,)).tolist()
        smooth: dict[str, Any] = {"width": width, "activation": "softplus", "end": "none"}
        self.posterior = TimeField(latent + context, (latent,), seed=seeds[0], **smooth)
        self.prior = TimeField(latent, (latent,), seed=seeds[1], **smooth)
        self.diffusion = ComponentwiseField(latent, seed=seeds[2])
        self.start_mean = nn.Parameter(torch.zeros(latent))
        self.start_log_deviation = nn.Parameter(torch.zeros(latent))
        self.log_sigma = nn.Parameter(torch.full((channels,), sigma).log())

    @property
    def start(self) -> Normal:
        """The prior of z(0)."""
        return Normal(self.start_mean, self.start_log_deviation.exp())

    def encode(
        self, times: Float[Tensor, " time"], values: Float[Tensor, "batch time channel"]
    ) -> Float[Tensor, "batch time context"]:
        """What is known of the data from each time on."""
        observed = ~values.isnan()
        clock = times[None, :, None].expand(len(values), -1, 1)
        inputs = torch.cat([clock, torch.where(observed, values, 0), observed.to(values)], dim=-1)
        return self.encoder(inputs.flip(1))[0].flip(1)

    def forward(
        self, times: Float[Tensor, "*batch time"], values: Float[Tensor, "batch time channel"], seed: int
    ) -> Evidence:
        """The bound at one posterior path of every sample, drawn from the seed."""
        times = self._shared(times, values)
        context = self.encode(times, values)
        mean, log_deviation = self.to_start(context[:, 0]).chunk(2, dim=-1)
        start = Normal(mean, log_deviation.exp())
        z0 = mean + start.stddev * standard_normals(seed, *mean.shape, like=mean)
        grid, rows = self._grid(times)
        # on the way to t_i the context of t_i
        ahead = context[:, torch.searchsorted(times, grid, right=True).clamp_max(len(times) - 1)]
        states = self._solve(_Guided(self.posterior, grid, ahead), self.diffusion, z0, grid, seed)
        latent = states[:, rows]
        reconstruction = self.readout(latent)
        observed = ~values.isnan()
        likelihood = Normal(reconstruction, self.log_sigma.exp()).log_prob(torch.where(observed, values, 0))
        return Evidence(
            (likelihood * observed).sum((1, 2)), kl_divergence(start, self.start).sum(-1),
            self._path_term(grid, states, ahead), latent, reconstruction,
        )  # fmt: skip

    def _path_term(self, grid: Tensor, states: Tensor, ahead: Tensor) -> Float[Tensor, " batch"]:
        """1/2 int |s^-1 (f - h)|^2 dt by Euler's sum, all steps in one call of each network."""
        batch, count = len(states), len(grid) - 1
        t = grid[:-1].repeat(batch)[:, None]
        z, context = (part[:, :-1].flatten(0, 1) for part in (states, ahead))
        apart = self.posterior(t, torch.cat([z, context], dim=-1)) - self.prior(t, z)
        rates = 0.5 * (apart / self.diffusion(t, z)).square().sum(-1)
        return rates.view(batch, count) @ grid.diff()

    def _grid(self, times: Float[Tensor, " time"]) -> tuple[Float[Tensor, " step"], Int64[Tensor, " time"]]:
        """Times of the steps, and which of them are those of the data."""
        gap = float(times.diff().max())
        parts = 1 if self.step_size is None else max(1, math.ceil(gap / self.step_size - 1e-6))
        shares = torch.arange(parts, dtype=times.dtype, device=times.device) / parts
        inside = torch.lerp(times[:-1, None], times[1:, None], shares).flatten()
        rows = torch.arange(len(times), device=times.device) * parts
        return torch.cat([inside, times[-1:]]), rows

    def sample(
        self, count: int, times: Float[Tensor, " time"] | Sequence[float], seed: int, *, noise: bool = True
    ) -> Float[Tensor, "sample time channel"]:
        """Data of the prior: with the noise of the measurements, or without."""
        count = int(check_number("count", count, low=1, integer=True))
        moments = torch.as_tensor(times, dtype=self.start_mean.dtype, device=self.start_mean.device)
        drawn = standard_normals(seed, count, self.latent, like=self.start_mean)
        z0 = self.start_mean + self.start_log_deviation.exp() * drawn
        grid, rows = self._grid(moments)
        values = self.readout(self._solve(self.prior, self.diffusion, z0, grid, seed + 1)[:, rows])
        if not noise:
            return values
        return values + self.log_sigma.exp() * standard_normals(seed + 2, *values.shape, like=values)

    def _solve(self, drift: VectorField, diffusion: VectorField, z0: Tensor, grid: Tensor, seed: int) -> Tensor:
        try:
            return solve_sde(drift, diffusion, z0, grid, seed=seed, step_size=step_between(grid)).y
        except SolutionBlewUp as failure:
            raise blown_up(type(self).__name__, failure) from failure

    def _shared(self, times: Tensor, values: Tensor) -> Float[Tensor, " time"]:
        if not isinstance(values, Tensor) or values.dim() != 3 or values.shape[-1] != self.channels:
            got = tuple(values.shape) if isinstance(values, Tensor) else type(values).__name__
            raise InvalidArgument(f"values must be a tensor (batch, time, {self.channels}); got {got}")
        require_measured(values)
        require_increasing(times.expand(len(values), -1))
        if times.dim() == 1:
            return times
        apart = (times - times[:1]).abs().amax(1) > SAME_TIMES * (times[0, -1] - times[0, 0])
        if bool(apart.any()):
            sample = int(apart.int().argmax())
            raise InvalidArgument(
                f"times must be those of sample 0 for all samples; sample {sample} has others: put all on one grid, "
                "with NaN where nothing was measured"
            )
        return times[0]


class _Guided(nn.Module):
    """f(t, z, context(t)), the context being constant on the steps of the grid."""

    def __init__(self, posterior: TimeField, grid: Float[Tensor, " step"], ahead: Float[Tensor, "batch step context"]):
        super().__init__()
        self.posterior, self.moments, self.contexts = posterior, grid.tolist(), ahead.unbind(1)

    def forward(self, t: Float[Tensor, "*batch 1"], z: Float[Tensor, "batch latent"]) -> Float[Tensor, "batch latent"]:
        step = bisect_right(self.moments, float(t[0, 0])) - 1
        return self.posterior(t, torch.cat([z, self.contexts[step]], dim=-1))


def evidence_loss(model: nn.Module, batch: Mapping[str, Any]) -> dict[str, Tensor]:
    """-ELBO by its parts, the two KL terms times the batch's "kl_weight" where it has one; means over the batch.

    >>> model, values = ll.neural_des.sde.LatentSDE(1, 2), torch.zeros(3, 4, 1)
    >>> batch = {"times": torch.arange(4.0), "values": values, "noise_seed": 0, "kl_weight": 0.0}
    >>> float(ll.neural_des.sde.evidence_loss(model, batch)["kl_path"])
    0.0
    """
    evidence = model(batch["times"], batch["values"], batch["noise_seed"])
    weight = batch.get("kl_weight", 1.0)
    return {
        "misfit": -evidence.log_likelihood.mean(),
        "kl_start": weight * evidence.kl_start.mean(),
        "kl_path": weight * evidence.kl_path.mean(),
    }
