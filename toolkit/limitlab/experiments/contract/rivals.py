"""A person's own modules in any experiment: each takes the part of one of its trials, with the recipe of that trial."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from limitlab.errors import InvalidArgument, one_of
from limitlab.experiments.contract.experiment import Experiment, Prepared, ReportProgress, Trial
from limitlab.experiments.contract.settings import Settings
from limitlab.training.streams import seeded

S = TypeVar("S", bound=Settings)
D = TypeVar("D")
Make = Callable[[int], nn.Module]


def with_rivals(experiment: Experiment[S, D], part: str, **models: nn.Module | Make) -> Experiment[S, D]:
    """The experiment with a person's own models beside its own, each in the part of the trial of this name.

    A model is a torch module, of which every seed trains a copy, or a function of the seed that makes one. It has the
    batches, loss, optimiser and measure of the part, and takes and gives what these ask for: one batch is shown to it,
    and it is measured, before anything is trained. Raises InvalidArgument, once the data are made, where that fails,
    and for a part that learns nothing; UnknownName for a part that there is not.

    >>> squared = lambda model, batch: {"squared": (model(batch["x"]) - 2 * batch["x"]).square().mean()}
    >>> recipe = ll.training.descent(squared, ll.training.fixed(x=torch.ones(4, 1)), 5, 0.1)
    >>> line = ll.experiments.Trial({"network": "line"}, lambda seed: torch.nn.Linear(1, 1), recipe)
    >>> answer = lambda trained, fresh: ll.labels.labelled(answer=("", trained(torch.ones(1)).item(), "answer"))
    >>> prepared = ll.experiments.Prepared((line,), answer, data=None)
    >>> three = ll.experiments.sizes(ll.experiments.Trained(), smoke={}, paper={})
    >>> toy = ll.experiments.Experiment("ntk", "A line", three, lambda s, progress: prepared, lambda result: {})

    >>> deep = torch.nn.Sequential(torch.nn.Linear(1, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))
    >>> both = ll.experiments.with_rivals(toy, "line", deep=deep)
    >>> [name for name, seed in both.train(both.configure("smoke")).finish().models]
    ['line', 'deep']
    """
    for name, model in models.items():
        if not callable(model):
            raise InvalidArgument(f"{name} must be a torch module or a function of the seed; got {model!r:.80}")

    def prepare(settings: S, progress: ReportProgress = False) -> Prepared[D]:
        prepared = experiment.prepare(settings, progress)
        trial = prepared.trials[prepared.names.index(one_of("part", part, prepared.names))]
        if trial.recipe is None:
            learning = [other.name for other in prepared.trials if other.recipe is not None]
            raise InvalidArgument(f"part must be of a trial that learns ({', '.join(learning)}); {part!r} does not")
        rivals = [Trial(_at(trial, name), partial(_build, name, model), trial.recipe) for name, model in models.items()]
        whole = replace(prepared, trials=(*prepared.trials, *rivals))
        for name, rival in zip(models, rivals, strict=True):
            _try_on(name, part, rival, whole)
        return whole

    return replace(experiment, prepare=prepare)


def _at(trial: Trial, name: str) -> Mapping[str, str | float]:
    """The place of the trial, named anew along its first axis of texts."""
    axis = next((axis for axis, value in trial.at.items() if isinstance(value, str)), "rival")
    return {**trial.at, axis: name}


def _build(name: str, model: nn.Module | Make, seed: int) -> nn.Module:
    with seeded(seed):
        return copied_or_made(name, model, seed)


def copied_or_made(name: str, model: nn.Module | Callable[[Any], nn.Module], of: Any) -> nn.Module:
    """A copy of a person's module, or what a function makes of `of`. Raises InvalidArgument where that is no module."""
    built = copy.deepcopy(model) if isinstance(model, nn.Module) else model(of)
    if not isinstance(built, nn.Module):
        raise InvalidArgument(f"{name} must make a torch.nn.Module; got {type(built).__name__}")
    return built


def require_trainable(name: str, model: nn.Module) -> None:
    """Raise InvalidArgument for a module without parameters that could be trained."""
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise InvalidArgument(f"{name} has no parameters that could be trained")


def require_answer(ask: Callable[[], object], shape: tuple[int, ...], *, takes: str, gives: str) -> None:
    """Ask once. Raises InvalidArgument, with the words `takes`, where that fails, and `gives` for another shape.

    >>> from limitlab.experiments.contract.rivals import require_answer
    >>> line = torch.nn.Linear(2, 1)
    >>> require_answer(lambda: line(torch.zeros(3, 2)), (3, 1), takes="line must take pairs", gives="numbers")
    """
    try:
        answer = ask()
    # whatever a module does with what it does not know
    except Exception as error:
        raise InvalidArgument(f"{takes}: {type(error).__name__}: {error}") from error
    if not isinstance(answer, Tensor) or answer.shape != shape:
        got = tuple(answer.shape) if isinstance(answer, Tensor) else type(answer).__name__
        raise InvalidArgument(f"{gives}; got {got}")


def _try_on(name: str, part: str, rival: Trial, prepared: Prepared[Any]) -> None:
    """Make a rival, show it a batch, and measure it. Raises InvalidArgument with what went wrong."""
    recipe = rival.recipe
    assert recipe is not None
    stage = "was made"
    try:
        with torch.random.fork_rng(devices=[]):
            model, fresh = rival.build(0), rival.build(0).eval()
            stage = "saw a batch"
            batches: Any = recipe.batches
            batch = (batches if hasattr(batches, "batch") else batches(model)).batch(0)
            recipe.loss(model.train(), batch)
            stage = "was measured"
            with torch.no_grad():
                if recipe.evaluate is not None:
                    recipe.evaluate(model.eval(), fresh)
                prepared.measure(model.eval(), fresh)
    except InvalidArgument:
        raise
    # whatever a module does in a part that it cannot play
    except Exception as error:
        raise InvalidArgument(
            f"{name} cannot take the part of {part!r}: when it {stage}, {type(error).__name__}: {error}"
        ) from error
