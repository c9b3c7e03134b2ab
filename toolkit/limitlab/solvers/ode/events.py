"""Events: where a function g of (t, y) changes sign along the solution, found on the dense output of the step.

Every crossing in a step is bracketed (`limitlab.solvers.ode.crossings`, which says what can be missed), found by
bisection to the last bit of the step's fraction, and made differentiable by one Newton step whose value is zero:
d theta = - dg / (dg/dtheta), where dg is that of y and of whatever else g depends on; second derivatives are not those
of the event's time. Source: Hairer, Norsett & Wanner, Solving ODEs I, II.6; Chen, Amos & Nickel 2021 for the gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.errors import InvalidArgument, one_of
from limitlab.solvers.ode.attempts import Integrator, Row
from limitlab.solvers.ode.crossings import Along, Bracket, brackets
from limitlab.solvers.ode.recording import continuous
from limitlab.solvers.solution import EventLog

Direction = Literal["both", "up", "down"]
Extension = Callable[[Tensor], Tensor]
BISECTIONS = 56  # a double has 53 bits; a few more for roots near the start of the step


@dataclass(frozen=True)
class Event:
    """A sign change of `function(t, y)` -> (batch,) to look for; `terminal` ends the sample there.

    t: as the field gets it. direction: "up" and "down" count only changes to positive and to negative, in the direction
    of the solve. A value of zero counts where it is arrived at: an event that is zero at the start counts once the
    function has left zero and comes back. All crossings of a step are found where the function is affine in y, or
    smooth along the step; one that comes and goes several times in a small part of a step can be missed, which a
    `max_step` of the solve prevents.

    >>> fall = lambda t, y: torch.stack([y[:, 1], torch.full_like(t[:, 0], -9.81)], 1)
    >>> ground = ll.solvers.Event(lambda t, y: y[:, 0], terminal=True)
    >>> y0 = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    >>> round(float(ll.solvers.solve_ode(fall, y0, [0.0, 2.0], events=[ground]).events[0].time), 4)  # sqrt(2 / 9.81)
    0.4515
    """

    function: Callable[[Tensor, Tensor], Float[Tensor, " batch"]]
    terminal: bool = False
    direction: Direction = "both"

    def __post_init__(self) -> None:
        one_of("direction of an event", self.direction, get_args(Direction))


class Events:
    """The events of one solve: their last values, the crossings so far, and the field calls that these took.

    taped: whether times and states of crossings shall have a gradient, also that of the parameters of an event.
    """

    def __init__(
        self, events: tuple[Event, ...], t: Float[Tensor, "batch 1"], y: Float[Tensor, "batch state"], taped: bool
    ) -> None:
        self.calls = torch.zeros(len(y), dtype=torch.int64, device=y.device)
        self._events, self._taped = events, taped
        self._values = [_first_value(number, event, t, y) for number, event in enumerate(events)]
        self._crossings: list[list[tuple[Tensor, Tensor]]] = [[] for _ in events]
        self._none = EventLog(t.new_zeros(len(y), 0), y.new_zeros(len(y), 0, y.shape[1]))

    def shorten(self, row: Row, integrator: Integrator, end: Tensor) -> tuple[Row, Tensor]:
        """The row, shortened for the samples that a terminal event ends in it, and everybody's end.

        Crossings are written down, those behind a terminal one excepted.
        """
        field, method = integrator.field, integrator.method
        row = self._completed(row, integrator)
        extension = continuous(method.polynomials, row.state, row.attempt.increments)
        with torch.set_grad_enabled(self._taped):
            degree = method.polynomials.shape[1]
            roots = [self._roots(number, row, extension, degree) for number in range(len(self._events))]
            if not any(roots):
                return row, end
            ends = [root for event, each in zip(self._events, roots, strict=True) if event.terminal for root in each]
            # the steps are constants of every gradient
            last = torch.cat(ends, 1).amin(1, keepdim=True).detach() if ends else torch.full_like(row.time, torch.inf)
            for crossings, each in zip(self._crossings, roots, strict=True):
                crossings += [_crossing(row, extension, root, root <= last) for root in each]
        ended = torch.isfinite(last)
        if not bool(ended.any()):
            return row, end
        size = torch.where(ended, row.size * torch.where(ended, last, 1.0), row.size)
        # a step of the method, whose end may be of higher order than its continuous extension
        attempt = method.attempt(field, row.time, row.state, size, row.carry)
        self.calls += method.calls * ended[:, 0]
        after = torch.where(ended, row.time + size, row.after)
        row = self._completed(row._replace(size=size, after=after, attempt=attempt), integrator)
        return row, torch.where(ended, after, end)

    def _completed(self, row: Row, integrator: Integrator) -> Row:
        """The row with all increments of the continuous extension."""
        attempt, method = row.attempt, integrator.method
        increments = method.complete(integrator.field, row.time, row.state, row.size, attempt.increments)
        self.calls += (len(increments) - len(attempt.increments)) * (row.size != 0)[:, 0]
        return row._replace(attempt=attempt._replace(increments=increments))

    def _roots(self, number: int, row: Row, extension: Extension, degree: int) -> list[Float[Tensor, "batch 1"]]:
        """Fractions of the step where an event happens, infinite in the samples where it does not."""
        event, before = self._events[number], self._values[number]

        def along(theta: Float[Tensor, "*point batch 1"]) -> Float[Tensor, "*point batch 1"]:
            t, y = row.time + theta * row.size, extension(theta.to(row.state.dtype))
            if theta.dim() == 2:
                return _value(event, t, y)
            return torch.stack([_value(event, *pair) for pair in zip(t, y, strict=True)])

        moved = row.accepted & (row.size != 0)
        with torch.no_grad():
            new = _value(event, row.after, row.attempt.y)
        self._values[number] = torch.where(moved, new, before)
        up, down = event.direction != "down", event.direction != "up"
        return [_root(along, each) for each in brackets(along, (before, new), degree, moved=moved, up=up, down=down)]

    def logs(self) -> tuple[EventLog, ...]:
        """The crossings, in time's order."""
        with torch.set_grad_enabled(self._taped):
            return tuple(self._in_order(crossings) for crossings in self._crossings)

    def _in_order(self, crossings: Sequence[tuple[Tensor, Tensor]]) -> EventLog:
        if not crossings:
            return self._none
        time, state = (torch.cat(part, 1) for part in zip(*crossings, strict=True))
        order = time.detach().argsort(1)
        most = int(torch.isfinite(time).sum(1).max())
        order = order[:, :most]
        gathered = state.gather(1, order[..., None].expand(-1, -1, state.shape[-1]))
        return EventLog(time.gather(1, order), gathered)


def read_events(events: Any) -> tuple[Event, ...]:
    """One event or several, each an `Event` or a function of (t, y). Raises InvalidArgument."""
    several = events if isinstance(events, list | tuple) else (events,)
    read = tuple(event if isinstance(event, Event) or not callable(event) else Event(event) for event in several)
    for event in read:
        if not isinstance(event, Event):
            raise InvalidArgument(f"events must hold solvers.Event or functions (t, y) -> (batch,); got {event!r:.80}")
    return read


@torch.no_grad()
def _first_value(number: int, event: Event, t: Tensor, y: Tensor) -> Float[Tensor, "batch 1"]:
    value: Any = event.function(t, y)
    if not isinstance(value, Tensor) or value.numel() != len(y) or len(value) != len(y) or value.dtype == torch.bool:
        got = f"{tuple(value.shape)} {value.dtype}" if isinstance(value, Tensor) else type(value).__name__
        raise InvalidArgument(
            f"events[{number}] must return numbers ({len(y)},), one a sample, that change sign at the event; got {got}"
        )
    return value.reshape(len(y), 1)


def _value(event: Event, t: Tensor, y: Tensor) -> Float[Tensor, "batch 1"]:
    return event.function(t, y).reshape(len(y), 1)


def _crossing(row: Row, extension: Extension, root: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
    """Time (batch, 1) and state (batch, 1, state) of roots, NaN where there is none."""
    seen = seen & torch.isfinite(root)
    # roots at infinity run through as zero and get their NaN added last: 0 * inf would spoil the gradient
    theta = torch.where(seen, root, 0.0)
    blank = torch.where(seen, 0.0, torch.nan)
    dtype = row.state.dtype
    time, state = row.time + theta * row.size + blank, extension(theta.to(dtype)) + blank.to(dtype)
    return time, state[:, None]


def _root(along: Along, bracket: Bracket) -> Float[Tensor, "batch 1"]:
    """Fraction of the step where the event's function changes sign, with the gradient of the implicit function."""
    with torch.no_grad():
        low, high = bracket.low, bracket.high
        for _ in range(BISECTIONS):
            middle = 0.5 * (low + high)
            earlier = along(middle) * bracket.before > 0
            low, high = torch.where(earlier, middle, low), torch.where(earlier, high, middle)
    root = torch.where(bracket.here, high, torch.inf)
    value = along(high)
    if not value.requires_grad:
        return root
    theta = high.clone().requires_grad_()
    (slope,) = torch.autograd.grad(along(theta).sum(), theta)
    # a slope of zero in a sample without a root would make its gradient of zero NaN
    return root - (value - value.detach()) / torch.where(bracket.here, slope, 1.0)
