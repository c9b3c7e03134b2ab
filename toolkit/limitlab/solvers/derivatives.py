"""The derivatives that a solve takes of the caller's fields, whatever mode the caller is in.

Stiff methods need df/dy, some df/dt too, and Milstein's (Dg) g. Under `inference_mode` torch records nothing, so solves
step out of it; a field that runs under `no_grad`, detaches a factor or leaves torch has a derivative that torch cannot
take, and what it takes instead would be held for the truth. Therefore a field is held against differences once a solve.
At a kink, at the edge of its domain and where rounding is larger than the difference, nothing can be told.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import ParamSpec, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils import _pytree as pytree

from limitlab.errors import InvalidArgument
from limitlab.solvers.gradients.leaves import inner_leaf
from limitlab.solvers.methods.method import Method, VectorField

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


def is_watched(tensor: Tensor) -> bool:
    """Whether torch follows what becomes of a tensor: for a gradient, a tangent or a function transform.

    >>> from limitlab.solvers.derivatives import is_watched
    >>> is_watched(torch.zeros(2)), is_watched(torch.zeros(2, requires_grad=True))
    (False, True)
    """
    asked = torch.is_grad_enabled() and tensor.requires_grad
    wrapped = torch._C._functorch.is_functorch_wrapped_tensor(tensor)
    return asked or wrapped or torch.autograd.forward_ad.unpack_dual(tensor).tangent is not None


def require_derivatives(
    method: Method, field: VectorField, times: Float[Tensor, "batch time"], y: Float[Tensor, "batch state"]
) -> None:
    """Raise InvalidArgument where a method takes a derivative of the field that torch cannot take.

    times: of the solve, increasing.
    """
    if getattr(method, "jacobian", False) is None:
        remedy = f"{method.name!r} needs one: pass jacobian=(t, y) -> (batch, n, n), or use an explicit method"
        require_derivative("field", field, times[:, :1].to(y.dtype), y, remedy)
    if method.time_derivative:
        remedy = f"{method.name!r} needs one: use 'kvaerno5' or 'kvaerno3', which do not, or an explicit method"
        require_time_derivative("field", field, times, y, remedy)


@torch.no_grad()
def require_derivative(
    name: str, field: VectorField, t: Float[Tensor, "batch 1"], y: Float[Tensor, "batch state"], remedy: str
) -> None:
    """Raise InvalidArgument where torch's derivative of the field in y is not that of its differences.

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
    size = 1 + y.abs().amax(1, keepdim=True)
    width = torch.finfo(y.dtype).eps ** (1 / 3) * size

    def contradicted(y: Tensor) -> Tensor | None:
        return _contradicted(lambda y: field(t, y), y, direction, width)

    if _everywhere(contradicted, [y + shift * size * direction for shift in (0.0, 0.01, 0.023, 0.04)]):
        raise InvalidArgument(f"{refused}, although it depends on y; {remedy}")


@torch.no_grad()
def require_time_derivative(
    name: str, field: VectorField, times: Float[Tensor, "batch time"], y: Float[Tensor, "batch state"], remedy: str
) -> None:
    """Raise InvalidArgument where torch's derivative of the field in t is not that of its differences.

    A field that is the same at the start and at some later times does not look at the time.
    """
    y = y.detach()
    start, span = times[:, :1], times[:, -1:] - times[:, :1]
    moments = [(start + share * span).to(y.dtype) for share in (0.31, 0.62, 0.93)]
    once = field(start.to(y.dtype), y)
    if all(torch.equal(field(moment, y), once) for moment in moments):
        return
    width = (1e-2 * torch.finfo(y.dtype).eps ** (1 / 3) * span).to(y.dtype)
    # times that are long against the span: their rounding must not be the difference
    width = torch.maximum(width, 1e4 * torch.finfo(y.dtype).eps * times.abs().amax(1, keepdim=True).to(y.dtype))
    if bool((width > 0.005 * span).any()):
        return

    def contradicted(t: Tensor) -> Tensor | None:
        return _contradicted(lambda t: field(t, y), t, torch.ones_like(t), width)

    if any(_everywhere(contradicted, [moment + shift * width for shift in (0.0, 2.5, 4.0, 7.0)]) for moment in moments):
        raise InvalidArgument(
            f"{name} has no derivative in t that torch can take (detach, float() or NumPy inside?), although it "
            f"depends on t; {remedy}"
        )


def _everywhere(contradicted: Callable[[Tensor], Tensor | None], places: Sequence[Tensor]) -> bool:
    """Whether one component is contradicted at all places: some may lie among the kinks of a network."""
    everywhere: Tensor | None = None
    for place in places:
        here = contradicted(place)
        if here is None:
            return False
        everywhere = here if everywhere is None else everywhere & here
        if not bool(everywhere.any()):
            return False
    return True


def _contradicted(
    function: Callable[[Tensor], Tensor], at: Tensor, direction: Tensor, width: Float[Tensor, "batch 1"]
) -> Tensor | None:
    """Where differences contradict torch's derivative along the direction; None where nothing can be told."""
    try:
        slope = directional(lambda _, at: function(at), at, at, direction)
    except RuntimeError:
        # twice differentiable it need not be
        return None
    value = function(at)
    wide, eps = width.view(-1, *(1,) * (value.dim() - 1)), torch.finfo(value.dtype).eps
    up, down = function(at + width * direction), function(at - width * direction)
    central = (up - down) / (2 * wide)
    gap = (central - slope).abs()
    # rounding of terms that cancel in the value is of the size of what they change by
    terms = value.abs() + slope.abs() * (1 + at.abs().amax(1).view_as(wide))
    rounding = 1e3 * eps / (2 * wide) * terms.flatten(1).amax(1).view_as(wide)
    suspicious = (gap > 0.02 * torch.maximum(central.abs(), slope.abs())) & (gap > rounding)
    if not bool(suspicious.any()) or not torch.equal(function(at), value):
        return None
    half = (function(at + width / 2 * direction) - function(at - width / 2 * direction)) / wide
    # a kink bends the difference, and curvature falls with the width; what is missing stays
    smooth = ((up + down - 2 * value).abs() < 0.2 * wide * gap) & ((half - central).abs() < 0.1 * gap)
    return suspicious & smooth


def directional(
    field: VectorField, t: Tensor, y: Float[Tensor, "batch state"], direction: Float[Tensor, "batch state"]
) -> Tensor:
    """(D field) direction, the derivative in y, by two reverse passes: v -> v^T D is linear, and its derivative is D.

    Forward mode takes twice the time here, and seconds when it is first used.
    """
    tape = torch.is_grad_enabled()
    with torch.enable_grad():
        at = y if y.requires_grad and tape else inner_leaf(y)
        value = field(t, at)
        if not value.requires_grad:
            return torch.zeros_like(value)
        # its value does not matter, as the pullback is linear in it
        covector = inner_leaf(torch.zeros_like(value))
        pulled = pullback(value, at, covector, True)
        if not pulled.requires_grad:
            return torch.zeros_like(value)
        return pullback(pulled, covector, direction, tape)


def pullback(value: Tensor, at: Tensor, cotangent: Tensor, tape: bool) -> Tensor:
    """cotangent^T (d value / d at), zero where value does not depend on it."""
    (pulled,) = torch.autograd.grad(value, at, cotangent, create_graph=tape, retain_graph=True, allow_unused=True)
    return torch.zeros_like(at) if pulled is None else pulled
