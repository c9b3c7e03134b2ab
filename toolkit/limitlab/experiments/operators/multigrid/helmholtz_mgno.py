"""Waves in a box moved at its top, from the speed of sound to the amplitude, by multigrid networks, beside an FNO.

    -Laplacian u - (omega/c)^2 u = 0,    du/dn = g on the top wall, 0 on the others;    c -> u

Through walls between cells nothing flows where a grid is surrounded by copies of its outermost cells ("replicate").
Where the source is, such a network would have to find out from what its kernels make of four walls that are alike; the
FNO has coordinates. So the networks see a second channel, a function of the flux g: `lifting`. Twins: channels that do
not grow with the depth of a grid; zeros around the grids, the condition of another problem; and zeros without the
second channel, where the zeros alone tell the walls. The course has 32 x 32 cells and 1.6 waves, the paper size 96 x 96
and 8.
Source: He, Liu & Xu, MgNO (2023), arXiv 2310.19809; de Hoop et al., The cost-accuracy trade-off in operator learning
with neural networks (2022), arXiv 2203.13181.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from limitlab import problems
from limitlab.experiments.contract.settings import sizes
from limitlab.experiments.operators._learning import OperatorSettings, operator_learning, with_rows
from limitlab.experiments.operators.multigrid._cycles import smoothing_of
from limitlab.operators import Cycle, MgNO, Operator, Task
from limitlab.operators.mgno import Padding
from limitlab.problems.pde.helmholtz import HelmholtzProblem
from limitlab.spaces import Grid

_SOURCED = problems.get("helmholtz_sourced")
assert isinstance(_SOURCED, HelmholtzProblem)
PROBLEM = _SOURCED


def lifting(grid: Grid) -> Float[Tensor, "x y"]:
    """g(x) y^2/2, whose flux is g through the top wall and zero through the bottom, on cells of the unit square."""
    flux = PROBLEM.load(grid)[:, -1:] * grid.spacing[1]
    return flux * grid.points()[..., 1] ** 2 / 2


class Sourced(nn.Module):
    """A model that sees `lifting` beside the speed of sound."""

    def __init__(self, model: nn.Module, grid: Grid) -> None:
        super().__init__()
        self.model, self.grid = model, grid

    def forward(self, c: Float[Tensor, "batch 1 x y"]) -> Float[Tensor, "batch 1 x y"]:
        source = lifting(self.grid.at(tuple(c.shape[2:]))).to(c)
        return self.model(torch.cat([c, source.expand_as(c)], dim=1))


def row(name: str, *, padding: Padding = "replicate", growth: int = 1, sourced: bool = True) -> Operator:
    """A multigrid network of the settings' size with this padding and these channels."""

    def build(task: Task, settings: OperatorSettings) -> nn.Module:
        cycle = Cycle(smoothing_of(task), padding=padding, growth=growth)
        inputs = task.in_channels + sourced
        model = MgNO(inputs, task.out_channels, cycle, width=settings.width, layers=settings.layers)
        return Sourced(model, task.grid) if sourced else model

    return Operator(name, name, nn.Module, build)


EXPERIMENT = with_rows(
    operator_learning(
        system="mgno",
        title="Helmholtz equation by multigrid networks",
        problem=PROBLEM,
        sizes=sizes(
            OperatorSettings(
                parameters=("omega=200",),
                train_samples=200,
                test_samples=50,
                resolution=32,
                test_resolutions=(32,),
                models=("fno", "mean"),
                modes=12,
                width=8,
                epochs=20,
                learning_rate=4e-3,
                rates=("fno=2e-2",),
                seeds=1,
            ),
            smoke={
                "train_samples": 12,
                "test_samples": 4,
                "resolution": 16,
                "test_resolutions": (16,),
                "modes": 6,
                "width": 4,
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
                "width": 20,
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
    row("unsourced", padding="zeros", sourced=False),
)
