"""DeepONet: an operator as a sum of products, numbers of the input times functions of the position.

    G(a)(y) = c(y) + sum_p beta_p(a) tau_p(y),    p = 1 .. terms

The branch beta is a network of a, the trunk tau one of y: the answer is a function, to be asked for anywhere. What the
branch reads of a is its values at the points of one grid, the sensors, and then there is no other grid; or integrals
int a phi_m with learned phi_m, which every grid and every cloud of points with weights gives up to its quadrature. c is
a number for each output. Of several outputs each has functions of its own in branch and trunk, or shares them.

Source: Lu, Jin, Pang, Zhang & Karniadakis, Learning nonlinear operators via DeepONet (2021), arXiv 1910.03193; outputs:
Lu et al., A comprehensive and fair comparison of two neural operators (2022), arXiv 2111.05512.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Literal, get_args

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from limitlab.errors import InvalidArgument, check_number, one_of
from limitlab.layers.perceptron import perceptron
from limitlab.layers.precision import require_dtype
from limitlab.layers.spectral_convolution import check_field
from limitlab.operators.row import Operator, Sizes, Task
from limitlab.saved import Saved
from limitlab.spaces import Grid

Reading = Literal["sensors", "integrals"]
Outputs = Literal["independent", "split_both", "split_branch", "split_trunk"]
SPLITS: dict[Outputs, tuple[bool, bool]] = {
    "independent": (True, True),
    "split_both": (True, True),
    "split_branch": (True, False),
    "split_trunk": (False, True),
}
"""Whether branch and trunk have terms for each output."""


class BranchAndTrunk(Saved):
    """c(y) + sum_p beta_p(a) tau_p(y), the trunk of any making: points to tau (point, output or 1, term) and c."""

    def __init__(self, encoder: SensorEncoder | IntegralEncoder, branch: Networks, trunk: nn.Module) -> None:
        super().__init__()
        self.encoder, self.branch, self.trunk = encoder, branch, trunk

    @property
    def points(self) -> tuple[int, ...] | None:
        """Points per axis of the one grid that the input may be given on; None: any."""
        return self.encoder.grid.shape if isinstance(self.encoder, SensorEncoder) else None

    def forward(
        self, u: Float[Tensor, "batch in_channels *grid"], query: Float[Tensor, "point dimension"] | None = None
    ) -> Float[Tensor, "batch out_channels *grid"]:
        """The output on the input's grid, or at the points `query` as (batch, out_channels, point)."""
        check_field("u", u, self.encoder.channels, self.encoder.grid.dimension)
        if self.points is not None and self.points != tuple(u.shape[2:]):
            raise InvalidArgument(f"u must be given at the sensors, the grid {self.points}; got {tuple(u.shape[2:])}")
        points, weights = quadrature(self.encoder.grid, u)
        if query is not None:
            return self._answer(u.flatten(2), points, weights, query)
        return self._answer(u.flatten(2), points, weights, points).unflatten(2, u.shape[2:])

    def on_points(
        self,
        values: Float[Tensor, "batch in_channels point"],
        points: Float[Tensor, "point dimension"],
        weights: Float[Tensor, " point"],
        query: Float[Tensor, "asked dimension"],
    ) -> Float[Tensor, "batch out_channels asked"]:
        """The output at the points `query`, for an input on a cloud of points with their quadrature weights.

        With sensors the points must be theirs, in their order. Raises InvalidArgument.
        """
        check_field("values", values, self.encoder.channels, 1)
        for name, given, shape in (
            ("points", points, (values.shape[2], self.encoder.grid.dimension)),
            ("weights", weights, (values.shape[2],)),
        ):
            if tuple(given.shape) != shape:
                raise InvalidArgument(f"{name} must have shape {shape}; got {tuple(given.shape)}")
        self.encoder.require(points)
        return self._answer(values, points, weights, query)

    def _answer(self, values: Tensor, points: Tensor, weights: Tensor, query: Tensor) -> Tensor:
        require_dtype("u", values, next(self.branch.parameters()))
        if query.ndim != 2 or query.shape[1] != self.encoder.grid.dimension:
            raise InvalidArgument(
                f"query must have shape (point, {self.encoder.grid.dimension}); got {tuple(query.shape)}"
            )
        beta = self.branch(self.encoder(values, points, weights))
        tau, constant = self.trunk(query.to(values.dtype))
        # what is shared between outputs has one group for all
        beta, tau = (part.expand(-1, constant.shape[1], -1) for part in (beta, tau))
        return torch.einsum("bop,xop->box", beta, tau) + constant.mT


class DeepONet(BranchAndTrunk):
    """Branch and trunk are networks: (batch, in_channels, *grid) to (batch, out_channels, *grid), or at any points.

    grid: that of the training, which gives the box, its sensors, and the axes that are periodic: the trunk is, too.
    reading: "sensors" or "integrals". terms: of the sum, for each output. width, layers: of every hidden layer, and how
    many. outputs: "independent" networks for each; "split_both", one branch and one trunk with terms for each;
    "split_branch" or "split_trunk", terms for each in the one, shared in the other.
    Raises InvalidArgument, UnknownName.

    >>> net = ll.operators.DeepONet(1, 1, ll.spaces.Grid.uniform(32), reading="integrals")
    >>> net(torch.zeros(2, 1, 50)).shape, net(torch.zeros(2, 1, 50), query=torch.rand(7, 1)).shape
    (torch.Size([2, 1, 50]), torch.Size([2, 1, 7]))
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        grid: Grid,
        *,
        reading: Reading = "sensors",
        outputs: Outputs = "split_both",
        terms: int = 64,
        width: int = 128,
        layers: int = 2,
    ) -> None:
        out_channels = int(check_number("out_channels", out_channels, low=1, integer=True))
        terms = int(check_number("terms", terms, low=1, integer=True))
        one_of("outputs", outputs, get_args(Outputs))
        encoder = encoder_of(in_channels, grid, reading, width, layers)
        hidden = [int(width)] * int(layers)
        groups = [out_channels if split else 1 for split in SPLITS[outputs]]
        apart = outputs == "independent"
        branch = Networks([encoder.features, *hidden, terms], groups[0], apart=apart)
        functions = Networks([features(grid), *hidden, terms], groups[1], apart=apart, end="tanh")
        super().__init__(encoder, branch, NetworkTrunk(functions, grid, out_channels))


class NetworkTrunk(nn.Module):
    """tau by networks of the position, c a number for each output."""

    def __init__(self, functions: Networks, grid: Grid, out_channels: int) -> None:
        super().__init__()
        self.functions, self.grid = functions, grid
        self.constant = nn.Parameter(torch.zeros(1, out_channels))

    def forward(self, points: Float[Tensor, "point dimension"]) -> tuple[Tensor, Tensor]:
        return self.functions(positions(points, self.grid)), self.constant


class Networks(nn.Module):
    """Perceptrons: (row, feature) to (row, group, term), by one network for all groups or one for each."""

    def __init__(self, sizes: list[int], groups: int, *, apart: bool, end: str = "none") -> None:
        super().__init__()
        *inner, self.terms = sizes
        copies = groups if apart else 1
        last = self.terms * groups // copies
        self.networks = nn.ModuleList(perceptron([*inner, last], "tanh", end) for _ in range(copies))

    def forward(self, x: Float[Tensor, "row feature"]) -> Float[Tensor, "row group term"]:
        answers = torch.cat([network(x) for network in self.networks], dim=1)
        return rearrange(answers, "row (group term) -> row group term", term=self.terms)


class SensorEncoder(nn.Module):
    """The values of the input at the points of one grid."""

    def __init__(self, channels: int, grid: Grid) -> None:
        super().__init__()
        self.channels, self.grid, self.features = channels, grid, channels * math.prod(grid.shape)

    def forward(self, values: Tensor, points: Tensor, weights: Tensor) -> Float[Tensor, "batch feature"]:
        return values.flatten(1)

    def require(self, points: Float[Tensor, "point dimension"]) -> None:
        """Raise InvalidArgument unless these are the sensors: others, or another order, would not be seen."""
        sensors = self.grid.points(points.dtype, points.device).flatten(0, -2)
        if sensors.shape != points.shape or not torch.allclose(sensors, points, atol=1e-5 * max(self.grid.lengths)):
            raise InvalidArgument(f"points must be the sensors, the grid {self.grid.shape}, in their order")


class IntegralEncoder(nn.Module):
    """Means of u phi_m over the box, the phi_m a network of the position, the same for all channels."""

    def __init__(self, channels: int, grid: Grid, width: int, layers: int, functionals: int = 64) -> None:
        super().__init__()
        self.channels, self.grid, self.features = channels, grid, channels * functionals
        self.functionals = perceptron([features(grid), *[width] * layers, functionals], "tanh")

    def forward(
        self,
        values: Float[Tensor, "batch channel point"],
        points: Float[Tensor, "point dimension"],
        weights: Float[Tensor, " point"],
    ) -> Float[Tensor, "batch feature"]:
        phi = self.functionals(positions(points, self.grid))
        return (values @ (phi * (weights / weights.sum())[:, None])).flatten(1)

    def require(self, points: Float[Tensor, "point dimension"]) -> None:
        """Any points will do."""


def encoder_of(channels: int, grid: Grid, reading: Reading, width: int, layers: int) -> SensorEncoder | IntegralEncoder:
    """What a branch reads of its input. Raises InvalidArgument, UnknownName."""
    channels = int(check_number("in_channels", channels, low=1, integer=True))
    width = int(check_number("width", width, low=1, integer=True))
    layers = int(check_number("layers", layers, low=1, high=16, integer=True))
    if one_of("reading", reading, get_args(Reading)) == "sensors":
        return SensorEncoder(channels, grid)
    return IntegralEncoder(channels, grid, width, layers)


def quadrature(
    grid: Grid, u: Float[Tensor, "batch channel *grid"]
) -> tuple[Float[Tensor, "point dimension"], Float[Tensor, " point"]]:
    """Points and weights of the grid's box on as many points as u has; raises InvalidArgument for an axis of one.

    They are those of `grid.at(u.shape[2:])`, by torch alone, for which torch.export may leave the sizes open.
    """
    if min(u.shape[2:]) < 2:
        raise InvalidArgument(f"u must have two points or more along every axis; got {tuple(u.shape[2:])}")
    along, shares = [], []
    for axis, size in zip(grid.axes, u.shape[2:], strict=True):
        place = torch.arange(size, dtype=torch.float64, device=u.device)
        nodes = axis.kind == "nodes"
        spacing = axis.length / (size - 1 if nodes else size)
        along.append(axis.start + spacing * (place + (0.5 if axis.kind == "cells" else 0.0)))
        # an end belongs to one interval only
        halved = ((place == 0) | (place == size - 1)) & nodes
        shares.append(spacing * (1 - 0.5 * halved.to(place.dtype)))
    points, weights = (torch.stack(torch.meshgrid(*each, indexing="ij"), -1).flatten(0, -2) for each in (along, shares))
    return points.to(u.dtype), weights.prod(-1).to(u.dtype)


def positions(points: Float[Tensor, "point dimension"], grid: Grid) -> Float[Tensor, "point feature"]:
    """Coordinates from -1 to 1 along an axis; along a periodic one cosine and sine of the angle."""
    columns = []
    for axis, x in zip(grid.axes, points.unbind(1), strict=True):
        share = (x - axis.start) / axis.length
        angle = 2 * math.pi * share
        columns += [angle.cos(), angle.sin()] if axis.kind == "periodic" else [2 * share - 1]
    return torch.stack(columns, dim=1)


def features(grid: Grid) -> int:
    """How many numbers stand for a position."""
    return sum(2 if kind == "periodic" else 1 for kind in grid.kinds)


def deeponet(task: Task, settings: Sizes, reading: Reading = "sensors") -> DeepONet:
    """Hidden layers of four times the settings' width, terms twice that width for each output."""
    return DeepONet(
        task.in_channels,
        task.out_channels,
        task.grid,
        reading=reading,
        terms=2 * settings.width,
        width=4 * settings.width,
        layers=settings.layers,
    )


ROWS = (
    Operator("deeponet", "DeepONet on the sensors of its grid", DeepONet, deeponet, ("width", "layers"), fixed=True),
    Operator(
        "deeponet_integral",
        "DeepONet of integrals of the input",
        DeepONet,
        partial(deeponet, reading="integrals"),
        ("width", "layers"),
    ),
)
