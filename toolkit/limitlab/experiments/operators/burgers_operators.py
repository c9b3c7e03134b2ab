"""Viscous Burgers by every operator of the catalogue that learns: the same functions, batches and steps for all.

Learned at 64 points from 200 samples, tested there and at 128, where those that take one grid alone have no answer.
The initial velocity as it is and the mean are what know nothing.
"""

from limitlab.experiments.contract.settings import sizes
from limitlab.experiments.operators._learning import LEARNERS, OperatorSettings, operator_learning

RATES = (
    "deeponet=2e-3",
    "deeponet_integral=4e-3",
    "fno=2e-2",
    "lordnet=6e-3",
    "mgno=4e-3",
    "pod_deeponet=4e-3",
    "sinenet=2e-3",
    "tfno=2e-2",
    "unet=3e-3",
)
"""The best of two or three a factor of two apart at another seed; an operator without one has the experiment's own."""

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
            rates=RATES,
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
            "rates": (),
            "seeds": 3,
        },
    ),
)
