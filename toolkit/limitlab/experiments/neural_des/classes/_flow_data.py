"""What classes of flows learn from: points of two classes, or trajectories with gaps, of a problem or of a reader.

Trajectories are put on scales of their own: every component has mean 0 and deviation 1 over what was measured, and
time is measured so that half of all changes are faster than one a unit. A Hamiltonian system of one pair (q, p) stays
one on these scales; one of several pairs stays so where their products of deviations are alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.data import Series, series
from limitlab.data.sources.annuli import annuli
from limitlab.errors import InvalidArgument
from limitlab.problems import get

SPANS: dict[str, tuple[str, float]] = {
    "oscillator": ("saturating_oscillator", 10.0),
    "damped_oscillator": ("damped_oscillator", 8.0),
    "pendulum": ("pendulum", 2.5),
}
"""Problem and span of every set of trajectories; they are tested on twice the span."""
POINTS, SETS = "annuli", ("annuli", *SPANS)
TEST_SHARE = 0.3
MOST_TIMES = 2000


@dataclass(frozen=True)
class FlowData:
    """Where flows begin, "x" (sample, feature), and what becomes of them: "label", or "y" (sample, time, feature).

    times: of what is learned; test_times begin with them. complete: "y" before values were taken away. names: of the
    features.
    """

    train: Mapping[str, Tensor]
    test: Mapping[str, Tensor]
    names: tuple[str, ...]
    times: Float[Tensor, " time"] | None = None
    test_times: Float[Tensor, " time"] | None = None
    complete: Float[Tensor, "sample time feature"] | None = None

    @property
    def features(self) -> int:
        return len(self.names)


def flow_data(name: str, *, samples: int, rows: int, missing: float, dropped: str, seed: int) -> FlowData:
    """Data of a set of SETS: as many points of each class, or trajectories of so many rows."""
    if name == POINTS:
        (x, label), (unseen, classes) = (annuli(samples, 2 * seed + part) for part in (0, 1))
        seen, new = ({"x": a.double(), "label": b.long()} for a, b in ((x, label), (unseen, classes)))
        return FlowData(seen, new, ("x1", "x2"))
    problem, span = get(SPANS[name][0]), SPANS[name][1]
    # one law; those to test on come after those to learn from in its stream
    starts, _ = problem.sample(2 * samples, seed)
    times = torch.linspace(0, 2 * span, 2 * rows - 1, dtype=torch.float64)
    y = problem.solve(starts, times).y.double()
    train, test = series(times[:rows], y[:samples, :rows]), series(times, y[samples:])
    return trajectories(train, test, problem.components, missing=missing, dropped=dropped, seed=seed)


def flow_data_of(
    own: Series, names: tuple[str, ...] = (), *, missing: float = 0.0, dropped: str = "value", seed: int = 0
) -> FlowData:
    """Data of a reader's trajectories, of which a part is to test on. Raises InvalidArgument."""
    if len(own) < 2:
        raise InvalidArgument(f"series must be two or more, one to learn from and one to test on; got {len(own)}")
    together = on_common_times(own)
    train, test = together.split(1 - TEST_SHARE if len(own) > 3 else 0.5, seed)
    return trajectories(train, test, names or default_names(own), missing=missing, dropped=dropped, seed=seed)


def default_names(own: Series) -> tuple[str, ...]:
    """Names of channels that have none: "y1", "y2", ..."""
    return tuple(f"y{channel}" for channel in range(1, own.values.shape[-1] + 1))


def trajectories(
    train: Series, test: Series, names: tuple[str, ...], *, missing: float, dropped: str, seed: int
) -> FlowData:
    """Series on times that all share, scaled, with a share of the training values taken away."""
    speed, first = _speed(train.standardised()), train.window[0]
    scaled, unseen = (replace(part.standardised(train), times=(part.times - first) * speed) for part in (train, test))
    seen = scaled.dropped(missing, 2 * seed, "time" if dropped == "time" else "value")
    return FlowData(
        {"x": seen.values[:, 0], "y": seen.values},
        {"x": unseen.values[:, 0], "y": unseen.values},
        names,
        scaled.times[0],
        unseen.times[0],
        scaled.values,
    )


def on_common_times(own: Series) -> Series:
    """The series at the times of all, NaN where one was not measured. Raises InvalidArgument naming the sample."""
    inside = own.inside
    times = torch.unique(own.times[inside]).double()
    if len(times) > MOST_TIMES:
        raise InvalidArgument(f"series must have at most {MOST_TIMES} different times together; got {len(times)}")
    rows = torch.searchsorted(times, own.times.double().contiguous()).clamp_max(len(times) - 1)
    values = torch.full((len(own), len(times), own.values.shape[-1]), torch.nan, dtype=torch.float64)
    sample, row = inside.nonzero().unbind(1)
    values[sample, rows[sample, row]] = own.values[sample, row].double()
    unknown = values[:, 0].isnan().any(1)
    if unknown.any():
        raise InvalidArgument(
            f"a flow begins at the first time, {float(times[0]):g}: series {int(unknown.int().argmax()) + 1} must be "
            "measured there, in every column"
        )
    return series(times, values)


def _speed(scaled: Series) -> float:
    """The median of |change| over time between neighbouring rows, over what was measured; 1 where nothing moves."""
    change: Any = scaled.values.diff(dim=1).square().mean(-1).sqrt() / scaled.times.diff(dim=1)
    known = change[change.isfinite() & (change > 0)]
    return float(known.median()) if known.numel() else 1.0
