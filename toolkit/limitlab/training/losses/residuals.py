"""Losses without solutions: how far a model's output is from solving a discrete equation D(u, phi) = 0.

    msr              mean r^2,                 r = D(u, phi): the mean squared residual
    preconditioned   mean (M r)^2,             M near the inverse of the equation's operator
    multilevel       sum_l 4^l mean (R^l r)^2, R the mean over 2^d points, as long as an axis has four
    energy           mean (u . (A u)/2 - b . u),   for D = A u - b with A symmetric and positive definite
    supervised       mean (u - u*)^2,          the solution u* in the batch, for comparison

With e = u - u* and D = A u - b the first is |A e|^2/N, of condition kappa(A)^2: it weighs the roughest error kappa^2
times as much as the smoothest, so that a small residual need not be a small error. The energy is e . A e/2, of
condition kappa(A); preconditioning by the inverse leaves |e|^2. With 4^l, the root of what would give every grid its
own h^-2 in a second-order equation, the residuals on all grids weigh errors nearly as the energy does.

Source: Huang et al., LordNet (2022), arXiv 2206.09418, for the first; the others are classical.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from limitlab.errors import InvalidArgument, one_of

Residual = Callable[[Tensor, Tensor], Tensor]
Loss = Callable[[nn.Module, Mapping[str, Any]], dict[str, Tensor]]
Term = Callable[[Tensor, Tensor, Residual], Tensor]
POOLS = (functional.avg_pool1d, functional.avg_pool2d, functional.avg_pool3d)
COARSEST = 4
"""Points that an axis must have for its residual to be averaged once more."""


def residual_loss(
    kind: str,
    residual: Residual,
    *,
    inverse: Callable[[Tensor], Tensor] | None = None,
    inputs: str = "input",
    targets: str = "target",
) -> Loss:
    """loss(model, batch) -> {kind: value}, for any model from batch[inputs] to u, both (batch, channel, *grid).

    residual(u, phi): D, for u = model(phi), of u's shape; "energy" takes it for A u - b with a symmetric A. inverse:
    M, which "preconditioned" needs and no other. targets: the name of u* in the batch, which "supervised" alone reads.
    Raises UnknownName and InvalidArgument.

    >>> loss = ll.training.residual_loss("msr", lambda u, f: 2 * u - f)
    >>> loss(torch.nn.Identity(), {"input": torch.full((4, 1, 8), 3.0)})
    {'msr': tensor(9.)}
    """
    if one_of("residual loss", kind, KINDS) == "supervised":
        return lambda model, batch: {kind: (model(batch[inputs]) - batch[targets]).square().mean()}
    if (inverse is not None) != (kind == "preconditioned"):
        raise InvalidArgument(f"inverse and the loss 'preconditioned' belong together; got {kind!r}")
    of_residual = {"msr": _squared, "multilevel": _multilevel}

    def loss(model: nn.Module, batch: Mapping[str, Any]) -> dict[str, Tensor]:
        u = model(batch[inputs])
        r = residual(u, batch[inputs])
        if r.shape != u.shape:
            raise InvalidArgument(f"residual must have the shape of u, {tuple(u.shape)}; got {tuple(r.shape)}")
        if kind == "energy":
            # D(0) = -b
            return {kind: (u * (r + residual(0 * u, batch[inputs])) / 2).mean()}
        return {kind: _squared(inverse(r)) if inverse is not None else of_residual[kind](r)}

    return loss


KINDS = ("msr", "preconditioned", "multilevel", "energy", "supervised")


def _squared(r: Tensor) -> Tensor:
    return r.square().mean()


def _multilevel(r: Tensor) -> Tensor:
    total, weight = _squared(r), 1.0
    while min(r.shape[2:]) >= COARSEST:
        r, weight = POOLS[r.ndim - 3](r, 2, ceil_mode=True), 4 * weight
        total = total + weight * _squared(r)
    return total
