"""Events: where a function of (t, y) changes sign along the solution, found on the dense output of the step.

The root is bracketed by bisection to the last bit of the step's fraction, then made differentiable by one Newton step
whose value is zero: d theta = - dg / (dg/dtheta). Source: Hairer, Norsett & Wanner, Solving ODEs I, II.6; Chen,
Amos & Nickel 2021 for the gradient of the event's time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from limitlab.errors import InvalidArgument, one_of
from limitlab.solvers.ode.attempts import Integrator, Row
from limitlab.solvers.ode.recording import continuous
from limitlab.solvers.solution import EventLog

Direction = Literal["both", "up", "down"]
BISECTIONS = 56  # a double has 53 bits; a few more for roots near the start of the step


@dataclass(frozen=True)
class Event:
    """A sign change of `function(t, y)` -> (batch,) to look for; `terminal` ends the sample there.

    t: as the field gets it. direction: "up" and "down" count only changes to positive and to negative.

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
    """The events of one solve: their last values, and the crossings so far."""

    def __init__(self, events: tuple[Event, ...], t: Float[Tensor, "batch 1"], y: Float[Tensor, "batch state"]) -> None:
        self._events = events
        self._values = [_first_value(number, event, t, y) for number, event in enumerate(events)]
        self._crossings: list[list[tuple[Tensor, Tensor]]] = [[] for _ in events]

    def shorten(self, row: Row, integrator: Integrator, end: Tensor) -> tuple[Row, Tensor]:
        """The row, shortened for the samples that a terminal event ends in it, and everybody's end.

        Crossings are written down, those behind a terminal one excepted.
        """
        field, method = integrator.field, integrator.method
        new = [_value(event, row.after, row.attempt.y) for event in self._events]
        moved = row.accepted & (row.size != 0)
        crossed = [
            moved & _crossed(event, old, now) for event, old, now in zip(self._events, self._values, new, strict=True)
        ]
        before, self._values = (
            self._values,
            [torch.where(moved, now, old) for now, old in zip(new, self._values, strict=True)],
        )
        if not bool(torch.cat(crossed, 1).any()):
            return row, end
        increments = method.complete(field, row.time, row.state, row.size, row.attempt.increments)
        extension = continuous(method.polynomials, row.state, increments)

        def state_at(theta: Tensor) -> Tensor:
            return extension(theta.to(row.state.dtype))

        roots = []
        for event, hit, old in zip(self._events, crossed, before, strict=True):
            root = _root(event, row, state_at, old)
            roots.append(torch.where(hit, root, torch.full_like(root, torch.inf)))
        terminal = [root for event, root in zip(self._events, roots, strict=True) if event.terminal]
        last = torch.cat(terminal, 1).amin(1, keepdim=True) if terminal else torch.full_like(row.time, torch.inf)
        for crossings, root in zip(self._crossings, roots, strict=True):
            seen = (root <= last) & torch.isfinite(root)
            # roots at infinity run through as zero and get their NaN added last: 0 * inf would spoil the gradient
            theta = torch.where(seen, root, 0.0)
            blank = torch.where(seen, 0.0, torch.nan)
            time, state = row.time + theta * row.size + blank, state_at(theta) + blank.to(row.state.dtype)
            crossings.append((time, state[:, None]))
        ended = torch.isfinite(last)
        if not bool(ended.any()):
            return row, end
        size = torch.where(ended, row.size * torch.where(ended, last, 1.0), row.size)
        # a step of the method, whose end may be of higher order than its continuous extension
        attempt = method.attempt(field, row.time, row.state, size, row.carry)
        after = torch.where(ended, row.time + size, row.after)
        return row._replace(size=size, after=after, attempt=attempt), torch.where(ended, after.detach(), end)

    def logs(self) -> tuple[EventLog, ...]:
        """The crossings, in time's order."""
        logs = []
        for crossings, value in zip(self._crossings, self._values, strict=True):
            if not crossings:
                nothing = value.new_zeros(len(value), 0)
                logs.append(EventLog(nothing, nothing[..., None]))
                continue
            time, state = (torch.cat(part, 1) for part in zip(*crossings, strict=True))
            order = time.detach().argsort(1)
            most = int(torch.isfinite(time).sum(1).max())
            order = order[:, :most]
            gathered = state.gather(1, order[..., None].expand(-1, -1, state.shape[-1]))
            logs.append(EventLog(time.gather(1, order), gathered))
        return tuple(logs)


def read_events(events: Any) -> tuple[Event, ...]:
    """One event or several, each an `Event` or a function of (t, y). Raises InvalidArgument."""
    several = events if isinstance(events, list | tuple) else (events,)
    read = tuple(event if isinstance(event, Event) or not callable(event) else Event(event) for event in several)
    for event in read:
        if not isinstance(event, Event):
            raise InvalidArgument(f"events must hold solvers.Event or functions (t, y) -> (batch,); got {event!r:.80}")
    return read


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


def _crossed(event: Event, old: Tensor, new: Tensor) -> Bool[Tensor, "batch 1"]:
    # a value of zero counts at the end of a step, never at the start of the next: no root comes twice
    up, down = (old < 0) & (new >= 0), (old > 0) & (new <= 0)
    return {"both": up | down, "up": up, "down": down}[event.direction]


def _root(event: Event, row: Row, state_at: Callable[[Tensor], Tensor], old: Tensor) -> Float[Tensor, "batch 1"]:
    """Fraction of the step where the event's function changes sign; its gradient is that of the implicit function."""
    with torch.no_grad():
        low, high = torch.zeros_like(row.time), torch.ones_like(row.time)
        for _ in range(BISECTIONS):
            middle = 0.5 * (low + high)
            before = _value(event, row.time + middle * row.size, state_at(middle)) * old > 0
            low, high = torch.where(before, middle, low), torch.where(before, high, middle)
        width = 1e-5  # near the cube root of double's eps, where a central difference is most accurate
        ahead = _value(event, row.time + (high + width) * row.size, state_at(high + width))
        behind = _value(event, row.time + (high - width) * row.size, state_at(high - width))
        slope = (ahead - behind) / (2 * width)
    if not torch.is_grad_enabled():
        return high
    value = _value(event, row.time + high * row.size, state_at(high))
    return high - (value - value.detach()) / slope
