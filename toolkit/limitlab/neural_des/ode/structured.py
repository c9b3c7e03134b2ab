"""Fields that know something of their equation: its order, its energy, or a part of its right-hand side.

second order    q'' = a(t, q, q')         Kidger, On Neural Differential Equations (2022), 2.2.2
Hamiltonian     q' = dH/dp, p' = -dH/dq   Greydanus, Dzamba & Yosinski, Hamiltonian neural networks (2019)
hybrid          y' = known(t, y) + correction(t, y)   Rackauckas et al., Universal differential equations (2020)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.errors import InvalidArgument
from limitlab.problems import ODEProblem, get
from limitlab.saved import Saved

Field = Callable[[Tensor, Tensor], Tensor]


class SecondOrderField(Saved):
    """y = (q, v) to y' = (v, a(t, y)): what moves by forces, whose paths q may cross each other.

    acceleration: a function of (t, y) with y (batch, 2 n), to (batch, n); the first half of y is q.

    >>> spring = ll.neural_des.ode.SecondOrderField(lambda t, y: -y[:, :1])
    >>> spring(torch.zeros(1, 1), torch.tensor([[1.0, 0.5]])).tolist()
    [[0.5, -1.0]]
    """

    def __init__(self, acceleration: Field) -> None:
        super().__init__()
        self.acceleration = acceleration

    def forward(self, t: Float[Tensor, "batch 1"], y: Float[Tensor, "batch state"]) -> Float[Tensor, "batch state"]:
        _, velocity = _halves(y)
        acceleration = self.acceleration(t, y)
        if acceleration.shape != velocity.shape:
            raise InvalidArgument(
                f"acceleration must return {tuple(velocity.shape)}, half of the state; got {tuple(acceleration.shape)}"
            )
        return torch.cat([velocity, acceleration], dim=-1)


class HamiltonianField(Saved):
    """y = (q, p) to y' = (dH/dp, -dH/dq), by automatic differentiation: H is constant along every solution.

    energy: a function of y (batch, 2 n), to (batch,) or (batch, 1), smooth: with a ReLU the field would jump. A solve
    conserves H up to its tolerance; "leapfrog" and "yoshida4" keep it from drifting where H = T(p) + V(q).

    >>> spring = ll.neural_des.ode.HamiltonianField(lambda y: 0.5 * y.square().sum(-1))
    >>> spring(torch.zeros(1, 1), torch.tensor([[1.0, 0.5]])).tolist()
    [[0.5, -1.0]]
    """

    def __init__(self, energy: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.energy = energy

    def forward(self, t: Float[Tensor, "batch 1"], y: Float[Tensor, "batch state"]) -> Float[Tensor, "batch state"]:
        _halves(y)
        # not autograd.grad: this one works without a tape and inside torch.func, as stiff methods need it
        slope = torch.func.grad(lambda state: self.energy(state).sum())(y)
        along_q, along_p = slope.chunk(2, dim=-1)
        return torch.cat([along_p, -along_q], dim=-1)


class HybridField(Saved):
    """y' = known(t, y) + correction(t, y): an equation of the catalogue, and what it lacks.

    known: a function of (t, y), an ordinary problem of the catalogue, or its name. A parameter of the known part is
    learned too where known is `problem.field({"omega": parameter})`.

    >>> correction = ll.neural_des.ode.MLPField(2, width=8)
    >>> field = ll.neural_des.ode.HybridField("pendulum", correction)
    >>> field(torch.zeros(4, 1), torch.ones(4, 2)).shape
    torch.Size([4, 2])
    """

    def __init__(self, known: Field | ODEProblem | str, correction: Field) -> None:
        super().__init__()
        problem = get(known) if isinstance(known, str) else known
        if isinstance(problem, ODEProblem):
            self.known: Any = problem.field()
        elif callable(problem):
            self.known = problem
        else:
            raise InvalidArgument(
                f"known must be a function of (t, y), or an ordinary problem or its name; got {problem!r:.80}"
            )
        self.correction = correction

    def forward(self, t: Float[Tensor, "batch 1"], y: Float[Tensor, "batch state"]) -> Float[Tensor, "batch state"]:
        known, correction = self.known(t, y), self.correction(t, y)
        # a correction of one column would be added to every component
        if known.shape != y.shape or correction.shape != y.shape:
            raise InvalidArgument(
                f"known and correction must return the shape of the state, {tuple(y.shape)}; got "
                f"{tuple(known.shape)} and {tuple(correction.shape)}"
            )
        return known + correction


def _halves(y: Float[Tensor, "batch state"]) -> tuple[Tensor, Tensor]:
    """Positions and velocities, or momenta. Raises InvalidArgument for an odd state."""
    if y.shape[-1] % 2:
        raise InvalidArgument(f"the state must be two halves of one size; got {y.shape[-1]} components")
    position, velocity = y.chunk(2, dim=-1)
    return position, velocity
