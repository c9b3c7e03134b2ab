"""MgNO: a network whose weights are linear operators between functions, each a multigrid cycle of small convolutions.

    h_l = gelu(W_l h_{l-1} + B_l h_{l-1} + b_l),    W a cycle, B and b pointwise;    output: a pointwise map of h_L

A cycle W: f -> u smooths on every grid, u <- u + S (f - A u), and corrects u by what the next coarser grid makes of the
residual. A, S, the restriction R and the prolongation P are learned, without bias, so that W is linear in f. Kernels
count points: trained on one spacing, it is another map on another.

Source: He, Liu & Xu, MgNO: Efficient parameterization of linear operators via multigrid (2023), arXiv 2310.19809. Its
published code restricts f and carries u down instead of the residual: that is `restriction="source"`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from limitlab.errors import InvalidArgument, check_number, one_of
from limitlab.layers.precision import require_dtype
from limitlab.layers.spectral_convolution import check_field
from limitlab.operators.row import Operator, Sizes, Task
from limitlab.saved import Saved

Padding = Literal["zeros", "reflect", "replicate", "periodic"]
Restriction = Literal["residual", "source"]
Alignment = Literal["cells", "nodes"]
Mode = Literal["zeros", "reflect", "replicate", "circular"]
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


@dataclass(frozen=True)
class Cycle:
    """What a multigrid cycle does on its grids.

    smoothing: (steps before, after) on every grid, the finest first. padding, what surrounds a grid: "zeros", u = 0
    one point beyond the last; "replicate", nothing flows through walls between cells; "reflect", or through nodes;
    "periodic". restriction: "residual" restricts f - A u and starts from zero below, "source" f and u itself.
    alignment: "cells" halves by n -> ceil(n/2), "nodes" by n -> (n - 1) // 2, the interior nodes of a box. growth:
    channels at depth l are 1 + growth l times those of the finest. again: visits of each coarser grid, 2 for a
    W-cycle. norm: normalise over channels and grid after each prolongation; then nothing is linear any more.
    Raises InvalidArgument.

    >>> ll.operators.Cycle(((1, 0), (2, 0)), padding="periodic").grids
    2
    """

    smoothing: Sequence[tuple[int, int]]
    padding: Padding = "zeros"
    restriction: Restriction = "residual"
    alignment: Alignment = "cells"
    growth: int = 0
    again: int = 1
    norm: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "smoothing", _steps(self.smoothing))
        one_of("padding", self.padding, get_args(Padding))
        one_of("restriction", self.restriction, get_args(Restriction))
        one_of("alignment", self.alignment, get_args(Alignment))
        check_number("growth", self.growth, low=0, high=16, integer=True)
        check_number("again", self.again, low=1, high=4, integer=True)
        if self.again > 1 and self.restriction == "source":
            raise InvalidArgument("again must be 1 with restriction='source': a second visit would begin as the first")

    @property
    def grids(self) -> int:
        """Grids, the finest and the coarsest among them."""
        return len(self.smoothing)

    @property
    def mode(self) -> Mode:
        """The padding as torch calls it."""
        return "circular" if self.padding == "periodic" else self.padding

    def starts_at_zero(self, grid: int) -> bool:
        """Whether u is zero when a grid is visited."""
        if grid == 0 or self.restriction == "residual":
            return True
        return self.starts_at_zero(grid - 1) and not self.smoothing[grid - 1][0]

    def products(self, grid: int) -> int:
        """How often A is asked for there: before each step but one from zero, and for the residual that goes down."""
        (before, after), last = self.smoothing[grid], grid + 1 == self.grids
        first = self.starts_at_zero(grid) and (before > 0 or last)
        residual = self.restriction == "residual" and not last and (before > 0 or self.again > 1)
        return before + after - first + residual


class VCycle(Saved):
    """f -> u, (batch, in_channels, *grid) -> (batch, out_channels, *grid): a learned multigrid cycle, linear in f.

    Any size of the grid will do that leaves a point on the coarsest. Raises InvalidArgument.

    >>> cycle = ll.operators.VCycle(1, 4, ll.operators.Cycle(((1, 0), (1, 0), (2, 0))))
    >>> f = torch.randn(2, 1, 33, 20)
    >>> cycle(f).shape, torch.allclose(cycle(3 * f), 3 * cycle(f), atol=1e-5)
    (torch.Size([2, 4, 33, 20]), True)
    """

    def __init__(self, in_channels: int, out_channels: int, cycle: Cycle, dimension: int = 2) -> None:
        super().__init__()
        in_channels = int(check_number("in_channels", in_channels, low=1, integer=True))
        out_channels = int(check_number("out_channels", out_channels, low=1, integer=True))
        dimension = int(check_number("dimension", dimension, low=1, high=3, integer=True))
        self.cycle = cycle
        growth = [1 + cycle.growth * grid for grid in range(cycle.grids)]
        channels = [(in_channels * factor, out_channels * factor) for factor in growth]
        self.levels = nn.ModuleList(
            Level(cycle, grid, channels[grid], channels[grid + 1] if grid + 1 < cycle.grids else None, dimension)
            for grid in range(cycle.grids)
        )

    def forward(self, f: Float[Tensor, "batch in_channels *grid"]) -> Float[Tensor, "batch out_channels *grid"]:
        return self._visit(f, None, 0)

    def level(self, grid: int) -> Level:
        """What is learned for a grid, the finest first."""
        level = self.levels[grid]
        assert isinstance(level, Level)
        return level

    def _visit(self, f: Tensor, u: Tensor | None, grid: int) -> Tensor:
        """The u of a grid; None stands for zero."""
        level, (before, after) = self.level(grid), self.cycle.smoothing[grid]
        products, smoothers = iter(level.products), iter(level.smoothers)
        for _ in range(before):
            u = _smoothed(f, u, next(smoothers), products)
        if grid + 1 < self.cycle.grids:
            u = self._corrected(f, u, grid, products)
        for _ in range(after):
            u = _smoothed(f, u, next(smoothers), products)
        assert u is not None
        return u

    def _corrected(self, f: Tensor, u: Tensor | None, grid: int, products: Iterator[nn.Module]) -> Tensor:
        level, size = self.level(grid), f.shape[2:]
        if self.cycle.restriction == "source":
            below = self._visit(level.restrict(f), None if u is None else level.carry(u), grid + 1)
            return _sum(u, level.prolonged(below, size))
        operator = nn.Identity() if u is None and self.cycle.again == 1 else next(products)
        for _ in range(self.cycle.again):
            rest = f if u is None else f - operator(u)
            u = _sum(u, level.prolonged(self._visit(level.restrict(rest), None, grid + 1), size))
        assert u is not None
        return u


class Level(nn.Module):
    """One grid of a cycle: its operators A, its smoothers S, and the way to the next coarser grid, if there is one.

    channels: of f and of u here; below: the same on the coarser grid.
    """

    def __init__(
        self, cycle: Cycle, grid: int, channels: tuple[int, int], below: tuple[int, int] | None, dimension: int
    ) -> None:
        super().__init__()
        self.cycle, self.dimension = cycle, dimension
        f, u = channels
        convolution, transposed = CONVOLUTIONS[dimension - 1], TRANSPOSED[dimension - 1]

        def same(fed: int, given: int) -> nn.Module:
            return convolution(fed, given, 3, padding=1, padding_mode=cycle.mode, bias=False)

        def halved(fed: int, given: int) -> nn.Module:
            around = 1 if cycle.alignment == "cells" else 0
            return convolution(fed, given, 3, stride=2, padding=around, padding_mode=cycle.mode, bias=False)

        self.smoothers = nn.ModuleList(same(f, u) for _ in range(sum(cycle.smoothing[grid])))
        self.products = nn.ModuleList(same(u, f) for _ in range(cycle.products(grid)))
        self.restrict: nn.Module = nn.Identity()
        self.carry: nn.Module = nn.Identity()
        self.prolong: nn.Module = nn.Identity()
        self.norm: nn.Module = nn.Identity()
        if below is not None:
            self.restrict = halved(f, below[0])
            if cycle.restriction == "source" and not cycle.starts_at_zero(grid + 1):
                self.carry = halved(u, below[1])
            size, around = (4, 1) if cycle.alignment == "cells" else (3, 0)
            self.prolong = transposed(below[1], u, size, stride=2, padding=around, bias=False)
            self.norm = nn.GroupNorm(1, u) if cycle.norm else nn.Identity()

    def prolonged(self, u: Tensor, size: torch.Size) -> Tensor:
        """P u on a grid of this size."""
        d, points = self.dimension, tuple(u.shape[2:])
        if self.cycle.alignment == "nodes":
            # an even axis has a last point that no coarse one reaches
            raised = self.prolong(u, output_size=[max(n, 2 * m + 1) for n, m in zip(size, points, strict=True)])
        elif self.cycle.padding == "zeros":
            raised = self.prolong(u)
        else:
            # torch pads a transposed convolution with zeros alone
            around = functional.pad(u, (1, 1) * d, mode="replicate" if min(points) == 1 else self.cycle.mode)
            raised = self.prolong(around)[(..., *(slice(2, -2),) * d)]
        return self.norm(raised[(..., *(slice(0, n) for n in size))])


class MgNO(Saved):
    """A multigrid neural operator: (batch, in_channels, *grid) -> (batch, out_channels, *grid), on one grid.

    cycle: of every layer; left out, five grids, a step on each and two on the coarsest. width: channels of the hidden
    functions. Raises InvalidArgument. Source: arXiv 2310.19809, section 3.

    >>> cycle = ll.operators.Cycle(((1, 0),) * 5 + ((2, 0),), restriction="source")
    >>> model = ll.operators.MgNO(1, 1, cycle, width=24)
    >>> model(torch.zeros(2, 1, 64, 64)).shape, ll.operators.count_parameters(model)
    (torch.Size([2, 1, 64, 64]), 572661)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        cycle: Cycle | None = None,
        dimension: int = 2,
        *,
        width: int = 24,
        layers: int = 4,
    ) -> None:
        super().__init__()
        cycle = Cycle(((1, 0),) * 4 + ((2, 0),)) if cycle is None else cycle
        width = int(check_number("width", width, low=1, integer=True))
        layers = int(check_number("layers", layers, low=1, high=64, integer=True))
        out_channels = int(check_number("out_channels", out_channels, low=1, integer=True))
        fed = [in_channels] + [width] * (layers - 1)
        self.in_channels, self.dimension, self.least = in_channels, dimension, 2 ** (cycle.grids - 1)
        self.cycles = nn.ModuleList(VCycle(channels, width, cycle, dimension) for channels in fed)
        pointwise = CONVOLUTIONS[dimension - 1]
        self.local = nn.ModuleList(pointwise(channels, width, 1) for channels in fed)
        self.exit = pointwise(width, out_channels, 1, bias=False)

    def forward(self, u: Float[Tensor, "batch in_channels *grid"]) -> Float[Tensor, "batch out_channels *grid"]:
        check_field("u", u, self.in_channels, self.dimension)
        require_dtype("u", u, self.exit.weight)
        if min(u.shape[2:]) < self.least:
            raise InvalidArgument(
                f"u must have at least {self.least} points along every axis for its grids; got {tuple(u.shape[2:])}"
            )
        for cycle, local in zip(self.cycles, self.local, strict=True):
            u = functional.gelu(cycle(u) + local(u))
        return self.exit(u)


def _smoothed(f: Tensor, u: Tensor | None, smoother: nn.Module, products: Iterator[nn.Module]) -> Tensor:
    return smoother(f) if u is None else u + smoother(f - next(products)(u))


def _sum(u: Tensor | None, correction: Tensor) -> Tensor:
    return correction if u is None else u + correction


def _steps(smoothing: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    steps = []
    for pair in smoothing:
        if not isinstance(pair, Sequence) or len(pair) != 2:
            raise InvalidArgument(
                f"smoothing must have a pair (steps before, steps after) for every grid; got {pair!r}"
            )
        before, after = (int(check_number("smoothing", n, low=0, high=100, integer=True)) for n in pair)
        steps.append((before, after))
    if not steps or not sum(steps[-1]):
        raise InvalidArgument(f"smoothing must have a grid, and a step on the coarsest; got {smoothing!r}")
    return tuple(steps)


def mgno(task: Task, settings: Sizes) -> MgNO:
    """As many grids as leave two or three points on the coarsest, one smoothing on each and two there."""
    levels = max(1, int(math.log2(min(task.grid.shape))))
    cycle = Cycle((*((1, 0),) * (levels - 1), (2, 0)), padding="periodic" if task.grid.is_periodic else "zeros")
    channels = task.in_channels, task.out_channels
    return MgNO(*channels, cycle, task.dimension, width=settings.width, layers=settings.layers)


ROWS = (Operator("mgno", "multigrid neural operator", MgNO, mgno, ("width", "layers"), tied=True),)
