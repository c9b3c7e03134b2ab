"""The phases of a training: where each begins and ends, its optimiser, and what a quasi-Newton phase takes for granted.

A line search compares the losses of one function, so batch and loss must be the same throughout the phase. That is
looked at once, when the phase begins: the batches of its first, second and last step entry by entry, the loss twice.
Where they differ, such a search stops after a handful of steps, as if it had converged.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from limitlab.errors import InvalidArgument, check_number
from limitlab.training import checkpoints
from limitlab.training.optimizers.quasi_newton import QuasiNewton
from limitlab.training.recipe import OPTIMIZERS, QUASI_NEWTON, Recipe

FEW = 10
"""A phase that ends before so many steps has hardly begun."""
REPEATED = 1e-10
"""Two losses at the same weights differ by less: sums on an accelerator come in any order."""


class PhaseEndedEarly(UserWarning):
    """A quasi-Newton phase has ended before its last step, and the training goes on with what comes after it."""


@dataclass(frozen=True)
class Phase:
    """A recipe of one phase: number `number` from 0, of the steps `first` + 1 ... `end` of the training."""

    recipe: Recipe
    number: int
    first: int
    end: int

    def require_one_process(self, processes: int, precision: str) -> None:
        """Raise InvalidArgument where a line search would see another loss than its gradient is of."""
        if processes > 1:
            raise InvalidArgument(f"a quasi-Newton phase runs in one process; got {processes}")
        if precision != "no":
            raise InvalidArgument(
                f"precision must be 'no' in a quasi-Newton phase, which needs float64; got {precision!r}"
            )

    def require_fixed(
        self, model: nn.Module, batch: Callable[[int], Mapping[str, Any]], terms: Callable[[], Mapping[str, Tensor]]
    ) -> None:
        """Raise InvalidArgument where batch or loss change during the phase; leaves no trace in model or generators."""
        first = batch(self.first)
        for step in sorted({self.first + 1, self.end - 1} - {self.first, self.end}):
            if differing := [name for name, values in batch(step).items() if not _same(first.get(name), values)]:
                raise InvalidArgument(
                    f"the batch must be fixed during a quasi-Newton phase, but {differing[0]!r} of steps {self.first} "
                    f"and {step} differ: pass training.fixed(...), or a function of the model that makes the batches "
                    "when the phase begins"
                )
        state = checkpoints.random_state()
        buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
        once, again = ({name: term.detach() for name, term in terms().items()} for _ in range(2))
        for name, buffer in model.named_buffers():
            buffer.data.copy_(buffers[name])
        checkpoints.set_random_state(state)
        for name, term in once.items():
            if term.dtype != torch.float64:
                kind = str(term.dtype).removeprefix("torch.")
                raise InvalidArgument(f"a quasi-Newton phase needs losses of float64; term {name!r} is {kind}")
            if term.isfinite() and abs(term - again[name]) > REPEATED * abs(term):
                raise InvalidArgument(
                    f"the loss must be fixed during a quasi-Newton phase, but {name!r} is {term:.6g} and, at the same "
                    f"weights and batch, {again[name]:.6g}: what it draws belongs into batches that are made when the "
                    "phase begins (a function of the model), and dropout must be off"
                )

    def warn_of_end(self, step: int, reason: str) -> None:
        """Say that the phase ends with `step`, and why; more plainly where it has hardly begun."""
        count, steps = step - self.first, self.recipe.steps
        name = optimizer_name(self.recipe)
        which = f"phase {self.number} ({name}) ended early, after {count} of {steps} steps (step {step}): {reason}"
        if count < FEW:
            which += (
                f". Fewer than {FEW} steps are hardly a phase: the model may be as the phase before has left it; look "
                "for a loss that changes between evaluations, for its scale, or for weights at their minimum already"
            )
        warnings.warn(which, PhaseEndedEarly, stacklevel=5)


def _same(before: Any, after: Any) -> bool:
    """True for equal tensors, NaN counted as equal to itself, and for all that are none."""
    if not isinstance(after, Tensor):
        return True
    if not isinstance(before, Tensor) or before.shape != after.shape:
        return False
    return bool(((before == after) | ((before != before) & (after != after))).all())


def plan(recipe: Recipe) -> tuple[Phase, ...]:
    """The phases of a recipe, one after the other."""
    phases, first = [], 0
    for number, part in enumerate(recipe.phases):
        phases.append(Phase(part, number, first, first + part.steps))
        first += part.steps
    return tuple(phases)


def optimizer_name(recipe: Recipe) -> str:
    """The optimiser's name, that of its function where it has none."""
    chosen = recipe.optimizer
    return chosen if isinstance(chosen, str) else getattr(chosen, "__qualname__", type(chosen).__name__)


def make_optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """The optimiser of a recipe for a model. Raises InvalidArgument for groups and optimisers that `fit` cannot use."""
    chosen = [{"params": list(model.parameters())}] if recipe.groups is None else map(dict, recipe.groups(model))
    groups = [{"rate": 1.0, **group, "params": list(group["params"])} for group in chosen]
    for group in groups:
        group["rate"] = check_number("rate of a group", group["rate"], low=0)
    grouped = {id(parameter) for group in groups for parameter in group["params"]}
    trained = {id(parameter): name for name, parameter in model.named_parameters() if parameter.requires_grad}
    missing = [name for key, name in trained.items() if key not in grouped]
    if missing:
        raise InvalidArgument(f"groups must hold every trained parameter of the model; {', '.join(missing)} missing")
    options = {"lr": recipe.learning_rate}
    if isinstance(recipe.optimizer, str):
        if recipe.optimizer not in QUASI_NEWTON:
            options["weight_decay"] = recipe.weight_decay
        return OPTIMIZERS[recipe.optimizer](groups, **options)
    return _usable(recipe, recipe.optimizer(groups, **options))


def _usable(recipe: Recipe, optimizer: object) -> torch.optim.Optimizer:
    """What a function made, where it is an optimiser that one gradient a step is enough for, or one of ours."""
    if not isinstance(optimizer, torch.optim.Optimizer):
        name = optimizer_name(recipe)
        raise InvalidArgument(
            f"optimizer must be a name or a function (groups, lr=...) -> torch.optim.Optimizer; {name} gave a "
            f"{type(optimizer).__name__}"
        )
    if isinstance(optimizer, QuasiNewton):
        recipe.require_line_search()
        return optimizer
    closure = inspect.signature(type(optimizer).step).parameters.get("closure")
    if closure is not None and closure.default is inspect.Parameter.empty:
        raise InvalidArgument(
            f"{type(optimizer).__name__} evaluates the loss itself and keeps what no checkpoint can hold; take "
            f"one of {', '.join(QUASI_NEWTON)}"
        )
    return optimizer


def identity(
    phases: tuple[Phase, ...], optimizers: list[torch.optim.Optimizer], seed: int, precision: str, processes: int
) -> dict[str, Any]:
    """What a training shares with the checkpoint it goes on from; a schedule is known by five of its rates."""
    first, *later = (_numbers(phase.recipe, made) for phase, made in zip(phases, optimizers, strict=True))
    whole = first | {"seed": int(seed), "precision": precision, "processes": processes, "steps": phases[-1].end}
    return whole | ({"later": later} if later else {})


def require_same(identity: Mapping[str, Any], latest: checkpoints.Checkpoint) -> None:
    """Raise InvalidArgument that names what differs in the training of a checkpoint."""
    names = [*identity, *sorted(latest.recipe.keys() - identity.keys())]
    differing = [name for name in names if identity.get(name) != latest.recipe.get(name)]
    if differing:
        changes = ", ".join(f"{name} was {latest.recipe.get(name)}, is {identity.get(name)}" for name in differing)
        raise InvalidArgument(
            f"cannot resume: the checkpoint of step {latest.step} belongs to another training ({changes})"
        )


def _numbers(recipe: Recipe, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    factor = recipe.factor
    return {name: getattr(recipe, name) for name in ("steps", "learning_rate", "weight_decay", "clip")} | {
        "optimizer": optimizer_name(recipe),
        "schedule": recipe.schedule if isinstance(recipe.schedule, str) else "custom",
        "rates": [recipe.learning_rate * factor(recipe.steps * i // 5) for i in range(5)],
        "groups": [_group_settings(group) for group in optimizer.param_groups],
        **({"renew_every": recipe.renew_every} if recipe.renew_every else {}),
        **({"adapt": repr(recipe.adapt)} if recipe.adapt else {}),
    }


def _group_settings(group: Mapping[str, Any]) -> dict[str, Any]:
    """What a group has besides parameters and rate, as a checkpoint's JSON holds it: numbers and lists of them."""
    settings = {key: value for key, value in group.items() if key not in ("params", "lr") and value is not None}
    return {key: list(value) if isinstance(value, tuple) else value for key, value in sorted(settings.items())}
