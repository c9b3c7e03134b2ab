"""A program as data: what a back end needs in order to emit it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

SHORT = 12  # operations
CHEAP = frozenset(
    {"add", "subtract", "multiply", "negate", "plus", "minus from", "scale", "add scaled"}
    | {"add product", "add product scaled"}
)


class Operation(NamedTuple):
    """One operation on registers: fixed operands do not change from call to call, sources do."""

    name: str
    fixed: tuple[int, ...]
    sources: tuple[int, ...]
    target: int


@dataclass(frozen=True)
class Listing:
    """Expressions as operations: registers 0 to inputs - 1 hold what changes from call to call.

    numbers: registers with their literal numbers. given: registers of what parameters make, to be supplied beside the
    inputs. outputs: the registers of the expressions.
    """

    inputs: int
    body: tuple[Operation, ...]
    numbers: tuple[tuple[int, float], ...]
    given: tuple[int, ...]
    outputs: tuple[int, ...]

    @property
    def is_short(self) -> bool:
        """Whether it is written out wherever it is needed, since a call would cost more than it does."""
        return len(self.body) <= SHORT and all(operation.name in CHEAP for operation in self.body)


class Listed(NamedTuple):
    """Functions of (t, y) as a listing, with what it has to be given: numbers, or (batch,) tensors."""

    listing: Listing
    given: tuple[float | Tensor, ...]
