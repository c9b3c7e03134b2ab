"""The operators, each a row: what a reader calls it, how it is built for a task, which settings move it.

Lists, pickers, experiments and the tests of all operators read this table; a new operator is a module and a row.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from jaxtyping import Float
from torch import Tensor, nn

from limitlab.data import ChannelStatistics
from limitlab.errors import InvalidArgument, check_number, one_of, unknown_name
from limitlab.operators.baselines import MeanPredictor, Persistence
from limitlab.operators.fno import FNO
from limitlab.operators.unet import UNet, unet_with_parameters
from limitlab.spaces import Grid


@dataclass(frozen=True)
class Task:
    """What an operator is built for: channels, the training grid, and what is known of the training functions."""

    in_channels: int
    out_channels: int
    grid: Grid
    statistics: tuple[ChannelStatistics, ChannelStatistics]
    mean_target: Float[Tensor, "out_channels *grid"]

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
class Operator:
    """A row: `model` is its class, `build(task, settings)` makes one for a task.

    settings: those that change it; a studio greys out the others. trains: whether it has anything to learn. tied: its
    numbers belong to one spacing of the grid, so that on another grid it is another map.
    """

    name: str
    title: str
    model: type[nn.Module]
    build: Callable[[Task, Any], nn.Module]
    settings: tuple[str, ...] = ()
    trains: bool = True
    tied: bool = False


def fno(task: Task, settings: Sizes) -> FNO:
    """The FNO of these settings, as many modes along every axis."""
    return FNO(
        task.in_channels,
        task.out_channels,
        settings.modes,
        settings.width,
        settings.layers,
        dimension=task.dimension,
        padding=settings.padding,
        norm=None if settings.norm == "none" else settings.norm,
    )


def unet(task: Task, settings: Sizes) -> UNet:
    """The U-Net with as many parameters as the FNO of these settings."""
    return unet_with_parameters(
        count_parameters(fno(task, settings)), task.in_channels, task.out_channels, task.dimension
    )


OPERATORS: dict[str, Operator] = {
    row.name: row
    for row in (
        Operator("fno", "Fourier neural operator", FNO, fno, ("modes", "width", "layers", "padding", "norm")),
        Operator("unet", "U-Net of as many parameters", UNet, unet, ("modes", "width", "layers"), tied=True),
        Operator(
            "mean",
            "mean of the training outputs",
            MeanPredictor,
            lambda task, settings: MeanPredictor(task.mean_target),
            trains=False,
        ),
        Operator(
            "persistence",
            "the input as it is",
            Persistence,
            lambda task, settings: Persistence(task.out_channels),
            trains=False,
        ),
    )
}


def names() -> tuple[str, ...]:
    """Names that `get` and `build` know.

    >>> "fno" in ll.operators.names()
    True
    """
    return tuple(sorted(OPERATORS))


def get(name: str) -> type[nn.Module]:
    """The class behind a name; raises UnknownName.

    >>> ll.operators.get("unet").__name__
    'UNet'
    """
    return OPERATORS[one_of("operator", name, OPERATORS)].model


def build(name: str, in_channels: int, out_channels: int, dimension: int, **options: Any) -> nn.Module:
    """A model from its name and options (those of its class).

    `modes` of an FNO may be one number for all axes (default 12). A mean predictor needs `mean_field`.
    Raises UnknownName (for a name or an option), InvalidArgument.

    >>> ll.operators.build("fno", 1, 1, 2, modes=12, width=32).modes
    (12, 12)
    """
    model = get(name)
    axes = int(check_number("dimension", dimension, low=1, high=3, integer=True))
    task = {"in_channels": in_channels, "out_channels": out_channels, "dimension": axes}
    parameters = inspect.signature(model).parameters
    known = set(parameters) - set(task)
    for option in options:
        if option not in known:
            raise unknown_name(f"option of {name}", option, known)
    required = [key for key in known if parameters[key].default is inspect.Parameter.empty]
    for option in sorted(required):
        if option not in options:
            raise InvalidArgument(f"{name} needs the option {option}")
    return model(**{key: value for key, value in task.items() if key in parameters}, **options)


def count_parameters(model: nn.Module) -> int:
    """Trainable real degrees of freedom; a complex number counts as two.

    >>> ll.operators.count_parameters(torch.nn.Linear(3, 2))
    8
    """
    return sum(p.numel() * (2 if p.is_complex() else 1) for p in model.parameters() if p.requires_grad)
