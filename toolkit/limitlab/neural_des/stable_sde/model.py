"""A latent stochastic equation driven by a path, with a read-out: z(0) from the path's start, z along it, head(z).

    z(0) = initial(X(0)),    dz = f(t, z, X(t)) dt + g(t, z) dW,    output = head(z(t))

One call is one draw of the noise. Where no seed is given, torch's generator gives one, so that a training repeats.
Source: Oh, Lim, Kim (2024), arXiv 2402.14989.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.errors import InvalidArgument, check_number, one_of
from limitlab.neural_des.stable_sde.dynamics import Architecture, Dynamics
from limitlab.neural_des.stable_sde.heads import HEADS
from limitlab.neural_des.stable_sde.menus import Kind
from limitlab.neural_des.stable_sde.watched import Equation, Visited, solve_watched
from limitlab.saved import Saved
from limitlab.solvers import BrownianPath
from limitlab.solvers.arguments import OnFailure
from limitlab.solvers.solution import Failure
from limitlab.spaces import ControlPath
from limitlab.training.streams import seeded

SHORTEST = 1e-3
"""The shortest step that the gaps between the knots can ask for."""
ROUNDING = 1e-4
SAMPLED = 8
"""Times of a solve at which its fields are measured."""


@dataclass(frozen=True)
class Activity:
    """Of one solve: the largest |z_i|, and the means of |f_i| and |g_i| over samples and times.

    >>> path = ll.neural_des.stable_sde.path_through(ll.data.damped_oscillators(6, seed=0))
    >>> ll.neural_des.stable_sde.StableSDE("lsde", path.channels, 3, step_size=0.1).activity(path).diffusion < 1
    True
    """

    state: float
    drift: float
    diffusion: float


class StableSDE(Saved):
    """A class of the menus on paths of `channels` (time among them), read out as `outputs` numbers.

    method: a scheme of `solve_sde`; left out, log-Euler for a geometric equation that stays positive, else Euler and
    Maruyama. step_size: left out, the least gap between knots, 1/1000 at the shortest. `last` is what the last call
    visited. A diverging solve raises Diverged, or is masked.

    >>> path = ll.neural_des.stable_sde.path_through(ll.data.damped_oscillators(6, seed=0))
    >>> model = ll.neural_des.stable_sde.StableSDE("gsde", path.channels, outputs=3, step_size=0.1)
    >>> model(path, noise=0).shape
    torch.Size([6, 3])
    """

    def __init__(
        self,
        kind: str | Kind,
        channels: int,
        outputs: int,
        architecture: Architecture | None = None,
        *,
        head: str = "linear",
        method: str | None = None,
        step_size: float | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        outputs = int(check_number("outputs", outputs, low=1, integer=True))
        architecture = architecture or Architecture()
        self.dynamics = Dynamics(kind, channels, architecture, seed=seed)
        with seeded(seed + 1):
            self.head = HEADS[one_of("head", head, HEADS)](architecture.width, outputs)
        stays_positive = self.dynamics.form.geometric and self.dynamics.bound.positive
        self.method = method or (self.dynamics.kind.scheme if stays_positive else "euler_maruyama")
        self.step_size = None if step_size is None else float(check_number("step_size", step_size, low=1e-9))
        # kept with the weights, so that a stored model that diverged is known to be one
        self.register_buffer("divergence", torch.full((3,), torch.nan, dtype=torch.float64))
        self.divergence: Tensor
        self.last: Visited | None = None

    @property
    def title(self) -> str:
        """The class, and whether it is clipped or unbounded."""
        return self.dynamics.title

    @property
    def diverged(self) -> Failure | None:
        """Where its training diverged, if it did: see `until_diverged`."""
        sample, time, size = self.divergence.tolist()
        return None if np.isnan(time) else Failure(int(sample), time, size, "blow-up")

    def forward(
        self,
        path: ControlPath,
        t: Tensor | None = None,
        *,
        noise: int | BrownianPath | None = None,
        on_failure: OnFailure = "raise",
    ) -> Float[Tensor, "batch *time output"]:
        """Read-outs at times t, (time,), or without t at the end of every sample's own path, (batch, output)."""
        if t is not None:
            return self.head(self.solve(path, t, noise=noise, on_failure=on_failure).y)
        ends = path.end.detach().double().cpu().expand(path.batch)
        span = torch.stack([path.start.detach().double().cpu().min(), ends.max()])
        visited = self.solve(path, span, noise=noise, on_failure=on_failure)
        # the first step that reaches a sample's own end: beyond it the path stands still
        row = torch.searchsorted(torch.from_numpy(visited.times), ends - 1e-6 * (span[1] - span[0]))
        return self.head(visited.states[torch.arange(path.batch), row.to(visited.states.device)])

    def solve(
        self,
        path: ControlPath,
        t: Tensor,
        *,
        noise: int | BrownianPath | None = None,
        on_failure: OnFailure = "raise",
    ) -> Visited:
        """Every state from t[0] on; t: (time,). noise: a seed or a path; left out, a seed of torch's generator."""
        if path.channels != self.dynamics.start.in_features:
            raise InvalidArgument(
                f"path must have {self.dynamics.start.in_features} channels, time among them; got {path.channels}"
            )
        noise = int(torch.randint(2**31, ())) if noise is None else noise
        start = self.dynamics.initial(value_at(path, t[:1].to(path.knots)))
        step_size = self.step_size or least_gap(path)
        self.last = solve_watched(
            self.equation(path), start, t, step_size=step_size, method=self.method, noise=noise, on_failure=on_failure
        )
        return self.last

    def equation(self, path: ControlPath) -> Equation:
        """The equation along this path, which is a part of it and not of the model."""
        dynamics = self.dynamics
        bounded = dynamics.bound.whole is torch.tanh or dynamics.bound.drift is torch.tanh
        remedy = "take shorter steps or a smaller rate" if bounded else "bound its coefficients: bound='coefficient'"
        return Equation(
            self.title,
            lambda t, z: dynamics.drift(t, z, value_at(path, t) if dynamics.form.control else z),
            dynamics.diffusion,
            remedy,
            dynamics.noise_type,
        )

    @torch.no_grad()
    def activity(self, path: ControlPath, *, noise: int = 0) -> Activity:
        """How large states, drift and diffusion are along one draw; infinite where a sample diverges."""
        span = torch.stack([path.start.min(), path.end.max()]).double().cpu()
        visited = self.solve(path, span, noise=noise, on_failure="mask")
        if visited.failures:
            return Activity(float("inf"), float("inf"), float("inf"))
        equation = self.equation(path)
        sizes = []
        for row in np.linspace(0, len(visited.times) - 1, SAMPLED).round().astype(int).tolist():
            z = visited.states[:, row]
            t = z.new_full((1, 1), float(visited.times[row])).expand(len(z), 1)
            sizes.append(torch.stack([equation.drift(t, z).abs().mean(), equation.diffusion(t, z).abs().mean()]))
        drift, diffusion = torch.stack(sizes).mean(0).tolist()
        return Activity(visited.largest, drift, diffusion)


def value_at(path: ControlPath, t: Float[Tensor, "batch 1"] | Float[Tensor, " 1"]) -> Float[Tensor, "batch channel"]:
    """X(t) at one time of each sample, or of all."""
    # uniform steps hand one time to all samples, as a view without a stride
    if t.dim() == 1 or t.stride(0) == 0:
        return path.evaluate(t.reshape(-1)[0])
    return path.evaluate(t)[:, 0]


def least_gap(path: ControlPath) -> float:
    """The least gap between two knots as a part of the whole path, at the shortest 1/1000."""
    knots = path.knots.detach().double()
    gaps, span = knots.diff(), float((knots[..., -1] - knots[..., 0]).max())
    gap = max(float(gaps[gaps > 0].min()), SHORTEST)
    # rounding of single precision would leave a sliver of a step at the end
    return span / max(1, math.ceil(span / gap * (1 - ROUNDING)))
