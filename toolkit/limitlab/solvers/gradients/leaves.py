"""Which tensors a field depends on, so that no gradient is lost: parameters, and whatever its code closes over.

The tape of one evaluation ends in the leaves that asked for a gradient; walking it finds them wherever they are kept.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from limitlab.errors import InvalidArgument

INNER = "_limitlab_inner"
PROBES = 9


def moments_of(first: Float[Tensor, "batch 1"], last: Float[Tensor, "batch 1"]) -> list[Float[Tensor, "batch 1"]]:
    """Times of a span at which a field is asked what it depends on, as it may use other weights later on."""
    return [torch.lerp(first, last, share) for share in torch.linspace(0, 1, PROBES).tolist()]


def gradient_leaves(outputs: Sequence[Tensor], modules: Sequence[object] = ()) -> tuple[Tensor, ...]:
    """Leaves that require a gradient in the tape of `outputs`, and the parameters of those `modules` that are some.

    Evaluate the outputs from detached states, so that only what the field itself holds is among them.
    """
    leaves: dict[int, Tensor] = {}
    for item in modules:
        if isinstance(item, nn.Module):
            leaves |= {id(parameter): parameter for parameter in item.parameters() if parameter.requires_grad}
    for leaf in _leaves_below(outputs)[0]:
        leaves.setdefault(id(leaf), leaf)
    return tuple(leaves.values())


def _leaves_below(outputs: Sequence[Tensor], known: Set[Any] = frozenset()) -> tuple[list[Tensor], set[Any]]:
    """Leaves of the tape, and its nodes; neither those in `known` nor what is behind them."""
    leaves = [output for output in outputs if output.requires_grad and output.is_leaf]
    waiting = [output.grad_fn for output in outputs if output.grad_fn is not None and output.grad_fn not in known]
    seen = set(waiting)
    while waiting:
        node = waiting.pop()
        leaf = getattr(node, "variable", None)  # only the nodes that accumulate a gradient have one
        if leaf is not None:
            leaves.append(leaf)
        for following, _ in node.next_functions:
            if following is not None and following not in seen and following not in known:
                seen.add(following)
                waiting.append(following)
    return leaves, seen


def inner_leaf(tensor: Tensor) -> Tensor:
    """A leaf with these values, for a derivative that a method takes for itself: no gradient of the caller is lost."""
    leaf = tensor.detach().requires_grad_()
    # on the tensor, since a tape hands back the same object
    setattr(leaf, INNER, True)
    return leaf


class SameLeaves:
    """Proves, evaluation by evaluation, that a field depends on no leaf whose gradient nobody would get."""

    def __init__(self, leaves: Sequence[Tensor]) -> None:
        self._leaves = {id(leaf) for leaf in leaves}
        self._known: set[Any] = set()

    def require(self, outputs: Sequence[Tensor]) -> None:
        """Raise InvalidArgument where the tape of these outputs ends in a leaf that is neither theirs nor inner."""
        leaves, nodes = _leaves_below(outputs, self._known)
        # what was made before the solve is walked once: a weight may itself come from a network
        self._known = self._known or nodes
        missing = {id(leaf) for leaf in leaves if not getattr(leaf, INNER, False)} - self._leaves
        if missing:
            raise InvalidArgument(
                f"the field uses {len(missing)} tensors that ask for a gradient at some states or times only, which "
                "were not seen at the start: pass the field as a torch.nn.Module that holds them, or use "
                "gradient='direct'"
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
