"""Vector fields of a reader's own: each takes the place of the field of a plain neural ODE, all else as it is.

    y' = f(t, y),     y(0) = x of points and trajectories, A X(0) of series

The layer, its solver, its regularisation, the loss, the batches and the test are those of the class.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import nn

from limitlab.errors import InvalidArgument
from limitlab.experiments import Experiment, Prepared, with_rivals
from limitlab.experiments.contract.rivals import copied_or_made, require_answer, require_trainable
from limitlab.training.streams import seeded
from limitlab_widgets.neural_de.moments import family_of
from limitlab_widgets.neural_de.sources import CLASSES, FLOW

PART = "ode"
"""The class whose field an own one replaces."""
Field = nn.Module | Callable[[int], nn.Module]


def checked_fields(models: Mapping[str, Field] | None) -> dict[str, Field]:
    """The fields by name. Raises InvalidArgument for what is none, and for the name of a class.

    >>> from limitlab_widgets.neural_de.own_fields import checked_fields
    >>> list(checked_fields({"mine": lambda size: ll.neural_des.ode.MLPField(size, width=4)}))
    ['mine']
    """
    for name, model in (models or {}).items():
        if name in CLASSES:
            raise InvalidArgument(f"{name!r} is a class of the studio; give the model another name")
        if not callable(model):
            raise InvalidArgument(f"{name} must be a torch module or a function of the size; got {model!r:.80}")
    return dict(models or {})


def with_field(experiment: Experiment[Any, Any], name: str, field: Field) -> Experiment[Any, Any]:
    """The experiment of one class with a field of one's own in the place of that class.

    field: a torch module f(t, y) of states (batch, size), of which every seed trains a copy, or a function of the size
    that makes one. It is shown a batch, and measured, before it is trained. Raises InvalidArgument, once the data are
    made, where that fails.
    """

    def prepare(settings: Any, progress: Any = False) -> Prepared[Any]:
        plain = experiment.prepare(settings, progress)
        (trial,) = plain.trials
        size = plain.data.features if family_of(settings) == FLOW else settings.width
        make = partial(_built, trial.build, name, field, int(size))
        both = with_rivals(replace(experiment, prepare=lambda *_: plain), trial.name, **{name: make})
        return replace(plain, trials=both.prepare(settings, False).trials[1:])

    return replace(experiment, prepare=prepare)


def _built(build: Callable[[int], Any], name: str, field: Field, size: int, seed: int) -> nn.Module:
    model: Any = build(seed)
    with seeded(seed):
        own = copied_or_made(name, field, size).double()
    require_trainable(name, own)
    t, y = (torch.zeros(3, count, dtype=torch.float64) for count in (1, size))
    takes = f"{name} must take t (batch, 1) and y (batch, {size})"
    gives = f"{name} must give a slope of shape (batch, {size}) for y of that shape"
    require_answer(lambda: own(t, y), (3, size), takes=takes, gives=gives)
    model.flow.ode.field = own
    built: nn.Module = model
    return built
