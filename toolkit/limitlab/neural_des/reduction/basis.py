"""Proper orthogonal decomposition: the few directions in which trained trajectories move.

Of snapshots X (state, column) = V S W^T, the first k columns of V span the subspace of k dimensions that is nearest to
all columns: ||X - V_k V_k^T X||^2 = sum_{i>k} s_i^2 (Eckart & Young 1936). The algebra is in double precision, since
small singular values of X are lost in those of X^T X in single.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.errors import InvalidArgument, check_number


@dataclass(frozen=True, eq=False)
class Basis:
    """Orthonormal modes (state, mode) about a centre (state), and all singular values of what they were made from.

    >>> basis = ll.neural_des.reduction.pod(torch.diag(torch.tensor([3.0, 2.0, 1.0])))
    >>> basis.truncated(2).modes.shape, round(basis.energy(2), 3)
    (torch.Size([3, 2]), 0.929)
    """

    modes: Float[Tensor, "state mode"]
    singular_values: Float[Tensor, " rank"]
    centre: Float[Tensor, " state"]

    @property
    def size(self) -> int:
        """The number of modes."""
        return self.modes.shape[1]

    def truncated(self, size: int) -> Basis:
        """The first `size` modes. Raises InvalidArgument where there are fewer."""
        size = int(check_number("size", size, low=1, integer=True))
        if size > self.size:
            raise InvalidArgument(f"size must be at most {self.size}, the number of modes; got {size}")
        return replace(self, modes=self.modes[:, :size])

    def energy(self, size: int) -> float:
        """Share of sum s_i^2 that the first `size` modes hold."""
        squares = self.singular_values.square()
        return float(squares[:size].sum() / squares.sum())

    def size_for(self, energy: float) -> int:
        """The fewest modes with this share of the energy.

        >>> ll.neural_des.reduction.pod(torch.diag(torch.tensor([3.0, 2.0, 1.0]))).size_for(0.9)
        2
        """
        energy = float(check_number("energy", energy, low=0.0, high=1.0))
        shares = self.singular_values.square().cumsum(0) / self.singular_values.square().sum()
        # rounding may leave the last share below 1
        return min(int((shares < energy).sum()) + 1, self.size)


def pod(snapshots: Float[Tensor, "state column"], *, centred: bool = False) -> Basis:
    """All modes of snapshots with singular values above rounding, the largest first, in double precision.

    centred: modes of the deviations from the mean column, which becomes the centre; else the centre is zero.
    Raises InvalidArgument for snapshots that are not finite, or nothing but zeros.

    >>> ll.neural_des.reduction.pod(torch.diag(torch.tensor([3.0, 2.0, 0.0]))).singular_values.tolist()
    [3.0, 2.0]
    """
    if not isinstance(snapshots, Tensor) or snapshots.dim() != 2 or not snapshots.numel():
        got = tuple(snapshots.shape) if isinstance(snapshots, Tensor) else type(snapshots).__name__
        raise InvalidArgument(f"snapshots must be a tensor (state, column), not empty; got {got}")
    columns = snapshots.detach().double()
    bad = ~columns.isfinite().all(0)
    if bad.any():
        raise InvalidArgument(f"snapshots must be finite; column {int(bad.int().argmax())} is not")
    centre = columns.mean(1) if centred else columns.new_zeros(len(columns))
    modes, values, _ = torch.linalg.svd(columns - centre[:, None], full_matrices=False)
    rank = int((values > torch.finfo(torch.float64).eps * max(columns.shape) * values[0]).sum())
    if not rank:
        raise InvalidArgument("snapshots hold nothing but zeros, or one column repeated: they span no direction")
    return Basis(modes[:, :rank], values[:rank], centre)
