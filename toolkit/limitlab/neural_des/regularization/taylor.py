"""The Taylor penalty of TayNODE: a solution whose K-th derivative in time is small is crossed in few steps.

    R = int |d^K y/dt^K|^2 dt,    d^K y/dt^K = g_K(t, y),    g_1 = f,    g_{k+1} = dg_k/dt + (dg_k/dy) f

The total derivatives are nested Jacobian-vector products (forward mode along (1, f)); R is one more state of the
equation, zero at the start. The penalty knows no solver, and each order costs about as much again as all before.
Source: Kelly, Bettencourt, Johnson & Duvenaud, Learning differential equations that are easy to solve (2020), eq. 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from limitlab.errors import check_number
from limitlab.neural_des.ode import NeuralODE
from limitlab.neural_des.regularization.penalties import TrainingSolve
from limitlab.solvers import solve_ode

VectorField = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Taylor:
    """The mean over the batch of int |d^order y/dt^order|^2 dt along the solution; order from 1 to 4.

    Tolerances hold for R too, so that a training may take more steps than the evaluation.

    >>> reg = ll.neural_des.regularization
    >>> ode = ll.neural_des.ode.NeuralODE(lambda t, y: -y, rtol=1e-6)
    >>> round(float(reg.Taylor(2).solve(ode, torch.ones(1, 1).double(), None, 0.5).value), 4)
    0.4323
    """

    order: int = 2

    def __post_init__(self) -> None:
        check_number("order", self.order, low=1, high=4, integer=True)

    def solve(self, ode: NeuralODE, y0: Tensor, t: Tensor | None, draw: float) -> TrainingSolve:
        """The solve with its penalty as the last state."""
        derivative = total_derivative(ode.field, int(self.order))
        shape, plain = y0.shape, (-1, *(1,) * (y0.dim() - 1))

        def augmented(time: Tensor, state: Tensor) -> Tensor:
            y, moment = state[:, :-1].reshape(shape), time.view(plain)
            squared = derivative(moment, y).square().flatten(1).sum(1, keepdim=True)
            return torch.cat([ode.field(moment, y).flatten(1), squared], 1)

        start = torch.cat([y0.flatten(1), y0.new_zeros(len(y0), 1)], 1)
        solution = solve_ode(augmented, start, ode.span if t is None else t, **ode.options)
        states, penalty = solution.y[..., :-1], solution.y[:, -1, -1].mean()
        y = states.reshape(len(y0), -1, *shape[1:])
        return TrainingSolve(solution, y[:, -1] if t is None else y, penalty, solution.evaluations.function)


def total_derivative(field: VectorField, order: int) -> VectorField:
    """g_order of y' = field(t, y): the derivative in time of that order along a solution, as a function of (t, y).

    >>> third = ll.neural_des.regularization.total_derivative(lambda t, y: -2.0 * y, 3)
    >>> third(torch.zeros(1, 1), torch.ones(1, 1)).item()
    -8.0
    """
    order = int(check_number("order", order, low=1, integer=True))
    if order == 1:
        return field
    lower = total_derivative(field, order - 1)

    def derivative(t: Tensor, y: Tensor) -> Tensor:
        return torch.func.jvp(lower, (t, y), (torch.ones_like(t), field(t, y)))[1]

    return derivative
