"""What a training adds to a solve: nothing, the error estimates of all its steps, or another end.

| regularisation | solve | value |
|---|---|---|
| Unregularized | as it is | 0 |
| Global | as it is | a `step_term` of its log |
| Steer | to an end drawn anew | 0 |
| Local (`local`) | as it is | the error of one step at a random time |
| Taylor (`taylor`) | with one state more | the integral of a squared derivative in time |

Each is a frozen dataclass with `solve(ode, y0, t, draw) -> TrainingSolve`; `draw` is uniform on (0, 1).
Sources: Pal, Ma, Shah & Rackauckas 2021 (Global); Ghosh, Behl, Dupont, Torr & Namboodiri 2020 (Steer).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from jaxtyping import Float, Int
from torch import Tensor

from limitlab.errors import InvalidArgument, check_number, one_of
from limitlab.neural_des.ode import NeuralODE
from limitlab.neural_des.regularization.step_terms import AGGREGATIONS, QUANTITIES, step_term
from limitlab.solvers import Solution, solve_ode


@dataclass(frozen=True)
class TrainingSolve:
    """A solve with what is to be made small: `y` at the end or at the asked times, `value`, field calls of each sample.

    tau, step_size: (batch,), where a single step was looked at and how long it was; None where none was.

    >>> reg = ll.neural_des.regularization
    >>> ode = ll.neural_des.ode.NeuralODE(lambda t, y: -y, rtol=1e-4, shared_steps=True)
    >>> solve = reg.Global().solve(ode, torch.ones(3, 1), None, 0.5)
    >>> tuple(solve.y.shape), bool(solve.value > 0), len(set(solve.evaluations.tolist()))
    ((3, 1), True, 1)
    """

    solution: Solution
    y: Tensor
    value: Float[Tensor, ""]
    evaluations: Int[Tensor, " batch"]
    tau: Float[Tensor, " batch"] | None = None
    step_size: Float[Tensor, " batch"] | None = None


class Regularization(Protocol):
    """How a training solves a NeuralODE."""

    def solve(self, ode: NeuralODE, y0: Tensor, t: Tensor | None, draw: float) -> TrainingSolve:
        """The states at times t, at the end of the span where t is None, and the value to be made small."""
        ...


@dataclass(frozen=True)
class Unregularized:
    """The solve as it is.

    >>> reg = ll.neural_des.regularization
    >>> ode = ll.neural_des.ode.NeuralODE(lambda t, y: -y)
    >>> float(reg.Unregularized().solve(ode, torch.ones(3, 1), None, 0.5).value)
    0.0
    """

    def solve(self, ode: NeuralODE, y0: Tensor, t: Tensor | None, draw: float) -> TrainingSolve:
        """The solve, value 0."""
        solution = solved(ode, y0, t)
        return TrainingSolve(solution, asked(solution, t), y0.new_zeros(()), solution.evaluations.function)


@dataclass(frozen=True)
class Global:
    """A `step_term` of all accepted steps: ERNODE for quantity "error", SRNODE for "stiffness".

    Its gradient goes through the operations of the solver, for the stages of a step are no functions of the exact
    solution: `solve` raises InvalidArgument for a NeuralODE with gradient "adjoint", or with uniform steps, whose
    number no loss can change.

    >>> ll.neural_des.regularization.Global("stiffness", "max")
    Global(quantity='stiffness', aggregation='max')
    """

    quantity: str = "error"
    aggregation: str = "sum"

    def __post_init__(self) -> None:
        one_of("quantity", self.quantity, QUANTITIES)
        one_of("aggregation", self.aggregation, AGGREGATIONS)

    def solve(self, ode: NeuralODE, y0: Tensor, t: Tensor | None, draw: float) -> TrainingSolve:
        """The solve and the term of its log."""
        require_steps_by_the_error(ode)
        solution = solved(ode, y0, t)
        value = step_term(solution.log, self.quantity, self.aggregation)
        if solution.y.requires_grad and not value.requires_grad:
            raise InvalidArgument(
                f"gradient {ode.options['gradient']!r} gives the step log no gradient, so that this term would change "
                "nothing: use gradient 'direct' or 'checkpoint', or the regularisation Local"
            )
        return TrainingSolve(solution, asked(solution, t), value, solution.evaluations.function)


@dataclass(frozen=True)
class Steer:
    """STEER: the span ends at t_1 + width (2 draw - 1) (t_1 - t_0), drawn anew for every batch.

    width: in (0, 1), a share of the span. `solve` raises InvalidArgument where a trajectory is asked for.

    >>> reg = ll.neural_des.regularization
    >>> ode = ll.neural_des.ode.NeuralODE(lambda t, y: torch.ones_like(y), (0.0, 2.0))
    >>> round(float(reg.Steer(0.5).solve(ode, torch.zeros(1, 1), None, 0.75).y), 4)
    2.5
    """

    width: float = 0.5

    def __post_init__(self) -> None:
        check_number("width", self.width, low=0.0, high=1.0 - 1e-6)

    def solve(self, ode: NeuralODE, y0: Tensor, t: Tensor | None, draw: float) -> TrainingSolve:
        """The solve to the drawn end, value 0."""
        if t is not None:
            raise InvalidArgument("Steer draws the end of the span: it takes no times t")
        start, end = ode.span
        solution = solved(ode, y0, (start, end + self.width * (2 * draw - 1) * (end - start)))
        return TrainingSolve(solution, asked(solution, None), y0.new_zeros(()), solution.evaluations.function)


def solved(ode: NeuralODE, y0: Tensor, t: Any, **options: Any) -> Solution:
    """The model's solve at times t, its span where t is None, with some options changed for once."""
    if not isinstance(y0, Tensor):
        raise InvalidArgument(f"y0 must be a tensor (batch, *state) for a regularised solve; got {type(y0).__name__}")
    return solve_ode(ode.field, y0, ode.span if t is None else t, **{**ode.options, **options})


def asked(solution: Solution, t: Tensor | None) -> Tensor:
    """The state at the end, or the states at all times."""
    return solution.y[:, -1] if t is None else solution.y


def require_steps_by_the_error(ode: NeuralODE) -> None:
    """Raise InvalidArgument for uniform steps, whose number no training can change."""
    if ode.options.get("step_size") is not None:
        raise InvalidArgument(
            f"step_size {ode.options['step_size']:g} makes uniform steps, whose number no loss can change: leave it "
            "out, so that steps follow the error"
        )


def total_calls(solve: TrainingSolve) -> Int[Tensor, ""]:
    """Calls of the field on the whole batch: those of its most expensive sample."""
    return solve.evaluations.max().to(torch.int64)
