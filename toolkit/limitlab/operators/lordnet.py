"""LordNet: layers that are sums of low-rank maps of a grid, so that every point sees every other one at once.

    Y_k = L_k (P X)_k R_k^T,      out = Q Y          (P, Q mix channels; one matrix a channel and axis)

vec(L X R^T) = (R kron L) vec X: c channels are c terms of a sum of Kronecker products. The inverse of a discrete
Laplacian is such a sum to an error that falls exponentially with the terms, where no product of few local kernels is.
The matrices belong to the points of one grid: another grid is another network.

Source: Huang et al., LordNet (2022), arXiv 2206.09418, which is published without code. The start is ours: matrices
that smooth over lengths of half a point to sixteen. From random ones Adam drives the output to zero on a residual loss.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from limitlab.errors import InvalidArgument, check_number, check_numbers
from limitlab.layers.pointwise import PointwiseLinear
from limitlab.layers.precision import require_dtype
from limitlab.layers.spectral_convolution import check_field
from limitlab.operators.row import Operator, Sizes, Task
from limitlab.saved import Saved

SHORTEST, LONGEST = 0.5, 16.0
HEAD = 0.1  # of the head's usual weights at the start: an output far too large would be shrunk to nothing first


@dataclass(frozen=True)
class Kernels:
    """What the matrices of Lord layers are.

    rank: every matrix is a b^T with so many columns, else full. smooth: they start as smoothing kernels of many
    lengths, else as normal numbers. periodic: distances go around. Raises InvalidArgument.

    >>> ll.operators.Kernels(rank=4).smooth
    True
    """

    rank: int | None = None
    smooth: bool = True
    periodic: bool = False

    def __post_init__(self) -> None:
        if self.rank is not None:
            object.__setattr__(self, "rank", int(check_number("rank", self.rank, low=1, integer=True)))

    def start(self, channels: int, points: int, out_points: int) -> list[Tensor]:
        """The factors of a matrix for every channel, (channels, rows, columns): one, or two of that rank."""
        if self.smooth:
            matrix = smoothing_kernels(channels, points, out_points, self.periodic)
        else:
            matrix = torch.randn(channels, out_points, points) / math.sqrt(points)
        return [matrix] if self.rank is None else list(_factors(matrix, self.rank))


class LordLayer(Saved):
    """Q (L_k (P X)_k R_k^T)_k: (batch, channels, *points) -> (batch, channels, *out_points), in 1 to 3 dimensions.

    out_points: another grid, for an encoder or a decoder. bias: of P and Q. Raises InvalidArgument.

    >>> layer = ll.operators.LordLayer(4, (9, 7), out_points=(5, 5))
    >>> layer(torch.zeros(2, 4, 9, 7)).shape
    torch.Size([2, 4, 5, 5])
    """

    def __init__(
        self,
        channels: int,
        points: Sequence[int],
        *,
        out_points: Sequence[int] | None = None,
        kernels: Kernels = Kernels(),
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.channels = int(check_number("channels", channels, low=1, integer=True))
        self.points = check_points("points", points)
        self.out_points = self.points if out_points is None else check_points("out_points", out_points)
        if len(self.out_points) != len(self.points):
            raise InvalidArgument(f"out_points must have {len(self.points)} axes, as points has; got {out_points!r}")
        self.mix_in = PointwiseLinear(self.channels, self.channels, bias=bias)
        self.mix_out = PointwiseLinear(self.channels, self.channels, bias=bias)
        sizes = zip(self.points, self.out_points, strict=True)
        factors = [kernels.start(self.channels, size, out) for size, out in sizes]
        self.axes = nn.ModuleList(nn.ParameterList(map(nn.Parameter, axis)) for axis in factors)
        self.kernels = kernels

    def forward(self, u: Float[Tensor, "batch channels *points"]) -> Float[Tensor, "batch channels *out_points"]:
        check_field("u", u, self.channels, len(self.points))
        require_points(u, self.points)
        u = self.mix_in(u)
        for dim, factors in enumerate(self._axes(), start=2):
            for matrix in reversed(factors):
                u = _along(matrix, u, dim)
        return self.mix_out(u)

    def matrices(self) -> list[Float[Tensor, "channels out_points points"]]:
        """L_k, R_k ... of every channel, axis by axis, multiplied out."""
        return [functools.reduce(operator.matmul, factors) for factors in self._axes()]

    def _axes(self) -> Iterator[list[Tensor]]:
        return ([*axis.parameters()] for axis in self.axes)

    def extra_repr(self) -> str:
        grids = " x ".join(map(str, self.points))
        return f"{self.channels}, {grids} points, {self.kernels}"


class LordNet(Saved):
    """Lift, `layers` Lord layers, head: (batch, in_channels, *points) -> (batch, out_channels, *points).

    points: per axis of its only grid. activation: gelu after every layer but the
    last; without it there are no biases either, and the network is linear in u. residual: layers but the last add what
    they are given. Raises InvalidArgument, for a field on another grid too.

    >>> network = ll.operators.LordNet(1, 1, (31, 31), width=16, layers=2)
    >>> network(torch.zeros(2, 1, 31, 31)).shape, ll.operators.count_parameters(network)
    (torch.Size([2, 1, 31, 31]), 62641)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        points: Sequence[int],
        *,
        width: int = 16,
        layers: int = 2,
        activation: bool = True,
        residual: bool = False,
        kernels: Kernels = Kernels(),
    ) -> None:
        super().__init__()
        self.in_channels = int(check_number("in_channels", in_channels, low=1, integer=True))
        self.out_channels = int(check_number("out_channels", out_channels, low=1, integer=True))
        self.points = check_points("points", points)
        self.activation, self.residual = bool(activation), bool(residual)
        layers = int(check_number("layers", layers, low=1, high=64, integer=True))
        width = int(check_number("width", width, low=1, integer=True))
        self.lift = PointwiseLinear(self.in_channels, width, bias=activation)
        self.layers = nn.ModuleList(
            LordLayer(width, self.points, kernels=kernels, bias=activation) for _ in range(layers)
        )
        self.head = PointwiseLinear(width, self.out_channels, bias=activation)
        with torch.no_grad():
            self.head.weight *= HEAD

    def forward(self, u: Float[Tensor, "batch in_channels *points"]) -> Float[Tensor, "batch out_channels *points"]:
        check_field("u", u, self.in_channels, len(self.points))
        require_dtype("u", u, self.lift.weight)
        require_points(u, self.points)
        v = self.lift(u)
        for layer in self.layers[:-1]:
            w = layer(v)
            w = functional.gelu(w) if self.activation else w
            v = v + w if self.residual else w
        return self.head(self.layers[-1](v))


class QuadraticLordNet(Saved):
    """Q (A w . B w) + C w, the maps A, B, C of Lord layers: as much as a step of a quadratic equation needs at first.

    points: per axis of its only grid. width: channels of each factor. periodic: distances go around. Raises
    InvalidArgument.

    >>> step = ll.operators.QuadraticLordNet((8, 8), width=4, in_channels=3)
    >>> step(torch.zeros(2, 3, 8, 8)).shape
    torch.Size([2, 1, 8, 8])
    """

    def __init__(
        self,
        points: Sequence[int],
        *,
        width: int = 16,
        periodic: bool = False,
        in_channels: int = 1,
        out_channels: int = 1,
    ) -> None:
        super().__init__()
        self.in_channels = int(check_number("in_channels", in_channels, low=1, integer=True))
        self.out_channels = int(check_number("out_channels", out_channels, low=1, integer=True))
        self.points = check_points("points", points)
        width = int(check_number("width", width, low=1, integer=True))
        kernels = Kernels(periodic=periodic)
        self.lift = PointwiseLinear(self.in_channels, 2 * width, bias=False)
        self.factors = LordLayer(2 * width, points, kernels=kernels, bias=False)
        self.product = LordLayer(width, points, kernels=kernels, bias=False)
        self.head = PointwiseLinear(width, self.out_channels, bias=False)
        self.linear = LordNet(
            self.in_channels, self.out_channels, points, width=width, layers=1, activation=False, kernels=kernels
        )

    def forward(self, w: Float[Tensor, "batch in_channels *points"]) -> Float[Tensor, "batch out_channels *points"]:
        check_field("w", w, self.in_channels, len(self.points))
        require_points(w, self.points)
        first, second = self.factors(self.lift(w)).chunk(2, dim=1)
        return self.head(self.product(first * second)) + self.linear(w)


def smoothing_kernels(
    channels: int, points: int, out_points: int | None = None, periodic: bool = False
) -> Float[Tensor, "channels out_points points"]:
    """exp(-|i - j|/l_k), each row divided by its sum, for lengths l_k from half a point to sixteen, logarithmically.

    >>> ll.operators.lordnet.smoothing_kernels(3, 8).sum(-1).allclose(torch.ones(3, 8))
    True
    """
    out = points if out_points is None else out_points
    # ends of both grids lie on each other
    rows = torch.arange(out, dtype=torch.float64) * ((points - 1) / max(1, out - 1))
    distance = (rows[:, None] - torch.arange(points)).abs()
    if periodic:
        distance = torch.minimum(distance, points - distance)
    lengths = torch.logspace(math.log10(SHORTEST), math.log10(LONGEST), channels, dtype=torch.float64)
    kernels = torch.exp(-distance / lengths[:, None, None])
    return (kernels / kernels.sum(-1, keepdim=True)).to(torch.get_default_dtype())


def check_points(argument: str, points: Sequence[int]) -> tuple[int, ...]:
    """Points per axis as a tuple of one to three whole numbers; raises InvalidArgument."""
    counts = tuple(map(int, check_numbers(argument, points, low=1, integer=True)))
    if not 1 <= len(counts) <= 3:
        raise InvalidArgument(f"{argument} must hold 1 to 3 whole numbers, one per axis; got {points!r:.80}")
    return counts


def require_points(u: Tensor, points: tuple[int, ...]) -> None:
    """Raise InvalidArgument for a field on another grid than the network's."""
    if tuple(u.shape[2:]) != points:
        grids = (" x ".join(map(str, shape)) for shape in (points, u.shape[2:]))
        raise InvalidArgument("a field must be on the {} points that the network was built for; got {}".format(*grids))


def _along(matrix: Tensor, u: Tensor, dim: int) -> Tensor:
    """The matrix of each channel applied along one axis."""
    axes = "xyz"[: u.ndim - 2]
    old = axes[dim - 2]
    return torch.einsum(f"bc{axes},ci{old}->bc{axes.replace(old, 'i')}", u, matrix)


def _factors(matrix: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """a and b^T whose product is nearest to the matrix at that rank, of equal norms; never more columns than rows."""
    u, s, v = torch.linalg.svd(matrix, full_matrices=False)
    root = s[:, :rank].sqrt()
    return u[..., :rank] * root[:, None], root[..., None] * v[:, :rank]


def lordnet(task: Task, settings: Sizes) -> LordNet:
    """The network of these settings on the task's grid, around which distances go where it is periodic."""
    return LordNet(
        task.in_channels,
        task.out_channels,
        task.grid.shape,
        width=settings.width,
        layers=settings.layers,
        kernels=Kernels(periodic=task.grid.is_periodic),
    )


ROWS = (Operator("lordnet", "low-rank decomposition", LordNet, lordnet, ("width", "layers"), fixed=True),)
