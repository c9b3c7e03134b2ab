"""Decaying turbulence by chains of one, two and four waves with equally many parameters, over one step and in rollouts.

Vorticity of deviation 3 on the unit torus, viscosity 1e-3, no forcing; frames 0.4 apart in the course, in which
vortices move by several points. Beside the chains: one padded with zeros, which this domain is not, and, at the paper's
size, one without the direct path, one without the waves' residual, and one wave with as many convolutions as four.
Source: Zhang et al., SineNet (2024), arXiv 2403.19507; the paper's own data are other flows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from torch import nn

from limitlab import problems
from limitlab.errors import InvalidArgument
from limitlab.experiments.contract.settings import option, sizes
from limitlab.experiments.operators._rollouts import RolloutSettings, rollout_learning
from limitlab.operators import Operator, SineNet, Task, Wave, sinenet_with_parameters
from limitlab.problems import GaussianLaw

# sigma: the law's deviation at a point is 3
LAW = GaussianLaw(alpha=2.5, tau=7.0, sigma=300.0)
CHAINS: dict[str, tuple[int, dict[str, Any]]] = {
    "one_wave": (1, {}),
    "two_waves": (2, {}),
    "four_waves": (4, {}),
    "eight_waves": (8, {}),
    "one_zeros": (1, {"padding": "zeros"}),
    "four_zeros": (4, {"padding": "zeros"}),
    "four_tangled": (4, {"disentangled": False}),
    "four_plain": (4, {"residual": False}),
    "one_deep": (1, {"blocks": 4}),
}


@dataclass(frozen=True)
class ChainSettings(RolloutSettings):
    """Chains of waves of one size."""

    chains: tuple[str, ...] = option(
        ("one_wave", "two_waves", "four_waves", "four_zeros"), "chains to compare", choices=tuple(CHAINS)
    )
    weights: int = option(525_000, "parameters of every chain", low=1000, high=10**9)
    halvings: int = option(3, "levels of a wave", low=1, high=8)

    def __post_init__(self) -> None:
        super().__post_init__()
        if any(n % 2**self.halvings for n in (self.resolution, *self.test_resolutions)):
            raise InvalidArgument(
                f"resolution and test_resolutions must be multiples of 2^{self.halvings} for so many halvings; "
                f"got {self.resolution} and {self.test_resolutions}"
            )


def chain(task: Task, settings: ChainSettings, name: str) -> SineNet:
    """The chain of that name, as large as the settings ask."""
    waves, options = CHAINS[name]
    wave = Wave(**{"levels": settings.halvings, "padding": "periodic", **options})
    channels = task.in_channels, task.out_channels, task.dimension
    return sinenet_with_parameters(settings.weights, *channels, width=settings.width, waves=waves, wave=wave)


def rows(settings: ChainSettings) -> Sequence[Operator]:
    """The chains of the settings."""
    return [Operator(name, name, nn.Module, partial(chain, name=name)) for name in settings.chains]


EXPERIMENT = rollout_learning(
    system="sinenet",
    title="Decaying turbulence: the vorticity of the next frame, and of five",
    problem=replace(problems.get("navier_stokes", amplitude=0.0), initial=LAW),
    beside=rows,
    sizes=sizes(
        ChainSettings(
            train_samples=64,
            test_samples=8,
            resolution=32,
            test_resolutions=(32,),
            models=("persistence",),
            width=16,
            epochs=6,
            batch_size=8,
            learning_rate=2e-3,
            interval=0.4,
            seeds=1,
        ),
        smoke={
            "train_samples": 4,
            "test_samples": 2,
            "resolution": 16,
            "test_resolutions": (16,),
            "width": 4,
            "weights": 20_000,
            "halvings": 2,
            "epochs": 1,
            "batch_size": 4,
            "frames": 5,
            "rollout": 3,
            "interval": 0.1,
            "chains": ("one_wave", "four_zeros"),
        },
        paper={
            "train_samples": 1000,
            "test_samples": 200,
            "resolution": 64,
            "test_resolutions": (64,),
            "chains": tuple(CHAINS),
            "width": 64,
            "weights": 35_490_219,
            "halvings": 4,
            "epochs": 50,
            "batch_size": 32,
            "learning_rate": 2e-4,
            "weight_decay": 1e-5,
            "frames": 14,
            "history": 4,
            "rollout": 10,
            "seeds": 3,
            "workers": 2,
        },
    ),
)
