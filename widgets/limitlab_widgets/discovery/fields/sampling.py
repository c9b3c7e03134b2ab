"""What is measured of a field: values at places scattered over time and space, with noise, or a file of a reader's own.

A simulated field begins as its problem's text says, which is known. That of a file begins somehow: nobody knows how.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.discovery.pinn import Ansatz, Measurements, collocation, evolution, free
from limitlab.discovery.symbolic.refit.field import Places, sampled
from limitlab.discovery.terms import unknowns_of
from limitlab.errors import InvalidArgument
from limitlab.problems import TextLaw
from limitlab.problems.pde.periodic import PeriodicProblem
from limitlab.spaces.transforms import spectral_resample
from limitlab_widgets.discovery.fields.table import Scattered, read_scattered
from limitlab_widgets.discovery.sampling import Sampling, fitted_to, measure, reading, suited, suiting

FRAMES, POSITIONS = 101, 64
TRAVEL = 1.5
"""Standard deviations that a field passes through, at most, in a span that suits its measurements."""
MOST_OF = 0.9
"""Of the way that a field goes over its problem's span: what comes after it is the end of a decay."""


@dataclass(frozen=True, eq=False)
class MeasuredField:
    """Measurements of one field; how it begins, as text, and how it goes on (time, x), as far as somebody knows."""

    kind: ClassVar[str] = "pde"
    trajectories: ClassVar[int] = 1
    samples: ClassVar[int] = 1000
    data_weight: ClassVar[float] = 10.0

    seen: Measurements
    initial: str
    times: Float[Tensor, " time"]
    x: Float[Tensor, " x"]
    states: Float[Tensor, "time x"] | None

    @property
    def shown(self) -> Float[Tensor, "point axis"]:
        """Where networks are looked at: every time and position."""
        return torch.cartesian_prod(self.times, self.x)

    def forms(self, problem: PeriodicProblem) -> list[Ansatz]:
        """How its network keeps what is known: periodic in x, and of the known start."""
        scale, middle = self.seen.scale.tolist(), self.seen.mean.tolist()
        if self.initial:
            return [evolution(problem, self.initial, "periodic", scale[0])]
        return [dataclasses.replace(free(scale, middle), periods=(None, *problem.lengths))]


@measure.register(PeriodicProblem)
def measure_field(problem: PeriodicProblem, sampling: Sampling) -> MeasuredField:
    times = torch.linspace(0, problem.span, FRAMES, dtype=torch.float64)
    x = problem.grid(POSITIONS).points()[:, 0]
    if isinstance(sampling.file, Scattered):
        return MeasuredField(sampling.file.of(*_columns(problem)), "", times, x, None)
    assert isinstance(problem.initial, TextLaw)
    fine = problem.grid(problem.solver_resolution(POSITIONS))
    start = problem.initial.sample(fine, 1, 0, 0, problem.values)
    u = problem.integrate(start, fine, times.numpy())
    points = collocation(problem, max(sampling.points, 2), seed=sampling.seed)
    # at times of the frames, where the solver has been, and after the start, which is known
    frame = torch.ceil(points[:, 0] / problem.span * (FRAMES - 1)).clamp(1, FRAMES - 1).long()
    places = Places(times.numpy(), frame, points[:, 1])
    values = sampled(u, places, places.waves(fine), fine)
    points = torch.stack([times[frame], points[:, 1]], -1)
    seen = Measurements(points[None], values[..., None]).noisy(sampling.noise, sampling.seed)
    return MeasuredField(seen, problem.initial.text, times, x, spectral_resample(u[0], fine, POSITIONS))


@suiting.register(PeriodicProblem)
def suiting_field(problem: PeriodicProblem) -> float:
    moments = np.linspace(0.0, problem.span, FRAMES)
    grid = problem.grid(problem.solver_resolution(POSITIONS))
    u = problem.integrate(problem.initial.sample(grid, 1, 0, 0, problem.values), grid, moments)[0]
    # what has decayed is no measure of the way
    scale = u[0].std()
    if not bool(torch.isfinite(u).all()) or float(scale) == 0:
        return problem.span
    travelled = (u[1:] - u[:-1]).square().mean(1).sqrt().cumsum(0) / scale
    past = torch.nonzero(travelled > min(TRAVEL, MOST_OF * float(travelled[-1])))
    end = float(moments[int(past[0]) + 1]) if len(past) else problem.span
    # two digits: a span is read by people
    return min(float(f"{end:.2g}"), problem.span)


@fitted_to.register(PeriodicProblem)
def fitted_to_file(problem: PeriodicProblem, file: Scattered) -> PeriodicProblem:
    if not isinstance(file, Scattered):
        raise InvalidArgument(f"{file.name} must hold columns t, x and {unknowns_of(problem)[0]}")
    file.of(*_columns(problem))
    return dataclasses.replace(problem, span=file.span)


@reading.register(PeriodicProblem)
def reading_field(_problem: PeriodicProblem, name: str, content: bytes) -> Scattered:
    return read_scattered(name, content)


@suited.register(PeriodicProblem)
def suited_field(problem: PeriodicProblem) -> PeriodicProblem:
    return problem if isinstance(problem.initial, TextLaw) else begun(problem, wave_text(problem))


def begun(problem: PeriodicProblem, text: str) -> PeriodicProblem:
    """The problem that begins as a text in x says. Raises InvalidArgument, for what is not periodic too."""
    evolution(problem, text, "periodic")
    return dataclasses.replace(problem, initial=TextLaw(text))


def wave_text(problem: PeriodicProblem) -> str:
    """Two waves of the domain: on one alone u_xx is a multiple of u, and no data tell them apart."""
    (length,) = problem.lengths
    across = "x" if length == 1 else f"x/{length!r}"
    return f"sin(2*pi*{across}) + cos(4*pi*{across})/2"


def text_of(values: Float[np.ndarray, " x"], problem: PeriodicProblem, waves: int = 4) -> str:
    """The first waves of a field as text."""
    (length,), (start,) = problem.lengths, problem.starts
    coefficients = np.fft.rfft(values) / len(values)
    parts = [f"{coefficients[0].real:.5g}"]
    for wave in range(1, waves + 1):
        cosine, sine = 2 * coefficients[wave].real, -2 * coefficients[wave].imag
        angle = f"({2 * math.pi * wave / length!r}*(x - ({start!r})))"
        parts += [f"({cosine:.5g})*cos{angle}", f"({sine:.5g})*sin{angle}"]
    return " + ".join(parts)


def _columns(problem: PeriodicProblem) -> tuple[str, float, float]:
    (field,), (low,), (length,) = unknowns_of(problem), problem.starts, problem.lengths
    return field, low, low + length
