"""How a model is trained: loss, batches, steps, optimiser. What decides the numbers of a training, and nothing else.

Where it runs and what it stores are arguments of `fit`. Recipes in sequence are one Recipe: `recipe.then(...)`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from limitlab.errors import InvalidArgument, check_number, one_of
from limitlab.training import schedules
from limitlab.training.batches import Batches
from limitlab.training.loaders import loaded
from limitlab.training.optimizers.natural_gradient import NaturalGradient
from limitlab.training.optimizers.quasi_newton import LBFGS, SelfScaledBFGS, SelfScaledBroyden
from limitlab.training.optimizers.soap import SOAP
from limitlab.training.progress import Progress

Loss = Callable[[nn.Module, Mapping[str, Any]], Mapping[str, Tensor]]
Groups = Callable[[nn.Module], Sequence[Mapping[str, Any]]]
Gram = Callable[[nn.Module, Mapping[str, Any]], Tensor]
Evaluate = Callable[[nn.Module, nn.Module], Mapping[str, float]]
Adapt = Callable[[nn.Module, Progress], None]
Optimizer = Callable[..., torch.optim.Optimizer]
QUASI_NEWTON: dict[str, Optimizer] = {
    "lbfgs": LBFGS,
    "ssbfgs": SelfScaledBFGS,
    "ssbroyden": SelfScaledBroyden,
    "bfgs": partial(SelfScaledBFGS, scaling=False),
    "natural_gradient": NaturalGradient,
}
OPTIMIZERS: dict[str, Optimizer] = {
    "adamw": torch.optim.AdamW,
    "adam": torch.optim.Adam,
    "sgd": torch.optim.SGD,
    "soap": SOAP,
    **QUASI_NEWTON,
}


@dataclass(frozen=True)
class Recipe:
    """Loss, batches and optimiser of a training of so many steps. Raises InvalidArgument and UnknownName.

    loss(model, batch) returns named scalar terms, whose sum is minimised. batches: what gives the batch of a step, a
    torch DataLoader or Dataset (see `training.loaded`), or a function of the model that makes batches when the training
    (or the phase) begins: points where the residual is large, or the weights of loss terms; and anew every
    `renew_every` steps, where the optimiser goes on. optimizer: a name of
    OPTIMIZERS, or a function (groups, lr=...) that makes one. schedule: a name, or a function of the step that
    multiplies the learning rate. groups(model) gives the optimiser's groups of parameters, of all parameters if left
    out; `rate` in one multiplies the learning rate of that group, and what else it holds (weight_decay, betas ...) is
    the optimiser's. clip: largest norm of the gradient, of all weights jointly. evaluate(model, fresh) gives metrics
    every `evaluate_every` steps and after the last, from the model and from a copy of it as it was before training;
    both are in eval mode without gradients. adapt(model, progress) may change the model after a step, whose gradients
    are still there; what it remembers must be state of the model (see `training.growth`).

    The methods of QUASI_NEWTON search along a line: learning_rate multiplies the first trial (1 is Newton's own step),
    the batch is fixed, and schedule, weight_decay and clip have no place. gram(model, batch) gives "natural_gradient"
    its matrix (weight, weight), in the order of the model's trained parameters. later: recipes of the last steps, see
    `then`.

    >>> batches = ll.training.fixed(x=torch.ones(4, 1))
    >>> ll.training.Recipe(lambda model, batch: {"mean": model(batch["x"]).mean()}, batches, steps=10).schedule
    'one_cycle'
    """

    loss: Loss
    batches: Batches | DataLoader[Any] | Dataset[Any] | Callable[[nn.Module], Batches]
    steps: int
    learning_rate: float = 1e-3
    optimizer: str | Optimizer = "adamw"
    weight_decay: float = 1e-4
    schedule: str | schedules.Schedule = "one_cycle"
    groups: Groups | None = None
    clip: float | None = None
    evaluate: Evaluate | None = None
    evaluate_every: int | None = None
    later: tuple[Recipe, ...] = ()
    renew_every: int | None = None
    gram: Gram | None = None
    adapt: Adapt | None = None

    def __post_init__(self) -> None:
        if isinstance(self.batches, DataLoader | Dataset) and not hasattr(self.batches, "batch"):
            # a frozen dataclass
            object.__setattr__(self, "batches", loaded(self.batches))
        if not callable(self.batches) or hasattr(self.batches, "batch"):
            require_batches(self.batches)
        if isinstance(self.optimizer, str) or not callable(self.optimizer):
            one_of("optimizer", self.optimizer, OPTIMIZERS)
        for name, low, whole in (
            ("steps", 1, True), ("learning_rate", 0, False), ("weight_decay", 0, False), ("clip", 0, False),
            ("evaluate_every", 1, True), ("renew_every", 1, True),
        ):  # fmt: skip
            value = getattr(self, name)
            if value is not None or name not in ("clip", "evaluate_every", "renew_every"):
                # a frozen dataclass; numbers from a form, a file or an array may be whole floats, or NumPy's
                object.__setattr__(self, name, check_number(name, value, low=low, integer=whole))
        if self.renew_every is not None and (not callable(self.batches) or hasattr(self.batches, "batch")):
            raise InvalidArgument("renew_every needs batches that a function of the model makes")
        if self.gram is not None and self.groups is not None:
            raise InvalidArgument("groups must be None with a gram, whose weights come in the order of the model")
        for phase in self.phases:
            schedules.get(phase.schedule, phase.steps)  # raises for an unknown name
        if isinstance(self.optimizer, str) and self.optimizer in QUASI_NEWTON:
            self.require_line_search()
            if (self.optimizer == "natural_gradient") != (self.gram is not None):
                raise InvalidArgument(
                    f"gram and optimizer 'natural_gradient' belong together; got {self.optimizer!r} "
                    f"{'without a' if self.gram is None else 'and a'} gram"
                )
        elif callable(self.optimizer) and self.weight_decay:
            raise InvalidArgument(
                f"weight_decay must be 0 where optimizer is a function, which sets its own; got {self.weight_decay:g}"
            )

    def then(
        self, steps: int, learning_rate: float = 1.0, *, optimizer: str | Optimizer = "ssbfgs", **rest: Any
    ) -> Recipe:
        """This recipe, and after its last step one more phase, at a constant rate without decay, clip or groups.

        Loss and batches are those of the phase before where nothing else is said; `evaluate` is the whole training's.
        Raises InvalidArgument and UnknownName.

        >>> squared = lambda model, batch: {"squared": model(batch["x"]).square().mean()}
        >>> adam = ll.training.descent(squared, ll.training.fixed(x=torch.ones(4, 1)), 500, 1e-2, optimizer="adam")
        >>> both = adam.then(300, optimizer="lbfgs")
        >>> both.steps, [phase.steps for phase in both.phases]
        (800, [500, 300])
        """
        if extra := sorted(rest.keys() & {"evaluate", "evaluate_every", "later"}):
            raise InvalidArgument(f"{extra[0]} belongs to the whole training, not to one of its phases")
        last = self.phases[-1]
        settings = {"loss": last.loss, "batches": last.batches, "weight_decay": 0.0, "schedule": "constant"} | rest
        phase = Recipe(steps=steps, learning_rate=learning_rate, optimizer=optimizer, **settings)
        return replace(self, steps=self.steps + phase.steps, later=(*self.later, phase))

    @property
    def phases(self) -> tuple[Recipe, ...]:
        """The recipes in sequence, each with its own steps; this one alone where there is nothing later."""
        if not self.later:
            return (self,)
        if not all(isinstance(phase, Recipe) and not phase.later for phase in self.later):
            raise InvalidArgument("later must be a tuple of recipes of one phase each, as `then` makes it")
        first = self.steps - sum(phase.steps for phase in self.later)
        if first < 1:
            raise InvalidArgument(
                f"steps are those of all phases; got {self.steps}, {self.steps - first} of them later"
            )
        return (replace(self, steps=first, later=()), *self.later)

    @property
    def factor(self) -> schedules.Schedule:
        """What multiplies the learning rate at a step of the first phase."""
        return schedules.get(self.schedule, self.phases[0].steps)

    def require_line_search(self) -> None:
        """Raise InvalidArgument for what an optimiser with a line search cannot heed."""
        for name, accepted in (
            ("schedule", "constant"), ("weight_decay", 0), ("clip", None), ("renew_every", None), ("adapt", None),
        ):  # fmt: skip
            if getattr(self, name) != accepted:
                raise InvalidArgument(
                    f"{name} must be {accepted!r} with a quasi-Newton optimizer, whose line search decides on the "
                    f"step; got {getattr(self, name)!r} (limitlab.training.descent sets all three)"
                )


def require_batches(batches: Any) -> Batches:
    """The batches; raises InvalidArgument for anything else."""
    if not (hasattr(batches, "batch") and hasattr(batches, "shard")):
        raise InvalidArgument(
            "batches must have .batch(step) and .shard(rank, world), or be a torch DataLoader or Dataset; got "
            f"{type(batches).__name__}"
        )
    return batches


def descent(
    loss: Loss,
    batches: Batches | DataLoader[Any] | Dataset[Any],
    steps: int,
    learning_rate: float,
    *,
    optimizer: str | Optimizer = "sgd",
    **rest: Any,
) -> Recipe:
    """Training at a constant rate without weight decay: gradient descent where nothing else is said.

    >>> squared = lambda model, batch: {"squared": model(batch["x"]).square().mean()}
    >>> ll.training.descent(squared, ll.training.fixed(x=torch.ones(4, 1)), 10, 0.1).weight_decay
    0.0
    """
    return Recipe(loss, batches, steps, learning_rate, optimizer, weight_decay=0.0, schedule="constant", **rest)
