"""From a coarse grid to the next finer one and back, along each axis by a kind of its own.

    "nodes"           coarse point j is fine point 2j + 1, zero beyond the ends; linear between
    "ring"            coarse point j is fine point 2j of a periodic axis; linear between
    (first, last)     coarse cell j is fine cells 2j and 2j + 1; linear, with a ghost cell beyond an end that equals the
                      last ("neumann"), is its negative ("wall"), or is the other end ("periodic")
    "blocks"          the same cells, constant on each coarse one

A fine point takes a share of at most two coarse ones; restriction is the transpose over 2^d, which for nodes is full
weighting. Source: Trottenberg, Oosterlee & Schüller, Multigrid (2001), sections 2.3 and 2.8.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

Kind = str | tuple[str, str]


@dataclass(frozen=True, eq=False)
class AxisTransfer:
    """For each fine point of an axis two coarse points, (2, fine), and the share of each."""

    coarse: int
    index: Int64[Tensor, "two fine"]
    share: Float[Tensor, "two fine"]


def axis_transfer(fine: int, kind: Kind, dtype: torch.dtype, device: torch.device) -> AxisTransfer:
    """The transfer of one axis; an axis of cells, and a periodic one, has an even number of points."""
    i = torch.arange(fine, device=device)
    coarse, near = fine // 2, i // 2
    half = torch.full((fine,), 0.5, dtype=dtype, device=device)
    if kind == "nodes":
        below = (i - 1).div(2, rounding_mode="floor")
        on_coarse = i % 2 == 1
        pair = torch.stack([below, torch.where(on_coarse, -1, near)])
        share = torch.stack([torch.where(on_coarse, 1.0, half), half])
        share = torch.where((pair >= 0) & (pair < coarse), share, 0.0)
    elif kind == "ring":
        pair, share = torch.stack([near, (i + 1) // 2 % coarse]), torch.stack([half, half])
    elif kind == "blocks":
        pair, share = torch.stack([near, near]), torch.stack([half, half])
    else:
        beyond = near + 2 * (i % 2) - 1
        far = beyond % coarse if kind[0] == "periodic" else beyond.clamp(0, coarse - 1)
        walled = ((beyond < 0) & (kind[0] == "wall")) | ((beyond >= coarse) & (kind[1] == "wall"))
        pair, share = torch.stack([near, far]), torch.stack([1.5 * half, torch.where(walled, -half, half) / 2])
    return AxisTransfer(coarse, pair.clamp(0, coarse - 1), share)


@dataclass(frozen=True, eq=False)
class Transfer:
    """Between a grid and the next coarser one, along all axes.

    >>> from limitlab.solvers.linear.transfers import transfer
    >>> transfer((3,), ("nodes",)).prolonged(torch.ones(1, 1, dtype=torch.float64)).tolist()
    [[0.5, 1.0, 0.5]]
    """

    axes: tuple[AxisTransfer, ...]

    @property
    def coarse(self) -> tuple[int, ...]:
        """Points of the coarse grid."""
        return tuple(axis.coarse for axis in self.axes)

    def prolonged(self, u: Float[Tensor, "batch *coarse"]) -> Float[Tensor, "batch *fine"]:
        """Values on the fine grid."""
        for dim, axis in enumerate(self.axes, start=1):
            shape = [-1] + [1] * (u.dim() - 1 - dim)
            near, far = (u.index_select(dim, index) for index in axis.index)
            u = axis.share[0].to(u.dtype).reshape(shape) * near + axis.share[1].to(u.dtype).reshape(shape) * far
        return u

    def restricted(self, r: Float[Tensor, "batch *fine"]) -> Float[Tensor, "batch *coarse"]:
        """The transpose, over 2^d."""
        for dim, axis in enumerate(self.axes, start=1):
            shape = [-1] + [1] * (r.dim() - 1 - dim)
            total = torch.zeros(*r.shape[:dim], axis.coarse, *r.shape[dim + 1 :], dtype=r.dtype, device=r.device)
            for index, share in zip(axis.index, axis.share.to(r.dtype), strict=True):
                total = total.index_add(dim, index, share.reshape(shape) * r / 2)
            r = total
        return r


def transfer(
    shape: tuple[int, ...],
    kinds: tuple[Kind, ...],
    dtype: torch.dtype = torch.float64,
    device: torch.device | str = "cpu",
) -> Transfer:
    """The transfer of a grid whose axes are of these kinds."""
    return Transfer(
        tuple(axis_transfer(n, kind, dtype, torch.device(device)) for n, kind in zip(shape, kinds, strict=True))
    )
