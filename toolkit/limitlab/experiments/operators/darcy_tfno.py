"""Darcy flow by tensorised FNOs: dense weights beside Tucker, a CP sum, a tensor train, one tensor for all layers.

All at a tenth of the dense spectral weights, with the same data, steps and seeds. The course size is that of the card's
table, the paper size that of the plain FNO on Darcy flow.
Source: Kossaifi et al., Multi-Grid Tensorized Fourier Neural Operator (2023), arXiv 2310.00120.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from limitlab.experiments.contract.settings import sizes
from limitlab.experiments.operators._learning import (
    FACTORIZATIONS,
    OperatorSettings,
    operator_learning,
    with_rows,
)
from limitlab.operators import TFNO, Operator, Task
from limitlab.operators.tfno import tfno


def row(factorization: str) -> Operator:
    """The tensorised FNO of the settings with this format."""

    def build(task: Task, settings: Any) -> TFNO:
        return tfno(task, replace(settings, factorization=factorization))

    return Operator(factorization, factorization, TFNO, build)


EXPERIMENT = with_rows(
    operator_learning(
        system="mg-tfno",
        title="Darcy flow by FNOs with fewer weights",
        problem="darcy",
        sizes=sizes(
            OperatorSettings(models=("fno", "mean")),
            smoke={
                "train_samples": 40,
                "test_samples": 8,
                "test_resolutions": (16, 32),
                "modes": 6,
                "width": 8,
                "layers": 2,
                "epochs": 2,
                "seeds": 1,
            },
            paper={
                "train_samples": 1000,
                "test_samples": 200,
                "resolution": 64,
                "test_resolutions": (64, 128, 256),
                "modes": 24,
                "width": 32,
                "epochs": 500,
                "learning_rate": 1e-3,
                "loss": "h1",
            },
        ),
    ),
    *map(row, FACTORIZATIONS),
)
