"""How a solve can end badly: an exception for each kind, which names the sample, the time and the step size."""

from __future__ import annotations

import math
from collections.abc import Sequence

from limitlab.errors import LimitlabError
from limitlab.solvers.solution import Failure


class SolveFailed(LimitlabError, ArithmeticError):
    """A solver could not reach the end; `failures` holds every sample that was given up.

    >>> try:
    ...     ll.solvers.solve_ode(lambda t, y: y**3, torch.ones(1, 1), [0.0, 9.0], method="rk4", step_size=0.1)
    ... except ll.solvers.SolveFailed as error:
    ...     print(error.failures[0].sample)
    0
    """

    def __init__(self, message: str, failures: Sequence[Failure] = ()) -> None:
        super().__init__(message)
        self.failures = tuple(failures)


class SolutionBlewUp(SolveFailed):
    """A solution ceased to be finite: it has a singularity, or the step is too long for the scheme.

    >>> try:
    ...     ll.solvers.solve_ode(lambda t, y: y**3, torch.ones(1, 1), [0.0, 9.0], method="rk4", step_size=0.1)
    ... except ll.solvers.SolutionBlewUp as error:
    ...     print(error.failures[0].kind)
    blow-up
    """


class TooManySteps(SolveFailed):
    """More attempts than `max_steps`: the problem may be stiff, chaotic at this tolerance, or the span too long.

    >>> try:
    ...     ll.solvers.solve_ode(lambda t, y: -1e6 * y, torch.ones(1, 1), [0.0, 1.0], max_steps=10)
    ... except ll.solvers.TooManySteps as error:
    ...     print(error.failures[0].kind)
    too many steps
    """


class StepSizeUnderflow(SolveFailed):
    """The step became too small to move time: a discontinuity, noise in the field, or a tolerance below round-off.

    >>> try:
    ...     ll.solvers.solve_ode(lambda t, y: -1 / y, torch.ones(1, 1, dtype=torch.float64), [0.0, 1.0])
    ... except ll.solvers.StepSizeUnderflow as error:
    ...     print(round(error.failures[0].time, 3))
    0.5
    """


_KINDS: dict[str, tuple[type[SolveFailed], str]] = {
    "blow-up": (
        SolutionBlewUp,
        "the solution has a singularity near there, or the field is not finite; shorten the span",
    ),
    "too many steps": (
        TooManySteps,
        "use a stiff method if the stiffness log is high, loosen rtol, or raise max_steps",
    ),
    "out of time": (SolveFailed, "loosen rtol, take longer steps, or shorten the span"),
    "step size underflow": (
        StepSizeUnderflow,
        "the field may jump there, or rtol may be below the precision of the dtype",
    ),
}


def failed(failures: Sequence[Failure]) -> SolveFailed:
    """The exception for the first of the failures, which tells how many there are."""
    first = failures[0]
    kind, advice = _KINDS[first.kind]
    others = f" (and {len(failures) - 1} more samples)" if len(failures) > 1 else ""
    return kind(
        f"{first.kind} of sample {first.sample}{others} at t = {_shown(first)} with step size {first.step_size:.3g}: "
        f"{advice}, or ask for on_failure='mask'",
        failures,
    )


def _shown(failure: Failure) -> str:
    """The time, to a tenth of the step or five digits of one: of late times the first six digits say nothing."""
    size = abs(failure.time)
    resolution = max(abs(failure.step_size), 1e-5 * min(1.0, size))
    if not 0.0 < resolution < math.inf or not size < math.inf:
        return f"{failure.time:.6g}"
    size = max(size, resolution)
    count = max(round(math.log10(size / resolution)), math.floor(math.log10(size))) + 1
    return f"{failure.time:.{max(6, count)}g}"
