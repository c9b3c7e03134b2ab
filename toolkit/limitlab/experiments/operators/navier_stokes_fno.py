"""Navier-Stokes in vorticity form, forcing to the vorticity at time 5: learned at 32 x 32, tested at 32 and 64.

The paper size is the card's: 128 x 128, 2000 training and 500 test samples, width 64, modes 64, H1 loss.
"""

from limitlab.experiments.contract.settings import sizes
from limitlab.experiments.operators._learning import OperatorSettings, operator_learning

EXPERIMENT = operator_learning(
    system="mg-tfno",
    title="Navier-Stokes: from the forcing to the vorticity at time 5",
    problem="navier_stokes_forced",
    sizes=sizes(
        OperatorSettings(
            train_samples=80,
            test_samples=10,
            resolution=32,
            test_resolutions=(32, 64),
            modes=16,
            width=24,
            epochs=40,
            batch_size=10,
            seeds=1,
            workers=2,
        ),
        smoke={
            "train_samples": 8,
            "test_samples": 4,
            "resolution": 16,
            "test_resolutions": (16, 32),
            "modes": 6,
            "width": 8,
            "layers": 2,
            "epochs": 2,
            "batch_size": 4,
        },
        paper={
            "train_samples": 2000,
            "test_samples": 500,
            "resolution": 128,
            "test_resolutions": (64, 128, 256),
            "modes": 64,
            "width": 64,
            "epochs": 100,
            "batch_size": 8,
            "learning_rate": 3e-4,
            "loss": "h1",
            "seeds": 3,
            "workers": 1,
        },
    ),
)
