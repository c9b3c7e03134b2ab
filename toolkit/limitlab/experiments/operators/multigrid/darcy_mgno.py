"""Darcy flow at 32 x 32 by multigrid networks, with what makes them one taken away, beside an FNO.

Twins of the network: with restricted sources in place of residuals, as the published code has it; with the padding of a
periodic domain, which this is not; and on one grid alone, with as many smoothing steps as fill the time. None of them
serves another resolution, which the FNO does. The course size is that of the card's table, with the FNO's best rate of
four and the multigrid network's of two.
Source: He, Liu & Xu, MgNO (2023), arXiv 2310.19809.
"""

from __future__ import annotations

from limitlab.experiments.contract.settings import sizes
from limitlab.experiments.operators._learning import OperatorSettings, operator_learning, with_models
from limitlab.experiments.operators.multigrid._cycles import smoothing_of
from limitlab.operators import Cycle, MgNO, Task

WIDTH, LAYERS = 12, 4


def twin(task: Task, cycle: Cycle) -> MgNO:
    """The network of the course with another cycle."""
    return MgNO(task.in_channels, task.out_channels, cycle, task.dimension, width=WIDTH, layers=LAYERS)


EXPERIMENT = with_models(
    operator_learning(
        system="mgno",
        title="Darcy flow by multigrid networks",
        problem="darcy",
        sizes=sizes(
            OperatorSettings(
                train_samples=200,
                test_samples=100,
                resolution=32,
                test_resolutions=(32, 64),
                models=("fno", "mean"),
                modes=12,
                epochs=20,
                learning_rate=4e-3,
                rates=("fno=2e-2",),
            ),
            smoke={
                "train_samples": 20,
                "test_samples": 4,
                "resolution": 16,
                "test_resolutions": (16, 32),
                "modes": 6,
                "width": 8,
                "layers": 2,
                "epochs": 1,
                "seeds": 1,
            },
            paper={
                "train_samples": 1280,
                "test_samples": 112,
                "resolution": 256,
                "test_resolutions": (256,),
                "epochs": 500,
                "batch_size": 8,
                "learning_rate": 5e-4,
                "loss": "h1",
            },
        ),
    ),
    multigrid=lambda task: twin(task, Cycle(smoothing_of(task))),
    source=lambda task: twin(task, Cycle(smoothing_of(task), restriction="source")),
    wrapped=lambda task: twin(task, Cycle(smoothing_of(task), padding="periodic")),
    one_grid=lambda task: twin(task, Cycle(((8, 0),))),
)
