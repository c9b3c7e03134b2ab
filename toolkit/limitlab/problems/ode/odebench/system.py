"""A row of ODEBench: one system with its constants and the two initial values that it is measured from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from limitlab.problems.base import Field, Parameter
from limitlab.problems.ode.problem import ODEProblem

SPAN, FRAMES = 10.0, 150
STATES = ("x", "y", "z", "w")


class System(NamedTuple):
    """One system, in the states x, y, z, w: its text, constants, the first and the second initial value, its source."""

    title: str
    equation: str
    constants: Mapping[str, float]
    starts: tuple[tuple[float, ...], tuple[float, ...]]
    source: str

    def problem(self, number: int, start: int) -> ODEProblem:
        """The problem from initial value 1 or 2; each constant ranges from half to twice its value."""
        initial = self.starts[start - 1]
        return ODEProblem(
            name=f"odebench_{number}",
            title=self.title,
            equation=self.equation,
            states=tuple(Field(name, f"state {name}") for name in STATES[: len(initial)]),
            parameters=tuple(
                Parameter(name, value, min(value / 2, 2 * value), max(value / 2, 2 * value), f"constant {name}")
                for name, value in self.constants.items()
            ),
            initial=initial,
            span=SPAN,
            frames=FRAMES,
            source=f"{self.source}; ODEBench {number} (d'Ascoli et al. 2023)",
        )
