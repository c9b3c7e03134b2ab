"""y' = f(t, y) with every step in view: `solve_ode`, the face of all methods and all ways to take its gradient.

| gradient | cost beside the solve | memory | exactness |
|---|---|---|---|
| "direct" | one backward pass | all steps | exact for the steps taken |
| "checkpoint" | one more solve, one backward pass | square root of the steps | equal to direct up to round-off |
| "adjoint" | one solve of twice the size, backwards | one step | up to the tolerance; needs a well-posed backward ODE |
| "reversible" | one more solve, one backward pass | one step | equal to direct up to round-off; reversible Heun only |

The step sizes are constants of every gradient. "direct" and "checkpoint" also give the gradient of the log's error and
stiffness. Sources: Chen et al. 2018 and Kidger, Chen & Lyons 2021 (adjoint, and the semi-norm that leaves the
parameters out of its error); Griewank & Walther 2000 (checkpoints); Kidger et al. 2021 (reversible Heun).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from limitlab.errors import InvalidArgument
from limitlab.solvers.arguments import (
    FlatField,
    Gradient,
    Layout,
    OnFailure,
    read_control,
    read_state,
    read_times,
    require_known,
    require_precision,
    require_slope,
)
from limitlab.solvers.copying import first_call
from limitlab.solvers.derivatives import outside_inference_mode, require_derivative
from limitlab.solvers.failures import failed
from limitlab.solvers.gradients.checkpoint import GRADIENTS, parameters_of
from limitlab.solvers.methods.catalogue import method_named
from limitlab.solvers.methods.jacobians import JacobianFunction, ReversedJacobian
from limitlab.solvers.ode.events import Event, read_events
from limitlab.solvers.ode.jumps import one_sided
from limitlab.solvers.ode.march import March, Outcome
from limitlab.solvers.solution import Solution


@outside_inference_mode
def solve_ode(
    field: Callable[[Tensor, Any], Any],
    y0: Any,
    t: Tensor | Sequence[float],
    *,
    method: str = "tsit5",
    rtol: float = 1e-6,
    atol: float = 1e-9,
    step_size: float | None = None,
    control: str = "pi",
    shared_steps: bool = False,
    gradient: Gradient = "direct",
    events: Event | Callable[[Tensor, Any], Tensor] | Sequence[Event | Callable[[Tensor, Any], Tensor]] = (),
    stops: Tensor | Sequence[float] | None = None,
    jacobian: JacobianFunction | None = None,
    first_step: float | None = None,
    max_steps: int = 10_000,
    on_failure: OnFailure = "raise",
    compile: bool = False,
) -> Solution:
    """Solution of y' = field(t, y) at times t, every sample with steps of its own.

    field: (t, y) -> y'; y (batch, *state), or a dict or tuple of such; t (batch, 1, ..., 1), which broadcasts against
    y, or (batch,) for a dict or tuple. y0: the state at t[0]. t: (time,) or (batch, time), strictly monotone.
    method: a name of `method_names()`; those without an error estimate need a step_size, which makes any method step
    uniformly. gradient: a way of the module's table, "direct", "checkpoint", "adjoint" or "reversible".
    control: "i", "pi" or "pid". shared_steps: one step size for the whole batch.
    stops: times that steps must end at. jacobian: (t, y) -> df/dy (batch, n, n), for stiff methods, of the flattened
    state y (batch, n), t (batch, 1); by automatic differentiation if left out. first_step: its size, estimated if left
    out. max_steps: attempts of a sample.
    on_failure: "mask" leaves NaN in the samples that fail, and lists them in `failures`. compile: run through
    torch.compile, some tens of seconds when a field is first seen.
    Raises InvalidArgument, and SolutionBlewUp, TooManySteps or StepSizeUnderflow naming sample, time and step size.
    Source: Hairer, Norsett & Wanner, Solving ODEs I, II.4, and II, IV.

    >>> solution = ll.solvers.solve_ode(lambda t, y: -y, torch.ones(2, 1), [0.0, 1.0])
    >>> [round(value, 3) for value in solution.y[:, -1, 0].tolist()]
    [0.368, 0.368]
    """
    flat, layout = read_state("y0", y0)
    t, times, sign = read_times("t", t, flat)
    require_known(gradient=gradient, on_failure=on_failure)
    events = read_events(events)
    settings = read_control(
        rtol=rtol, atol=atol, control=control, shared_steps=shared_steps, max_steps=max_steps, step_size=step_size,
        first_step=first_step,
    )  # fmt: skip
    turned = ReversedJacobian(jacobian) if jacobian is not None and sign < 0.0 else jacobian
    chosen = method_named(method, turned, *((rtol, atol) if step_size is None else ()))
    require_precision(flat.dtype, method, hasattr(chosen, "jacobian"), settings)
    if step_size is None and not chosen.error_order:
        raise InvalidArgument(f"step_size must be given for {method!r}, which has no error estimate")
    if step_size is not None and events:
        raise InvalidArgument("step_size takes no events: they are looked for where steps follow the error")
    if compile and events:
        raise InvalidArgument("compile=True takes no events: their roots are looked for step by step")
    start = layout.time(sign * times[:, :1]).to(flat.dtype)
    called, first = first_call(field, start, y0)
    slope = sign * require_slope("field", first, flat, layout)
    flat_field = called if layout.plain and sign == 1.0 else FlatField(called, layout, sign)
    if getattr(chosen, "jacobian", False) is None:
        remedy = f"{method!r} needs one: pass jacobian=(t, y) -> (batch, n, n), or use an explicit method"
        require_derivative("field", flat_field, times[:, :1].to(flat.dtype), flat, remedy)
    march = March(
        flat_field,
        chosen if stops is None else one_sided(chosen),
        times,
        settings,
        stops=None if stops is None else _read_stops(stops, times, sign),
        events=tuple(Event(_flat_event(event, layout, sign), event.terminal, event.direction) for event in events),
        compile=compile,
    )
    if torch.is_grad_enabled() and (slope.requires_grad or flat.requires_grad):
        parameters = () if gradient == "direct" else parameters_of(march, flat, field)
        outcome = GRADIENTS[gradient](march, flat, slope, parameters)
    else:
        with torch.no_grad():
            outcome = march.run(flat, slope)
    outcome = _turned_round(outcome) if sign < 0 else outcome
    if outcome.failures and on_failure == "raise":
        raise failed(outcome.failures)
    return Solution(
        t,
        layout.unflatten(outcome.states),
        outcome.log,
        outcome.evaluations,
        method,
        rtol=rtol if step_size is None else None,
        atol=atol if step_size is None else None,
        events=outcome.events,
        failures=outcome.failures,
    )


def _turned_round(outcome: Outcome) -> Outcome:
    """The outcome of a march in the time -t, in the time t."""
    return outcome._replace(
        log=replace(outcome.log, time=-outcome.log.time, size=-outcome.log.size),
        failures=tuple(replace(f, time=-f.time, step_size=-f.step_size) for f in outcome.failures),
        events=tuple(replace(event, time=-event.time) for event in outcome.events),
    )


def _flat_event(event: Event, layout: Layout, sign: float) -> Callable[[Tensor, Tensor], Tensor]:
    def function(t: Tensor, y: Tensor) -> Tensor:
        return event.function(layout.time(sign * t), layout.unflatten(y))

    return function


def _read_stops(stops: Tensor | Sequence[float], times: Tensor, sign: float) -> Tensor:
    """(batch, stops) increasing, those outside the span moved to its ends."""
    moments = torch.as_tensor(stops, dtype=torch.float64, device=times.device).detach()
    if moments.dim() not in (1, 2) or (moments.dim() == 2 and len(moments) != len(times)) or moments.isnan().any():
        raise InvalidArgument(
            f"stops must be (stops,) or ({len(times)}, stops) without NaN; got shape {tuple(moments.shape)}"
        )
    inside = torch.minimum(torch.maximum(sign * moments, times[:, :1]), times[:, -1:])
    return inside.expand(len(times), -1).sort(1).values.contiguous()
