"""Darcy flow by every operator of the catalogue that learns: the same functions, batches and steps for all.

Learned at 16 x 16 from 200 samples, tested there and at 32 x 32, where those that take one grid alone have no answer.
The mean is what knows nothing.
"""

from limitlab.experiments.contract.settings import sizes
from limitlab.experiments.operators._learning import LEARNERS, OperatorSettings, operator_learning

RATES = (
    "deeponet=4e-3",
    "deeponet_integral=4e-3",
    "fno=2e-2",
    "lordnet=1.2e-2",
    "mgno=4e-3",
    "pod_deeponet=4e-3",
    "sinenet=2e-3",
    "tfno=4e-2",
    "unet=6e-3",
)
"""The best of two or three a factor of two apart at another seed; an operator without one has the experiment's own."""

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
            rates=RATES,
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
            "rates": (),
            "seeds": 3,
        },
    ),
)
