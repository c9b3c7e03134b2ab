"""Shallow water in a closed basin by chains of waves, from two frames to the next and in rollouts.

Depth and momentum, at rest at first, between walls, beyond which chains see zeros. Source: Zhang et al., SineNet
(2024), arXiv 2403.19507, whose water covers a sphere.
"""

from __future__ import annotations

from limitlab.experiments.contract.settings import sizes
from limitlab.experiments.operators.waves._chains import COURSE, PAPER, SMOKE, TWO, ChainSettings, chains_learning

EXPERIMENT = chains_learning(
    title="Shallow water between walls: the next frame, and five",
    problem="shallow_water",
    sizes=sizes(
        ChainSettings(**COURSE, **TWO, train_samples=48, interval=0.1, history=2, frames=9),
        smoke={**SMOKE, **TWO, "frames": 4, "rollout": 2, "interval": 0.02},
        paper={**PAPER, "frames": 11, "rollout": 9},
    ),
)
