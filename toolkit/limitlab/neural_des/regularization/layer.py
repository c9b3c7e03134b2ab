"""A neural ODE that is regularised while it is trained, and as it is when it is evaluated."""

from __future__ import annotations

import torch
from torch import Tensor

from limitlab.errors import InvalidArgument
from limitlab.neural_des.ode import NeuralODE
from limitlab.neural_des.regularization.penalties import Regularization, TrainingSolve, Unregularized, total_calls
from limitlab.saved import Saved


class RegularizedODE(Saved):
    """The layer y(t_1) of a NeuralODE; in training mode its solve is that of the regularisation.

    draw: the number of (0, 1) that decides what the next training solve draws; `regularized` sets it at every step.
    last: the last training solve, with the value to be made small. calls: field calls of all training solves so far,
    those of a batch counted once. In evaluation mode it does what the NeuralODE does, call by call.

    >>> reg = ll.neural_des.regularization
    >>> layer = reg.RegularizedODE(ll.neural_des.ode.NeuralODE(lambda t, y: -y), reg.Local())
    >>> tuple(layer(torch.ones(3, 2)).shape), bool(layer.last.value > 0), layer.eval()(torch.ones(3, 2)).shape[1]
    ((3, 2), True, 2)
    """

    calls: Tensor

    def __init__(self, ode: NeuralODE, regularization: Regularization | None = None) -> None:
        super().__init__()
        if not isinstance(ode, NeuralODE):
            raise InvalidArgument(f"ode must be a NeuralODE; got {type(ode).__name__}")
        self.ode, self.regularization = ode, regularization or Unregularized()
        self.draw, self.solves = 0.5, 0
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))
        self._last: TrainingSolve | None = None

    @property
    def last(self) -> TrainingSolve:
        """The last training solve. Raises InvalidArgument before the first."""
        if self._last is None:
            raise InvalidArgument("the layer was not called in training mode yet: there is no last solve")
        return self._last

    def forward(self, y0: Tensor, t: Tensor | None = None) -> Tensor:
        """The state at the end of the span, or the states (batch, time, *state) at times t."""
        if not self.training:
            return self.ode(y0) if t is None else self.ode.solve(y0, t).y
        self._last = self.regularization.solve(self.ode, y0, t, self.draw)
        self.calls += total_calls(self._last)
        self.solves += 1
        return self._last.y
