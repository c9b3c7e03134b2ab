"""Darcy flow, coefficient to pressure: learned at 16 x 16 from 500 samples, tested at 16, 32 and 64.

The course size is that of the card's table (two CPU cores); the paper size has the
1000 functions and 500 epochs of Li et al. (2021), on 64 to 256 cells instead of 85 to 421 nodes.
"""

from limitlab.experiments.contract.settings import sizes
from limitlab.experiments.operators._learning import OperatorSettings, operator_learning

EXPERIMENT = operator_learning(
    system="mg-tfno",
    title="Darcy flow: from a two-phase coefficient to the pressure",
    problem="darcy",
    sizes=sizes(
        OperatorSettings(),
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
        },
    ),
)
