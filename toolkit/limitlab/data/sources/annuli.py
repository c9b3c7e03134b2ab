"""A disc inside a ring: two classes that no homeomorphism of the plane makes linearly separable.

Source: Dupont, Doucet & Teh, Augmented neural ODEs (2019), 3.2: |x| < r_1 against r_2 < |x| < r_3.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.errors import check_number

RADII = (0.5, 1.0, 1.5)


def annuli(samples: int, seed: int) -> tuple[Float[Tensor, "sample 2"], Float[Tensor, " sample"]]:
    """Points (2 samples, 2) in the disc |x| < 0.5 and the ring 1 < |x| < 1.5, uniform in each; labels 0, then 1.

    >>> points, labels = ll.data.sources.annuli.annuli(3, seed=0)
    >>> (points.norm(dim=1) > 0.75).float().equal(labels)
    True
    """
    samples = int(check_number("samples", samples, low=1, integer=True))
    draws = np.random.default_rng([int(check_number("seed", seed, low=0, integer=True)), 41])
    inner, low, high = RADII
    # uniform in area: the square of the radius is uniform
    squares = np.concatenate([draws.uniform(0, inner**2, samples), draws.uniform(low**2, high**2, samples)])
    angles = draws.uniform(0, 2 * np.pi, 2 * samples)
    points = np.sqrt(squares)[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    return torch.from_numpy(points).float(), torch.arange(2.0).repeat_interleave(samples)
