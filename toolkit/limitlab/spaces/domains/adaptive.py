"""Residual-based adaptive distribution of points: where a residual is large, more of them.

A candidate is chosen with probability proportional to |r|^k / mean |r|^k + c. Source: Wu, Zhu, Tan, Kartha, Lu, A
comprehensive study of non-adaptive and residual-based adaptive sampling for physics-informed neural networks (2023).
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.errors import InvalidArgument, check_number

MOST = 2**24


def adaptive(
    points: Float[Tensor, "candidate dimension"],
    residual: Float[Tensor, "candidate *equation"],
    n: int,
    *,
    k: float = 1.0,
    c: float = 1.0,
    seed: int = 0,
) -> Float[Tensor, "n dimension"]:
    """n of the candidates, none of them twice; large k follows the residual, large c the candidates' own density.

    The residual of several equations counts by its norm. Raises InvalidArgument.

    >>> candidates = ll.spaces.domains.Interval(0, 1).sample(1000)
    >>> chosen = ll.spaces.domains.adaptive(candidates, (candidates > 0.5).double(), 100, c=0)
    >>> bool((chosen > 0.5).all())
    True
    """
    if not isinstance(points, Tensor) or points.ndim != 2 or not 0 < len(points) <= MOST:
        raise InvalidArgument(f"points must be a tensor (candidate, dimension) of at most {MOST} candidates")
    if not isinstance(residual, Tensor) or residual.ndim < 1 or len(residual) != len(points):
        got = f"shape {tuple(residual.shape)}" if isinstance(residual, Tensor) else type(residual).__name__
        raise InvalidArgument(f"residual must be a tensor with a row for each of {len(points)} points; got {got}")
    n = int(check_number("n", n, low=1, high=len(points), integer=True))
    k, c = check_number("k", k, low=0), check_number("c", c, low=0)
    seed = int(check_number("seed", seed, low=0, integer=True))
    # on the CPU, so that a device does not change the choice
    size = residual.detach().double().cpu().reshape(len(points), -1).norm(dim=1)
    if not size.isfinite().all():
        raise InvalidArgument(f"residual must be finite; that of point {int((~size.isfinite()).nonzero()[0])} is not")
    # a power of large or small numbers would overflow
    power = (size / size.max()) ** k if size.any() else torch.ones_like(size)
    weight = power / power.mean() + c
    if int((weight > 0).sum()) < n:
        raise InvalidArgument(f"c must be positive where fewer than n = {n} points have a residual; got c = {c:g}")
    chosen = torch.multinomial(weight, n, generator=torch.Generator().manual_seed(seed))
    return points[chosen.to(points.device)]
