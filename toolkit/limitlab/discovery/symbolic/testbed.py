"""Fourteen formulas with which engines are compared: short ones of genetic programming, of physics, of dynamics.

A formula is found when its error is small on a box that is a quarter wider than the data, extrapolation included.
Sources: Uy et al. 2011 (nguyen); Udrescu and Tegmark 2020 (the Feynman rows, by their numbers in the lectures);
right-hand sides of Lotka-Volterra, Van der Pol, pendulum, Holling's harvest, Lorenz and the bead on a rotating hoop.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from limitlab.discovery.symbolic.engine import Data
from limitlab.discovery.symbolic.expression import Expr
from limitlab.errors import one_of

WIDER = 1.25
POINTS_OF_TEST = 1000
FOUND_WITHIN = 1e-3


@dataclass(frozen=True)
class Case:
    """A formula in `variables`, each uniform on its range, at so many points."""

    name: str
    text: str
    ranges: Mapping[str, tuple[float, float]]
    points: int

    @property
    def truth(self) -> Expr:
        """The formula."""
        return Expr.parse(self.text, tuple(self.ranges))

    def points_of(self, count: int, seed: int, wider: float = 1.0) -> np.ndarray:
        """Uniform points (count, k) on the box, or on one that is wider in total, about the same middle."""
        low, high = np.array(list(self.ranges.values())).T
        middle, half = (low + high) / 2, wider * (high - low) / 2
        return np.random.default_rng(seed).uniform(middle - half, middle + half, (count, len(low)))

    def data(self, seed: int = 0, noise: float = 0.0, validation: float = 0.0) -> Data:
        """Measurements with noise of so many parts of the spread of y.

        >>> from limitlab.discovery.symbolic.testbed import CASES
        >>> CASES["nguyen1"].data().X.shape
        (20, 1)
        """
        X = self.points_of(self.points, seed)  # noqa: N806
        clean = self.truth(X)
        sigma = noise * float(clean.std())
        y = clean + sigma * np.random.default_rng([seed, 1]).standard_normal(len(clean))
        return Data.of(X, y, names=tuple(self.ranges), sigma=sigma, validation=validation, seed=seed)

    def error(self, expr: Expr, seed: int = 10**6) -> float:
        """Root mean square of the error by that of the truth about its mean, on the wider box."""
        X = self.points_of(POINTS_OF_TEST, seed, WIDER)  # noqa: N806
        truth = self.truth(X)
        # beyond the data the truth itself may have no value, as log(1 + x) at x < -1
        there = np.isfinite(truth)
        return float(np.sqrt(np.mean((expr(X) - truth)[there] ** 2)) / truth[there].std())


def _case(name: str, text: str, points: int, **ranges: tuple[float, float]) -> Case:
    return Case(name, text, ranges, points)


CASES: dict[str, Case] = {
    case.name: case
    for case in (
        _case("nguyen1", "x^3 + x^2 + x", 20, x=(-1, 1)),
        _case("nguyen5", "sin(x^2)*cos(x) - 1", 20, x=(-1, 1)),
        _case("nguyen7", "log(x + 1) + log(x^2 + 1)", 20, x=(0, 2)),
        _case("nguyen9", "sin(x) + sin(y^2)", 20, x=(0, 1), y=(0, 1)),
        _case("I.6.2a", "exp(-x^2/2)/sqrt(2*pi)", 200, x=(1, 3)),
        _case("I.12.2", "a*b/(4*pi*c*d^2)", 200, a=(1, 5), b=(1, 5), c=(1, 5), d=(1, 5)),
        _case("I.27.6", "1/(1/a + c/b)", 200, a=(1, 5), b=(1, 5), c=(1, 5)),
        _case("I.50.26", "a*(cos(b*c) + d*cos(b*c)^2)", 200, a=(1, 3), b=(1, 3), c=(1, 3), d=(1, 3)),
        _case("lotka", "-0.9*x*y", 31, x=(0.2, 5), y=(0.2, 5)),
        _case("van der pol", "-x - 0.43*(x^2 - 1)*v", 200, x=(-3, 3), v=(-3, 3)),
        _case("pendulum", "-9.81*sin(theta) - 0.3*omega", 200, theta=(-3, 3), omega=(-3, 3)),
        _case("holling", "x*(1 - x) - 0.3*x/(0.2 + x)", 200, x=(0.02, 1.2)),
        _case("lorenz", "x*(28 - z) - y", 200, x=(-20, 20), y=(-25, 25), z=(0, 45)),
        _case("bead", "0.0981*sin(x)*(9.7*cos(x) - 1)", 200, x=(-3, 3)),
    )
}
"""By name, in the order in which tables show them."""


def case(name: str) -> Case:
    """The case of a name; raises UnknownName.

    >>> from limitlab.discovery.symbolic.testbed import case
    >>> case("lotka").points
    31
    """
    return CASES[one_of("case", name, CASES)]
