"""What all models with a solver inside share: their last solution, with its steps and costs, is at hand."""

from __future__ import annotations

from typing import ClassVar

from limitlab.errors import InvalidArgument
from limitlab.saved import Saved
from limitlab.solvers import Solution


class Solved(Saved):
    """A module that leaves its last solution in `_last`; the tape of that solve lives until the next."""

    before_any: ClassVar[str] = "the model was not called yet"
    _last: Solution | None = None

    @property
    def last(self) -> Solution:
        """The solution of the last call. Raises InvalidArgument before the first."""
        if self._last is None:
            raise InvalidArgument(f"{self.before_any}: there is no last solution")
        return self._last
