"""The continuous adjoint: the gradient as another differential equation, solved backwards in time.

    a' = -a (df/dy),    dL/dy(t0) = a(t0),    dL/dp = int a (df/dp) dt,

with a(T) = dL/dy(T), and a jump by dL/dy(t_i) at every asked time, where y is also set back to what the forward solve
found. The integral over the parameters steers no step (the semi-norm); it is summed up over each accepted step by
three-point Gauss quadrature on the dense output, so that its cost does not grow with the stages.
Sources: Chen, Rubanova, Bettencourt & Duvenaud 2018; Kidger, Chen & Lyons 2021 (semi-norm).
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from limitlab.errors import InvalidArgument
from limitlab.solvers.failures import failed
from limitlab.solvers.gradients.leaves import SameLeaves, Totals
from limitlab.solvers.gradients.replay import require_no_chance
from limitlab.solvers.methods.explicit import ExplicitMethod
from limitlab.solvers.methods.method import Method, VectorField
from limitlab.solvers.ode.attempts import Position, Row, along
from limitlab.solvers.ode.jumps import OneSided
from limitlab.solvers.ode.march import March, Outcome
from limitlab.solvers.ode.recording import continuous
from limitlab.solvers.ode.step_control import estimated_first_step, no_memory
from limitlab.solvers.ode.stepping import Eager, adapt, follow

# the nodes 0 and +-sqrt(3/5) of [-1, 1], moved to [0, 1]
GAUSS = tuple((0.5 + offset * math.sqrt(0.15), weight / 18.0) for offset, weight in ((-1, 5.0), (0, 8.0), (1, 5.0)))


def adjoint(march: March, y: Tensor, slope: Tensor, parameters: tuple[Tensor, ...]) -> Outcome:
    """The states with the adjoint's gradient; the log has none."""
    method = march.method.method if isinstance(march.method, OneSided) else march.method
    if march.events or not isinstance(method, ExplicitMethod):
        raise InvalidArgument(
            f"gradient 'adjoint' needs an explicit Runge-Kutta method and no events; got {march.method.name!r}; "
            "use gradient='direct' or 'checkpoint'"
        )
    start = march.times[:, :1].to(y.dtype)
    require_no_chance("adjoint", y.device, lambda: march.field(start, y))
    outcomes: list[Outcome] = []
    states = _Adjoint.apply(march, outcomes, y, *parameters)
    return outcomes[0]._replace(states=states)


class AdjointField:
    """Field of (y, a) in the time tau = -t."""

    def __init__(self, field: VectorField) -> None:
        self._field = field

    def __call__(self, tau: Float[Tensor, "batch 1"], both: Float[Tensor, "batch state"]) -> Tensor:
        y, a = both.chunk(2, 1)
        with torch.enable_grad():
            y = y.detach().requires_grad_()
            slope = self._field(-tau, y)
            if not slope.requires_grad:
                return torch.cat([-slope, torch.zeros_like(a)], 1)
            (pulled,) = torch.autograd.grad(slope, y, a, allow_unused=True, retain_graph=True)
        return torch.cat([-slope.detach(), torch.zeros_like(a) if pulled is None else pulled], 1)


class ParameterIntegral:
    """Sums int a (df/dp) dt over the accepted steps; takes rows as a recorder does."""

    def __init__(self, field: VectorField, method: Method, parameters: tuple[Tensor, ...]) -> None:
        self._field, self._method = field, method
        self.totals, self._same = Totals(parameters), SameLeaves(parameters)
        self._augmented = AdjointField(field)

    def offer(self, state: Tensor, carry: Any, attempts: int = 1) -> None:
        """Nothing is kept."""

    def add(self, row: Row) -> bool:
        """Add the step's share; always True: the march may look for samples that are stuck."""
        increments = self._method.complete(self._augmented, row.time, row.state, row.size, row.attempt.increments)
        extension = continuous(self._method.polynomials, row.state, increments)
        share = (row.size * row.accepted).to(row.state.dtype)
        leaves, outputs, weights = self.totals.leaves, [], []
        # one evaluation proves that there is nothing to sum up
        for node, weight in GAUSS if leaves else GAUSS[1:2]:
            theta = torch.full_like(share, node)
            y, a = extension(theta).chunk(2, 1)
            with torch.enable_grad():
                slope = self._field(-(row.time + node * row.size).to(y.dtype), y)
            if slope.requires_grad:
                outputs.append(slope)
                # the share of a rejected step is zero, but zero times an overflowed a is NaN
                weights.append(weight * share * torch.where(row.accepted, a, 0.0))
        if outputs:
            self._same.require(outputs)
            # retained: a field may share nodes made before the solve, such as a weight that is itself computed
            self.totals.add(torch.autograd.grad(outputs, leaves, weights, allow_unused=True, retain_graph=True))
        return True

    def work_up(self) -> None:
        """Nothing is kept back."""


class _Adjoint(torch.autograd.Function):
    @staticmethod
    def forward(ctx, march, outcomes, y, *parameters):
        outcome = march.run(y, march.field(march.times[:, :1].to(y.dtype), y))
        outcomes.append(outcome)
        ctx.march, ctx.parameters, ctx.states = march, parameters, outcome.states
        return outcome.states

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        march, control, states = ctx.march, ctx.march.control, ctx.states.detach()
        integral = ParameterIntegral(march.field, march.method, ctx.parameters)
        integrator = replace(march.integrator, field=AdjointField(march.field))
        field, method = integrator.field, integrator.method
        stops = None if march.stops is None else -march.stops.flip(1)
        a = grad[:, -1].contiguous()
        step = None
        for moment in range(states.shape[1] - 1, 0, -1):
            start, end = -march.times[:, moment : moment + 1], -march.times[:, moment - 1 : moment]
            both = torch.cat([states[:, moment], a], 1)
            slope = field(start.to(both.dtype), both)
            carry = method.begin(field, start, both, slope)
            stepper = Eager(integrator, control.limits(method, both), integral, stops)
            if control.step_size is not None:
                count = max(1, math.ceil(float((end - start).max()) / control.step_size - 1e-9))
                fractions = torch.linspace(0, 1, count + 1, dtype=start.dtype, device=start.device)
                grid = _with_stops(torch.lerp(start, end, fractions), stops)
                both, _ = follow(stepper, both, carry, along(grid))
            else:
                if step is None:
                    time, order = start.to(both.dtype), method.error_order
                    step = estimated_first_step(
                        field, time, both, slope, span=end - start, order=order, control=control
                    ).to(start.dtype)
                memory = no_memory(control.controller, method.error_order, both[:, :1])
                begin = Position(start, step, both, carry, memory)
                now, failures = adapt(stepper, begin, end, control.max_steps)
                if failures:
                    raise failed(failures)
                # the last step was cut to land on a time, so what it proposes may be far too short
                both, step = now.y, torch.maximum(now.proposed, 0.1 * (end - start))
            a = both.chunk(2, 1)[1] + grad[:, moment - 1]
        return None, None, a, *integral.totals.sums


def _with_stops(grid: Float[Tensor, "batch steps"], stops: Float[Tensor, "batch stops"] | None) -> Tensor:
    """The grid and the stops between its ends."""
    if stops is None:
        return grid
    inside = torch.minimum(torch.maximum(stops, grid[:, :1]), grid[:, -1:])
    return torch.cat([grid, inside], 1).sort(1).values
