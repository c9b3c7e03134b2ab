"""Where the numbers of the trajectories in flight lie: an array (rows, lanes), a row for each quantity."""

from __future__ import annotations

from dataclasses import dataclass

# the rows that come first in every frame
TIME, PROPOSED, END, START, SIZE, BROKEN, ATOL, RTOL, MAX_STEP = range(9)
NEXT = 9  # time that is asked for, the last one aside
COUNT, MOST = 10, 11  # attempts, and how many there may be
SHORTEST = 12  # step that moves any time of the span
CALLS = 13  # of the field in iterations
ITERATION = 14  # atol and rtol of what iterations leave, two rows
MEMORY = 16  # of the controller, two rows
STATE = 18
# the rows that an attempt leaves in the log; the size is negative where it was rejected; the squares of the two norms
# whose quotient is the stiffness, since few ask for it, and roots and quotients are what costs most
LOGGED_TIME, LOGGED_SIZE, LOGGED_ERROR, LOGGED_TOP, LOGGED_BOTTOM, LOGGED = range(6)


@dataclass(frozen=True)
class Frame:
    """The rows of states of so many components under a method with so many increments, and of what is given.

    slope: at the state, where the next attempt starts. before: where the last one did, with its increments and its
    state at the next output.
    """

    components: int
    increments: int
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
    def first_inside(self) -> int:
        return self.first_increment + self.increments * self.components

    @property
    def first_given(self) -> int:
        return self.first_inside + self.components

    @property
    def rows(self) -> int:
        return self.first_given + self.given
