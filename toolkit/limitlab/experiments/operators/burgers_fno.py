"""Viscous Burgers, initial velocity to the velocity at time 1: learned at 64 points, tested at 64, 128 and 256.

The paper size follows Li et al. (2021): 1000 functions, 500 epochs, tested up to 8192 points; trained at 1024.
"""

from limitlab.experiments.contract.settings import sizes
from limitlab.experiments.operators._learning import OperatorSettings, operator_learning

EXPERIMENT = operator_learning(
    system="mg-tfno",
    title="Burgers' equation: from the initial velocity to the velocity at time 1",
    problem="burgers",
    sizes=sizes(
        OperatorSettings(
            resolution=64,
            test_resolutions=(64, 128, 256),
            models=("fno", "unet", "mean", "persistence"),
            modes=24,
            width=32,
            epochs=20,
        ),
        smoke={
            "train_samples": 40,
            "test_samples": 8,
            "resolution": 32,
            "test_resolutions": (32, 64),
            "modes": 12,
            "width": 8,
            "layers": 2,
            "epochs": 2,
            "seeds": 1,
        },
        paper={
            "train_samples": 1000,
            "test_samples": 200,
            "resolution": 1024,
            "test_resolutions": (256, 512, 1024, 2048, 4096, 8192),
            "models": ("fno", "unet", "mean", "persistence"),
            "modes": 32,
            "width": 64,
            "epochs": 500,
            "learning_rate": 1e-3,
        },
    ),
)
