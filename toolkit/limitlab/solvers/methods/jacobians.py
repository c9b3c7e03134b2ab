"""The linearisation of a field, sample by sample: df/dy and df/dt at (t, y), and how stiff they are.

Samples do not see each other, so n products give the Jacobians of all of them at once: the j-th vector-Jacobian product
with the unit vector e_j in every sample holds row j of every Jacobian, and the slope in t at no further cost. Outside a
compiler these are reverse products, batched, since torch's forward mode takes hundreds of microseconds where a dual
number meets a constant; a compiler traces the forward products and keeps nothing of that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import NamedTuple

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor
from torch.func import jvp, vmap

from limitlab.errors import InvalidArgument
from limitlab.solvers.gradients.leaves import inner_leaf
from limitlab.solvers.methods.method import VectorField
from limitlab.solvers.times import Clock

JacobianFunction = Callable[[Tensor, Tensor], Tensor]


class Linearization(NamedTuple):
    """df/dy, and df/dt; that is None where the field is known not to look at the time."""

    jacobian: Float[Tensor, "batch state state"]
    in_time: Float[Tensor, "batch state"] | None


@dataclass(frozen=True)
class TurnedJacobian:
    """The Jacobian in the solver's time of a field with this one in the caller's."""

    jacobian: JacobianFunction
    clock: Clock

    def __call__(self, t: Tensor, y: Tensor) -> Tensor:
        return self.clock.sign * self.jacobian(self.clock.asked(t), y)


def linearized(
    field: VectorField,
    t: Float[Tensor, "batch 1"],
    y: Float[Tensor, "batch state"],
    jacobian: JacobianFunction | None = None,
    autonomous: bool = False,
) -> Linearization:
    """df/dy and df/dt at (t, y), with a tape when there is one; `jacobian` (t, y) -> (batch, state, state) if known.

    autonomous: df/dt is not wanted. A field that torch cannot follow (its result carries no graph) counts as constant:
    give its Jacobian.
    """
    t = t.to(y.dtype)
    if jacobian is None:
        return (_forward if torch.compiler.is_compiling() else _reverse)(field, t, y)
    # where the field jumps at t, the Jacobian is that of the step's side; copies, since the function may work in place
    at = field.drawn(t) if hasattr(field, "drawn") else t.clone()
    known = jacobian(at, y.clone())
    batch, size = y.shape
    if known.shape != (batch, size, size) or known.dtype != y.dtype:
        raise InvalidArgument(
            f"jacobian must return {(batch, size, size)} of {y.dtype}; got {tuple(known.shape)} of {known.dtype}"
        )
    return Linearization(known, None if autonomous else _time_derivative(field, t, y))


def stiff_vectors(jacobian: Float[Tensor, "batch state state"]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Slopes k, k' at states u, u' of the linear field J u: two steps of the power method from a fixed start.

    The start has no symmetry that a Jacobian might have, such as a null vector of ones.
    """
    make = _start if torch.compiler.is_compiling() else _cached_start
    state = jacobian @ make(jacobian.shape[-1], jacobian.dtype, jacobian.device)
    zero = torch.zeros_like(state)
    return torch.bmm(jacobian, state[..., None])[..., 0], zero, state, zero


def _start(size: int, dtype: torch.dtype, device: torch.device) -> Float[Tensor, "state"]:
    """Not random: a sample's estimate is the same in every run."""
    return torch.arange(1, size + 1, dtype=dtype, device=device).square().cos()


_cached_start = lru_cache(maxsize=64)(_start)


def _reverse(field: VectorField, t: Tensor, y: Tensor) -> Linearization:
    taped = torch.is_grad_enabled()
    with torch.enable_grad():
        y = y if taped and y.requires_grad else inner_leaf(y)
        t = inner_leaf(t)
        slope = field(t, y)
        rows = in_time = None
        if slope.requires_grad:
            seeds = _unit_vectors(y)
            # unused: a field may look at the time alone, or not at all
            rows, in_time = torch.autograd.grad(
                slope, (y, t), seeds, is_grads_batched=True, allow_unused=True, create_graph=taped
            )
    if rows is None:
        rows = y.new_zeros(y.shape[1], *y.shape)
    jacobian = rearrange(rows, "row batch column -> batch row column")
    return Linearization(jacobian, None if in_time is None else rearrange(in_time, "row batch 1 -> batch row"))


def _time_derivative(field: VectorField, t: Tensor, y: Tensor) -> Tensor | None:
    """Two reverse products: w . df/dt is linear in w, and its derivative in w is wanted."""
    if torch.compiler.is_compiling():
        return _product(field, t, y, torch.ones_like(t), torch.zeros_like(y))
    taped = torch.is_grad_enabled()
    with torch.enable_grad():
        t, weights = inner_leaf(t), inner_leaf(torch.ones_like(y))
        slope = field(t, y)
        weighted = None
        if slope.requires_grad:
            weighted = torch.autograd.grad(slope, t, weights, allow_unused=True, create_graph=True)[0]
        if weighted is None:
            return None
        return torch.autograd.grad(weighted.sum(), weights, create_graph=taped)[0]


def _forward(field: VectorField, t: Tensor, y: Tensor) -> Linearization:
    seeds = _unit_vectors(y)
    columns = vmap(partial(_product, field, t, y, torch.zeros_like(t)))(seeds)
    in_time = _product(field, t, y, torch.ones_like(t), torch.zeros_like(y))
    return Linearization(rearrange(columns, "column batch row -> batch row column"), in_time)


def _product(
    field: VectorField, t: Tensor, y: Tensor, t_tangent: Tensor, y_tangent: Tensor
) -> Float[Tensor, "batch state"]:
    return jvp(field, (t, y), (t_tangent, y_tangent))[1]


def _unit_vectors(y: Tensor) -> Float[Tensor, "state batch state"]:
    """The same unit vector in every sample, one after the other."""
    return torch.eye(y.shape[1], dtype=y.dtype, device=y.device)[:, None].expand(-1, *y.shape)
