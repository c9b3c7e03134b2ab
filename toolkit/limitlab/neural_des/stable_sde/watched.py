"""Solves of latent stochastic equations that say when a state has left every sensible size, and where.

A state beyond `limit` is a divergence, also where its floats are still finite: by then gradients are lost. It is raised
with the name of the equation, the sample, the time and a remedy, or masked: NaN from there on, and listed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.numbers import tensor_of
from limitlab.solvers import BrownianPath, SolveFailed, solve_sde
from limitlab.solvers.arguments import OnFailure
from limitlab.solvers.methods.method import VectorField
from limitlab.solvers.sde.fields import Noise
from limitlab.solvers.sde.uniform import step_grid
from limitlab.solvers.solution import Failure

LIMIT = 1e6


class Diverged(SolveFailed):
    """A latent equation diverged; `title` is its class, `failures` hold sample, time and step size of each.

    >>> from limitlab.neural_des.stable_sde import Diverged, Equation, solve_watched
    >>> cubic = Equation("cubic", lambda t, z: -(z**3), lambda t, z: torch.ones_like(z), "take shorter steps")
    >>> try:
    ...     solve_watched(cubic, torch.full((1, 1), 10.0), [0.0, 1.0], step_size=0.1, noise=0)
    ... except Diverged as error:
    ...     print(error.title, error.failures[0].sample)
    cubic 0
    """

    def __init__(self, title: str, failures: list[Failure], remedy: str) -> None:
        first = min(failures, key=lambda failure: failure.time)
        more = f" ({len(failures)} samples did)" if len(failures) > 1 else ""
        super().__init__(
            f"{title} diverged: sample {first.sample} in the step from t = {first.time:.4g}{more}; {remedy}", failures
        )
        self.title = title


@dataclass(frozen=True)
class Equation:
    """dz = drift dt + diffusion dW in the sense of Ito, what it is called, and what helps where it diverges.

    >>> ll.neural_des.stable_sde.Equation("growth", lambda t, z: z, lambda t, z: 0.1 * z).remedy
    'take shorter steps'
    """

    title: str
    drift: VectorField
    diffusion: VectorField
    remedy: str = "take shorter steps"
    noise: Noise = "diagonal"


@dataclass(frozen=True, eq=False)
class Visited:
    """Every state that a solve went through, (batch, step + 1, state) at `times`; asked: the numbers of asked times.

    >>> decay = ll.neural_des.stable_sde.Equation("decay", lambda t, z: -z, lambda t, z: 0 * z)
    >>> start = torch.ones(1, 1)
    >>> ll.neural_des.stable_sde.solve_watched(decay, start, [0.0, 1.0], step_size=0.1, noise=0).largest
    1.0
    """

    times: Float[np.ndarray, " time"]
    states: Float[Tensor, "batch time state"]
    asked: Tensor
    failures: tuple[Failure, ...] = ()

    @property
    def y(self) -> Float[Tensor, "batch asked state"]:
        """The states at the asked times."""
        return self.states[:, self.asked]

    @property
    def largest(self) -> float:
        """The largest |z_i| of all; infinite where a sample diverged."""
        return float("inf") if self.failures else float(self.states.detach().abs().max())


def solve_watched(
    equation: Equation,
    z0: Float[Tensor, "batch state"],
    t: Tensor | list[float],
    *,
    step_size: float,
    method: str = "euler_maruyama",
    noise: int | BrownianPath,
    limit: float = LIMIT,
    on_failure: OnFailure = "raise",
) -> Visited:
    """All states of a solve with uniform steps. noise: a seed or a path. Raises Diverged, or what `solve_sde` raises.

    on_failure: "mask" leaves NaN in samples from the step on in which they diverged.

    >>> from limitlab.neural_des.stable_sde import Equation, solve_watched
    >>> walk = Equation("walk", lambda t, z: 0 * z, lambda t, z: torch.ones_like(z), noise="additive")
    >>> solve_watched(walk, torch.zeros(2, 1), [0.0, 1.0], step_size=0.25, noise=0).states.shape
    torch.Size([2, 5, 1])
    """
    asked = tensor_of("t", t, dtype=torch.float64, device="cpu").detach().numpy()
    grid = step_grid(asked, step_size)
    source = {"brownian": noise} if isinstance(noise, BrownianPath) else {"seed": noise}
    solution = solve_sde(
        equation.drift, equation.diffusion, z0, torch.from_numpy(grid.times), method=method, noise=equation.noise,
        step_size=step_size, on_failure="mask", **source,
    )  # fmt: skip
    states, failures = solution.y, _beyond(solution.y, grid.times, limit)
    if failures and on_failure == "raise":
        raise Diverged(equation.title, failures, equation.remedy)
    if failures:
        lost = torch.zeros(states.shape[:2], dtype=torch.bool, device=states.device)
        for failure in failures:
            lost[failure.sample, int(np.searchsorted(grid.times, failure.time)) + 1 :] = True
        states = states.masked_fill(lost[..., None], torch.nan)
    return Visited(grid.times, states, torch.from_numpy(grid.outputs).to(states.device), tuple(failures))


def _beyond(states: Tensor, times: np.ndarray, limit: float) -> list[Failure]:
    """The first step of each sample that ended beyond the limit, or nowhere."""
    outside = ~(states.detach().abs().amax(-1) <= limit)
    if not bool(outside.any()):
        return []
    step = outside.int().argmax(1) - 1
    samples = outside.any(1).nonzero()[:, 0].tolist()
    steps = [max(0, int(step[sample])) for sample in samples]
    return [
        Failure(sample, float(times[k]), float(times[k + 1] - times[k]), "blow-up")
        for sample, k in zip(samples, steps, strict=True)
    ]
