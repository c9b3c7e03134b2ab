"""Smoke that rises in a box by chains of waves, from four frames to the next and in rollouts.

Smoke and velocity between walls, beyond which chains see zeros. The paper's frames are 6 apart, in which smoke goes
far; in the course they are 3 apart. Source: Zhang et al., SineNet (2024), arXiv 2403.19507, with 128 x 128 cells.
"""

from __future__ import annotations

from limitlab.experiments.contract.settings import sizes
from limitlab.experiments.operators.waves._chains import COURSE, PAPER, SMOKE, TWO, ChainSettings, chains_learning

EXPERIMENT = chains_learning(
    title="Smoke and the air that it lifts: the next frame, and five",
    problem="buoyant_smoke",
    sizes=sizes(
        ChainSettings(**COURSE, **TWO, train_samples=64, interval=3.0, history=4, frames=12),
        smoke={**SMOKE, **TWO, "history": 2, "frames": 5, "rollout": 2},
        paper={**PAPER, "interval": 6.0, "history": 4, "frames": 14, "rollout": 10},
    ),
)
