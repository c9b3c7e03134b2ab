"""What is read off a flow: classes of points, or the path through times that are asked for."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from limitlab.saved import Saved
from limitlab.training.streams import seeded


class FlowClassifier(Saved):
    """A lift to the state, a flow, and a linear map to classes: (batch, feature) -> (batch, classes).

    flow: state at the start to that at the end. state: components after the lift, which is the identity where it is
    left out. The map is drawn from `seed`, in double precision.

    >>> model = ll.neural_des.ode.FlowClassifier(torch.nn.Identity(), 2, 3)
    >>> model(torch.zeros(5, 2, dtype=torch.float64)).shape
    torch.Size([5, 3])
    """

    def __init__(
        self, flow: nn.Module, state: int, classes: int, *, lift: nn.Module | None = None, seed: int = 0
    ) -> None:
        super().__init__()
        self.flow, self.lifted = flow, nn.Identity() if lift is None else lift
        with seeded(seed):
            self.head = nn.Linear(state, classes, dtype=torch.float64)

    def forward(self, x: Float[Tensor, "batch feature"]) -> Float[Tensor, "batch class"]:
        return self.head(self.flow(self.lifted(x)))


class FlowForecaster(Saved):
    """A lift to the state, and the flow through times t: (batch, feature), (time,) -> (batch, time, feature).

    flow: state at the start and times to the states there.

    >>> class Still(ll.saved.Saved):
    ...     def forward(self, y, t):
    ...         return y[:, None].expand(-1, len(t), -1)
    >>> ll.neural_des.ode.FlowForecaster(Still(), ll.neural_des.ode.ZeroLift(1))(torch.zeros(5, 2), torch.ones(3)).shape
    torch.Size([5, 3, 2])
    """

    def __init__(self, flow: nn.Module, lift: nn.Module) -> None:
        super().__init__()
        self.flow, self.lifted = flow, lift

    def forward(
        self, x: Float[Tensor, "batch feature"], t: Float[Tensor, " time"]
    ) -> Float[Tensor, "batch time feature"]:
        return self.flow(self.lifted(x), t)[..., : x.shape[-1]]
