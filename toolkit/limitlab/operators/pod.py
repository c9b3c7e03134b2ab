"""POD-DeepONet: the trunk is not learned, but taken from the training targets, their mean and principal modes.

With targets u_n of mean c, the modes tau_p are those orthonormal functions (in L2, by the grid's quadrature) whose span
is nearest to all u_n - c in the mean square; what no branch can do better than is what lies outside of their span, the
tail. The modes are scaled by the deviations of their coefficients, so that the branch has numbers of size one to learn.
Between the points of the grid c and tau are linear, or trigonometric along a periodic axis.

Source: Lu et al., A comprehensive and fair comparison of two neural operators (2022), arXiv 2111.05512.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from einops import einsum, rearrange
from jaxtyping import Float
from torch import Tensor, nn

from limitlab.errors import InvalidArgument, check_number
from limitlab.operators.deeponet import BranchAndTrunk, Networks, Reading, encoder_of
from limitlab.operators.row import Operator, Sizes, Task
from limitlab.spaces import Axis, Grid


class PODDeepONet(BranchAndTrunk):
    """A branch learns the coefficients of given modes: (batch, in_channels, *grid) to (batch, out_channels, *grid).

    modes: of the training targets, see `target_modes`; grid: that of the training. reading, width and layers are those
    of the branch, as a DeepONet has it. Raises InvalidArgument.

    >>> grid = ll.spaces.Grid.uniform(32)
    >>> modes = ll.operators.pod.target_modes(torch.randn(20, 1, 32), grid, 8)
    >>> ll.operators.PODDeepONet(1, modes, grid)(torch.zeros(2, 1, 32)).shape
    torch.Size([2, 1, 32])
    """

    def __init__(
        self,
        in_channels: int,
        modes: Modes,
        grid: Grid,
        *,
        reading: Reading = "sensors",
        width: int = 128,
        layers: int = 2,
    ) -> None:
        encoder = encoder_of(in_channels, grid, reading, width, layers)
        sizes = [encoder.features, *[int(width)] * int(layers), len(modes.functions)]
        super().__init__(encoder, Networks(sizes, 1, apart=False), ModeTrunk(modes, grid))


@dataclass(frozen=True, eq=False)
class Modes:
    """Mean and modes of a set of functions, each mode orthonormal times its deviation; tail: what they leave out.

    >>> grid = ll.spaces.Grid.uniform(32)
    >>> u = torch.randn(20, 1, 1) * torch.sin(2 * torch.pi * grid.points(torch.float32).mT)
    >>> modes = ll.operators.pod.target_modes(u, grid, 1)
    >>> modes.functions.shape, float(modes.tail) < 1e-5
    (torch.Size([1, 1, 32]), True)
    """

    mean: Float[Tensor, "channel *grid"]
    functions: Float[Tensor, "mode channel *grid"]
    deviations: Float[Tensor, " mode"]
    tail: Float[Tensor, ""]


def target_modes(targets: Float[Tensor, "sample channel *grid"], grid: Grid, count: int) -> Modes:
    """The first `count` modes of the targets, in L2 by the grid's quadrature, or as many as there are.

    tail is the root of the mean square of what they leave out over that of the deviations from the mean.
    Raises InvalidArgument.

    >>> ll.operators.pod.target_modes(torch.randn(20, 2, 32), ll.spaces.Grid.uniform(32), 5).functions.shape
    torch.Size([5, 2, 32])
    """
    grid.require("targets", targets)
    count = int(check_number("count", count, low=1, integer=True))
    if targets.ndim != grid.dimension + 2 or len(targets) < 2:
        raise InvalidArgument(f"targets must be two or more (sample, channel, *grid); got {tuple(targets.shape)}")
    exact = targets.double()
    mean, root = exact.mean(0), grid.weights(device=targets.device).sqrt()
    # in these variables the plain inner product is that of L2
    _, values, rows = torch.linalg.svd(((exact - mean) * root).flatten(1), full_matrices=False)
    kept = min(count, len(targets) - 1, len(values))
    functions = rows[:kept].unflatten(1, mean.shape) / root
    deviations = values[:kept] / len(targets) ** 0.5
    left, whole = values[kept:].square().sum(), values.square().sum()
    scaled = functions * deviations.reshape(-1, *[1] * mean.ndim)
    parts = (mean, scaled, deviations, (left / whole).sqrt())
    return Modes(*(part.to(targets.dtype) for part in parts))


class ModeTrunk(nn.Module):
    """tau and c by interpolation of modes and mean between the points of their grid."""

    mean: Tensor
    modes: Tensor

    def __init__(self, modes: Modes, grid: Grid) -> None:
        super().__init__()
        grid.require("modes", modes.functions)
        self.grid = grid
        self.register_buffer("mean", modes.mean.detach().clone())
        self.register_buffer("modes", modes.functions.detach().clone())

    def forward(self, points: Float[Tensor, "point dimension"]) -> tuple[Tensor, Tensor]:
        together = torch.cat([self.modes, self.mean[None]])
        values = rearrange(together, "mode channel ... -> (mode channel) ...").to(points.dtype)
        *others, last = [interpolation(axis, x) for axis, x in zip(self.grid.axes, points.unbind(1), strict=True)]
        values = einsum(values, last, "... n, point n -> point ...")
        for weights in reversed(others):
            values = einsum(values, weights, "point ... n, point n -> point ...")
        values = rearrange(values, "point (mode channel) -> point channel mode", mode=len(together))
        return values[..., :-1], values[..., -1]


def interpolation(axis: Axis, x: Float[Tensor, " point"]) -> Float[Tensor, "point size"]:
    """Weights of the values on the axis: linear, straight on beyond its ends, or trigonometric.

    The trigonometric interpolant of n values, n even, halves the highest wave between +n/2 and -n/2.
    """
    sites = torch.as_tensor(axis.points(), dtype=x.dtype, device=x.device)
    if axis.kind != "periodic":
        left = ((x - sites[0]) / axis.spacing).floor().clamp(0, axis.size - 2)
        share = (x - sites[0]) / axis.spacing - left
        column = torch.arange(axis.size, dtype=x.dtype, device=x.device)
        return (column == left[:, None]) * (1 - share)[:, None] + (column == left[:, None] + 1) * share[:, None]
    half = axis.size // 2
    waves = torch.arange(half + 1, dtype=x.dtype, device=x.device)
    # each wave but the constant one stands for itself and its conjugate; n/2 is its own
    counted = torch.full_like(waves, 2.0)
    counted[0] = 1.0
    if axis.size % 2 == 0:
        counted[half] = 1.0
    at, sites_at = (2 * torch.pi / axis.length * (y - axis.start)[:, None] * waves for y in (x, sites))
    return (at.cos() * counted @ sites_at.cos().mT + at.sin() * counted @ sites_at.sin().mT) / axis.size


def pod_deeponet(task: Task, settings: Sizes) -> PODDeepONet:
    """Hidden layers of four times the settings' width, modes twice that width. Raises InvalidArgument."""
    if task.targets is None:
        raise InvalidArgument("pod_deeponet needs the task's targets, whose modes it takes")
    modes = target_modes(task.statistics[1].encode(task.targets), task.grid, 2 * settings.width)
    return PODDeepONet(task.in_channels, modes, task.grid, width=4 * settings.width, layers=settings.layers)


ROWS = (
    Operator(
        "pod_deeponet", "DeepONet of the targets' modes", PODDeepONet, pod_deeponet, ("width", "layers"), fixed=True
    ),
)
