"""Darcy flow by tensorised FNOs: dense weights beside Tucker, a CP sum, a tensor train, one tensor for all layers.

All hold a part of the dense spectral weights, `rank`, and so does `narrow`, the simplest way to have fewer: an FNO with
fewer channels. Data, steps, rates and seeds are the same. The course size is that of the card's table, at a rate that
suits them all better, the paper size that of the plain FNO on Darcy flow.
Source: Kossaifi et al., Multi-Grid Tensorized Fourier Neural Operator (2023), arXiv 2310.00120.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from limitlab.experiments.contract.settings import sizes
from limitlab.experiments.operators._learning import (
    FACTORIZATIONS,
    OperatorSettings,
    operator_learning,
    with_rows,
)
from limitlab.operators import FNO, TFNO, Operator, Task
from limitlab.operators.fno import fno
from limitlab.operators.tfno import tfno


def row(factorization: str) -> Operator:
    """The tensorised FNO of the settings with this format."""

    def build(task: Task, settings: Any) -> TFNO:
        return tfno(task, replace(settings, factorization=factorization))

    return Operator(factorization, factorization, TFNO, build)


def narrow(task: Task, settings: Any) -> FNO:
    """The FNO with dense weights and so few channels that they are as many."""
    return fno(task, replace(settings, width=max(2, round(settings.width * math.sqrt(settings.rank)))))


EXPERIMENT = with_rows(
    operator_learning(
        system="mg-tfno",
        title="Darcy flow by FNOs with fewer weights",
        problem="darcy",
        sizes=sizes(
            OperatorSettings(models=("fno", "mean"), learning_rate=3e-2, rank=0.08),
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
    Operator("narrow", "FNO with fewer channels", FNO, narrow),
)
