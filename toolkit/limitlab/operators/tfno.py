"""Tensorised Fourier neural operator: the FNO with its spectral weights R(k) held as factors of a low-rank tensor.

    R[i, o, k..] = sum G[a, p, q..] A[i, a] B[o, p] C_1[k_1, q_1] ..          (Tucker; or a CP sum, or a tensor train)

The spectral weights are nearly all of an FNO's weights. One tensor for each layer, or one for all layers with the layer
as an axis of its own (`joint`): there the layers share what is alike in them.
Source: Kossaifi et al., Multi-Grid Tensorized Fourier Neural Operator (2023), arXiv 2310.00120, Section 3. The
published library has no joint tensor any more.
"""

from __future__ import annotations

from typing import Protocol

from limitlab.layers.factorized import Compression
from limitlab.operators.fno import FNO
from limitlab.operators.row import Operator, Sizes, Task


class TFNO(FNO):
    """An FNO whose `compression`, unless given, is a Tucker tensor for each layer at a tenth of the dense numbers.

    The arguments are those of FNO.

    >>> dense, tucker = (kind(1, 1, modes=(16, 16), width=24) for kind in (ll.operators.FNO, ll.operators.TFNO))
    >>> tucker.blocks[0].spectral.factors.tensor.ranks
    (13, 13, 9, 5)
    >>> ll.operators.count_parameters(tucker) < 0.2 * ll.operators.count_parameters(dense)
    True
    """

    compression = Compression("tucker", 0.1)


class TensorSizes(Sizes, Protocol):
    """What the row reads besides."""

    factorization: str
    rank: float


def tfno(task: Task, settings: TensorSizes) -> TFNO:
    """The TFNO of these settings; "joint" is a Tucker tensor for all layers together."""
    joint = settings.factorization == "joint"
    return TFNO(
        task.in_channels,
        task.out_channels,
        settings.modes,
        settings.width,
        settings.layers,
        dimension=task.dimension,
        padding=settings.padding,
        norm=None if settings.norm == "none" else settings.norm,
        compression=Compression("tucker" if joint else settings.factorization, settings.rank, joint),
    )


ROWS = (
    Operator(
        "tfno",
        "tensorised Fourier neural operator",
        TFNO,
        tfno,
        ("modes", "width", "layers", "padding", "norm", "factorization", "rank"),
    ),
)
