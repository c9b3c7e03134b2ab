"""Flow on a torus, the vorticity of the next frame from that of the last, by multigrid networks, beside an FNO.

Li et al.'s recipe: a Gaussian vorticity, a fixed forcing, a frame a unit of time. A model learns from pairs of frames
of the data and is tested alone, over ten steps of its own. All that learn here make the change, w + model(w), the FNO
`fno_changes` too; beside them the catalogue's FNO, which makes the frame. The network of the paper has periodic padding
and normalises after every prolongation. Twins: without the norm, so that its cycles are linear; and with zeros around a
grid that has no end. The course has 32 x 32 points and viscosity 1e-4, the paper size 64 x 64 and 1e-5. In the minute
of the course the networks learn to be better than persistence over a step, not over ten, and the FNO is far ahead.
Source: He, Liu & Xu, MgNO (2023), arXiv 2310.19809; Li et al., Fourier Neural Operator (2021).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from limitlab.experiments.contract.settings import option, sizes
from limitlab.experiments.operators._rollouts import RolloutSettings, rollout_learning
from limitlab.experiments.operators.multigrid._cycles import smoothing_of
from limitlab.operators import Cycle, MgNO, Operator, Task
from limitlab.operators.fno import fno
from limitlab.operators.mgno import Padding
from limitlab.saved import Saved


@dataclass(frozen=True)
class FlowSettings(RolloutSettings):
    """Those of the FNO, and the size of the multigrid networks."""

    channels: int = option(12, "channels of the multigrid networks", low=1, high=512)


class Change(Saved):
    """The last frame and what a model adds to it."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, frames: Float[Tensor, "batch frames x y"]) -> Float[Tensor, "batch 1 x y"]:
        return frames[:, -1:] + self.model(frames)


def multigrid(task: Task, settings: FlowSettings, *, padding: Padding = "periodic", norm: bool = True) -> Change:
    """A multigrid network of the settings' size that makes the change."""
    cycle = Cycle(smoothing_of(task), padding=padding, norm=norm)
    return Change(MgNO(task.in_channels, task.out_channels, cycle, width=settings.channels, layers=settings.layers))


def fno_changes(task: Task, settings: Any) -> Change:
    """The FNO of the settings that makes the change."""
    return Change(fno(task, settings))


BUILDS: dict[str, Callable[[Task, Any], nn.Module]] = {
    "multigrid": multigrid,
    "linear_cycles": partial(multigrid, norm=False),
    "zeros": partial(multigrid, padding="zeros"),
    "fno_changes": fno_changes,
}


def rows(settings: FlowSettings) -> Sequence[Operator]:
    """All of them, whatever the settings."""
    return [Operator(name, name, nn.Module, build) for name, build in BUILDS.items()]


EXPERIMENT = rollout_learning(
    system="mgno",
    title="Navier-Stokes: the vorticity of the next frame, and of ten, by multigrid networks",
    problem="navier_stokes",
    beside=rows,
    sizes=sizes(
        FlowSettings(
            parameters=("nu=1e-4",),
            train_samples=40,
            test_samples=10,
            resolution=32,
            test_resolutions=(32,),
            models=("fno", "persistence"),
            modes=12,
            width=16,
            channels=8,
            epochs=6,
            batch_size=10,
            learning_rate=4e-3,
            rates=("fno=1e-2", "fno_changes=1e-2"),
            interval=1.0,
            frames=11,
            rollout=10,
            seeds=1,
        ),
        smoke={
            "train_samples": 3,
            "test_samples": 2,
            "resolution": 16,
            "test_resolutions": (16,),
            "modes": 6,
            "width": 8,
            "channels": 4,
            "layers": 2,
            "epochs": 1,
            "batch_size": 3,
            "interval": 0.2,
            "frames": 4,
            "rollout": 3,
        },
        paper={
            "parameters": ("nu=1e-5",),
            "train_samples": 1000,
            "test_samples": 100,
            "resolution": 64,
            "test_resolutions": (64,),
            "modes": 24,
            "width": 32,
            "channels": 32,
            "layers": 5,
            "epochs": 500,
            "batch_size": 500,
            "learning_rate": 1e-3,
            "rates": (),
            "seeds": 3,
            "workers": 2,
        },
    ),
)
