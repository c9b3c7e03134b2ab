"""Learning-rate schedules: pure functions of the step, learning rate at step s = learning_rate * factor(s).

A schedule keeps no state, so a resumed run needs its step and nothing else. `one_cycle` is the policy of Smith, Topin,
Super-convergence (2019), in its two-phase cosine form; `cosine` is one period of SGDR (Loshchilov, Hutter 2017).
"""

from __future__ import annotations

import math
from collections.abc import Callable

from limitlab.errors import check_number, unknown_name

Schedule = Callable[[int], float]


def get(schedule: str | Schedule, steps: int) -> Schedule:
    """The factor as a function of the step: a name of SCHEDULES, built for `steps`, or a function as it is.

    >>> ll.training.schedules.get("cosine", steps=10)(0)
    1.0
    """
    if not isinstance(schedule, str) and callable(schedule):
        return schedule
    if not isinstance(schedule, str) or schedule not in SCHEDULES:
        raise unknown_name("schedule", schedule, SCHEDULES)
    return SCHEDULES[schedule](steps)


def one_cycle(steps: int, rise: float = 0.3, start: float = 1 / 25, end: float = 1 / 250_000) -> Schedule:
    """From `start` to 1 in the first part `rise` of the steps, then down to `end`, both along a half cosine.

    >>> factor = ll.training.schedules.one_cycle(100)
    >>> [round(factor(step), 6) for step in (0, 29, 99)]
    [0.04, 1.0, 4e-06]
    """
    steps = int(check_number("steps", steps, low=1, integer=True))
    rise = check_number("rise", rise, low=0, high=1)
    last = steps - 1
    # less one, as in torch's OneCycleLR: the top lies on the last step of the rise
    top = min(max(rise * steps - 1, 0.0), last)

    def factor(step: int) -> float:
        if step < top:
            return _half_cosine(start, 1.0, step / top)
        return _half_cosine(1.0, end, (min(step, last) - top) / (last - top)) if last > top else 1.0

    return factor


def cosine(steps: int, end: float = 0.0) -> Schedule:
    """From 1 at step 0 down to `end` at step `steps`, along a half cosine.

    >>> ll.training.schedules.cosine(100)(50)
    0.5
    """
    steps = int(check_number("steps", steps, low=1, integer=True))
    return lambda step: _half_cosine(1.0, end, min(step / steps, 1.0))


def step_decay(steps: int, every: int | None = None, factor: float = 0.5) -> Schedule:
    """Multiplies by `factor` (halves) after every `every` steps; by default six plateaus in `steps`.

    >>> [ll.training.schedules.step_decay(60, every=20)(step) for step in (0, 20, 40)]
    [1.0, 0.5, 0.25]
    """
    steps = int(check_number("steps", steps, low=1, integer=True))
    length = int(check_number("every", math.ceil(steps / 6) if every is None else every, low=1, integer=True))
    return lambda step: factor ** (step // length)


def constant(steps: int) -> Schedule:
    """1 at every step.

    >>> ll.training.schedules.constant(100)(99)
    1.0
    """
    steps = int(check_number("steps", steps, low=1, integer=True))
    return lambda step: 1.0


def warmup(schedule: Schedule, over: int) -> Schedule:
    """The schedule times a straight line that reaches 1 at the `over`-th step.

    >>> ll.training.schedules.warmup(ll.training.schedules.constant(100), over=10)(4)
    0.5
    """
    length = check_number("over", over, low=1, integer=True)
    # from one on: a first step of rate zero would be lost
    return lambda step: min((step + 1) / length, 1.0) * schedule(step)


SCHEDULES: dict[str, Callable[[int], Schedule]] = {
    "one_cycle": one_cycle,
    "cosine": cosine,
    "step": step_decay,
    "constant": constant,
}


def _half_cosine(first: float, last: float, fraction: float) -> float:
    return last + (first - last) * (1 + math.cos(math.pi * fraction)) / 2
