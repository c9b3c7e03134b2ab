"""Where a network is asked: measurements, collocation points of the equation, and the batches that hold both.

Collocation points are drawn between the phases of a training, never inside one: a line search compares values of one
function.

Source of the noise's size: Gasser, Sroka, Jennen-Steinmetz, Residual variance and residual pattern in nonlinear
regression (1986).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.errors import InvalidArgument, check_number, one_of
from limitlab.problems.base import Problem
from limitlab.problems.dynamical import DynamicalProblem
from limitlab.problems.pde.problem import PDEProblem

if TYPE_CHECKING:
    import xarray as xr

PLACES = ("grid", "sobol", "log")
FIRST_OF_LOG = 1e-4
"""Where logarithmic times begin, as a share of the span."""


@dataclass(frozen=True)
class Measurements:
    """Values at points of one or several trajectories or fields; NaN where an unknown was not observed.

    >>> one = ll.discovery.pinn.Measurements(torch.rand(1, 5, 1), torch.rand(1, 5, 2))
    >>> one.values.shape
    torch.Size([1, 5, 2])
    """

    points: Float[Tensor, "trajectory point axis"]
    values: Float[Tensor, "trajectory point unknown"]

    def __post_init__(self) -> None:
        points, values = self.points, self.values
        if points.dim() != 3 or values.dim() != 3 or points.shape[:2] != values.shape[:2] or not points.shape[1]:
            raise InvalidArgument(
                "points must be (trajectory, point, axis) and values (trajectory, point, unknown); got "
                f"{tuple(points.shape)} and {tuple(values.shape)}"
            )
        if not bool(torch.isfinite(points).all()) or bool(torch.isinf(values).any()):
            raise InvalidArgument("points must be finite, and values finite or NaN where nothing was observed")
        object.__setattr__(self, "points", points.double())  # a frozen dataclass
        object.__setattr__(self, "values", values.double())

    @classmethod
    def of(cls, dataset: xr.Dataset) -> Measurements:
        """The trajectories `y` (sample, time, state) of a dataset of an ordinary problem.

        >>> problem = ll.problems.get("lotka_volterra", span=3.0)
        >>> ll.discovery.pinn.Measurements.of(problem.simulate(2, resolution=30)).values.shape
        torch.Size([2, 30, 2])
        """
        values = torch.tensor(dataset["y"].transpose("sample", "time", "state").values, dtype=torch.float64)
        times = torch.tensor(dataset["time"].values, dtype=torch.float64)
        return cls(times[:, None].expand(len(values), -1, 1).contiguous(), values)

    @property
    def mean(self) -> Float[Tensor, " unknown"]:
        """Of the observed values of each unknown; 0 where none was observed."""
        return self.values.flatten(0, 1).nanmean(0).nan_to_num(nan=0.0)

    @property
    def scale(self) -> Float[Tensor, " unknown"]:
        """Standard deviation of the observed values of each unknown; 1 where they do not vary."""
        deviation = (self.values - self.mean).square().flatten(0, 1).nanmean(0).sqrt()
        return torch.where(torch.isfinite(deviation) & (deviation > 0), deviation, 1.0)

    def noisy(self, share: float, seed: int) -> Measurements:
        """The same with normal noise of `share` times the scale of each unknown."""
        share = check_number("share", share, low=0.0)
        generator = torch.Generator().manual_seed(int(check_number("seed", seed, low=0, integer=True)))
        noise = torch.randn(self.values.shape, generator=generator, dtype=torch.float64)
        return Measurements(self.points, self.values + share * self.scale * noise)

    def noise(self) -> Float[Tensor, " unknown"]:
        """Standard deviation of the noise, from second differences along time.

        Each value is compared with the line through its two neighbours; a curved signal on few points counts as noise.
        """
        if self.points.shape[-1] != 1 or self.points.shape[1] < 3:
            raise InvalidArgument(
                f"the noise is read off three or more points in time; got points {tuple(self.points.shape)}"
            )
        order = self.points[..., 0].argsort(1)
        t = self.points[..., 0].gather(1, order)[..., None]
        y = self.values.gather(1, order[..., None].expand_as(self.values))
        a = (t[:, 2:] - t[:, 1:-1]) / (t[:, 2:] - t[:, :-2]).clamp_min(1e-300)
        difference = a * y[:, :-2] + (1 - a) * y[:, 2:] - y[:, 1:-1]
        return (difference.square() / (a**2 + (1 - a) ** 2 + 1)).flatten(0, 1).nanmean(0).sqrt()

    def held_out(self, share: float, seed: int) -> tuple[Measurements, Measurements]:
        """Points to learn from, and a share of them drawn at random that is kept to judge by."""
        count = self.points.shape[1]
        kept = round(count * (1 - check_number("share", share, low=0.0, high=1.0)))
        if not 0 < kept < count:
            raise InvalidArgument(f"share {share:g} of {count} points leaves none on one of the sides")
        order = torch.randperm(count, generator=torch.Generator().manual_seed(int(seed)))
        first, second = order[:kept].sort()[0], order[kept:].sort()[0]
        return tuple(Measurements(self.points[:, i], self.values[:, i]) for i in (first, second))  # type: ignore[return-value]


def domain(problem: Problem) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Ends of each coordinate of a problem, time first where it evolves.

    >>> ll.discovery.pinn.domain(ll.problems.get("burgers"))
    ((0.0, 0.0), (1.0, 1.0))
    """
    if isinstance(problem, DynamicalProblem):
        return (0.0,), (float(problem.span),)
    assert isinstance(problem, PDEProblem)
    time = (0.0,) if problem.span > 0 else ()
    ends = tuple(start + length for start, length in zip(problem.starts, problem.lengths, strict=True))
    return (*time, *problem.starts), (*(float(problem.span) for _ in time), *ends)


def collocation(
    problem: Problem, count: int, how: Literal["grid", "sobol", "log"] | None = None, *, seed: int = 0
) -> Float[Tensor, "point axis"]:
    """Points at which an equation is asked: "grid" in one coordinate and "sobol" in more, where nothing is said.

    "log": times that grow geometrically from 1e-4 of the span on, for stiff equations; the first is 0.

    >>> ll.discovery.pinn.collocation(ll.problems.get("lotka_volterra", span=3.0), 4)[:, 0]
    tensor([0., 1., 2., 3.], dtype=torch.float64)
    """
    count = int(check_number("count", count, low=2, integer=True))
    low, high = (torch.tensor(ends, dtype=torch.float64) for ends in domain(problem))
    chosen = one_of("place of points", how or ("grid" if len(low) == 1 else "sobol"), PLACES)
    if chosen != "sobol" and len(low) > 1:
        raise InvalidArgument(f"how must be 'sobol' for points of {len(low)} coordinates; got {chosen!r}")
    if chosen == "grid":
        unit = torch.linspace(0, 1, count, dtype=torch.float64)[:, None]
    elif chosen == "log":
        steps = torch.logspace(float(np.log10(FIRST_OF_LOG)), 0, count - 1, dtype=torch.float64)
        unit = torch.cat([steps.new_zeros(1), steps])[:, None]
    else:
        engine = torch.quasirandom.SobolEngine(len(low), scramble=True, seed=int(seed))
        unit = engine.draw(count, dtype=torch.float64)
    return low + unit * (high - low)


@dataclass(frozen=True)
class PointBatches:
    """The same points at every step, and the number of the step where the weights of the loss may move with it.

    >>> batches = ll.discovery.pinn.PointBatches({"points": torch.zeros(1, 3, 1)}, adapting=True)
    >>> batches.batch(2)["step"]
    2
    """

    tensors: Mapping[str, Tensor]
    adapting: bool = False

    def batch(self, step: int) -> dict[str, Any]:
        return {**self.tensors, **({"step": step} if self.adapting else {})}

    def shard(self, rank: int, world: int) -> PointBatches:
        raise InvalidArgument("full-batch training runs in one process")


def batches(
    points: Tensor | Sequence[Tensor], measurements: Measurements | None = None, *, adapting: bool = False
) -> PointBatches:
    """Collocation points, the same for every trajectory or one set each, beside the measurements.

    >>> sorted(ll.discovery.pinn.batches(torch.zeros(4, 1)).tensors)
    ['points']
    """
    count = len(measurements.points) if measurements is not None else 1
    sets = [points] * count if isinstance(points, Tensor) else list(points)
    if measurements is not None and len(sets) != count:
        raise InvalidArgument(f"points must be one set, or one for each of {count} trajectories; got {len(sets)}")
    tensors = {"points": torch.stack(sets)}
    if measurements is not None:
        tensors |= {"data_points": measurements.points, "data_values": measurements.values}
    return PointBatches(tensors, adapting)
