"""Darcy flow by every operator of the catalogue that learns: the same functions, batches and steps for all.

Learned at 16 x 16 from 200 samples, tested there and at 32 x 32, where those that take one grid alone have no answer.
Each has its best rate of several a factor of two apart, looked for at another seed; the mean is what knows nothing.
"""

from limitlab.experiments.contract.settings import sizes
from limitlab.experiments.operators._learning import LEARNERS, OperatorSettings, operator_learning

EXPERIMENT = operator_learning(
    system="nns-to-nos",
    title="Darcy flow by every operator of the catalogue",
    problem="darcy",
    sizes=sizes(
        OperatorSettings(
            train_samples=200,
            test_samples=50,
            test_resolutions=(16, 32),
            models=(*LEARNERS, "mean"),
            width=16,
            epochs=10,
            seeds=1,
        ),
        smoke={
            "train_samples": 20,
            "test_samples": 4,
            "modes": 6,
            "width": 8,
            "layers": 2,
            "epochs": 1,
        },
        paper={
            "train_samples": 1000,
            "test_samples": 200,
            "resolution": 64,
            "test_resolutions": (64, 128),
            "modes": 24,
            "width": 32,
            "epochs": 500,
            "seeds": 3,
        },
    ),
)
