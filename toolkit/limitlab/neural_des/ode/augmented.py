"""Augmented neural ODEs: a state with room to pass, where a plain one can only bend its own space.

A plain neural ODE is a homeomorphism of its state space: paths cannot cross, a point inside a ring stays inside. With
further components y(0) = [x, 0] they can go round each other. Source: Dupont, Doucet & Teh, Augmented neural ODEs
(2019), eq. 3; Kidger, On Neural Differential Equations (2022), 2.2 (a lift that is learned).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from limitlab.errors import InvalidArgument, check_number
from limitlab.layers.perceptron import perceptron
from limitlab.neural_des.ode.model import NeuralODE
from limitlab.saved import Saved
from limitlab.solvers import Solution
from limitlab.training.streams import seeded


class ZeroLift(Saved):
    """x to [x, 0, ..., 0], with `extra` zeros.

    >>> ll.neural_des.ode.ZeroLift(2)(torch.ones(1, 1)).tolist()
    [[1.0, 0.0, 0.0]]
    """

    def __init__(self, extra: int) -> None:
        super().__init__()
        self.extra = int(check_number("extra", extra, low=0, integer=True))

    def forward(self, x: Float[Tensor, "batch feature"]) -> Float[Tensor, "batch state"]:
        return nn.functional.pad(x, (0, self.extra))


class LearnedLift(Saved):
    """x to [x, MLP(x)], with `extra` components that are learned.

    >>> ll.neural_des.ode.LearnedLift(2, extra=3, width=8)(torch.ones(4, 2)).shape
    torch.Size([4, 5])
    """

    def __init__(self, features: int, extra: int, width: int = 32, depth: int = 1, *, seed: int = 0) -> None:
        super().__init__()
        features, extra, width, depth = (
            int(check_number(name, value, low=1, integer=True))
            for name, value in (("features", features), ("extra", extra), ("width", width), ("depth", depth))
        )
        with seeded(seed):
            self.layers = perceptron([features, *[width] * depth, extra], "tanh")

    def forward(self, x: Float[Tensor, "batch feature"]) -> Float[Tensor, "batch state"]:
        return torch.cat([x, self.layers(x)], dim=-1)


class AugmentedODE(Saved):
    """The state at the end of the span of y' = f(t, y), y(t_0) = lift(x): all of it, the components of x first.

    field: of (t, y) with y (batch, feature + extra). lift: a module from x (batch, feature) to that state; `extra`
    zeros behind x when left out. span and options: those of `NeuralODE`, which is at `ode`.

    >>> model = ll.neural_des.ode.AugmentedODE(ll.neural_des.ode.MLPField(3, width=8), extra=1)
    >>> model(torch.ones(4, 2)).shape
    torch.Size([4, 3])
    """

    def __init__(
        self,
        field: Callable[[Tensor, Any], Any],
        extra: int = 0,
        span: tuple[float, float] = (0.0, 1.0),
        *,
        lift: nn.Module | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        if lift is not None and extra:
            raise InvalidArgument(f"give one of extra, for zeros, and lift, a module; got extra={extra} and a lift")
        self.lift = ZeroLift(extra) if lift is None else lift
        self.ode = NeuralODE(field, span, **options)

    def forward(self, x: Float[Tensor, "batch feature"]) -> Float[Tensor, "batch state"]:
        return self.ode(self.lift(x))

    def solve(self, x: Float[Tensor, "batch feature"], t: Tensor | Sequence[float] | None = None) -> Solution:
        """The states at times t, the ends of the span when left out."""
        return self.ode.solve(self.lift(x), t)

    @property
    def last(self) -> Solution:
        """The solution of the last call. Raises InvalidArgument before the first."""
        return self.ode.last
