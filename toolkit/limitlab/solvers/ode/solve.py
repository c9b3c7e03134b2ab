"""y' = f(t, y) with every step in view: `solve_ode`, the face of all methods and all ways to take its gradient.

| gradient | cost beside the solve | memory | exactness |
|---|---|---|---|
| "direct" | one backward pass | all steps | exact for the steps taken |
| "checkpoint" | one more solve, one backward pass | square root of the steps | equal to direct up to round-off |
| "adjoint" | one solve of twice the size, backwards | one step | up to the tolerance; needs a well-posed backward ODE |
| "reversible" | one more solve, one backward pass | one step | equal to direct up to round-off; reversible Heun only |

The step sizes are constants of every gradient. "direct" and "checkpoint" also give the gradient of the log's error and
stiffness, that of rejected attempts included, and of fields that draw random numbers, which the others refuse.
Sources: Chen et al. 2018 and Kidger, Chen & Lyons 2021 (adjoint, and the semi-norm that leaves the parameters out of
its error); Griewank & Walther 2000 (checkpoints); Kidger et al. 2021 (reversible Heun).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.errors import InvalidArgument
from limitlab.numbers import tensor_of
from limitlab.solvers.arguments import (
    Backend,
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
    warn_below_round_off,
)
from limitlab.solvers.copying import first_call
from limitlab.solvers.derivatives import outside_inference_mode, require_derivatives
from limitlab.solvers.failures import failed
from limitlab.solvers.gradients.checkpoint import GRADIENTS, parameters_of
from limitlab.solvers.methods.catalogue import method_named
from limitlab.solvers.methods.jacobians import JacobianFunction, TurnedJacobian
from limitlab.solvers.native.choice import Wish, allowed, order_or_reason
from limitlab.solvers.ode.events import Event, read_events
from limitlab.solvers.ode.jumps import one_sided
from limitlab.solvers.ode.march import March, Outcome
from limitlab.solvers.solution import Solution
from limitlab.solvers.times import Clock, clock_of


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
    max_step: float | None = None,
    max_steps: int = 10_000,
    on_failure: OnFailure = "raise",
    compile: bool = False,
    log_states: bool = False,
    backend: Backend = "auto",
) -> Solution:
    """Solution of y' = field(t, y) at times t, every sample with steps of its own.

    field: (t, y) -> y'; y (batch, *state), or a dict or tuple of such; t (batch, 1, ..., 1), which broadcasts against
    y, or (batch,) for a dict or tuple. y0: the state at t[0]. t: (time,) or (batch, time), strictly monotone. The field
    gets t in the precision of y, or in double where that of y cannot tell the times of the span apart; t lies in the
    span, but for kvaerno5 and yoshida4, which look 0.24 and 0.36 of a step beyond the ends of theirs.
    method: a name of `method_names()`; those without an error estimate need a step_size, which makes any method step
    uniformly. gradient: a way of the module's table, "direct", "checkpoint", "adjoint" or "reversible".
    control: "i", "pi" or "pid". shared_steps: one step size for the whole batch.
    stops: times that steps must end at. jacobian: (t, y) -> df/dy (batch, n, n), for stiff methods, of the flattened
    state y (batch, n), t (batch, 1); by automatic differentiation if left out. first_step: its size, estimated if left
    out. max_step: the longest, where steps by the error would pass over a short pulse. max_steps: attempts of a sample.
    on_failure: "mask" leaves NaN in the samples that fail, and lists them in `failures`. compile: run through
    torch.compile, some tens of seconds when a field is first seen. log_states: the log has the state of every attempt.
    backend: "native", machine code for fields that are known as formulas, as `problem.field()` is, where no gradient is
    asked for (`limitlab.solvers.native`); "torch"; or "auto", the first of them that can.
    Raises InvalidArgument, and SolutionBlewUp, TooManySteps or StepSizeUnderflow naming sample, time and step size.
    Warns ToleranceBelowRoundOff where both tolerances are below the rounding of the state.
    Source: Hairer, Norsett & Wanner, Solving ODEs I, II.4, and II, IV.

    >>> solution = ll.solvers.solve_ode(lambda t, y: -y, torch.ones(2, 1), [0.0, 1.0])
    >>> [round(value, 3) for value in solution.y[:, -1, 0].tolist()]
    [0.368, 0.368]
    """
    flat, layout = read_state("y0", y0)
    t, times, sign = read_times("t", t, flat)
    clock = clock_of(times, sign, flat.dtype)
    times = times if clock.origin is None else times - clock.origin
    require_known(gradient=gradient, on_failure=on_failure, backend=backend)
    events = read_events(events)
    settings = read_control(
        rtol=rtol, atol=atol, control=control, shared_steps=shared_steps, max_steps=max_steps, step_size=step_size,
        first_step=first_step, max_step=max_step,
    )  # fmt: skip
    turned = jacobian if jacobian is None or clock.plain else TurnedJacobian(jacobian, clock)
    chosen = method_named(method, turned, *((rtol, atol) if step_size is None else ()))
    require_precision(flat.dtype, method, hasattr(chosen, "jacobian"), settings)
    warn_below_round_off(flat.dtype, settings)
    if step_size is None and not chosen.error_order:
        raise InvalidArgument(f"step_size must be given for {method!r}, which has no error estimate")
    if step_size is not None and events:
        raise InvalidArgument("step_size takes no events: they are looked for where steps follow the error")
    if compile and events:
        raise InvalidArgument("compile=True takes no events: their roots are looked for step by step")
    if compile and log_states:
        raise InvalidArgument("compile=True has no log_states: a compiled loop gives no state out between its steps")
    moments = None if stops is None else _read_stops(stops, times, clock)
    wish = Wish(field, chosen, settings, flat, sign, stops=moments, torch_alone=_torch_alone(
        layout, clock, jacobian, compile=compile, events=bool(events), shared_steps=shared_steps, log_states=log_states,
    ))  # fmt: skip
    outcome = None if backend == "torch" else _natively(wish, times, backend)
    made_by = "torch" if outcome is None else "native"
    if outcome is None:
        called, slope = _first_call(field, times[:, :1], y0, flat, layout=layout, clock=clock)
        flat_field = called if layout.plain and clock.plain else FlatField(called, layout, clock)
        require_derivatives(chosen, flat_field, times, flat)
        march = March(
            flat_field,
            chosen if moments is None else one_sided(chosen),
            times.contiguous(),
            settings,
            stops=moments,
            events=tuple(replace(event, function=_flat_event(event, layout, clock)) for event in events),
            taped_events=torch.is_grad_enabled(),
            compile=compile,
            log_states=log_states,
        )
        outcome = _marched(march, flat, slope, gradient, field)
    outcome = outcome if clock.plain else _in_the_time_of(clock, outcome)
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
        backend=made_by,
    )


def _torch_alone(layout: Layout, clock: Clock, jacobian: JacobianFunction | None, **options: bool) -> list[str]:
    """What of a solve only torch has, by name."""
    given = {
        "a state of another shape": not layout.plain,
        "times too close for the state": clock.origin is not None,
        "a jacobian of your own": not getattr(jacobian, "of_field", jacobian is None),
        **options,
    }
    return [name for name, asked in given.items() if asked]


def _natively(wish: Wish, times: Float[Tensor, "batch time"], backend: str) -> Outcome | None:
    """The march by machine code; None where torch has to make it. Raises InvalidArgument where it may not."""
    order = allowed(order_or_reason(wish), backend)
    if order is None:
        return None
    # numba takes half a second to load
    from limitlab.solvers.native.solve import solve_natively

    return solve_natively(order, wish.state, times, wish.control, wish.stops)


def _marched(march: March, flat: Tensor, slope: Tensor, gradient: Gradient, field: Callable[..., Any]) -> Outcome:
    """The march by torch, with a tape where one is asked for."""
    if torch.is_grad_enabled() and (slope.requires_grad or flat.requires_grad):
        parameters = () if gradient == "direct" else parameters_of(march, flat, field)
        outcome = GRADIENTS[gradient](march, flat, slope, parameters)
    else:
        with torch.no_grad():
            outcome = march.run(flat, slope)
    if gradient != "direct" and any(log.time.requires_grad for log in outcome.events):
        raise InvalidArgument(f"events that hold parameters have a gradient by 'direct' alone; got {gradient!r}")
    return outcome


def _first_call(
    field: Callable[[Tensor, Any], Any], start: Tensor, y0: Any, flat: Tensor, *, layout: Layout, clock: Clock
) -> tuple[Callable[[Tensor, Any], Any], Float[Tensor, "batch state"]]:
    """The field as it may be called from now on, and the slope at the start in the solver's time.

    Raises InvalidArgument, also where the field cannot take its times in double.
    """
    time = layout.time(clock.asked(start.to(flat.dtype)))
    try:
        called, slope = first_call(field, time, y0)
        return called, clock.sign * require_slope("field", slope, flat, layout)
    except (RuntimeError, InvalidArgument) as problem:
        if clock.origin is None:
            raise
        raise InvalidArgument(f"{clock.why_double(flat.dtype)}; {problem!s:.200}") from problem


def _in_the_time_of(clock: Clock, outcome: Outcome) -> Outcome:
    """The outcome of a march in the solver's time, in the caller's."""
    log, sign = outcome.log, clock.sign
    return outcome._replace(
        log=replace(log, time=clock.shown(log.time), size=sign * log.size),
        failures=tuple(
            replace(f, time=clock.shown_of(f.sample, f.time), step_size=sign * f.step_size) for f in outcome.failures
        ),
        events=tuple(replace(event, time=clock.shown(event.time)) for event in outcome.events),
    )


def _flat_event(event: Event, layout: Layout, clock: Clock) -> Callable[[Tensor, Tensor], Tensor]:
    def function(t: Tensor, y: Tensor) -> Tensor:
        return event.function(layout.time(clock.asked(t.to(y.dtype))), layout.unflatten(y))

    return function


def _read_stops(stops: Tensor | Sequence[float], times: Tensor, clock: Clock) -> Tensor:
    """(batch, stops) increasing, those outside the span moved to its ends."""
    moments = tensor_of("stops", stops, dtype=torch.float64, device=times.device).detach()
    if moments.dim() not in (1, 2) or (moments.dim() == 2 and len(moments) != len(times)) or moments.isnan().any():
        raise InvalidArgument(
            f"stops must be (stops,) or ({len(times)}, stops) without NaN; got shape {tuple(moments.shape)}"
        )
    inside = torch.minimum(torch.maximum(clock.counted(moments), times[:, :1]), times[:, -1:])
    return inside.expand(len(times), -1).sort(1).values.contiguous()
