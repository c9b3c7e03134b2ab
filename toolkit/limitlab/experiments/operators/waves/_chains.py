"""Chains of waves of one size that differ in what their names say, and the experiment that compares them on a flow.

Source: Zhang et al., SineNet (2024), arXiv 2403.19507.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import nn

from limitlab.errors import InvalidArgument
from limitlab.experiments.contract.experiment import Experiment
from limitlab.experiments.contract.settings import option
from limitlab.experiments.operators._learning import OperatorData
from limitlab.experiments.operators._rollouts import RolloutSettings, rollout_learning
from limitlab.operators import Operator, SineNet, Task, Wave, sinenet_with_parameters
from limitlab.problems import PDEProblem

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
COURSE: dict[str, Any] = {
    "test_samples": 8,
    "resolution": 32,
    "test_resolutions": (32,),
    "models": ("persistence",),
    "width": 16,
    "epochs": 6,
    "batch_size": 8,
    "learning_rate": 2e-3,
    "seeds": 1,
}
"""What all flows have in common on two cores in a minute or two."""
TWO: dict[str, Any] = {"chains": ("one_wave", "two_waves")}
PAPER: dict[str, Any] = {
    "chains": ("one_wave", "two_waves", "four_waves", "eight_waves"),
    "resolution": 64,
    "test_resolutions": (64,),
    "train_samples": 1000,
    "test_samples": 200,
    "width": 64,
    "weights": 35_490_219,
    "halvings": 4,
    "epochs": 50,
    "batch_size": 32,
    "learning_rate": 2e-4,
    "weight_decay": 1e-5,
    "seeds": 3,
    "workers": 2,
}
"""What all flows have in common at the paper's size; its grids have 128 points an axis, and five times the samples."""
SMOKE: dict[str, Any] = {
    "train_samples": 4,
    "test_samples": 2,
    "resolution": 16,
    "test_resolutions": (16,),
    "width": 4,
    "weights": 20_000,
    "halvings": 2,
    "epochs": 1,
    "batch_size": 4,
}
"""What all flows have in common in the seconds' size."""


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


def chains_learning(
    *, title: str, problem: str | PDEProblem, sizes: Mapping[str, ChainSettings]
) -> Experiment[ChainSettings, OperatorData]:
    """The experiment that learns the time step of an evolution problem in the plane by the chains of its settings."""
    return rollout_learning(system="sinenet", title=title, problem=problem, beside=rows, sizes=sizes)


def rows(settings: ChainSettings) -> Sequence[Operator]:
    """The chains of the settings."""
    return [Operator(name, name, nn.Module, partial(chain, name=name)) for name in settings.chains]


def chain(task: Task, settings: ChainSettings, name: str) -> SineNet:
    """The chain of that name, as large as the settings ask: where the domain ends at walls, zeros go on beyond them."""
    waves, options = CHAINS[name]
    padding = "periodic" if task.grid.is_periodic else "zeros"
    wave = Wave(**{"levels": settings.halvings, "padding": padding, **options})
    channels = task.in_channels, task.out_channels, task.dimension
    return sinenet_with_parameters(settings.weights, *channels, width=settings.width, waves=waves, wave=wave)
