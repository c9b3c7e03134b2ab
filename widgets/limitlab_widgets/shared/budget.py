"""A budget of seconds for what a slider asks: when it is spent, solvers end with what they have.

A studio says so beside what it shows.
"""

from __future__ import annotations

import time

from limitlab.interruption import TimeIsUp
from limitlab_widgets.shared.worker import Check

SECONDS = 2.0
PATIENT_SECONDS = 10.0  # where half an answer is none, as of a field in space
CLOCK = time.monotonic


class Budget:
    """A check for `interruptible`: asks `check`, and ends the work after so many seconds; `spent`: whether it did.

    >>> from limitlab_widgets.shared.budget import Budget
    >>> budget = Budget(lambda: None, seconds=60.0)
    >>> budget()
    >>> budget.spent
    False
    """

    def __init__(self, check: Check, seconds: float = SECONDS) -> None:
        self._check, self._until = check, CLOCK() + seconds
        self.spent = False

    @property
    def left(self) -> float:
        """The seconds that are left."""
        return self._until - CLOCK()

    def __call__(self) -> None:
        """Raises TimeIsUp when the seconds are spent, and what `check` raises."""
        self._check()
        if self.left < 0:
            self.spent = True
            raise TimeIsUp
