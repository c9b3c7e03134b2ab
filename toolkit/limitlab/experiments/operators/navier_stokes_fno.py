"""Navier-Stokes in vorticity form, forcing to the vorticity at time 5: learned at 32 x 32, tested at 16 and 32.

The course has a tenth of the amplitude, at which the claim is seen in a minute, with the making of its flows. `linear`
is the best linear map of Fourier modes. The paper size is the card's: amplitude 1, 128 x 128, 2000 training and 500
test samples, width 64, modes 64, H1 loss, dense weights beside Tucker's with a tenth of their numbers.
"""

from __future__ import annotations

from limitlab.experiments.contract.settings import sizes
from limitlab.experiments.operators._learning import OperatorSettings, operator_learning, with_models
from limitlab.experiments.operators._navier_stokes import PROBLEM
from limitlab.operators import SpectralConv, Task


def linear(task: Task) -> SpectralConv:
    """A linear map of as many modes as a grid of half the points has."""
    return SpectralConv(task.in_channels, task.out_channels, tuple(n // 2 for n in task.grid.shape))


EXPERIMENT = with_models(
    operator_learning(
        system="mg-tfno",
        title="Navier-Stokes: from the forcing to the vorticity at time 5",
        problem=PROBLEM,
        sizes=sizes(
            OperatorSettings(
                parameters=("amplitude=0.1",),
                train_samples=200,
                resolution=32,
                test_resolutions=(16, 32),
                modes=16,
                width=16,
                epochs=8,
                batch_size=5,
                learning_rate=1e-2,
                rates=("unet=3e-3",),
                seeds=1,
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
                "parameters": ("amplitude=1",),
                "models": ("fno", "tfno", "unet", "mean"),
                "train_samples": 2000,
                "test_samples": 500,
                "resolution": 128,
                "test_resolutions": (64, 128, 256),
                "modes": 64,
                "width": 64,
                "epochs": 100,
                "batch_size": 8,
                "learning_rate": 3e-4,
                "rates": (),
                "loss": "h1",
                "seeds": 3,
            },
        ),
    ),
    linear=linear,
)
