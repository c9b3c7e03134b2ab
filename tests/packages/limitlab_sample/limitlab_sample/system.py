"""The row of the table of systems. It imports no torch, so that `limitlab list systems` answers at once."""

from __future__ import annotations

from limitlab.systems import Paper, System

SYSTEM = System(
    0,
    "quadratic-maps",
    "Quadratic maps",
    "operators",
    Paper("Approximation by polynomials of the second degree", "Somebody", "preprint", 2026, "2601.00001"),
    experiments=("absorption_quadratic",),
    remark="a sample of how to write such a package",
)
