"""From a coarse grid to the next finer one and back, along each axis by a kind of its own.

    "nodes"           coarse point j is fine point 2j + 1, zero beyond the ends; linear between
    "ring"            coarse point j is fine point 2j of a periodic axis; linear between
    (first, last)     coarse cell j is fine cells 2j and 2j + 1; linear, with a ghost cell beyond an end that equals the
                      last ("neumann"), is its negative ("wall"), or is the other end ("periodic")
    "blocks"          the same cells, constant on each coarse one

A fine point takes a share of at most two coarse ones, with an even index another than with an odd one; restriction is
the transpose over 2^d, which for nodes is full weighting.
Source: Trottenberg, Oosterlee & Schüller, Multigrid (2001), sections 2.3 and 2.8.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

Kind = str | tuple[str, str]
GHOSTS = {"neumann": 1.0, "wall": -1.0}
"""What the value beyond an end is, in units of the last one before it."""


@dataclass(frozen=True)
class AxisTransfer:
    """One axis of `fine` points; an even number but for nodes."""

    fine: int
    kind: Kind

    @property
    def coarse(self) -> int:
        """Points of the coarse axis."""
        return self.fine // 2

    def prolonged(self, u: Tensor, dim: int) -> Tensor:
        """Coarse values along `dim` to fine ones."""
        if self.kind == "blocks":
            return _woven(u, u, dim)
        if self.kind == "ring":
            return _woven(u, (u + u.roll(-1, dim)) / 2, dim)
        if self.kind == "nodes":
            zero = torch.zeros_like(u.narrow(dim, 0, 1))
            after = torch.cat([u, zero], dim)
            return _woven((torch.cat([zero, u], dim) + after) / 2, after, dim).narrow(dim, 0, self.fine)
        if self.kind[0] == "periodic":
            before, after = u.roll(1, dim), u.roll(-1, dim)
        else:
            first, last = (GHOSTS[end] for end in self.kind)
            before = torch.cat([first * u.narrow(dim, 0, 1), u.narrow(dim, 0, self.coarse - 1)], dim)
            after = torch.cat([u.narrow(dim, 1, self.coarse - 1), last * u.narrow(dim, self.coarse - 1, 1)], dim)
        return _woven(torch.lerp(u, before, 0.25), torch.lerp(u, after, 0.25), dim)

    def restricted(self, r: Tensor, dim: int) -> Tensor:
        """The transpose, halved."""
        if self.kind == "nodes":
            # as many even points as odd ones and one more, which is zero where there is none
            ends = torch.zeros_like(r.narrow(dim, 0, 2 * self.coarse + 2 - self.fine))
            even, odd = _parted(torch.cat([r, ends], dim), dim)
            neighbours = even.narrow(dim, 0, self.coarse) + even.narrow(dim, 1, self.coarse)
            return odd.narrow(dim, 0, self.coarse) / 2 + neighbours / 4
        even, odd = _parted(r, dim)
        if self.kind == "blocks":
            return (even + odd) / 2
        if self.kind == "ring":
            return (even + (odd + odd.roll(1, dim)) / 2) / 2
        if self.kind[0] == "periodic":
            before, after = odd.roll(1, dim), even.roll(-1, dim)
        else:
            first, last = (GHOSTS[end] for end in self.kind)
            before = torch.cat([first * even.narrow(dim, 0, 1), odd.narrow(dim, 0, self.coarse - 1)], dim)
            after = torch.cat([even.narrow(dim, 1, self.coarse - 1), last * odd.narrow(dim, self.coarse - 1, 1)], dim)
        return torch.lerp(even + odd, before + after, 0.25) / 2


def _woven(even: Tensor, odd: Tensor, dim: int) -> Tensor:
    return torch.stack([even, odd], dim + 1).flatten(dim, dim + 1)


def _parted(r: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    even, odd = r.unflatten(dim, (r.shape[dim] // 2, 2)).unbind(dim + 1)
    return even, odd


@dataclass(frozen=True)
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
            u = axis.prolonged(u, dim)
        return u

    def restricted(self, r: Float[Tensor, "batch *fine"]) -> Float[Tensor, "batch *coarse"]:
        """The transpose, over 2^d."""
        for dim, axis in enumerate(self.axes, start=1):
            r = axis.restricted(r, dim)
        return r


def transfer(shape: tuple[int, ...], kinds: tuple[Kind, ...]) -> Transfer:
    """The transfer of a grid whose axes are of these kinds."""
    return Transfer(tuple(AxisTransfer(n, kind) for n, kind in zip(shape, kinds, strict=True)))
