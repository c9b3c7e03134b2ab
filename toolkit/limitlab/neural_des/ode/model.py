"""A neural ordinary differential equation as a module: any field, any solver, any way to its gradient."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from limitlab.errors import InvalidArgument
from limitlab.neural_des.solved import Solved
from limitlab.solvers import Solution, solve_ode
from limitlab.solvers.arguments import Gradient


class NeuralODE(Solved):
    """y(t_1) of y' = f(t, y), y(t_0) = y0, as a module: the layer of infinite depth.

    field: a module, or a function, of (t, y) with t (batch, 1, ..) and y (batch, *state). span: (t_0, t_1). The other
    arguments, the errors and the warnings are those of `limitlab.solvers.solve_ode`. `last` is the Solution of the last
    call, with its step log and its field calls; it holds the tape of that solve until the next.
    Source: Chen, Rubanova, Bettencourt & Duvenaud, Neural ordinary differential equations (2018), eq. 2.

    >>> model = ll.neural_des.ode.NeuralODE(lambda t, y: -y, (0.0, 1.0), rtol=1e-6)
    >>> round(float(model(torch.ones(1, 1))), 3), int(model.last.log.steps) > 0
    (0.368, True)
    """

    def __init__(
        self,
        field: Callable[[Tensor, Any], Any],
        span: tuple[float, float] = (0.0, 1.0),
        *,
        method: str = "tsit5",
        rtol: float = 1e-3,
        atol: float = 1e-6,
        gradient: Gradient = "direct",
        **options: Any,
    ) -> None:
        super().__init__()
        if not callable(field):
            raise InvalidArgument(f"field must be a function of (t, y); got {type(field).__name__}")
        self.field, self.span = field, span
        self.options = {"method": method, "rtol": rtol, "atol": atol, "gradient": gradient, **options}

    def forward(self, y0: Any) -> Any:
        """The state at the end of the span."""
        solution = self.solve(y0)
        return torch.utils._pytree.tree_map(lambda leaf: leaf[:, -1], solution.y)

    def solve(self, y0: Any, t: Tensor | Sequence[float] | None = None) -> Solution:
        """The states at times t, the ends of the span when left out."""
        self._last = solve_ode(self.field, y0, self.span if t is None else t, **self.options)
        return self._last
