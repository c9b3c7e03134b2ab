"""What a module of operators says of each: a row, from which lists, pickers, experiments and the tests of all are made.

A module of this package with an attribute `ROWS` is found by the catalogue; there is nothing else to register.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from jaxtyping import Float
from torch import Tensor, nn

from limitlab.cards import Card, Shown
from limitlab.data import ChannelStatistics
from limitlab.spaces import Grid


@dataclass(frozen=True)
class Task:
    """What an operator is built for: channels, the training grid, and what is known of the training functions.

    targets: all of them, for what is made from more than their mean.

    >>> line, ones = ll.spaces.Grid.uniform((16,)), torch.ones(1)
    >>> statistics = ll.data.ChannelStatistics(0 * ones, ones)
    >>> task = ll.operators.Task(1, 1, line, (statistics, statistics), torch.zeros(1, 16))
    >>> task.dimension
    1
    """

    in_channels: int
    out_channels: int
    grid: Grid
    statistics: tuple[ChannelStatistics, ChannelStatistics]
    mean_target: Float[Tensor, "out_channels *grid"]
    targets: Float[Tensor, "sample out_channels *grid"] | None = None

    @property
    def dimension(self) -> int:
        """Axes of the grid."""
        return self.grid.dimension


class Sizes(Protocol):
    """The settings of an experiment that a row may read."""

    modes: int
    width: int
    layers: int
    padding: float
    norm: str


@dataclass(frozen=True)
class Operator(Shown):
    """A row: `model` is its class, `build(task, settings)` makes one for a task.

    settings: those that change it; a studio greys out the others. trains: whether it has anything to learn. tied: its
    numbers belong to one spacing of the grid, so that on another grid it is another map. fixed: takes the grid alone
    that it was built for, whose points per axis are an attribute of `model`, `points`.

    >>> ll.operators.OPERATORS["fno"].settings
    ('modes', 'width', 'layers', 'padding', 'norm')
    """

    name: str
    title: str
    model: type[nn.Module]
    build: Callable[[Task, Any], nn.Module]
    settings: tuple[str, ...] = ()
    trains: bool = True
    tied: bool = False
    fixed: bool = False

    @property
    def resolution(self) -> str:
        """On which grids it is the same map."""
        if self.fixed:
            return "the points it was built for alone"
        return "any grid, but another map on another spacing" if self.tied else "any grid"

    def card(self) -> Card:
        """What it is called, what its settings are, and on which grids it is itself."""
        facts = [("class", self.model.__name__), ("resolution", self.resolution)]
        if self.trains:
            facts.insert(1, ("settings", ", ".join(self.settings)))
        return Card(f"Operator {self.name}: {self.title}", tuple(facts))


def count_parameters(model: nn.Module) -> int:
    """Trainable real degrees of freedom; a complex number counts as two.

    >>> ll.operators.count_parameters(torch.nn.Linear(3, 2))
    8
    """
    return sum(p.numel() * (2 if p.is_complex() else 1) for p in model.parameters() if p.requires_grad)
