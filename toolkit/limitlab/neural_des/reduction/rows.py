"""Discrete empirical interpolation: all entries of a nonlinear function from a few of them.

With modes U (state, m) of its snapshots and m rows P of the identity, f ~ U (P^T U)^-1 P^T f, exact at the rows and for
every f in the span of U; in general ||f - f_DEIM|| <= C ||f - U U^T f|| with C = ||(P^T U)^-1||_2. With more rows than
modes the inverse is the pseudo-inverse.

Sources: Chaturantabut & Sorensen 2010 (greedy rows, C); Drmac & Gugercin 2016 (rows as pivots of a QR decomposition).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.linalg
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from limitlab.errors import InvalidArgument, check_number

Rows = Int64[Tensor, " row"]


def deim_rows(modes: Float[Tensor, "state mode"]) -> Rows:
    """One row a mode: where the mode differs most from what the rows so far say of it.

    Raises InvalidArgument for modes that depend on each other, whose rows would repeat.

    >>> ll.neural_des.reduction.deim_rows(torch.eye(4)[:, [2, 0]]).tolist()
    [2, 0]
    """
    exact = _checked(modes)
    rows = [int(exact[:, 0].abs().argmax())]
    for column in range(1, exact.shape[1]):
        known = exact[rows][:, :column]
        weights = torch.linalg.solve(known, exact[rows, column])
        residual = (exact[:, column] - exact[:, :column] @ weights).abs()
        row = int(residual.argmax())
        if row in rows or residual[row] <= 1e-12:
            raise InvalidArgument(f"modes must be independent; mode {column} lies in the span of those before it")
        rows.append(row)
    return torch.tensor(rows)


def qdeim_rows(modes: Float[Tensor, "state mode"], count: int | None = None) -> Rows:
    """The first pivots of the QR decomposition with column pivoting of U^T; often a smaller C than `deim_rows`.

    count: of rows, one a mode if left out. Beyond the number of modes, rows of the largest norm that are left.

    >>> ll.neural_des.reduction.qdeim_rows(torch.eye(4)[:, [2, 0]]).sort().values.tolist()
    [0, 2]
    """
    exact = _checked(modes)
    count = exact.shape[1] if count is None else _checked_count(count, exact)
    pivots = torch.from_numpy(scipy.linalg.qr(exact.T.cpu().numpy(), mode="r", pivoting=True)[1].astype(np.int64))
    first, rest = pivots[: exact.shape[1]], pivots[exact.shape[1] :]
    rest = rest[exact[rest].norm(dim=1).argsort(descending=True)]
    return torch.cat([first, rest])[:count]


def random_rows(modes: Float[Tensor, "state mode"], seed: int) -> Rows:
    """As many rows as modes, without a look at them: what a choice of rows must beat.

    >>> len(ll.neural_des.reduction.random_rows(torch.eye(4)[:, :3], seed=0))
    3
    """
    exact = _checked(modes)
    return torch.from_numpy(np.random.default_rng([seed, 5]).permutation(len(exact))[: exact.shape[1]])


def largest_rows(modes: Float[Tensor, "state mode"]) -> Rows:
    """The rows of the largest norm, so many as modes: the units that are most active.

    >>> ll.neural_des.reduction.largest_rows(torch.tensor([[0.1], [0.9], [0.2]])).tolist()
    [1]
    """
    exact = _checked(modes)
    return exact.norm(dim=1).argsort(descending=True)[: exact.shape[1]]


CHOICES: dict[str, Callable[..., Rows]] = {"deim": deim_rows, "qdeim": qdeim_rows, "largest": largest_rows}
"""How rows may be chosen from modes alone; `random_rows` takes a seed too."""


def interpolation(modes: Float[Tensor, "state mode"], rows: Rows) -> Float[Tensor, "state row"]:
    """U (P^T U)^+, which makes all entries from those at the rows.

    Raises InvalidArgument where the rows cannot tell the modes apart.

    >>> ll.neural_des.reduction.interpolation(torch.eye(3)[:, :1], torch.tensor([0])).flatten().tolist()
    [1.0, 0.0, 0.0]
    """
    exact = _checked(modes)
    picked = exact[rows]
    if len(rows) < exact.shape[1] or torch.linalg.matrix_rank(picked) < exact.shape[1]:
        raise InvalidArgument(
            f"rows must tell {exact.shape[1]} modes apart; {len(rows)} rows of rank {torch.linalg.matrix_rank(picked)}"
        )
    return exact @ torch.linalg.pinv(picked)


def error_constant(modes: Float[Tensor, "state mode"], rows: Rows) -> float:
    """C = ||(P^T U)^+||_2, by which the error of the projection is multiplied at most.

    >>> ll.neural_des.reduction.error_constant(torch.eye(3)[:, :2], torch.tensor([0, 1]))
    1.0
    """
    return float(1 / torch.linalg.svdvals(_checked(modes)[rows])[-1])


def _checked(modes: Float[Tensor, "state mode"]) -> Float[Tensor, "state mode"]:
    if not isinstance(modes, Tensor) or modes.dim() != 2 or not 0 < modes.shape[1] <= modes.shape[0]:
        got = tuple(modes.shape) if isinstance(modes, Tensor) else type(modes).__name__
        raise InvalidArgument(f"modes must be a tensor (state, mode) with at most as many modes as states; got {got}")
    return modes.detach().double().cpu()


def _checked_count(count: int, modes: Float[Tensor, "state mode"]) -> int:
    return int(check_number("count", count, low=modes.shape[1], high=len(modes), integer=True))
