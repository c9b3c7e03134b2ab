"""What an engine of the search is: measurements in, better and better formulas out.

    search(data, settings, seed) yields Progress(formulas, evaluations)

again and again, so that a search can be shown while it runs, and stopped: whoever asks for formulas ends it by asking
no more. An engine need not score its formulas; the face of the search does that, on the same data for all engines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from jaxtyping import Float

from limitlab.discovery.symbolic.expression import Expr
from limitlab.errors import InvalidArgument, check_number
from limitlab.numbers import array_of

if TYPE_CHECKING:
    from limitlab.discovery.symbolic.units import Units

OPERATORS = ("+", "-", "*", "/", "sin", "cos", "exp", "log", "sqrt", "square")
"""Operators that an engine may use unless some are named."""

FEWEST_POINTS = 4


@dataclass(frozen=True)
class Data:
    """Measurements: points X (n, k), values y (n,), names of the k variables; made and checked by `Data.of`.

    weights: of the squared residuals. sigma: standard deviation of the noise in y. held_out: points and values that no
    engine fits.

    >>> from limitlab.discovery.symbolic import Data
    >>> Data.of([[0.0], [1.0], [2.0], [3.0]], [0.0, 1.0, 4.0, 9.0]).names
    ('x',)
    """

    X: Float[np.ndarray, "point variable"]
    y: Float[np.ndarray, " point"]
    names: tuple[str, ...]
    weights: Float[np.ndarray, " point"]
    sigma: float | None = None
    units: Units | None = None
    held_out: tuple[Float[np.ndarray, "point variable"], Float[np.ndarray, " point"]] | None = None

    @classmethod
    def of(
        cls,
        X: Any,  # noqa: N803
        y: Any,
        *,
        names: Sequence[str] | None = None,
        weights: Any = None,
        sigma: float | None = None,
        units: Units | None = None,
        validation: float = 0.0,
        seed: int = 0,
    ) -> Data:
        """Checked measurements; the part `validation` of them, drawn by `seed`, is held out.

        Raises InvalidArgument for shapes that disagree, numbers that are not finite, constants, too few points, and
        weights that are negative.
        """
        points, values = _array("X", X), _array("y", y)
        if points.ndim == 1:
            points = points[:, None]
        if points.ndim != 2 or values.shape != points.shape[:1]:
            raise InvalidArgument(f"X must be (n, k) and y (n,); got {points.shape} and {values.shape}")
        n, k = points.shape
        names = _variable_names(names, k)
        if n < max(FEWEST_POINTS, k + 2):
            raise InvalidArgument(f"X must have at least {max(FEWEST_POINTS, k + 2)} points for {k} variables; got {n}")
        for name, column in zip(names, points.T, strict=True):
            if np.ptp(column) == 0:
                raise InvalidArgument(f"columns of X must vary; {name!r} is {column[0]:g} throughout: leave it out")
        weight = np.ones(n) if weights is None else _array("weights", weights)
        if weight.shape != (n,) or (weight < 0).any() or not weight.any():
            raise InvalidArgument(f"weights must be {n} numbers >= 0, not all zero; got the shape {weight.shape}")
        counted = values[weight > 0]
        if np.ptp(counted) == 0:
            raise InvalidArgument(f"y must vary; it is {counted[0]:g} at every point that counts")
        sigma = None if sigma is None else check_number("sigma", sigma, low=0.0)
        if units is not None:
            units.require(names)
        count = round(check_number("validation", validation, low=0.0, high=0.9) * n)
        order = np.random.default_rng(seed).permutation(n)
        kept, out = np.sort(order[count:]), np.sort(order[:count])
        if len(kept) < max(FEWEST_POINTS, k + 2):
            raise InvalidArgument(f"validation={validation:g} leaves {len(kept)} of {n} points to fit: too few")
        held_out = (points[out], values[out]) if count else None
        return cls(points[kept], values[kept], names, weight[kept], sigma, units, held_out)


@dataclass(frozen=True)
class Settings:
    """What a search may use: operators, the budget (seconds, or evaluations of formulas), the longest formula.

    costs: complexity of nodes, in the place of some of `COMPLEXITY`. budget_s and evaluations may both be None: no end.

    >>> from limitlab.discovery.symbolic import Settings
    >>> Settings(("+", "*"), evaluations=1000).max_complexity
    30
    """

    ops: Sequence[str] = OPERATORS
    budget_s: float | None = None
    evaluations: int | None = None
    max_complexity: float = 30
    costs: Mapping[str, float] = field(default_factory=dict)


class Progress(NamedTuple):
    """The best formulas so far, or those that are new among them, and how many an engine has evaluated.

    >>> from limitlab.discovery.symbolic import Expr, Progress
    >>> Progress([Expr.parse("x^2", ("x",))], evaluations=100).evaluations
    100
    """

    formulas: Sequence[Expr]
    evaluations: int


@dataclass(frozen=True)
class Engine:
    """A row: `search(data, settings, seed)` yields Progress until its budget is spent or nobody asks.

    operators: the names that `settings.ops` may hold. ready: loads and compiles what the search needs, before its time
    counts.

    >>> from limitlab.discovery.symbolic import Engine, Expr, Progress
    >>> def guess(data, settings, seed):
    ...     yield Progress([Expr.parse(data.names[0], data.names)], evaluations=1)
    >>> Engine("guess", "The first variable", guess, operators=()).name
    'guess'
    """

    name: str
    title: str
    search: Callable[[Data, Settings, int], Iterator[Progress]]
    operators: tuple[str, ...]
    ready: Callable[[], object] | None = None


def _array(argument: str, values: Any) -> np.ndarray:
    numbers = array_of(argument, values)
    if not np.isfinite(numbers).all():
        first = tuple(map(int, np.argwhere(~np.isfinite(numbers))[0]))
        raise InvalidArgument(f"{argument} must be finite; {argument}{list(first)} is {numbers[first]}")
    return numbers


def _variable_names(names: Sequence[str] | None, count: int) -> tuple[str, ...]:
    if names is None:
        return ("x",) if count == 1 else tuple(f"x{i}" for i in range(1, count + 1))
    if isinstance(names, str) or len(names) != count:
        raise InvalidArgument(f"names must be {count} names, one a column of X; got {names!r:.80}")
    for name in names:
        # refuses what the grammar cannot read
        Expr.parse(name, tuple(names))
    return tuple(names)
