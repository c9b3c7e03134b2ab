"""Waves in a box moved at its top, from the speed of sound to the amplitude, by multigrid networks, beside an FNO.

    -Laplacian u - (omega/c)^2 u = 0,    du/dn = g on the top wall, 0 on the others;    c -> u

Through walls between cells nothing flows where a grid is surrounded by copies of its outermost cells ("replicate").
The source is the same for all samples, and no sample tells where it is. So the networks see the mean of the training
solutions beside the speed of sound, and learn what is to be added to it; `fno_around` does so too, beside the FNO of
the catalogue. Twins: channels that do not grow with the depth of a grid; zeros around the grids, the condition of
another problem; and `alone`, zeros and the speed of sound without the mean. The course has 32 x 32 cells and a
frequency between two resonances of the uniform medium, the paper size 96 x 96 cells and waves of an eighth of the box.
The FNO has the best of three rates, a factor of two apart, at half of the course's functions, the networks the first
at which they learned.
Source: He, Liu & Xu, MgNO (2023), arXiv 2310.19809; de Hoop et al., The cost-accuracy trade-off in operator learning
with neural networks (2022), arXiv 2203.13181.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from limitlab.experiments.contract.settings import option, sizes
from limitlab.experiments.operators._learning import OperatorSettings, operator_learning, with_rows
from limitlab.experiments.operators.multigrid._cycles import smoothing_of
from limitlab.operators import Cycle, MgNO, Operator, Task
from limitlab.operators.fno import fno
from limitlab.operators.mgno import Padding
from limitlab.saved import Saved


@dataclass(frozen=True)
class HelmholtzSettings(OperatorSettings):
    """Those of the FNO, and the size of the multigrid networks."""

    channels: int = option(8, "channels of the multigrid networks on the finest grid", low=1, high=512)


class Around(Saved):
    """A model that sees a field beside its input, and makes what is added to that field.

    mean: (1, x, y), as the model's outputs are normalised.
    """

    mean: Tensor

    def __init__(self, model: nn.Module, mean: Float[Tensor, "1 x y"]) -> None:
        super().__init__()
        self.model = model
        self.register_buffer("mean", mean)

    def forward(self, c: Float[Tensor, "batch 1 x y"]) -> Float[Tensor, "batch 1 x y"]:
        # the same on its own grid, and linear between cells on others
        mean = functional.interpolate(self.mean[None].to(c), c.shape[2:], mode="bilinear").expand_as(c)
        return mean + self.model(torch.cat([c, mean], dim=1))


def around_mean(task: Task, build: Callable[[Task], nn.Module]) -> Around:
    """What is built for a task with the mean of its targets as another input."""
    statistics = task.statistics[1]
    mean = (task.mean_target - statistics.mean[:, None, None]) / statistics.std[:, None, None]
    return Around(build(replace(task, in_channels=task.in_channels + 1)), mean)


def row(name: str, *, padding: Padding = "replicate", growth: int = 1, around: bool = True) -> Operator:
    """A multigrid network of the settings' size with this padding and these channels."""

    def build(task: Task, settings: HelmholtzSettings) -> nn.Module:
        cycle = Cycle(smoothing_of(task), padding=padding, growth=growth)

        def network(task: Task) -> MgNO:
            return MgNO(task.in_channels, task.out_channels, cycle, width=settings.channels, layers=settings.layers)

        return around_mean(task, network) if around else network(task)

    return Operator(name, name, nn.Module, build)


def fno_around(task: Task, settings: Any) -> Around:
    """The FNO of the settings, which sees the mean too."""
    return around_mean(task, lambda wider: fno(wider, settings))


EXPERIMENT = with_rows(
    operator_learning(
        system="mgno",
        title="Helmholtz equation by multigrid networks",
        problem="helmholtz_sourced",
        sizes=sizes(
            HelmholtzSettings(
                parameters=("omega=190",),
                train_samples=200,
                test_samples=50,
                resolution=32,
                test_resolutions=(32,),
                models=("fno", "mean"),
                modes=12,
                width=16,
                channels=8,
                epochs=20,
                batch_size=10,
                learning_rate=2e-3,
                rates=("fno=2e-2", "fno_around=2e-2"),
                seeds=1,
            ),
            smoke={
                "train_samples": 12,
                "test_samples": 4,
                "resolution": 16,
                "test_resolutions": (16,),
                "modes": 6,
                "width": 8,
                "channels": 4,
                "layers": 2,
                "epochs": 1,
                "batch_size": 4,
            },
            paper={
                "parameters": ("omega=1000",),
                "train_samples": 4000,
                "test_samples": 200,
                "resolution": 96,
                "test_resolutions": (96,),
                "modes": 24,
                "width": 32,
                "channels": 20,
                "epochs": 100,
                "batch_size": 10,
                "learning_rate": 3e-4,
                "rates": (),
                "loss": "h1",
                "seeds": 3,
                "workers": 2,
            },
        ),
    ),
    row("growing"),
    row("even", growth=0),
    row("zeros", padding="zeros"),
    row("alone", padding="zeros", around=False),
    Operator("fno_around", "FNO around the mean", nn.Module, fno_around),
)
