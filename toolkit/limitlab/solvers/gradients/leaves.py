"""Which tensors a field depends on, so that no gradient is lost: parameters, and whatever its code closes over.

The tape of one evaluation ends in the leaves that asked for a gradient; walking it finds them wherever they are kept.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from limitlab.errors import InvalidArgument

INNER = "_limitlab_inner"


def gradient_leaves(outputs: Sequence[Tensor], modules: Sequence[object] = ()) -> tuple[Tensor, ...]:
    """Leaves that require a gradient in the tape of `outputs`, and the parameters of those `modules` that are some.

    Evaluate the outputs from detached states, so that only what the field itself holds is among them.
    """
    leaves: dict[int, Tensor] = {}
    for item in modules:
        if isinstance(item, nn.Module):
            leaves |= {id(parameter): parameter for parameter in item.parameters() if parameter.requires_grad}
    waiting = [output.grad_fn for output in outputs if output.grad_fn is not None]
    leaves |= {id(output): output for output in outputs if output.requires_grad and output.is_leaf}
    seen = set(waiting)
    while waiting:
        node = waiting.pop()
        leaf = getattr(node, "variable", None)  # only the nodes that accumulate a gradient have one
        if leaf is not None:
            leaves.setdefault(id(leaf), leaf)
        for following, _ in node.next_functions:
            if following is not None and following not in seen:
                seen.add(following)
                waiting.append(following)
    return tuple(leaves.values())


def inner_leaf(tensor: Tensor) -> Tensor:
    """A leaf with these values, for a derivative that a method takes for itself: no gradient of the caller is lost."""
    leaf = tensor.detach().requires_grad_()
    # on the tensor, since a tape hands back the same object
    setattr(leaf, INNER, True)
    return leaf


def require_same_leaves(outputs: Sequence[Tensor], leaves: Sequence[Tensor]) -> None:
    """Raise InvalidArgument where the tape of a replay ends in a leaf whose gradient nobody would get."""
    found = {id(leaf) for leaf in gradient_leaves(outputs) if not getattr(leaf, INNER, False)}
    missing = found - {id(leaf) for leaf in leaves}
    if missing:
        raise InvalidArgument(
            f"the field uses {len(missing)} tensors that ask for a gradient at some states or times only, which "
            "were not seen at the start: pass the field as a torch.nn.Module that holds them, or use gradient='direct'"
        )


class Totals:
    """Sums of the gradients of all leaves, as a backward pass finds them part by part."""

    def __init__(self, leaves: Sequence[Tensor]) -> None:
        self.leaves = leaves
        self.sums = [torch.zeros_like(leaf) for leaf in leaves]

    def add(self, gradients: Sequence[Tensor | None], weight: float = 1.0) -> None:
        """Add those that are there."""
        pairs = [(total, new) for total, new in zip(self.sums, gradients, strict=True) if new is not None]
        if pairs:
            totals, news = zip(*pairs, strict=True)
            torch._foreach_add_(totals, news, alpha=weight)
