"""Deflation: directions that conjugate gradients need not find, since a small dense system has them from the start.

With Z of k columns, E = Z^T A Z and Q = Z E^-1 Z^T the iteration runs in the A-orthogonal complement of Z: its count is
that of the spectrum without what Z spans.

Source: Saad, Yeung, Erhel & Guyomarc'h, A deflated version of the conjugate gradient algorithm (2000).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.errors import InvalidArgument


class Deflation:
    """The space spanned by `vectors`, (vector, *grid) for all samples or (batch, vector, *grid), for `operator`.

    Good ones are Ritz vectors of `lanczos`, and `subdomains`. Raises InvalidArgument where they depend on each other.

    >>> linear = ll.solvers.linear
    >>> A, b = linear.diffusion((31,)), torch.ones(1, 31, dtype=torch.float64)
    >>> ritz = linear.lanczos(A, b, 16)[1][:, :8]
    >>> deflation = linear.Deflation(A, ritz)
    >>> [int(linear.conjugate_gradients(A, b, deflation=d).iterations) for d in (None, deflation)]
    [16, 7]
    """

    def __init__(self, operator: Callable[[Tensor], Tensor], vectors: Tensor) -> None:
        shape = operator.shape  # type: ignore[attr-defined]
        if not isinstance(vectors, Tensor) or tuple(vectors.shape[-len(shape) :]) != tuple(shape):
            got = tuple(vectors.shape) if isinstance(vectors, Tensor) else type(vectors).__name__
            raise InvalidArgument(f"vectors must have shape ([batch,] vector, {', '.join(map(str, shape))}); got {got}")
        stacked = vectors.detach() if vectors.dim() == len(shape) + 2 else vectors.detach().unsqueeze(0)
        with torch.no_grad():
            # a product for each vector, of all samples at once
            images = torch.stack([operator(vector) for vector in stacked.unbind(1)], 1)
            self.z, self.az = stacked.flatten(2), images.flatten(2)
            energy = torch.einsum("bip,bjp->bij", self.z, self.az)
            factor, info = torch.linalg.cholesky_ex((energy + energy.mT) / 2)
            scale = self.z.norm(dim=2) * self.az.norm(dim=2)
            lost = factor.diagonal(dim1=1, dim2=2).square() <= 1e2 * torch.finfo(energy.dtype).eps * scale
        if bool((info != 0).any()) or bool(lost.any()):
            raise InvalidArgument("vectors must be independent, and none in the kernel of the operator")
        self._factor = factor

    def coarse(self, r: Float[Tensor, "batch *grid"]) -> Float[Tensor, "batch *grid"]:
        """Q r, the part of the solution that lies in the space."""
        return self._combined(self._solved(torch.einsum("bip,bp->bi", self._of(self.z, r), r.flatten(1)))).reshape(
            r.shape
        )

    def projected(self, z: Float[Tensor, "batch *grid"]) -> Float[Tensor, "batch *grid"]:
        """z - Q A z, A-orthogonal to the space."""
        against = torch.einsum("bip,bp->bi", self._of(self.az, z), z.flatten(1))
        return z - self._combined(self._solved(against)).reshape(z.shape)

    def _of(self, vectors: Tensor, like: Tensor) -> Tensor:
        return vectors.expand(len(like), *vectors.shape[1:])

    def _solved(self, against: Tensor) -> Tensor:
        factor = self._factor.expand(len(against), *self._factor.shape[1:])
        return torch.cholesky_solve(against.unsqueeze(-1), factor).squeeze(-1)

    def _combined(self, weights: Tensor) -> Tensor:
        return torch.einsum("bi,bip->bp", weights, self.z.expand(len(weights), *self.z.shape[1:]))


def subdomains(shape: tuple[int, ...], parts: int, dtype: torch.dtype = torch.float64) -> Float[Tensor, "vector *grid"]:
    """Indicators of parts^d blocks of a grid. Raises InvalidArgument where an axis has fewer points than parts.

    >>> ll.solvers.linear.subdomains((4,), 2).tolist()
    [[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0]]
    """
    if any(n < parts for n in shape) or parts < 1:
        raise InvalidArgument(f"parts must be between 1 and the least of {shape}; got {parts}")
    blocks = torch.zeros(shape, dtype=torch.long)
    for axis, n in enumerate(shape):
        place = torch.arange(n) * parts // n
        blocks = blocks * parts + place.reshape([-1 if other == axis else 1 for other in range(len(shape))])
    count = parts ** len(shape)
    return (blocks == torch.arange(count).reshape(-1, *[1] * len(shape))).to(dtype)
