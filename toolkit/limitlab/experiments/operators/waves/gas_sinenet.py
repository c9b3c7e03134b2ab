"""A gas in a box by chains of waves, from ten frames to the next and in rollouts.

Density, momentum and energy, at rest at first, between walls, beyond which chains see zeros. Source: Zhang et al.,
SineNet (2024), arXiv 2403.19507, whose gas is periodic and moves from the beginning.
"""

from __future__ import annotations

from limitlab.experiments.contract.settings import sizes
from limitlab.experiments.operators.waves._chains import COURSE, PAPER, SMOKE, TWO, ChainSettings, chains_learning

EXPERIMENT = chains_learning(
    title="A gas between walls: the next frame, and five",
    problem="compressible",
    sizes=sizes(
        ChainSettings(
            **COURSE, **TWO, parameters=("gamma=1.6667",), train_samples=32, interval=0.05, history=10, frames=18
        ),
        smoke={**SMOKE, **TWO, "frames": 5, "history": 3, "rollout": 2, "interval": 0.01},
        paper={**PAPER, "frames": 21, "rollout": 11},
    ),
)
