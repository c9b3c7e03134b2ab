"""What is measured: trajectories of a problem at equally spaced times with noise, or a file of a reader's own.

The first trajectory begins at the problem's initial value, further ones where its law draws them. The starts of
simulated trajectories are known; those of a file are not, since its first rows hold noise as all others do.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.discovery.pinn import Measurements
from limitlab.errors import InvalidArgument
from limitlab.problems import ODEProblem
from limitlab_widgets.discovery.table import Table

FRAMES = 201
TRAVEL = 2.5
"""Standard deviations that a state passes through, at most, in a span that suits its measurements: most of a turn."""
ROUGHLY: dict[str, Any] = {"rtol": 1e-3, "atol": 1e-6, "max_steps": 5000}
"""Enough to see how far states go; a chaotic problem over its whole span would take seconds otherwise."""


@dataclass(frozen=True)
class Sampling:
    """What decides the measurements; with a file its problem, with its span, alone."""

    problem: ODEProblem
    points: int
    noise: float
    trajectories: int
    seed: int
    file: Table | None = None

    def measured(self) -> Measured:
        """The measurements. Raises LimitlabError."""
        problem = self.problem
        times = torch.linspace(0, problem.span, FRAMES, dtype=torch.float64)
        if self.file is not None:
            return Measured(self.file.of(problem.components), None, times, None)
        starts = problem.initial_value[None]
        if self.trajectories > 1:
            starts = torch.cat([starts, problem.sample(self.trajectories - 1, self.seed)[0]])
        moments = np.linspace(0.0, problem.span, self.points + 1)
        both = np.union1d(moments, times.numpy())
        y = problem.solve(starts, times=both).y
        rows = {
            name: torch.from_numpy(np.searchsorted(both, part))
            for name, part in (("seen", moments[1:]), ("all", times.numpy()))
        }
        points = torch.from_numpy(moments[1:])[:, None].expand(len(starts), -1, 1)
        seen = Measurements(points, y[:, rows["seen"]]).noisy(self.noise, self.seed)
        return Measured(seen, starts, times, y[:, rows["all"]])


@dataclass(frozen=True, eq=False)
class Measured:
    """Measurements; where trajectories begin and how they went on, as far as somebody knows."""

    seen: Measurements
    starts: Float[Tensor, "trajectory state"] | None
    times: Float[Tensor, " time"]
    states: Float[Tensor, "trajectory time state"] | None

    @property
    def trajectories(self) -> int:
        """How many there are."""
        return len(self.seen.points)

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


def suiting(problem: ODEProblem) -> float:
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


def fitted_to(problem: ODEProblem, file: Table) -> ODEProblem:
    """The problem over the times of a file. Raises InvalidArgument where its columns or times do not fit."""
    file.of(problem.components)
    drift = problem.dynamics().drift
    if any("t" in {symbol.name for symbol in side.free_symbols} - set(problem.values) for side in drift):
        raise InvalidArgument(
            f"times of {file.name} count from its first one, and {problem.name} holds the time itself"
        )
    return dataclasses.replace(problem, span=file.span)
