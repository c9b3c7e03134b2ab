"""The error of one step at a random time: local regularisation, for every way to take the gradient of the solve.

    R = E(tau, u, h) |h|,    E(tau, u, h) = rms( error of one step of size h from u / (atol + rtol max(|u|, |u+|)) )

| sampling | tau | mean of R, h the solver's own |
|---|---|---|
| "unbiased" | uniform on the span | 1/T int R dt |
| "biased" | uniform on the times that the solver stepped from | 1/n sum_j E_j h_j, the global mean |

The step needs no tape of the solve: u = y(tau) is a constant, unless `detach_state` is False. For "unbiased" u comes
from the dense output, so that tau does not change the steps; for "biased" it is a state that the log kept. What it
costs: a step and the slope it starts with, seven calls of the field for Tsit5.
The size decides everything: with h of the solver R is a share of the global term; the automatic "initial" step is about
ten times shorter, and an error that goes as h^5 then 1e-5 of that.
Source: Pal, Edelman & Rackauckas, Locally regularized neural differential equations (2023), section 3.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from limitlab.errors import InvalidArgument, one_of
from limitlab.neural_des.ode import NeuralODE
from limitlab.neural_des.regularization.penalties import TrainingSolve, asked, require_steps_by_the_error, solved
from limitlab.solvers import Solution, StepLog, solve_ode

SAMPLINGS = ("unbiased", "biased")
STEPS = ("solver", "initial")


@dataclass(frozen=True)
class Local:
    """E |h| of one step: `sampling` of its time, `step` for its size, `detach_state` for whether u is a constant.

    sampling: "unbiased" or "biased"; step: "solver" or "initial". One draw is shared by the batch. `solve` raises
    InvalidArgument for uniform steps, and for detach_state=False with "biased" and another gradient than "direct".

    >>> reg = ll.neural_des.regularization
    >>> ode = ll.neural_des.ode.NeuralODE(lambda t, y: -y, rtol=1e-6, shared_steps=True)
    >>> solve = reg.Local("unbiased").solve(ode, torch.ones(3, 1), None, 0.25)
    >>> solve.tau.tolist(), (solve.evaluations - solve.solution.evaluations.function).tolist()
    ([0.25, 0.25, 0.25], [7, 7, 7])
    """

    sampling: str = "biased"
    step: str = "solver"
    detach_state: bool = True

    def __post_init__(self) -> None:
        one_of("sampling", self.sampling, SAMPLINGS)
        one_of("step", self.step, STEPS)

    def solve(self, ode: NeuralODE, y0: Tensor, t: Tensor | None, draw: float) -> TrainingSolve:
        """The solve and the error of the step that the draw chooses."""
        require_steps_by_the_error(ode)
        if not 0 < draw < 1:
            raise InvalidArgument(f"draw must lie inside (0, 1), since a step from the end would be empty; got {draw}")
        solution, y, tau, u = (self._unbiased if self.sampling == "unbiased" else self._biased)(ode, y0, t, draw)
        end = solution.t[..., -1].to(tau)
        calls = solution.evaluations.function
        if self.step == "solver":
            size = _size_over(solution.log, tau)
        else:
            size, extra = _initial_size(ode, tau, u.detach(), end)
            calls = calls + extra
        size = torch.where(size.abs() > (end - tau).abs(), end - tau, size)
        error, extra = local_error(ode, tau, u, size)
        value = (error * size.abs().to(error.dtype)).mean()
        return TrainingSolve(solution, y, value, calls + extra, tau, size)

    def _unbiased(
        self, ode: NeuralODE, y0: Tensor, t: Tensor | None, draw: float
    ) -> tuple[Solution, Tensor, Tensor, Tensor]:
        """The solve, what was asked for, tau and u, with tau among the times of the dense output."""
        times = torch.as_tensor(ode.span if t is None else t, dtype=torch.float64, device=y0.device)
        if times.dim() != 1:
            raise InvalidArgument(f"t must be (time,) for unbiased sampling; got shape {tuple(times.shape)}")
        moment = torch.lerp(times[0], times[-1], draw)
        later = int(((moment - times) * (times[-1] - times[0]) > 0).sum())
        if bool(times[later] == moment):
            # tau is an asked time
            solution = solved(ode, y0, times)
            y = solution.y
        else:
            solution = solved(ode, y0, torch.cat([times[:later], moment[None], times[later:]]))
            y = torch.cat([solution.y[:, :later], solution.y[:, later + 1 :]], 1)
        u = solution.y[:, later]
        u = u.detach() if self.detach_state else u
        return solution, y[:, -1] if t is None else y, moment.expand(len(y0)), u

    def _biased(
        self, ode: NeuralODE, y0: Tensor, t: Tensor | None, draw: float
    ) -> tuple[Solution, Tensor, Tensor, Tensor]:
        """The same for a time that the solver stepped from."""
        if not self.detach_state and ode.options["gradient"] != "direct":
            raise InvalidArgument(
                f"detach_state=False with biased sampling needs gradient 'direct', whose log keeps the tape of its "
                f"states; got {ode.options['gradient']!r}"
            )
        solution = solved(ode, y0, t, log_states=True)
        tau, u, _ = step_at(solution.log, draw)
        u = u.view_as(y0)
        return solution, asked(solution, t), tau, u.detach() if self.detach_state else u


def local_error(
    ode: NeuralODE, tau: Float[Tensor, " batch"], u: Tensor, size: Float[Tensor, " batch"]
) -> tuple[Float[Tensor, " batch"], Int[Tensor, " batch"]]:
    """E of one step of the model's method from u at tau, and what it cost; one E for the batch with shared steps.

    u: (batch, *state). The step is taken on [0, 1] in the time s of t = tau + size s, so that each sample may have a
    size of its own. Differentiable in the field's parameters and in u.

    >>> ode = ll.neural_des.ode.NeuralODE(lambda t, y: -y, rtol=1e-3)
    >>> sizes = torch.tensor([0.2, 0.1])
    >>> error, calls = ll.neural_des.regularization.local_error(ode, torch.zeros(2), torch.ones(2, 1).double(), sizes)
    >>> bool(error[0] > 25 * error[1]), calls.tolist()
    (True, [7, 7])
    """
    shape = (-1, *(1,) * (u.dim() - 1))
    start, length = tau.double().view(shape), size.double().view(shape)
    factor = length.to(u.dtype)

    def scaled(s: Tensor, y: Tensor) -> Tensor:
        return factor * ode.field((start + length * s).to(s.dtype), y)

    options = {name: ode.options[name] for name in ("method", "rtol", "atol", "shared_steps") if name in ode.options}
    step = solve_ode(scaled, u, (0.0, 1.0), first_step=1.0, max_steps=1, on_failure="mask", **options)
    return step.log.error[:, 0], step.evaluations.function


def step_at(
    log: StepLog, draw: float
) -> tuple[Float[Tensor, " batch"], Float[Tensor, "batch state"], Float[Tensor, " batch"]]:
    """(tau, u, h) of one accepted step of every sample, each equally likely; the log must have states.

    >>> log = ll.solvers.solve_ode(lambda t, y: -y, torch.ones(1, 1), [0.0, 1.0], log_states=True).log
    >>> tau, u, size = ll.neural_des.regularization.step_at(log, 0.001)
    >>> tau.item(), u.item(), bool(size == log.size[0, 0])
    (0.0, 1.0, True)
    """
    if log.state is None:
        raise InvalidArgument("the log has no states: solve with log_states=True")
    column = _column(log, (draw * log.steps).long() + 1)
    samples = torch.arange(len(column), device=column.device)
    return log.time[samples, column], log.state[samples, column], log.size[samples, column]


def _column(log: StepLog, rank: Int[Tensor, " batch"]) -> Int[Tensor, " batch"]:
    """Where the log has the accepted step of that rank, counted from one."""
    return (log.accepted & (log.accepted.cumsum(1) == rank[:, None])).int().argmax(1)


def _size_over(log: StepLog, tau: Float[Tensor, " batch"]) -> Float[Tensor, " batch"]:
    """The size of the accepted step over tau."""
    begun = torch.where(log.size > 0, log.time <= tau[:, None], log.time >= tau[:, None]) & log.accepted
    return log.size.gather(1, _column(log, begun.sum(1))[:, None])[:, 0]


@torch.no_grad()
def _initial_size(
    ode: NeuralODE, tau: Float[Tensor, " batch"], u: Tensor, end: Float[Tensor, ""]
) -> tuple[Float[Tensor, " batch"], Int[Tensor, " batch"]]:
    """The first step of a solve that begins at tau, and what it cost to find."""
    times = torch.stack([tau.double(), end.double().expand_as(tau)], 1)
    begun = solved(ode, u, times, max_steps=1, on_failure="mask")
    return begun.log.size[:, 0], begun.evaluations.function
