"""What a solve returns: the states at the asked times, and the log of every step that was tried.

`Solution` is the same for ordinary, stochastic and controlled equations, so that figures and regularisers need to
know one thing only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.utils import _pytree as pytree

from limitlab.cards import Card, Shown
from limitlab.errors import InvalidArgument
from limitlab.labels import labelled

if TYPE_CHECKING:
    import xarray

MOST_SHOWN = 3


@dataclass(frozen=True)
class StepLog:
    """Every attempted step of every sample, in the order of the attempts: a column an attempt.

    time: where the attempt started. size: its length, negative when time runs backwards. error: scaled error estimate,
    at most 1 where accepted by a controller. stiffness: estimate of the largest |eigenvalue| of the Jacobian. Both are
    differentiable when the solve was, and NaN where the method has no such estimate. accepted: whether it moved.
    A sample that needs fewer attempts than others has NaN and False in its last columns. state: where the attempt
    started, flattened, with the tape of the solve under "direct" alone; None unless the solve was asked for it.

    >>> log = ll.solvers.solve_ode(lambda t, y: -y, torch.ones(1, 1), [0.0, 1.0]).log
    >>> int(log.steps) == int(log.attempted.sum() - log.rejected)
    True
    """

    time: Float[Tensor, "batch step"]
    size: Float[Tensor, "batch step"]
    error: Float[Tensor, "batch step"]
    stiffness: Float[Tensor, "batch step"]
    accepted: Bool[Tensor, "batch step"]
    state: Float[Tensor, "batch step state"] | None = None

    @property
    def attempted(self) -> Bool[Tensor, "batch step"]:
        """Columns that hold an attempt."""
        return ~torch.isnan(self.size)

    @property
    def steps(self) -> Int[Tensor, " batch"]:
        """Accepted steps of each sample."""
        return self.accepted.sum(1)

    @property
    def rejected(self) -> Int[Tensor, " batch"]:
        """Rejected attempts of each sample."""
        return (self.attempted & ~self.accepted).sum(1)


@dataclass(frozen=True)
class Evaluations:
    """What each sample cost: calls of the field (drift, for a stochastic equation), Jacobians, LU factorisations.

    >>> solution = ll.solvers.solve_ode(lambda t, y: -y, torch.ones(2, 1), [0.0, 1.0], method="rk4", step_size=0.1)
    >>> solution.evaluations.function.tolist(), solution.evaluations.jacobian.tolist()
    ([41, 41], [0, 0])
    """

    function: Int[Tensor, " batch"]
    jacobian: Int[Tensor, " batch"]
    factorization: Int[Tensor, " batch"]


@dataclass(frozen=True)
class EventLog:
    """Where one event function changed sign: (batch, occurrence), NaN after a sample's last; `state` flattened.

    >>> turn = lambda t, y: torch.stack([y[:, 1], -y[:, 0]], 1)
    >>> crossing = ll.solvers.Event(lambda t, y: y[:, 0])
    >>> y0 = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    >>> log = ll.solvers.solve_ode(turn, y0, [0.0, 5.0], events=[crossing]).events[0]
    >>> (2 / torch.pi * log.time).round().tolist()
    [[1.0, 3.0]]
    """

    time: Float[Tensor, "batch occurrence"]
    state: Float[Tensor, "batch occurrence state"]


@dataclass(frozen=True)
class Failure:
    """Why a sample stopped early: kind is "blow-up", "too many steps", "out of time" or "step size underflow".

    >>> cube, y0 = lambda t, y: y**3, torch.tensor([[0.1], [1.0]])
    >>> masked = ll.solvers.solve_ode(cube, y0, [0.0, 9.0], method="rk4", step_size=0.1, on_failure="mask")
    >>> masked.failures[0].sample, masked.failures[0].kind
    (1, 'blow-up')
    """

    sample: int
    time: float
    step_size: float
    kind: str


@dataclass(frozen=True)
class Solution(Shown):
    """States of all samples at all asked times, and what they cost.

    t: (time,), or (batch, time) where every sample has times of its own. y: (batch, time, *state), or a tree of such
    tensors of the structure of y0. failures: samples that were given up; their states from then on are NaN.

    >>> ll.solvers.solve_ode(lambda t, y: -y, torch.ones(2, 1), [0.0, 0.5, 1.0], method="rk4", step_size=0.1)
    Solution(rk4: 2 samples at 3 times, y (2, 3, 1); steps 10, rejected 0, field calls 41 a sample)
    """

    t: Float[Tensor, "*batch time"]
    y: Any
    log: StepLog
    evaluations: Evaluations
    method: str
    rtol: float | None = None
    atol: float | None = None
    events: tuple[EventLog, ...] = ()
    failures: tuple[Failure, ...] = ()
    backend: str = "torch"

    def __repr__(self) -> str:
        batch, time = self.log.time.shape[0], self.t.shape[-1]
        shapes = ", ".join(str(tuple(leaf.shape)) for leaf in pytree.tree_leaves(self.y))
        counts = f"steps {_range(self.log.steps)}, rejected {_range(self.log.rejected)}"
        calls = f"field calls {_range(self.evaluations.function)}"
        failed = f", {len(self.failures)} failed" if self.failures else ""
        return (
            f"Solution({self.method}: {batch} samples at {time} times, y {shapes}; {counts}, {calls} a sample{failed})"
        )

    def card(self) -> Card:
        """Its shapes, times, tolerances, costs, and what failed."""
        shapes = ", ".join(str(tuple(leaf.shape)) for leaf in pytree.tree_leaves(self.y))
        ends = f"{float(self.t.min()):g} to {float(self.t.max()):g}" if self.t.numel() else "none"
        tolerances = [f"{name}={value:g}" for name, value in (("rtol", self.rtol), ("atol", self.atol)) if value]
        costs, batch = self.evaluations, self.log.time.shape[0]
        counts = [
            f"{_range(count)} {name}"
            for name, count in (
                ("steps", self.log.steps),
                ("rejected", self.log.rejected),
                ("field calls", costs.function),
                ("Jacobians", costs.jacobian),
                ("factorisations", costs.factorization),
            )
        ]
        first = "; ".join(f"sample {f.sample}: {f.kind} at t = {f.time:.6g}" for f in self.failures[:MOST_SHOWN])
        success = (
            f"{len(self.failures)} of {batch} samples failed: {first}" if first else "every sample reached its end"
        )
        return Card(
            f"Solution by {self.method}",
            (
                ("y", f"{shapes}: sample, time, state; t from {ends}"),
                ("each sample", ", ".join([*counts, *tolerances])),
                *((("events", f"{len(self.events)} kinds"),) if self.events else ()),
                ("made by", self.backend),
                ("success", success),
            ),
        )

    def to_xarray(self, names: Sequence[str] | None = None) -> xarray.Dataset:
        """`y` (sample, time, state) with the log on (sample, step), detached, on the CPU.

        names: of the state's components, in the order of the flattened state; "0", "1", ... when left out.
        """
        leaves = [leaf.detach().cpu().flatten(2) for leaf in pytree.tree_leaves(self.y)]
        y = torch.cat(leaves, dim=-1)
        names = [str(i) for i in range(y.shape[-1])] if names is None else list(names)
        if len(names) != y.shape[-1]:
            raise InvalidArgument(f"names must hold {y.shape[-1]} names, one a component; got {len(names)}")
        log, evaluations = self.log, self.evaluations
        tolerances = {"rtol": self.rtol, "atol": self.atol}
        attrs = {
            "method": self.method,
            **{name: tolerance for name, tolerance in tolerances.items() if tolerance is not None},
            "failures": "; ".join(f"sample {f.sample}: {f.kind} at t = {f.time:.6g}" for f in self.failures),
        }
        return labelled(
            attrs,
            y=("sample time state", y, "state"),
            step_time=("sample step", log.time, "time"),
            step_size=("sample step", log.size, "step size"),
            error=("sample step", log.error, "scaled error"),
            stiffness=("sample step", log.stiffness, "stiffness estimate"),
            accepted=("sample step", log.accepted, "accepted"),
            function_evaluations=("sample", evaluations.function, "field calls"),
            jacobian_evaluations=("sample", evaluations.jacobian, "Jacobians"),
            factorization_evaluations=("sample", evaluations.factorization, "LU factorisations"),
            sample=("sample", range(y.shape[0]), "sample"),
            time=("time" if self.t.dim() == 1 else "sample time", self.t, "time"),
            state=("state", names, "component"),
        ).set_coords("time")


def _range(counts: Int[Tensor, " batch"]) -> str:
    if counts.numel() == 0:
        return "0"
    low, high = int(counts.min()), int(counts.max())
    return str(low) if low == high else f"{low} to {high}"
