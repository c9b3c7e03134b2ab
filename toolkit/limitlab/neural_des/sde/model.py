"""A neural stochastic differential equation as a module: any drift, any diffusion, any noise, either calculus."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.errors import InvalidArgument
from limitlab.neural_des.solved import Solved
from limitlab.solvers import BrownianPath, Solution, SolutionBlewUp, solve_sde
from limitlab.solvers.sde.fields import Calculus, Noise

EVEN = 1e-3


class NeuralSDE(Solved):
    """dz = drift(t, z) dt + diffusion(t, z) dW from a state (batch, state), along the path of a seed.

    drift, diffusion: modules, or functions, with the shapes that `limitlab.solvers.solve_sde` asks for; the further
    options, and the errors, are its own. A solution that blows up is refused with the class of the drift, the sample
    and the time. `last` is the Solution of the last call, whose tape it holds until the next.
    Sources: Tzen & Raginsky 2019; Kidger, On Neural Differential Equations (2022), 4.

    >>> drift, diffusion = ll.neural_des.sde.TimeField(2, (2,)), ll.neural_des.sde.TimeField(2, (2, 3), seed=1)
    >>> model = ll.neural_des.sde.NeuralSDE(drift, diffusion, noise="general", step_size=0.1)
    >>> model(torch.zeros(4, 2), [0.0, 0.5, 1.0], seed=0).shape
    torch.Size([4, 3, 2])
    """

    def __init__(
        self,
        drift: Callable[[Tensor, Tensor], Tensor],
        diffusion: Callable[[Tensor, Tensor], Tensor],
        *,
        noise: Noise = "diagonal",
        calculus: Calculus = "ito",
        method: str = "euler_maruyama",
        step_size: float | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        for name, field in (("drift", drift), ("diffusion", diffusion)):
            if not callable(field):
                raise InvalidArgument(f"{name} must be a function of (t, z); got {type(field).__name__}")
        self.drift, self.diffusion = drift, diffusion
        self.options = {"noise": noise, "calculus": calculus, "method": method, "step_size": step_size, **options}

    def forward(
        self,
        z0: Tensor,
        t: Tensor | Sequence[float],
        seed: int | None = None,
        brownian: BrownianPath | None = None,
    ) -> Tensor:
        """The states (batch, time, state), along the path of the seed, or one that is passed."""
        return self.solve(z0, t, seed, brownian).y

    def solve(
        self,
        z0: Tensor,
        t: Tensor | Sequence[float],
        seed: int | None = None,
        brownian: BrownianPath | None = None,
    ) -> Solution:
        """The solution with its log."""
        try:
            self._last = solve_sde(self.drift, self.diffusion, z0, t, seed=seed, brownian=brownian, **self.options)
        except SolutionBlewUp as failure:
            raise blown_up(type(self.drift).__name__, failure) from failure
        return self._last


def blown_up(owner: str, failure: SolutionBlewUp) -> SolutionBlewUp:
    """The same failure, with whose drift it was and what may be done."""
    return SolutionBlewUp(
        f"{owner} as the drift of a neural SDE: {failure}. Bound drift and diffusion (end='tanh'), or take smaller "
        "steps (step_size)",
        failure.failures,
    )


def standard_normals(seed: int, *shape: int, like: Tensor) -> Tensor:
    """Normal numbers of the seed alone, whatever the device."""
    generator = torch.Generator().manual_seed(int(seed))
    return torch.randn(*shape, generator=generator).to(like)


def step_between(times: Float[Tensor, " time"]) -> float:
    """The step_size with which the steps of `solve_sde` are those from each time to the next."""
    span = float(times[-1]) - float(times[0])
    even = span / (len(times) - 1)
    # a mean, as a difference of two late times is rounded; one step over all is cut at the asked times
    return even if float((times.diff() - even).abs().max()) < EVEN * even else span
