"""Decaying turbulence by chains of one, two and four waves with equally many parameters, over one step and in rollouts.

Vorticity of deviation 3 on the unit torus, viscosity 1e-3, no forcing; frames 0.4 apart in the course, in which
vortices move by several points. Beside the chains: one padded with zeros, which this domain is not, and, at the paper's
size, one without the direct path, one without the waves' residual, and one wave with as many convolutions as four.
Source: Zhang et al., SineNet (2024), arXiv 2403.19507; the paper's own data are other flows.
"""

from __future__ import annotations

from dataclasses import replace

from limitlab import problems
from limitlab.experiments.contract.settings import sizes
from limitlab.experiments.operators.waves._chains import CHAINS, COURSE, PAPER, SMOKE, ChainSettings, chains_learning
from limitlab.problems import GaussianLaw

# sigma: the law's deviation at a point is 3
LAW = GaussianLaw(alpha=2.5, tau=7.0, sigma=300.0)
EXPERIMENT = chains_learning(
    title="Decaying turbulence: the vorticity of the next frame, and of five",
    problem=replace(problems.get("navier_stokes", amplitude=0.0), initial=LAW),
    sizes=sizes(
        ChainSettings(**COURSE, train_samples=64, interval=0.4),
        smoke={**SMOKE, "frames": 5, "rollout": 3, "interval": 0.1, "chains": ("one_wave", "four_zeros")},
        paper={**PAPER, "chains": tuple(CHAINS), "frames": 14, "history": 4, "rollout": 10},
    ),
)
