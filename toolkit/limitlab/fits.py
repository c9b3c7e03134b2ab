"""Power laws fitted to measurements: y = c x^p is a line of slope p between log axes, fitted by least squares.

The line goes through the middle of the logarithms, the geometric means of x and of y.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

Numbers = Sequence[float] | Float[np.ndarray, " point"]


class PowerLaw(NamedTuple):
    """y = middle_y (x / middle_x)^exponent.

    >>> law = ll.fits.power_law([1, 10, 100], [5, 50, 500])
    >>> float(round(law(20.0), 6))
    100.0
    """

    exponent: float
    middle_x: float
    middle_y: float

    def __call__(self, x: float | Float[np.ndarray, " point"]) -> float | Float[np.ndarray, " point"]:
        return self.middle_y * (x / self.middle_x) ** self.exponent


def power_law(x: Numbers, y: Numbers) -> PowerLaw:
    """The law through the points that have logarithms; its exponent is NaN where fewer than two values of x do.

    >>> round(ll.fits.power_law([8, 16, 32], [0.4, 0.2, 0.1]).exponent, 6)
    -1.0
    """
    points = np.stack([np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)])
    across, up = np.log(points[:, (np.isfinite(points) & (points > 0)).all(0)])
    if len(across) == 0:
        return PowerLaw(float("nan"), float("nan"), float("nan"))
    middle = across.mean(), up.mean()
    # about the middle, where slope and level do not depend on each other
    run, rise = across - middle[0], up - middle[1]
    exponent = (run @ rise) / (run @ run) if np.ptp(across) > 0 else np.nan
    return PowerLaw(float(exponent), float(np.exp(middle[0])), float(np.exp(middle[1])))


def loglog_slope(x: Numbers, y: Numbers) -> float:
    """The exponent p of y ~ x^p, NaN below two points.

    >>> round(ll.fits.loglog_slope([8, 16, 32], [0.4, 0.2, 0.1]), 6)
    -1.0
    """
    return power_law(x, y).exponent
