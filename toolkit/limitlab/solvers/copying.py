"""Fields that write on the state they get, such as a network whose first layer is ReLU(inplace=True), or that hand out
one buffer again and again: a solve keeps states and slopes, so these get copies.

Whether a field does so shows at its first call: torch counts the writes on a tensor, and what escapes the count (NumPy,
`.data`) changes its values. All others are called as they are, at no cost a step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree


def first_call(field: Callable[[Tensor, Any], Any], t: Tensor, y: Any) -> tuple[Callable[[Tensor, Any], Any], Any]:
    """The field as a solve may call it, and its value at (t, y), which stay as they are."""
    lent = pytree.tree_map_only(Tensor, torch.clone, (t, y))
    before = [tensor._version for tensor in _tensors(lent)]
    value = field(*lent)
    written = before != [tensor._version for tensor in _tensors(lent)] or not _equal(lent, (t, y))
    # where the value was written after it was made, a second call tells a buffer from a result filled in by parts
    if any(_may_be_a_buffer(tensor) for tensor in _tensors(value)):
        again = field(*pytree.tree_map_only(Tensor, torch.clone, (t, y)))
        shared = {_memory(tensor) for tensor in _tensors(value)} & {_memory(tensor) for tensor in _tensors(again)}
        if shared:
            return _copying(field), pytree.tree_map_only(Tensor, torch.clone, again)
    return (_copying(field) if written else field), value


@dataclass(frozen=True)
class Copying:
    """The field on copies, with values of its own; hashable, since a compiled loop is kept for each field."""

    field: Callable[[Tensor, Any], Any]

    def __call__(self, t: Tensor, y: Any) -> Any:
        value = self.field(*pytree.tree_map_only(Tensor, torch.clone, (t, y)))
        return pytree.tree_map_only(Tensor, torch.clone, value)


@dataclass(frozen=True)
class CopyingOnSteps(Copying):
    """One of a field that knows its parts on steps, as `limitlab.solvers.ode.jumps` asks for them."""

    def within(self, t: Tensor, h: Tensor) -> tuple[CopyingOnSteps, ...]:
        """The same on each of the steps from t of size h."""
        return tuple(CopyingOnSteps(part) for part in self.field.within(t, h))  # type: ignore[attr-defined]


def _copying(field: Callable[[Tensor, Any], Any]) -> Copying:
    return (CopyingOnSteps if hasattr(field, "within") else Copying)(field)


def _tensors(tree: Any) -> list[Tensor]:
    return [leaf for leaf in pytree.tree_leaves(tree) if isinstance(leaf, Tensor)]


def _equal(lent: Any, kept: Any) -> bool:
    return all(torch.equal(a.detach(), b.detach()) for a, b in zip(_tensors(lent), _tensors(kept), strict=True))


def _may_be_a_buffer(tensor: Tensor) -> bool:
    """Whether it was written in place, or lies in memory that is not torch's, such as an array's of NumPy."""
    # the tensors of torch.func have no memory to look at
    if torch._C._functorch.is_functorch_wrapped_tensor(tensor):
        return False
    return tensor._version > 0 or not tensor.untyped_storage().resizable()


def _memory(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()
