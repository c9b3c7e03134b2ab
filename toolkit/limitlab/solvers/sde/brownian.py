"""Brownian motion that can be asked: W and its space-time area H over any interval, always of the same path.

    W_{s,t} = W_t - W_s,      H_{s,t} = 1/(t-s) int_s^t (W_{s,u} - (u-s)/(t-s) W_{s,t}) du,    W and H independent,
    W_{s,t} ~ N(0, t-s),      H_{s,t} ~ N(0, (t-s)/12).

Every cell of the grid (the whole span is one cell without a grid) has W and H of its own, drawn directly, so that
queries of the cells in order cost little more than drawing normals. Inside a cell the path is a polynomial of W and H
plus two independent normals for each node of the dyadic tree of the cell (see `limitlab.solvers.sde.bridge`).

Only one node of every level holds a given time, so that a query is one sum over the levels: no recursion, no cache,
and the answer is a function of (grid, seed, sample, channel, time) alone: not of the order of the queries, of the
device or of the other samples. Rejected steps cannot change the path. Normals of the nodes are drawn in single
precision, in which they are as random; sums are in double. Sources: Levy's construction; Li et al. 2020 and Jelincic,
Foster & Kidger 2024 (trees of one seed).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from limitlab.errors import InvalidArgument, check_number, digits
from limitlab.numbers import tensor_of
from limitlab.solvers.derivatives import outside_inference_mode
from limitlab.solvers.sde.bridge import bridged, node_at
from limitlab.solvers.sde.counter_normals import index_keys, lane_keys, mixed, normal_pairs
from limitlab.solvers.sde.path_arguments import inside, read_grid, read_shape, read_span

LEVELS = 24
MOST_LEVELS = 48
BLOCK_NUMBERS = 2**17
INCREMENTS, AREAS, NODES = 0, 1, 2
Times = Float[Tensor, " *batch"]


class _Block(NamedTuple):
    """Consecutive cells: their edges, increments, and areas if they were asked for."""

    times: list[float]
    w: tuple[Tensor, ...]
    h: tuple[Tensor, ...]


class BrownianPath:
    """Paths of `shape` (batch, noise) on the interval `span`.

    grid: times from the start to the end of span, (cells + 1,), whose intervals are drawn directly; another grid is
    another path. samples: numbers of the samples, (batch,), 0, 1, ... when left out; a sample's path depends on its
    number only. finest: the path is smooth below this resolution (2^-24 of the widest cell when left out). Returns
    tensors (batch, noise) of dtype on device. Backwards in time the answer is -W, and the H of the path run backwards.
    lanes: the keys of samples and channels, from which their normals are drawn.
    Raises InvalidArgument for times outside of span.

    >>> path = ll.solvers.BrownianPath(0, (4, 2), (0.0, 1.0))
    >>> whole, halves = path.increment(0.0, 1.0), path.increment(0.0, 0.5) + path.increment(0.5, 1.0)
    >>> torch.allclose(whole, halves)
    True
    """

    @outside_inference_mode
    def __init__(
        self,
        seed: int,
        shape: tuple[int, int],
        span: tuple[float, float],
        *,
        grid: Sequence[float] | np.ndarray | Tensor | None = None,
        samples: Sequence[int] | Tensor | None = None,
        finest: float | None = None,
        dtype: torch.dtype = torch.float64,
        device: torch.device | str = "cpu",
    ) -> None:
        self.seed = int(check_number("seed", seed, integer=True))
        self.shape = read_shape(shape)
        self.span = read_span(span)
        self.dtype, self.device = dtype, torch.empty(0, device=device).device
        self.grid = read_grid(grid, self.span)
        batch, noise = self.shape
        numbers = torch.arange(batch) if samples is None else tensor_of("samples", samples)
        if tuple(numbers.shape) != (batch,) or numbers.is_floating_point():
            raise InvalidArgument(f"samples must be {batch} whole numbers; got {tuple(numbers.shape)} {numbers.dtype}")
        self.lanes = lane_keys(self.seed, numbers.to(self.device), noise)
        widths = np.diff(self.grid)
        widest = float(widths.max())
        lowest = widest * 2.0**-MOST_LEVELS
        finest = check_number("finest", widest * 2.0**-LEVELS if finest is None else finest, low=lowest, high=widest)
        self.finest = finest
        levels = torch.arange(math.ceil(math.log2(widest / finest)), device=self.device)
        self._nodes_in_level = torch.exp2(levels.double())
        self._widths = torch.tensor(widths, dtype=torch.float64, device=self.device)
        self._starts = torch.tensor(self.grid[:-1], dtype=torch.float64, device=self.device)
        self._deviations = self._widths.sqrt().to(dtype), (self._widths / 12).sqrt().to(dtype)
        # even, since two neighbouring cells share a counter
        self._cells_in_block = max(2, BLOCK_NUMBERS // (batch * noise) // 2 * 2)
        self._keys: dict[int, Tensor] = {}
        self._block = _Block([math.nan], (), ())
        self._next = 0
        self._edges: tuple[Tensor, Tensor] | None = None
        self._whole: tuple[Tensor, Tensor] | None = None

    def __repr__(self) -> str:
        batch, noise = self.shape
        return (
            f"BrownianPath(seed {self.seed}: {batch} samples of {noise} channels on "
            f"[{', '.join(digits(*self.span))}], {len(self.grid) - 1} cells, finest {self.finest:.3g})"
        )

    @outside_inference_mode
    def increment(self, start: float | Times, end: float | Times) -> Float[Tensor, "batch noise"]:
        """W_end - W_start; the times are numbers or (batch,)."""
        return self._over_interval(start, end, area=False)[0]

    @outside_inference_mode
    def increment_and_area(
        self, start: float | Times, end: float | Times
    ) -> tuple[Float[Tensor, "batch noise"], Float[Tensor, "batch noise"]]:
        """W_{start,end} and H_{start,end}; the times are numbers or (batch,)."""
        return self._over_interval(start, end, area=True)

    @outside_inference_mode
    def increments(
        self, times: Sequence[float] | np.ndarray, area: bool = False
    ) -> tuple[Float[Tensor, "steps batch noise"], Float[Tensor, "steps batch noise"]]:
        """W, and H if asked (else W again), of the intervals between `times`, (steps + 1,), none of which decreases.

        An interval without length has increments of zero; no time, and a single one, have no intervals.
        """
        moments = np.array(times, dtype=np.float64, order="C")
        if moments.ndim != 1 or not bool((np.diff(moments) >= 0).all()):
            raise InvalidArgument(f"times must be (steps + 1,) and not decrease; got {moments.flat[:4].tolist()} ...")
        moments = inside(moments, self.span)
        longer = np.diff(moments) > 0
        if not longer.size or not longer.all():
            return self._with_empty_ones(moments, longer, area)
        edge = np.searchsorted(self.grid, moments).clip(max=len(self.grid) - 1)
        if np.array_equal(self.grid[edge], moments):
            first, count = int(edge[0]), len(edge) - 1
            if edge[-1] - first == count:
                w = self._cells(first, count, INCREMENTS)
                return w, self._cells(first, count, AREAS) if area else w
            value, integral = (quantity[torch.from_numpy(edge).to(self.device)] for quantity in self._at_edges())
            width = torch.from_numpy(np.diff(moments)).to(self.device)[:, None]
            return self._between(value[:-1], integral[:-1], value[1:], integral[1:], width)
        return self._off_grid(moments, area)

    @outside_inference_mode
    def value(self, t: float | Times) -> Float[Tensor, "batch noise"]:
        """W_t - W at the start of the span."""
        return self.value_and_integral(t, area=False)[0].to(self.dtype)

    @outside_inference_mode
    def value_and_integral(
        self, t: float | Times, area: bool = True
    ) -> tuple[Float[Tensor, "batch noise"], Float[Tensor, "batch noise"]]:
        """W_t from the start of the span, and its integral if asked (else W again), in double precision."""
        return self.at(inside(self._moments(t), self.span), area)

    def at(
        self, moments: Float[Tensor, " lane"], area: bool
    ) -> tuple[Float[Tensor, "batch noise"], Float[Tensor, "batch noise"]]:
        """`value_and_integral` at moments that are known to lie in the span: a look would make a device wait."""
        value, integral = self._primitive(moments.reshape(1, -1).contiguous(), area)
        return value[0], integral[0]

    def _over_interval(self, start: float | Times, end: float | Times, area: bool) -> tuple[Tensor, Tensor]:
        if isinstance(start, Tensor) or isinstance(end, Tensor):
            return self._of_samples(start, end, area)
        block, index = self._block, self._next
        following = index < len(block.w) and block.times[index] == start and block.times[index + 1] == end
        if following and (block.h or not area):
            self._next = index + 1
            return block.w[index], block.h[index] if area else block.w[index]
        if end < start:
            w, h = self._over_interval(end, start, area)
            return -w, h
        moments = inside(np.array([float(start), float(end)]), self.span)
        cell = int(np.searchsorted(self.grid, moments[0]))
        if self.grid[cell] != moments[0] or cell == len(self._starts) or self.grid[cell + 1] != moments[1]:
            w, h = self.increments(moments, area)
            return w[0], h[0]
        return self._in_order(cell, area)

    def _of_samples(self, start: float | Times, end: float | Times, area: bool) -> tuple[Tensor, Tensor]:
        times = [inside(self._moments(t), self.span).reshape(1, -1) for t in (start, end)]
        w, h = self._between(*self._primitive(times[0], area), *self._primitive(times[1], area), times[1] - times[0])
        return w[0], h[0]

    def _between(
        self,
        value: Tensor,
        integral: Tensor,
        after: Tensor,
        integral_after: Tensor,
        width: Float[Tensor, "steps batch"],
    ) -> tuple[Tensor, Tensor]:
        """W and H from values and integrals at both ends: H is the mean of W less (W_s + W_t)/2."""
        mean = (integral_after - integral) / width[..., None]
        area = torch.where(width[..., None] == 0, 0.0, mean - (value + after) / 2)
        return (after - value).to(self.dtype), area.to(self.dtype)

    def _with_empty_ones(self, moments: np.ndarray, longer: np.ndarray, area: bool) -> tuple[Tensor, Tensor]:
        """Increments where some intervals, or all, have no length."""
        w = torch.zeros(len(longer), *self.shape, dtype=self.dtype, device=self.device)
        h = torch.zeros_like(w) if area else w
        if longer.any():
            index = torch.from_numpy(longer).to(self.device)
            w[index], areas = self.increments(np.unique(moments), area)
            if area:
                h[index] = areas
        return w, h

    def _moments(self, t: float | Times) -> Float[Tensor, " lane"]:
        moments = tensor_of("times", t, dtype=torch.float64, device=self.device).reshape(-1)
        if len(moments) not in (1, self.shape[0]):
            raise InvalidArgument(f"times must be numbers or of shape ({self.shape[0]},); got {len(moments)} of them")
        return moments

    def _in_order(self, cell: int, area: bool) -> tuple[Tensor, Tensor]:
        """W and H of one cell, from a block of its neighbours that is kept until a cell outside of it is asked for."""
        first = cell - cell % self._cells_in_block
        count = min(self._cells_in_block, len(self._starts) - first)
        if self._block.times[0] != self.grid[first] or (area and not self._block.h):
            w = self._cells(first, count, INCREMENTS).unbind(0)
            h = self._cells(first, count, AREAS).unbind(0) if area else ()
            self._block = _Block(self.grid[first : first + count + 1].tolist(), w, h)
        self._next = cell - first + 1
        return self._block.w[cell - first], self._block.h[cell - first] if area else self._block.w[cell - first]

    def _cells(self, first: int, count: int, stream: int) -> Float[Tensor, "cells batch noise"]:
        """W or H of consecutive cells; two cells share a counter."""
        below, above = first // 2, (first + count + 1) // 2
        if stream not in self._keys:
            pairs = torch.arange((len(self._starts) + 1) // 2, device=self.device)
            self._keys[stream] = index_keys(pairs, stream)[:, None, None]
        normals = normal_pairs(self._keys[stream][below:above] + self.lanes, self.dtype).flatten(0, 1)
        # a block that starts at an odd cell drops the first half of its first pair
        normals = normals[first - 2 * below :][:count]
        return normals.mul_(self._deviations[stream][first : first + count, None, None])

    def _scattered_cells(self, cell: Int[Tensor, "steps lane"], stream: int) -> Float[Tensor, "steps batch noise"]:
        """W or H of any cells, the same numbers as in `_cells`, in double precision."""
        counters = index_keys(cell // 2, stream)[..., None] + self.lanes
        pairs = normal_pairs(counters, self.dtype)
        normals = torch.where((cell % 2 == 0)[..., None], pairs[:, 0], pairs[:, 1])
        return normals.mul_(self._deviations[stream][cell][..., None]).double()

    def _off_grid(self, moments: np.ndarray, area: bool) -> tuple[Tensor, Tensor]:
        """W and H of intervals some of which climb the tree."""
        cell = np.searchsorted(self.grid, moments[:-1], side="right") - 1
        inside = bool((moments[1:] <= self.grid[cell + 1]).all())
        # every number of the result takes some dozens of the tree: only few intervals climb at a time
        most = max(1, BLOCK_NUMBERS // (len(self._nodes_in_level) * self.shape[0] * self.shape[1]))
        w = torch.empty(len(cell), *self.shape, dtype=self.dtype, device=self.device)
        h = torch.empty_like(w) if area else w
        for low in range(0, len(cell), most):
            part = slice(low, low + most)
            piece = moments[low : low + most + 1]
            w[part], h[part] = self._inside_cells(cell[part], piece, area) if inside else self._crossing(piece, area)
        return w, h

    def _crossing(self, moments: np.ndarray, area: bool) -> tuple[Tensor, Tensor]:
        """W and H of intervals that may cross the grid, from the values at their ends."""
        t = torch.tensor(moments, dtype=torch.float64, device=self.device)[:, None]
        value, integral = self._primitive(t, area)
        w, h = self._between(value[:-1], integral[:-1], value[1:], integral[1:], t.diff(dim=0))
        return w, h if area else w

    def _inside_cells(self, cells: np.ndarray, moments: np.ndarray, area: bool) -> tuple[Tensor, Tensor]:
        """W and H of intervals none of which crosses the grid; only those that are no whole cells climb the tree."""
        cell = torch.tensor(cells, device=self.device)[:, None]
        w = self._scattered_cells(cell, INCREMENTS).to(self.dtype)
        h = self._scattered_cells(cell, AREAS).to(self.dtype) if area else w
        part = np.flatnonzero((moments[:-1] != self.grid[cells]) | (moments[1:] != self.grid[cells + 1]))
        if not len(part):
            return w, h
        t = torch.tensor(moments, dtype=torch.float64, device=self.device)[:, None]
        cell, start, end = cell[part], t[:-1][part], t[1:][part]
        fractions = [(moment - self._starts[cell]) / self._widths[cell] for moment in (start, end)]
        before, after = (self._within(cell, x, area) for x in fractions)
        w[part], areas = self._between(*before, *after, end - start)
        if area:
            h[part] = areas
        return w, h

    def _primitive(self, t: Float[Tensor, "steps lane"], area: bool) -> tuple[Tensor, Tensor]:
        """W_t, and its integral if asked, from the start of the span, (steps, batch, noise); lane is batch or one."""
        cell = torch.searchsorted(self._starts[1:], t, right=True)
        start, width = self._starts[cell], self._widths[cell]
        value, integral = self._within(cell, ((t - start) / width).clamp(0.0, 1.0), area)
        if len(self._starts) == 1:
            return value, integral
        edge, edge_integral = (_rows(quantity, cell) for quantity in self._at_edges())
        return edge + value, edge_integral + torch.addcmul(integral, edge, (t - start)[..., None])

    def _at_edges(self) -> tuple[Tensor, Tensor]:
        """W and its integral at the edges of all cells, (cells + 1, batch, noise), in double precision."""
        if self._edges is None:
            cells = len(self._starts)
            value = torch.zeros(cells + 1, *self.shape, dtype=torch.float64, device=self.device)
            integral = torch.zeros_like(value)
            for first in range(0, cells, self._cells_in_block):
                count = min(self._cells_in_block, cells - first)
                w, h = (self._cells(first, count, stream).double() for stream in (INCREMENTS, AREAS))
                self._sum_up(value, first, w.clone())
                width = self._widths[first : first + count, None, None]
                self._sum_up(integral, first, width * (value[first : first + count] + w / 2 + h))
            self._edges = value, integral
        return self._edges

    @staticmethod
    def _sum_up(total: Tensor, first: int, gains: Tensor) -> None:
        # the carry joins the sum, so that rounding does not depend on where blocks end
        gains[0] += total[first]
        torch.cumsum(gains, 0, out=total[first + 1 : first + 1 + len(gains)])

    def _within(
        self, cell: Int[Tensor, "steps lane"], x: Float[Tensor, "steps lane"], area: bool
    ) -> tuple[Float[Tensor, "steps batch noise"], Float[Tensor, "steps batch noise"]]:
        """W, and its integral if asked (else W again), from the start of a cell to the fraction x of it, in double."""
        w, h = self._of_cells(cell)
        index, y, right = node_at(x, self._nodes_in_level)
        keys = mixed(index_keys(cell, NODES)[..., None] + (self._nodes_in_level + index).long())
        normals = normal_pairs(keys[:, :, None] + self.lanes[..., None], torch.float32).double()
        return bridged(w, h, normals, x=x, width=self._widths[cell], node=(y, right, self._nodes_in_level), area=area)

    def _of_cells(self, cell: Int[Tensor, "steps lane"]) -> tuple[Tensor, Tensor]:
        """W and H of cells in double precision, (steps, batch, noise); those of a single cell are kept."""
        if len(self._starts) > 1:
            return self._scattered_cells(cell, INCREMENTS), self._scattered_cells(cell, AREAS)
        if self._whole is None:
            self._whole = self._cells(0, 1, INCREMENTS).double(), self._cells(0, 1, AREAS).double()
        return self._whole


def _rows(quantity: Float[Tensor, "cells batch noise"], cell: Int[Tensor, "steps lane"]) -> Tensor:
    """Every sample's row of its own cell; all samples' rows of one cell where lane is one."""
    return quantity[cell[:, 0]] if cell.shape[1] == 1 else quantity[cell, torch.arange(cell.shape[1])]
