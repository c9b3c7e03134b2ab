"""Where the numbers of the trajectories in flight lie: an array (rows, lanes), a row for each quantity."""

from __future__ import annotations

from dataclasses import dataclass

# the rows that come first in every frame
TIME, PROPOSED, END, SIZE, AFTER, ACCEPTED, ERROR, STIFFNESS, START, BROKEN, ATOL, RTOL, MAX_STEP = range(13)
MEMORY = 13  # of the controller, two rows
STATE = 15


@dataclass(frozen=True)
class Frame:
    """The rows of states of so many components under a method with so many increments, and of what is given.

    slope: at the state, where the next attempt starts. before: where the last one did, with its increments and the
    coefficients of its continuous extension, of so many powers of theta.
    """

    components: int
    increments: int
    degree: int
    given: int

    @property
    def slope(self) -> int:
        return STATE + self.components

    @property
    def before(self) -> int:
        return self.slope + self.components

    @property
    def first_increment(self) -> int:
        return self.before + self.components

    @property
    def first_coefficient(self) -> int:
        return self.first_increment + self.increments * self.components

    @property
    def first_given(self) -> int:
        return self.first_coefficient + self.degree * self.components

    @property
    def rows(self) -> int:
        return self.first_given + self.given
