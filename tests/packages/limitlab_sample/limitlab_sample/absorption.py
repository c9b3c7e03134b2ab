"""A substance that spreads and is absorbed, the faster the more there is of it."""

from __future__ import annotations

import dataclasses

from limitlab import problems
from limitlab.problems import Parameter

ABSORPTION = dataclasses.replace(
    problems.parse(
        "u_t = nu*u_xx - r*u^3",
        {
            "nu": Parameter("nu", 0.01, 1e-3, 0.1, "diffusivity", scale="log"),
            "r": Parameter("r", 1.0, 0.1, 5.0, "rate of absorption"),
        },
        span=1.0,
        name="absorption",
    ),
    title="Diffusion with absorption",
    source="Fick 1855, with absorption",
)
