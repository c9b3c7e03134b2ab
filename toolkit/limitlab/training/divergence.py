"""Divergence: the first loss term, gradient or weight that is not finite, and the likeliest reason."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from limitlab.errors import LimitlabError
from limitlab.training.progress import Progress, fetch

MEMORY = 20


class TrainingDiverged(LimitlabError):
    """A loss term, gradient or weight is not finite; `step`, `term`, `value` and `hint` say where and perhaps why."""

    def __init__(self, step: int, term: str, value: float, hint: str) -> None:
        super().__init__(f"training diverged at step {step}: {term} is {value}; {hint}")
        self.step, self.term, self.value, self.hint = step, term, value, hint


def require_finite_losses(
    pending: Sequence[Progress], model: nn.Module, norms: list[float], batch: Callable[[int], Mapping[str, Any]]
) -> None:
    """Raise TrainingDiverged for the first step whose loss terms or gradient are not finite.

    `pending`: steps not looked at yet; the model holds the gradient of the last. `norms`: gradient norms of the latest
    steps, which are brought up to date. `batch(step)` gives the data anew, so that a bad sample can be named.
    """
    fetch(pending)
    for item in pending:
        for term, value in [*item.losses.items(), ("gradient", item.gradient_norm)]:
            if not math.isfinite(value):
                if term == "gradient" and item is pending[-1]:
                    named = ((name, p.grad) for name, p in model.named_parameters() if p.grad is not None)
                    bad = (f"gradient of {name!r}" for name, gradient in named if not gradient.isfinite().all())
                    term = next(bad, "norm of the gradient")
                raise TrainingDiverged(item.step, term, value, _hint(item, norms, batch(item.step - 1)))
        norms[:] = [*norms[1 - MEMORY :], item.gradient_norm]  # in place: the list is the caller's


def require_finite_weights(model: nn.Module, step: int) -> None:
    """Raise TrainingDiverged for a weight that a step has made infinite, though losses and gradient were finite."""
    # one number for all weights first: a look at each would wait for the device each time
    if not nn.utils.get_total_norm([p.detach() for p in model.parameters()]).isfinite():
        for name, weight in model.named_parameters():
            if not weight.isfinite().all():
                raise TrainingDiverged(step, f"weight {name!r}", math.nan, "its update overflowed: lower learning_rate")


def _hint(item: Progress, norms: Sequence[float], batch: Mapping[str, Any]) -> str:
    for name, values in batch.items():
        if isinstance(values, Tensor) and values.ndim:
            broken = values.isfinite().logical_not().reshape(len(values), -1).any(1).nonzero()
            if len(broken):
                return f"the data are not finite: {name!r}, sample {int(broken[0])} of batch {item.step - 1}"
    if not norms:
        return (
            "the data are finite: look for 0/0 in the loss (a target that is zero everywhere) or weights that are not"
        )
    rate = f"learning_rate (now {item.learning_rate:.3g})"
    if norms[-1] > 10 * min(norms):
        return f"the gradient's norm rose from {min(norms):.3g} to {norms[-1]:.3g}: lower {rate}, or set clip=1.0"
    return f"the data are finite and the gradient's norm was {norms[-1]:.3g}: lower {rate}, or look for 0/0 in the loss"
