"""The derivatives that a solve takes of the caller's fields, whatever mode the caller is in.

Stiff methods need df/dy and Milstein's (Dg) g. Under `inference_mode` torch records nothing, so solves step out of it;
a field that runs under `no_grad`, detaches or leaves torch has no derivative that torch can take, although it depends
on the state, and its zeros would be taken for the truth. Such a field is held against differences once a solve.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils import _pytree as pytree

from limitlab.errors import InvalidArgument
from limitlab.solvers.methods.method import VectorField

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def outside_inference_mode(solve: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """The same solve, under `no_grad` where the caller is in inference mode, in which nothing has a derivative."""

    @wraps(solve)
    def in_normal_mode(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        if not torch.is_inference_mode_enabled():
            return solve(*args, **kwargs)
        with torch.inference_mode(False), torch.no_grad():
            args, kwargs = pytree.tree_map_only(Tensor, _normal, (args, kwargs))
            return solve(*args, **kwargs)

    return in_normal_mode


def _normal(tensor: Tensor) -> Tensor:
    # no tape can hold a tensor that was made in inference mode
    return tensor.clone() if tensor.is_inference() else tensor


@torch.no_grad()
def require_derivative(
    name: str, field: VectorField, t: Float[Tensor, "batch 1"], y: Float[Tensor, "batch state"], remedy: str
) -> None:
    """Raise InvalidArgument where components of the field change with y at first order but have no derivative.

    remedy: what to do about it, for the message.
    """
    y = y.detach()
    refused = f"{name} has no derivative in y that torch can take (no_grad, detach, NumPy or inference tensors inside?)"
    try:
        with torch.enable_grad():
            field(t, y.clone().requires_grad_())
    except RuntimeError as problem:
        raise InvalidArgument(f"{refused}: {problem!s:.120}; {remedy}") from problem
    generator = torch.Generator().manual_seed(0)
    direction = (1 + torch.rand(y.shape, generator=generator, dtype=torch.float64)).to(y)
    try:
        slope = directional(field, t, y, direction)
    except RuntimeError:
        # twice differentiable it need not be
        return
    if bool((slope != 0).all()):
        return
    width = torch.finfo(y.dtype).eps ** (1 / 3) * (1 + y.abs().amax(1, keepdim=True))
    once, again = (field(t, y + width * direction) for _ in range(2))
    if not torch.equal(once, again):
        return
    whole = once - field(t, y - width * direction)
    half = field(t, y + width / 2 * direction) - field(t, y - width / 2 * direction)
    least = torch.maximum(100 * torch.finfo(y.dtype).eps * once.abs(), 0.1 * (once - field(t, y)).abs())
    # halving the step halves a difference of first order, and quarters or more what has a slope of zero
    if bool(((slope == 0) & (half.abs() > 0.4 * whole.abs()) & (whole.abs() > least)).any()):
        raise InvalidArgument(f"{refused}, although it depends on y; {remedy}")


def directional(
    field: VectorField, t: Tensor, y: Float[Tensor, "batch state"], direction: Float[Tensor, "batch state"]
) -> Tensor:
    """(D field) direction, the derivative in y, by two reverse passes: v -> v^T D is linear, and its derivative is D.

    Forward mode takes twice the time here, and seconds when it is first used.
    """
    tape = torch.is_grad_enabled()
    with torch.enable_grad():
        at = y if y.requires_grad and tape else y.detach().requires_grad_()
        value = field(t, at)
        if not value.requires_grad:
            return torch.zeros_like(value)
        # its value does not matter, as the pullback is linear in it
        covector = torch.zeros_like(value, requires_grad=True)
        pulled = pullback(value, at, covector, True)
        if not pulled.requires_grad:
            return torch.zeros_like(value)
        return pullback(pulled, covector, direction, tape)


def pullback(value: Tensor, at: Tensor, cotangent: Tensor, tape: bool) -> Tensor:
    """cotangent^T (d value / d at), zero where value does not depend on it."""
    (pulled,) = torch.autograd.grad(value, at, cotangent, create_graph=tape, retain_graph=True, allow_unused=True)
    return torch.zeros_like(at) if pulled is None else pulled
