"""Shallow water in a closed basin by chains of waves, from two frames to the next and in rollouts.

Depth and momentum, at rest at first, between walls, beyond which chains see zeros. Source: Zhang et al., SineNet
(2024), arXiv 2403.19507, whose water covers a sphere.
"""

from __future__ import annotations

from limitlab.experiments.contract.settings import sizes
from limitlab.experiments.operators.waves._chains import PAPER, SMOKE, ChainSettings, chains_learning

EXPERIMENT = chains_learning(
    title="Shallow water between walls: the next frame, and five",
    problem="shallow_water",
    sizes=sizes(
        ChainSettings(
            chains=("one_wave", "two_waves"),
            train_samples=48,
            test_samples=8,
            resolution=32,
            test_resolutions=(32,),
            models=("persistence",),
            width=16,
            epochs=6,
            batch_size=8,
            learning_rate=2e-3,
            interval=0.1,
            history=2,
            frames=9,
            seeds=1,
        ),
        smoke={**SMOKE, "frames": 4, "rollout": 2, "interval": 0.02, "chains": ("one_wave", "two_waves")},
        paper={**PAPER, "frames": 11, "rollout": 9},
    ),
)
