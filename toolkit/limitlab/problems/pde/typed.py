"""A person's own equation: text `u_t = ...` to a problem of the same kind, and the same solver, as the catalogue's.

What the catalogue settles by hand is settled by a pilot run here: the step is halved until the solution no longer
changes, the grid refined until its spectrum has decayed. An equation that passes neither is refused with the reason.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from limitlab.errors import InvalidArgument, check_number
from limitlab.problems.pde.laws import FourierLaw, InitialLaw, TextLaw, evaluate_text
from limitlab.problems.pde.periodic import PeriodicProblem, terms_of
from limitlab.problems.pde.problem import Parameter
from limitlab.solvers.failures import SolutionBlewUp
from limitlab.spaces.grid import Grid
from limitlab.spaces.transforms import fourier

PILOT_SAMPLES = 2
SETTLED = 1e-5
DECAYED = 1e-6
FEWEST_STEPS, MOST_STEPS = 64, 4096
FINEST_RESOLUTION = 1024


def parse(
    text: str,
    parameters: Mapping[str, float | Parameter] | None = None,
    *,
    length: float = 1.0,
    span: float = 1.0,
    frames: int = 51,
    initial: str | float | InitialLaw = "random",
    resolution: int = 128,
    dt: float | None = None,
) -> PeriodicProblem:
    """The periodic problem `u_t = right side` on [0, length]: parse("u_t = D*u_xx + u*(1 - u)", {"D": 0.01}).

    parameters: values, or Parameters with a range. initial: "random" (five waves), a number, text in x, or a law.
    dt: longest step; a pilot run finds one when left out. Raises InvalidArgument for text outside the grammar, terms
    that are not periodic, ill-posed equations, and solutions that blow up or that 1024 points do not resolve.
    """
    length = check_number("length", length, low=1e-6, high=1e6)
    span = check_number("span", span, low=1e-9, high=1e6)
    frames = int(check_number("frames", frames, low=2, high=10_000, integer=True))
    resolution = int(check_number("resolution", resolution, low=8, high=FINEST_RESOLUTION, integer=True))
    typed = tuple(declared(key, value) for key, value in (parameters or {}).items())
    problem = PeriodicProblem(
        name="own_equation",
        title="Your equation",
        equation=text,
        parameters=typed,
        initial=_law(initial),
        dt=span / FEWEST_STEPS if dt is None else float(check_number("dt", dt, low=1e-9)),
        lengths=(float(length),),
        default_resolution=resolution,
        span=float(span),
        frames=frames,
        source="typed",
    )
    problem.grid()
    _require_periodic(problem)
    _, nonlinear = problem.tendency(problem.grid(), torch.zeros(1, dtype=torch.float64))
    return problem if nonlinear is None or dt is not None else _settled(problem)


def _law(initial: str | float | InitialLaw) -> InitialLaw:
    if isinstance(initial, str):
        return FourierLaw() if initial == "random" else TextLaw(initial)
    if dataclasses.is_dataclass(initial) and hasattr(initial, "sample"):
        return initial
    try:
        # Python's own digits, all of them
        return TextLaw(repr(check_number("initial", initial)))
    except InvalidArgument:
        raise InvalidArgument(
            f'initial must be "random", a number, text in x such as "sin(2*pi*x)", or a law of u(x); got '
            f"{initial!r:.60}"
        ) from None


def declared(name: str, value: float | Parameter) -> Parameter:
    """A parameter of that value, with a range from a tenth to ten times of it."""
    if isinstance(value, Parameter):
        return value
    number = float(check_number(f"parameter {name}", value, low=-1e12, high=1e12))
    ends = (number / 10, number * 10) if number else (-1.0, 1.0)
    return Parameter(name, number, min(ends), max(ends), "parameter of your equation")


def _require_periodic(problem: PeriodicProblem) -> None:
    """Refuse coordinates that do not repeat with the domain, such as a bare x: their seam is a jump."""
    start, length = problem.starts[0], problem.lengths[0]
    if isinstance(problem.initial, TextLaw):
        # two periods, three nodes: the first two should agree
        seam = Grid.uniform(3, lengths=2 * length, starts=start, kind="nodes")
        ends = evaluate_text(problem.initial.text, seam, torch.zeros(1, dtype=torch.float64), problem.values)[0]
        if not _same(ends[0], ends[1]):
            raise InvalidArgument(
                f"the initial value {problem.initial.text!r:.80} is not finite and of period {length:g}"
            )
    numbers = {name: torch.tensor(value, dtype=torch.float64) for name, value in problem.values.items()}
    # points of no symmetry, where a function that is not periodic will not happen to agree
    points = start + length * torch.tensor([0.1234, 0.4567, 0.8901], dtype=torch.float64)
    for flux in terms_of(problem.equation, tuple(problem.values)).nonlinear.values():
        values, shifted = (
            flux(
                {**numbers, "u": torch.full((3,), 0.37, dtype=torch.float64), "x": x},
                lambda inner, axis, order: inner,
            )
            for x in (points, points + length)
        )
        if not _same(torch.as_tensor(values), torch.as_tensor(shifted)):
            raise InvalidArgument(f"the equation's terms in x must have the period {length:g} of the domain")


def _same(values: Tensor, shifted: Tensor) -> bool:
    return bool(torch.allclose(values, shifted, rtol=1e-6, atol=1e-9, equal_nan=True)) and not bool(
        torch.isinf(values).any()
    )


def _settled(problem: PeriodicProblem) -> PeriodicProblem:
    """The problem with a grid and a step at which a pilot run has no spectral tail and a halved dt changes nothing."""
    points = max(128, 2 * problem.default_resolution)
    while True:
        candidate = dataclasses.replace(problem, minimum_resolution=points)
        dt, values = _settled_step(candidate, points)
        # without the initial value, which nothing has smoothed yet
        spectrum = fourier(values[:, 1:], candidate.grid(points)).abs()
        keep = terms_of(problem.equation, tuple(problem.values)).keep
        # beyond it there is nothing by construction
        edge = int(keep * points / 2)
        tail = spectrum[..., int(0.8 * edge) : edge].amax() / spectrum.amax().clamp_min(1e-300)
        if float(tail) <= DECAYED:
            return dataclasses.replace(candidate, dt=dt)
        if 2 * points > FINEST_RESOLUTION:
            raise InvalidArgument(
                f"{points} points do not resolve the solution of {problem.equation!r:.80} (relative tail of its "
                f"spectrum {float(tail):.1e}): add diffusion, smooth the initial value or shorten the span"
            )
        points *= 2


def _settled_step(problem: PeriodicProblem, points: int) -> tuple[float, Tensor]:
    grid = problem.grid(points)
    state = problem.initial.sample(grid, PILOT_SAMPLES, 0, 0, problem.values)
    dt, coarse = problem.dt, None
    reason = f"its steps would be shorter than {problem.span / MOST_STEPS:g}"
    while problem.span / dt <= MOST_STEPS:
        try:
            fine = problem.integrate(state, grid, _halves(problem.times), dt=dt)
        except SolutionBlewUp as blow_up:
            # too long a step blows up too: it is halved, not refused
            fine, reason = None, str(blow_up).split(":")[0]
        if fine is not None and coarse is not None:
            change = (fine - coarse).flatten(2).norm(dim=-1).amax() / fine.flatten(2).norm(dim=-1).amax().clamp_min(
                1e-300
            )
            if float(change) <= SETTLED:
                return dt, fine
        dt, coarse = dt / 2, fine
    raise InvalidArgument(
        f"the solution of {problem.equation!r:.80} does not settle when the step is halved ({reason}): it may blow up, "
        "be chaotic over this span, or hide a stiff term in a product; shorten the span, or give dt"
    )


def _halves(times: np.ndarray) -> np.ndarray:
    """At most eleven of the stored times, first and last among them: enough to judge a pilot run."""
    stride = max(1, math.ceil((len(times) - 1) / 10))
    return np.unique(np.append(times[::stride], times[-1]))
