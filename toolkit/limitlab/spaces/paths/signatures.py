"""Log-signatures of depth one and two: what a long path did on a window, in a handful of numbers.

For a piecewise linear path with increments dX_k in R^d the log-signature of depth two is the increment and the areas,

    D^a = sum_k dX_k^a,      A^{ab} = 1/2 sum_{k<l} (dX_k^a dX_l^b - dX_k^b dX_l^a),  a < b,

d + d(d-1)/2 numbers, in this order, the areas by rows: A^{01}, A^{02}, .., A^{12}, .. . The area of a closed loop is
the one it goes round, positive when counter-clockwise. Two paths one after the other obey the Baker-Campbell-Hausdorff
formula, which ends after one bracket at this depth: D = D_1 + D_2, A = A_1 + A_2 + 1/2 D_1 ^ D_2 (Chen's identity).

Sources: Lyons 2014 (rough paths, signatures and functions on streams); Morrill, Salvi, Kidger, Foster & Lyons 2021
(neural rough differential equations).
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.errors import InvalidArgument, check_number
from limitlab.spaces.paths.control import ControlPath
from limitlab.spaces.paths.splines import inverse_lengths


def log_signature_size(channels: int, depth: int = 2) -> int:
    """Entries of the log-signature of a path with so many channels.

    >>> ll.spaces.log_signature_size(3)
    6
    """
    channels = int(check_number("channels", channels, low=1, integer=True))
    depth = int(check_number("depth", depth, low=1, high=2, integer=True))
    return channels if depth == 1 else channels + channels * (channels - 1) // 2


def log_signature(points: Float[Tensor, "*batch point channel"], depth: int = 2) -> Float[Tensor, "*batch entry"]:
    """Log-signature of the piecewise linear paths through the points; depth 1 is the increment alone.

    >>> square = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0], [0.0, 0.0]])
    >>> ll.spaces.log_signature(square).tolist()  # back where it began, around an area of one
    [0.0, 0.0, 1.0]
    """
    depth = int(check_number("depth", depth, low=1, high=2, integer=True))
    if points.dim() < 2 or points.shape[-2] < 2:
        raise InvalidArgument(f"points must be (.., point, channel) with two points or more; got {tuple(points.shape)}")
    return _from_increments(points.diff(dim=-2), depth)


def compose_log_signatures(
    first: Float[Tensor, "*batch entry"], second: Float[Tensor, "*batch entry"], channels: int
) -> Tensor:
    """Log-signature of a path followed by another, from theirs: Chen's identity. Depth one or two, by their size.

    >>> along_x, along_y = torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0.0, 1.0, 0.0])
    >>> ll.spaces.compose_log_signatures(along_x, along_y, channels=2).tolist()
    [1.0, 1.0, 0.5]
    """
    sizes = [log_signature_size(channels, depth) for depth in (1, 2)]
    for name, entries in (("first", first), ("second", second)):
        if entries.shape[-1] not in sizes or entries.shape[-1] != first.shape[-1]:
            raise InvalidArgument(
                f"{name} must have {sizes[0]} or {sizes[1]} entries for {channels} channels, as the other; "
                f"got shape {tuple(entries.shape)}"
            )
    total = first + second
    if first.shape[-1] == channels:
        return total
    bracket = _wedge(first[..., :channels], second[..., :channels]) / 2
    return torch.cat([total[..., :channels], total[..., channels:] + bracket], dim=-1)


def log_signature_path(path: ControlPath, window: int, depth: int = 2) -> ControlPath:
    """The path whose increment on window j, [r_j, r_j+1], is the log-signature L_j of the given one there.

    A neural rough differential equation dz = g(z) dX with it is the log-ODE z' = g(z) L_j / (r_j+1 - r_j), a step a
    window. window: pieces of the path in each; the last may hold fewer. The path must be piecewise linear, and starts
    where the given one does, with no area. Raises InvalidArgument.

    >>> path = ll.spaces.control_path(torch.arange(9.0), torch.zeros(1, 9, 2))
    >>> ll.spaces.log_signature_path(path, window=4)
    ControlPath(log-signature of depth 2: 1 samples, 6 channels, 3 knots on [0, 8])
    """
    window = int(check_number("window", window, low=1, integer=True))
    depth = int(check_number("depth", depth, low=1, high=2, integer=True))
    if path.degree != 1:
        raise InvalidArgument(f"path must be piecewise linear (linear, rectilinear); got a {path.interpolation} one")
    points = path.coefficients[:, :, 0]
    pieces = points.shape[1] - 1
    if window > pieces:
        raise InvalidArgument(f"window must be at most the {pieces} pieces of the path; got {window}")
    count = -(-pieces // window)
    # pieces without length fill the last window up: they add nothing to a log-signature
    increments = torch.nn.functional.pad(points.diff(dim=1), (0, 0, 0, count * window - pieces))
    entries = _from_increments(increments.unflatten(1, (count, window)), depth)
    start = torch.nn.functional.pad(points[:, 0], (0, entries.shape[-1] - points.shape[-1]))
    values = torch.cat([start[:, None], start[:, None] + entries.cumsum(dim=1)], dim=1)
    knots = path.knots[..., [*range(0, pieces, window), pieces]]
    slopes = torch.nn.functional.pad(entries * inverse_lengths(knots), (0, 0, 0, 1))
    return ControlPath(f"log-signature of depth {depth}", knots, torch.stack([values, slopes], dim=2))


def _from_increments(increments: Float[Tensor, "*batch piece channel"], depth: int) -> Float[Tensor, "*batch entry"]:
    total = increments.sum(dim=-2)
    if depth == 1:
        return total
    # exclusive: an increment encloses no area with itself
    before = increments.cumsum(dim=-2) - increments
    products = torch.einsum("...ka,...kb->...ab", before, increments)
    return torch.cat([total, _above_diagonal(products - products.mT) / 2], dim=-1)


def _wedge(first: Float[Tensor, "*batch channel"], second: Float[Tensor, "*batch channel"]) -> Tensor:
    """first^a second^b - first^b second^a, a < b."""
    products = first[..., :, None] * second[..., None, :]
    return _above_diagonal(products - products.mT)


def _above_diagonal(matrix: Float[Tensor, "*batch channel channel"]) -> Float[Tensor, "*batch pair"]:
    row, column = torch.triu_indices(matrix.shape[-1], matrix.shape[-1], offset=1, device=matrix.device)
    return matrix[..., row, column]
