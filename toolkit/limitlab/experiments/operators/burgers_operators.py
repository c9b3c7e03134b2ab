"""Viscous Burgers by every operator of the catalogue that learns: the same functions, batches and steps for all.

Learned at 64 points from 200 samples, tested there and at 128, where those that take one grid alone have no answer.
Each has its best rate of several a factor of two apart, looked for at another seed; the initial velocity as it is and
the mean are what know nothing.
"""

from limitlab.experiments.contract.settings import sizes
from limitlab.experiments.operators._learning import LEARNERS, OperatorSettings, operator_learning

EXPERIMENT = operator_learning(
    system="nns-to-nos",
    title="Burgers' equation by every operator of the catalogue",
    problem="burgers",
    sizes=sizes(
        OperatorSettings(
            train_samples=200,
            test_samples=50,
            resolution=64,
            test_resolutions=(64, 128),
            models=(*LEARNERS, "mean", "persistence"),
            modes=16,
            width=16,
            epochs=10,
            seeds=1,
        ),
        smoke={
            "train_samples": 20,
            "test_samples": 4,
            "resolution": 32,
            "test_resolutions": (32, 64),
            "width": 8,
            "layers": 2,
            "epochs": 1,
        },
        paper={
            "train_samples": 1000,
            "test_samples": 200,
            "resolution": 1024,
            "test_resolutions": (512, 1024, 2048),
            "modes": 32,
            "width": 64,
            "epochs": 500,
            "seeds": 3,
        },
    ),
)
