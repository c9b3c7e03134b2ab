"""Solutions that jump: a field between events, an event function that says when, and a reset that says how.

All three may learn: the time of an event moves with the parameters of field, event and reset, and so does everything
after it. Source: Chen, Amos & Nickel, Learning neural event functions for ordinary differential equations (2021).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.errors import InvalidArgument, check_number
from limitlab.saved import Saved
from limitlab.solvers import Event, EventLog, solve_ode
from limitlab.solvers.ode.events import Direction


class EventODE(Saved):
    """Times and states of the first events of y' = f(t, y), where y becomes reset(t, y) at each event.

    field, event, reset: modules, or functions, of (t, y) with t (batch, 1) and y (batch, state); the event's value
    (batch,) changes sign at the event, in the direction named ("up", "down" or "both"). horizon: the longest wait for
    the next event. options: of `limitlab.solvers.solve_ode`; the gradient is "direct".

    >>> fall = lambda t, y: torch.stack([y[:, 1], torch.full_like(y[:, 0], -9.81)], 1)
    >>> bounce = lambda t, y: y * torch.tensor([0.0, -0.5], dtype=y.dtype)
    >>> ball = ll.neural_des.ode.EventODE(fall, lambda t, y: y[:, 0], bounce)
    >>> log = ball(torch.tensor([[1.0, 0.0]], dtype=torch.float64), count=2)
    >>> [round(time, 3) for time in log.time[0].tolist()]  # sqrt(2 / g), and as long again on half of the speed
    [0.452, 0.903]
    """

    def __init__(
        self,
        field: Callable[[Tensor, Tensor], Tensor],
        event: Callable[[Tensor, Tensor], Tensor],
        reset: Callable[[Tensor, Tensor], Tensor],
        *,
        horizon: float = 100.0,
        direction: Direction = "down",
        **options: Any,
    ) -> None:
        super().__init__()
        self.field, self.event, self.reset = field, event, reset
        self.horizon = check_number("horizon", horizon, low=1e-12)
        self.direction, self.options = direction, options

    def forward(self, y0: Float[Tensor, "batch state"], count: int = 1) -> EventLog:
        """The first `count` events: times (batch, count) from zero, and states (batch, count, state) before the reset.

        Raises InvalidArgument naming the sample whose next event does not come within the horizon.
        """
        count = int(check_number("count", count, low=1, integer=True))
        times, states = [], []
        begun, state = y0.new_zeros(len(y0), 1), y0
        for number in range(count):
            wait, before = self._next(begun, state, number)
            begun = begun + wait
            times.append(begun)
            states.append(before)
            if number + 1 < count:
                state = self.reset(begun, before)
        return EventLog(torch.cat(times, dim=1), torch.stack(states, dim=1))

    def _next(
        self, begun: Float[Tensor, "batch 1"], start: Float[Tensor, "batch state"], number: int
    ) -> tuple[Float[Tensor, "batch 1"], Float[Tensor, "batch state"]]:
        """The wait for the next event, and the state there.

        The clock of a solve is a constant of its gradient, so it starts at zero, and `begun` moves in the field.
        """
        event = Event(lambda t, y: self.event(t + begun, y), terminal=True, direction=self.direction)
        solution = solve_ode(
            lambda t, y: self.field(t + begun, y), start, [0.0, self.horizon], events=[event], **self.options
        )
        (log,) = solution.events
        met = log.time.isfinite().any(1)
        if not bool(met.all()):
            raise InvalidArgument(
                f"sample {int(met.int().argmin())} has no event number {number + 1} within {self.horizon:g} of the one "
                "before: raise horizon, or look at the event function and its direction"
            )
        return log.time[:, :1].to(start.dtype), log.state[:, 0]
