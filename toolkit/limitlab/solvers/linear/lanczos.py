"""Lanczos' method: a symmetric operator seen through the Krylov space of a vector, and what it says of the spectrum."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.errors import InvalidArgument, check_number


def lanczos(
    operator: Callable[[Tensor], Tensor], start: Float[Tensor, "batch *grid"], steps: int
) -> tuple[Float[Tensor, "batch value"], Float[Tensor, "batch value *grid"]]:
    """Ritz values, ascending, and orthonormal Ritz vectors of `steps` steps from each start, reorthogonalised twice.

    A space that is invariant before (a start in few eigenvectors) goes on from a vector orthogonal to it, so that each
    value is still one of A. Raises InvalidArgument for a start of zero or more steps than points.

    >>> A = ll.solvers.linear.diffusion((4,))
    >>> values, _ = ll.solvers.linear.lanczos(A, torch.tensor([[1.0, 2.0, 0.0, 1.0]], dtype=torch.float64), 4)
    >>> torch.allclose(values[0], ll.solvers.linear.box_eigenvalues((4,)))
    True
    """
    points = start[0].numel()
    steps = int(check_number("steps", steps, low=1, high=points, integer=True))
    with torch.no_grad():
        flat = start.detach().flatten(1)
        if not bool((flat.norm(dim=1) > 0).all()):
            raise InvalidArgument("start must not be zero in any sample")
        basis = [flat / flat.norm(dim=1, keepdim=True)]
        scale = torch.zeros(len(flat), 1, dtype=flat.dtype, device=flat.device)
        images: list[Tensor] = []
        for step in range(steps):
            images.append(operator(basis[-1].reshape(start.shape)).flatten(1))
            scale = torch.maximum(scale, images[-1].norm(dim=1, keepdim=True))
            if step + 1 < steps:
                basis.append(_next(basis, images[-1], scale))
        q, image = torch.stack(basis, 1), torch.stack(images, 1)
        projected = torch.einsum("bip,bjp->bij", q, image)
        values, coordinates = torch.linalg.eigh((projected + projected.mT) / 2)
        vectors = torch.einsum("bip,bij->bjp", q, coordinates)
    return values, vectors.unflatten(-1, start.shape[1:])


def _next(basis: list[Tensor], image: Tensor, scale: Tensor) -> Tensor:
    """The part of an image that is orthogonal to the basis, of length one."""
    q = torch.stack(basis, 1)
    rest = _orthogonal(image, q)
    norm = rest.norm(dim=1, keepdim=True)
    exhausted = norm <= 1e2 * torch.finfo(image.dtype).eps * scale
    # any other vector will do, the same at every call
    other = torch.cos(torch.arange(1, image.shape[1] + 1, dtype=image.dtype, device=image.device) ** 2 + len(basis))
    rest = _orthogonal(torch.where(exhausted, other, rest), q)
    return rest / rest.norm(dim=1, keepdim=True)


def _orthogonal(v: Tensor, q: Tensor) -> Tensor:
    # twice is enough (Kahan, Parlett)
    for _ in range(2):
        v = v - torch.einsum("bip,bi->bp", q, torch.einsum("bip,bp->bi", q, v))
    return v
