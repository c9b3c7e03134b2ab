"""What is measured: trajectories of a problem at equally spaced times with noise, or a file of a reader's own.

The first trajectory begins at the problem's initial value, further ones where its law draws them. The starts of
simulated trajectories are known; those of a file are not, since its first rows hold noise as all others do.
What is measured of a field stands in `fields.sampling`, which registers itself for its kind of problem here.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import singledispatch
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.discovery.pinn import Ansatz, Measurements, free, initial_value
from limitlab.errors import InvalidArgument
from limitlab.problems import ODEProblem
from limitlab_widgets.discovery.table import Table, read_table

FRAMES = 201
TRAVEL = 2.5
"""Standard deviations that a state passes through, at most, in a span that suits its measurements: most of a turn."""
ROUGHLY: dict[str, Any] = {"rtol": 1e-3, "atol": 1e-6, "max_steps": 5000}
"""Enough to see how far states go; a chaotic problem over its whole span would take seconds otherwise."""


@dataclass(frozen=True)
class Sampling:
    """What decides the measurements; with a file its problem, with its span, alone."""

    problem: Any
    points: int
    noise: float
    trajectories: int
    seed: int
    file: Any = None

    def measured(self) -> Any:
        """The measurements, of the kind of the problem. Raises LimitlabError."""
        return measure(self.problem, self)


@singledispatch
def measure(problem: Any, sampling: Sampling) -> Measured:
    """What is measured of a problem. Raises LimitlabError."""
    times = torch.linspace(0, problem.span, FRAMES, dtype=torch.float64)
    if sampling.file is not None:
        return Measured(sampling.file.of(problem.components), None, times, None)
    starts = problem.initial_value[None]
    if sampling.trajectories > 1:
        starts = torch.cat([starts, problem.sample(sampling.trajectories - 1, sampling.seed)[0]])
    moments = np.linspace(0.0, problem.span, sampling.points + 1)
    both = np.union1d(moments, times.numpy())
    y = problem.solve(starts, times=both).y
    rows = {
        name: torch.from_numpy(np.searchsorted(both, part))
        for name, part in (("seen", moments[1:]), ("all", times.numpy()))
    }
    points = torch.from_numpy(moments[1:])[:, None].expand(len(starts), -1, 1)
    seen = Measurements(points, y[:, rows["seen"]]).noisy(sampling.noise, sampling.seed)
    return Measured(seen, starts, times, y[:, rows["all"]])


@dataclass(frozen=True, eq=False)
class Measured:
    """Measurements; where trajectories begin and how they went on, as far as somebody knows."""

    kind: ClassVar[str] = "ode"
    samples: ClassVar[int] = 201
    data_weight: ClassVar[float] = 1.0

    seen: Measurements
    starts: Float[Tensor, "trajectory state"] | None
    times: Float[Tensor, " time"]
    states: Float[Tensor, "trajectory time state"] | None

    @property
    def trajectories(self) -> int:
        """How many there are."""
        return len(self.seen.points)

    @property
    def shown(self) -> Float[Tensor, "time axis"]:
        """Where networks are looked at."""
        return self.times[:, None]

    def forms(self, problem: ODEProblem) -> list[Ansatz]:
        """How the network of each trajectory keeps its start, where it is known."""
        scale, middle = self.seen.scale.tolist(), self.seen.mean.tolist()
        if self.starts is None:
            return [free(scale, middle)] * self.trajectories
        return [initial_value(problem, scale, start.tolist()) for start in self.starts]

    @property
    def first(self) -> tuple[float, ...]:
        """Where the first trajectory begins; the first measurement of each state where nobody knows."""
        if self.starts is not None:
            return tuple(self.starts[0].tolist())
        values = self.seen.values[0].T
        return tuple(
            float(column[torch.isfinite(column)][0]) if torch.isfinite(column).any() else 0.0 for column in values
        )

    def with_starts(self) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Times (trajectory, time), states (trajectory, time, state) and known starts, which stand first then."""
        times, states = self.seen.points[..., 0].numpy(), self.seen.values.numpy()
        if self.starts is None:
            return times, states, None
        starts = self.starts.numpy()
        return np.insert(times, 0, 0.0, axis=1), np.concatenate([starts[:, None], states], axis=1), starts


@singledispatch
def suited(problem: Any) -> Any:
    """The problem as the studio takes it: a system as it is."""
    return problem


@singledispatch
def reading(_problem: Any, name: str, content: bytes) -> Any:
    """The measurements of a file's bytes. Raises InvalidArgument."""
    return read_table(name, content)


@singledispatch
def suiting(problem: Any) -> float:
    """A span over which the states move enough, and not too often for a network: at most the problem's own."""
    times = np.linspace(0.0, problem.span, 4 * FRAMES)
    y = problem.solve(times=times, method="tsit5", on_failure="mask", **ROUGHLY).y[0]
    scale = y.std(0)
    if not bool(torch.isfinite(y).all()) or float(scale.max()) == 0:
        return problem.span
    travelled = ((y[1:] - y[:-1]) / torch.where(scale > 0, scale, torch.inf)).norm(dim=1).cumsum(0)
    past = torch.nonzero(travelled > TRAVEL * len(scale) ** 0.5)
    end = float(times[int(past[0]) + 1]) if len(past) else problem.span
    # two digits: a span is read by people
    return min(float(f"{end:.2g}"), problem.span)


@singledispatch
def fitted_to(problem: Any, file: Table) -> ODEProblem:
    """The problem over the times of a file. Raises InvalidArgument where its columns or times do not fit."""
    file.of(problem.components)
    drift = problem.dynamics().drift
    if any("t" in {symbol.name for symbol in side.free_symbols} - set(problem.values) for side in drift):
        raise InvalidArgument(
            f"times of {file.name} count from its first one, and {problem.name} holds the time itself"
        )
    return dataclasses.replace(problem, span=file.span)
