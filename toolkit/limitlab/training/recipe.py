"""How a model is trained: loss, batches, steps, optimiser. What decides the numbers of a training, and nothing else.

Where it runs and what it stores are arguments of `fit`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from limitlab.errors import InvalidArgument, check_number, one_of
from limitlab.training import schedules
from limitlab.training.batches import Batches

Loss = Callable[[nn.Module, Mapping[str, Any]], Mapping[str, Tensor]]
Groups = Callable[[nn.Module], Sequence[Mapping[str, Any]]]
Evaluate = Callable[[nn.Module, nn.Module], Mapping[str, float]]
OPTIMIZERS = {
    "adamw": torch.optim.AdamW,
    "adam": torch.optim.Adam,
    "sgd": torch.optim.SGD,
}


@dataclass(frozen=True)
class Recipe:
    """Loss, batches and optimiser of a training of so many steps. Raises InvalidArgument and UnknownName.

    loss(model, batch) returns named scalar terms, whose sum is minimised. schedule: a name, or a function of the step
    that multiplies the learning rate. groups(model) gives the optimiser's groups of parameters, of all parameters if
    left out; `rate` in one multiplies the learning rate of that group, and what else it holds (weight_decay, betas ...)
    is the optimiser's. clip: largest norm of the gradient, of all weights jointly.
    evaluate(model, fresh) gives metrics every `evaluate_every` steps and after the last, from the model and from a copy
    of it as it was before training; both are in eval mode without gradients.

    >>> batches = ll.training.fixed(x=torch.ones(4, 1))
    >>> ll.training.Recipe(lambda model, batch: {"mean": model(batch["x"]).mean()}, batches, steps=10).schedule
    'one_cycle'
    """

    loss: Loss
    batches: Batches
    steps: int
    learning_rate: float = 1e-3
    optimizer: str = "adamw"
    weight_decay: float = 1e-4
    schedule: str | schedules.Schedule = "one_cycle"
    groups: Groups | None = None
    clip: float | None = None
    evaluate: Evaluate | None = None
    evaluate_every: int | None = None

    def __post_init__(self) -> None:
        if not (hasattr(self.batches, "batch") and hasattr(self.batches, "shard")):
            raise InvalidArgument(
                f"batches must have .batch(step) and .shard(rank, world); got {type(self.batches).__name__}"
            )
        one_of("optimizer", self.optimizer, OPTIMIZERS)
        for name, low, whole in (
            ("steps", 1, True), ("learning_rate", 0, False), ("weight_decay", 0, False), ("clip", 0, False),
            ("evaluate_every", 1, True),
        ):  # fmt: skip
            value = getattr(self, name)
            if value is not None or name not in ("clip", "evaluate_every"):
                # a frozen dataclass; numbers from a form, a file or an array may be whole floats, or NumPy's
                object.__setattr__(self, name, check_number(name, value, low=low, integer=whole))
        schedules.get(self.schedule, self.steps)  # raises for an unknown name

    @property
    def factor(self) -> schedules.Schedule:
        """What multiplies the learning rate at a step."""
        return schedules.get(self.schedule, self.steps)


def descent(
    loss: Loss, batches: Batches, steps: int, learning_rate: float, *, optimizer: str = "sgd", **rest: Any
) -> Recipe:
    """Training at a constant rate without weight decay: gradient descent where nothing else is said.

    >>> squared = lambda model, batch: {"squared": model(batch["x"]).square().mean()}
    >>> ll.training.descent(squared, ll.training.fixed(x=torch.ones(4, 1)), 10, 0.1).weight_decay
    0.0
    """
    return Recipe(loss, batches, steps, learning_rate, optimizer, weight_decay=0.0, schedule="constant", **rest)
