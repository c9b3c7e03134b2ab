"""What solvers accept: states as tensors or trees of them, times that run one way, tolerances and steps; everything
else is refused here.
"""

from __future__ import annotations

import math
import warnings
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Mapping, Sequence, Sized
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils import _pytree as pytree

from limitlab.errors import InvalidArgument, check_number, digits, one_of
from limitlab.numbers import tensor_of
from limitlab.solvers.ode.step_control import CONTROLLERS, Control
from limitlab.solvers.times import Clock

Gradient = Literal["direct", "checkpoint", "adjoint", "reversible"]
OnFailure = Literal["raise", "mask"]
Backend = Literal["auto", "native", "torch"]
MOST_SHOWN = 4
MAPPINGS = (dict, OrderedDict, defaultdict)


@dataclass(frozen=True)
class Layout:
    """How a state of any structure lies in a (batch, state) tensor.

    shapes: of every leaf without the batch. The time argument broadcasts against a single tensor of any shape.
    """

    structure: Any
    shapes: tuple[tuple[int, ...], ...]

    @cached_property
    def plain(self) -> bool:
        """Whether the state is one tensor (batch, state) already."""
        return self.structure.is_leaf() and len(self.shapes[0]) == 1

    def flatten(self, y: Any, leading: int = 1) -> Tensor:
        """(*leading, state) from a tree of (*leading, *shape)."""
        if self.structure.is_leaf():
            return y if len(self.shapes[0]) == 1 else y.reshape(*y.shape[:leading], -1)
        leaves = matched_leaves(self.structure, y)
        return torch.cat([leaf.reshape(*leaf.shape[:leading], -1) for leaf in leaves], dim=-1)

    def unflatten(self, y: Tensor) -> Any:
        """The tree of a (*leading, state) tensor."""
        leading = y.shape[:-1]
        if self.structure.is_leaf():
            return y if len(self.shapes[0]) == 1 else y.reshape(*leading, *self.shapes[0])
        sizes = [torch.Size(shape).numel() for shape in self.shapes]
        leaves = [part.reshape(*leading, *shape) for part, shape in zip(y.split(sizes, -1), self.shapes, strict=True)]
        return pytree.tree_unflatten(leaves, self.structure)

    def time(self, t: Float[Tensor, "batch 1"]) -> Tensor:
        """Time as the field gets it: (batch, 1, ..., 1) for one tensor, (batch,) for a tree."""
        if self.plain:
            return t
        ones = len(self.shapes[0]) if self.structure.is_leaf() else 0
        return t.reshape(-1, *(1,) * ones)


@dataclass(frozen=True)
class FlatField:
    """A field on (batch, state) tensors and in the solver's time, from one on states and times of the caller."""

    field: Callable[[Tensor, Any], Any]
    layout: Layout
    clock: Clock

    def __call__(self, t: Float[Tensor, "batch 1"], y: Float[Tensor, "batch state"]) -> Float[Tensor, "batch state"]:
        time = self.layout.time(self.clock.asked(t))
        slope = self.layout.flatten(self.field(time, self.layout.unflatten(y)))
        return slope if self.clock.sign == 1.0 else -slope


def read_state(name: str, y: Any) -> tuple[Float[Tensor, "batch state"], Layout]:
    """The state as one tensor, and its layout. Raises InvalidArgument."""
    leaves, structure = pytree.tree_flatten(y)
    accepted = "a floating tensor (batch, *state), or a dict or tuple of such"
    if not leaves or not all(isinstance(leaf, Tensor) for leaf in leaves):
        raise InvalidArgument(f"{name} must be {accepted}; got {type(y).__name__}")
    require_unmapped(name, *leaves)
    for leaf in leaves:
        if leaf.dim() == 0 or not leaf.is_floating_point() or leaf.shape[0] != leaves[0].shape[0]:
            shapes = ", ".join(f"{tuple(leaf.shape)} {leaf.dtype}" for leaf in leaves[:MOST_SHOWN])
            raise InvalidArgument(f"{name} must be {accepted}, all of one batch size; got {shapes}")
        if (leaf.dtype, leaf.device) != (leaves[0].dtype, leaves[0].device) or leaf.numel() == 0:
            raise InvalidArgument(f"{name} must hold values, all of one dtype on one device; got {tuple(leaf.shape)}")
    layout = Layout(structure, tuple(tuple(leaf.shape[1:]) for leaf in leaves))
    flat = layout.flatten(y) if layout.plain or not structure.is_leaf() else leaves[0].reshape(len(leaves[0]), -1)
    require_finite(name, flat)
    return flat.contiguous(), layout


def matched_leaves(structure: Any, tree: Any, where: str = "it") -> list[Any]:
    """The leaves of a tree in the order of the structure: keys may stand in any order, lists stand for tuples.

    Raises InvalidArgument naming what is missing, or what the structure lacks.
    """
    if structure.is_leaf():
        return [tree]
    children = structure.children()
    if structure.type in MAPPINGS:
        # a defaultdict keeps its factory beside its keys
        keys = structure.context[1] if structure.type is defaultdict else structure.context
        parts = [(f"{where}[{key!r}]", part) for key, part in zip(keys, _by_key(keys, tree, where), strict=True)]
    elif isinstance(tree, list | tuple) and len(tree) == len(children):
        parts = [(f"{where}[{place}]", part) for place, part in enumerate(tree)]
    else:
        got = f"{type(tree).__name__} of {len(tree)}" if isinstance(tree, Sized) else type(tree).__name__
        raise InvalidArgument(f"{where} must be a {structure.type.__name__} of {len(children)}; got {got}")
    return [
        leaf
        for child, (place, part) in zip(children, parts, strict=True)
        for leaf in matched_leaves(child, part, place)
    ]


def _by_key(keys: list[Any], tree: Any, where: str) -> list[Any]:
    if not isinstance(tree, Mapping):
        raise InvalidArgument(f"{where} must be a dict with the keys {keys!r:.80}; got {type(tree).__name__}")
    missing, stray = [key for key in keys if key not in tree], [key for key in tree if key not in keys]
    if missing or stray:
        faults = [f"{part!r:.60} {word}" for word, part in (("missing", missing), ("unknown", stray)) if part]
        raise InvalidArgument(f"{where} must have the keys {keys!r:.80}; {', '.join(faults)}")
    return [tree[key] for key in keys]


def read_times(
    name: str, t: Tensor | Sequence[float], like: Float[Tensor, "batch state"]
) -> tuple[Tensor, Float[Tensor, "batch time"], float]:
    """The times as a tensor, as (batch, time) increasing in double precision, and the sign that makes them so.

    Times that all samples share are one row of memory, seen once for each of them.

    Raises InvalidArgument unless they are finite, at least two, and strictly monotone, all samples the same way, and
    where they ask for a gradient, which no solve gives.
    """
    moments = tensor_of(name, t, dtype=None if isinstance(t, Tensor) else torch.float64, device=like.device)
    require_unmapped(name, moments)
    if moments.requires_grad and torch.is_grad_enabled():
        raise InvalidArgument(
            f"{name} has no gradient, times are constants of a solve: pass {name}.detach(), and let the span be a "
            f"parameter of the field instead (y' = T f(T s, y) on s in [0, 1])"
        )
    batch = len(like)
    accepted = f"(time,) or ({batch}, time) with at least two times"
    if moments.dim() not in (1, 2) or moments.shape[-1] < 2 or (moments.dim() == 2 and len(moments) != batch):
        raise InvalidArgument(f"{name} must be {accepted}; got shape {tuple(moments.shape)}")
    # double whatever the state is: in float32 a long span would swallow its small steps
    times = moments.detach().double().view(-1, moments.shape[-1])
    # NaN is the least and the largest of all that holds it, and the way to infinity is infinite
    least, largest = (float(end) for end in times.diff(dim=1).aminmax())
    sign = 1.0 if largest > 0.0 else -1.0
    finite = (math.isfinite(least) and math.isfinite(largest)) or _are_finite(times)
    if not (finite and sign * least > 0.0 and sign * largest > 0.0):
        first = ", ".join(digits(*times[0, : 2 * MOST_SHOWN].tolist()))
        raise InvalidArgument(
            f"{name} must be finite and strictly increasing, or strictly decreasing; got {first} of {moments.dtype}"
        )
    return moments, (times if sign == 1.0 else -times).expand(batch, -1), sign


def read_control(
    *,
    rtol: float,
    atol: float,
    control: str,
    shared_steps: bool,
    max_steps: int,
    step_size: float | None,
    first_step: float | None,
    max_step: float | None,
) -> Control:
    """Tolerances and steps of a solve, for every face that steps. Raises InvalidArgument."""
    if step_size is not None and max_step is not None:
        raise InvalidArgument("give one of step_size, for uniform steps, and max_step, for steps that follow the error")
    return Control(
        check_number("rtol", rtol, low=0.0, high=1.0),
        check_number("atol", atol, low=1e-300),
        CONTROLLERS[one_of("control", control, CONTROLLERS)],
        shared_steps,
        int(check_number("max_steps", max_steps, low=1, integer=True)),
        step_size=None if step_size is None else check_number("step_size", step_size, low=1e-300),
        first_step=None if first_step is None else check_number("first_step", first_step, low=1e-300),
        max_step=None if max_step is None else check_number("max_step", max_step, low=1e-300),
    )


def require_precision(dtype: torch.dtype, method: str, stiff: bool, control: Control) -> None:
    """Raise InvalidArgument where a half-precision state is asked for what its numbers cannot give."""
    if dtype in (torch.float32, torch.float64):
        return
    if dtype not in (torch.float16, torch.bfloat16):
        raise InvalidArgument(f"y0 must be of float64, float32, float16 or bfloat16; got {dtype}")
    if stiff:
        raise InvalidArgument(
            f"y0 must be of float32 or float64 for {method!r}, which solves linear systems; got {dtype}"
        )
    about = torch.finfo(dtype)
    if control.step_size is None and (control.rtol < about.eps or control.atol < about.tiny):
        raise InvalidArgument(
            f"rtol must be >= {about.eps:.2g} and atol >= {about.tiny:.2g} for states of {dtype}, which hold no more "
            f"digits; got {control.rtol:g} and {control.atol:g}"
        )


class ToleranceBelowRoundOff(UserWarning):
    """A solve was asked for less error than its state is rounded by: steps chase the rounding, at no gain.

    >>> import warnings
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     solution = ll.solvers.solve_ode(lambda t, y: -y, torch.ones(1, 1), [0.0, 1.0], rtol=1e-9, atol=1e-9)
    >>> caught[0].category.__name__
    'ToleranceBelowRoundOff'
    """


def warn_below_round_off(dtype: torch.dtype, control: Control) -> None:
    """Warn where steps follow an error that is below the rounding of the state, relative and absolute."""
    rounding = torch.finfo(dtype).eps / 2
    if control.step_size is None and max(control.rtol, control.atol) < rounding:
        warnings.warn(
            f"rtol {control.rtol:g} and atol {control.atol:g} are below the round-off of {dtype}, {rounding:.0e}, "
            "which the steps will chase: pass states (and a field) of float64, or larger tolerances",
            ToleranceBelowRoundOff,
            # the caller of a solve, behind its decorator
            stacklevel=4,
        )


def require_known(*, gradient: str, on_failure: str, backend: str = "auto") -> None:
    """Raise UnknownName unless all are names of their kind."""
    one_of("gradient", gradient, get_args(Gradient))
    one_of("on_failure", on_failure, get_args(OnFailure))
    one_of("backend", backend, get_args(Backend))


def require_unmapped(name: str, *tensors: Tensor) -> None:
    """Raise InvalidArgument for tensors inside torch.func.vmap, where steps cannot follow the values."""
    if any(torch._C._functorch.is_batchedtensor(tensor) for tensor in tensors):
        raise InvalidArgument(
            f"{name} is mapped by torch.func.vmap, under which steps cannot follow the values: samples are the batch "
            "of y0, so pass them all at once as (batch, state)"
        )


def require_finite(name: str, values: Tensor) -> None:
    """Raise InvalidArgument naming the first sample that holds NaN or infinity."""
    if not _are_finite(values.detach()):
        finite = torch.isfinite(values.detach()).flatten(1).all(1)
        raise InvalidArgument(f"{name} must be finite; sample {int((~finite).nonzero()[0, 0])} is not")


def _are_finite(values: Tensor) -> bool:
    # a sum is the quickest look: it is finite only where all are, but may overflow where all are
    if values.dtype in (torch.float32, torch.float64) and math.isfinite(float(values.sum())):
        return True
    return bool(torch.isfinite(values).all())


def require_slope(
    name: str, slope: Any, y: Float[Tensor, "batch state"], layout: Layout
) -> Float[Tensor, "batch state"]:
    """The slope of the first call, flattened. Raises InvalidArgument unless it is shaped like the state and finite."""
    try:
        leaves = matched_leaves(layout.structure, slope)
    except InvalidArgument as problem:
        raise InvalidArgument(f"{name} must return the structure of the state: {problem}") from None
    shapes = [tuple(leaf.shape[1:]) if isinstance(leaf, Tensor) and leaf.dim() else None for leaf in leaves]
    if shapes != list(layout.shapes) or any(len(leaf) != len(y) for leaf in leaves):
        got = ", ".join(str(tuple(leaf.shape)) if isinstance(leaf, Tensor) else type(leaf).__name__ for leaf in leaves)
        expected = ", ".join(str((len(y), *shape)) for shape in layout.shapes)
        raise InvalidArgument(f"{name} must return the shape of the state, {expected}; got {got}")
    if leaves[0].dtype != y.dtype:
        raise InvalidArgument(f"{name} must return the dtype of the state, {y.dtype}; got {leaves[0].dtype}")
    flat = layout.flatten(slope)
    require_finite(f"{name} at the initial state", flat)
    return flat
