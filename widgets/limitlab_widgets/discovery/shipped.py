"""Hidden terms that ship: networks that were trained before, on measurements that the studio makes at its defaults.

A model is shown beside the very measurements that it learned from, or not at all: its equation at the same parameters,
the same terms hidden, of the same inputs, measured at the same times with the same values.
"""

from __future__ import annotations

import dataclasses
from functools import lru_cache
from typing import Any

import torch

from limitlab import experiments, weights
from limitlab.discovery.pinn import UPINN
from limitlab.discovery.terms import Hideable, hidden_terms
from limitlab_widgets.discovery.learned import Learned, Plan, Settings
from limitlab_widgets.discovery.sampling import suiting

FAMILY = ".discovery."
"""Of the experiments that may hold hidden terms: the others need not be loaded to be asked."""


def first_span(problem: Hideable) -> float:
    """The span of the measurements of a model that ships of this equation, else one that suits it.

    >>> from limitlab_widgets.discovery.shipped import first_span
    >>> first_span(ll.problems.get("lotka_volterra"))
    3.0
    """
    for name in _names(problem.name):
        learned: Any = _opened(name).whole.problem
        if dataclasses.replace(learned, span=problem.span) == problem:
            return learned.span
    return suiting(problem)


def shipped_of(plan: Plan, measured: Any) -> Learned | None:
    """What a model that ships says of these measurements, with the settings of its training; None where none does."""
    if not plan.known:
        return None
    for name in _names(plan.sampling.problem.name):
        model = _opened(name)
        if _asks(model, plan) and _seen(model, measured):
            settings = weights.card(name).settings
            chosen = {f.name: settings[f.name] for f in dataclasses.fields(Settings) if f.name in settings}
            trained = dataclasses.replace(plan, settings=Settings(**chosen), own=None)
            return dataclasses.replace(Learned.of(trained, measured, model, {}), shipped=name)
    return None


def _asks(model: UPINN, plan: Plan) -> bool:
    """Whether a model is of this equation with these terms hidden."""
    problem, hidden = plan.sampling.problem, hidden_terms(plan.sampling.problem, plan.hidden)
    if (model.whole.problem, tuple(model.hidden.inputs)) != (problem, plan.inputs):
        return False
    # a text may have brackets that another lacks
    asked, learned = (
        {name: model.whole.term(text) for name, text in terms.items() if text is not None}
        for terms in (hidden, model.hidden.terms)
    )
    return asked == learned and set(hidden) == set(model.hidden.equations)


def _seen(model: UPINN, measured: Any) -> bool:
    """Whether a model has learned from these measurements."""
    learned, seen = model.arguments["measurements"], measured.seen
    pairs = ((learned.points, seen.points), (learned.values, seen.values))
    return all(a.shape == b.shape and torch.allclose(a, b, rtol=1e-6, equal_nan=True) for a, b in pairs)


def _names(problem: str) -> tuple[str, ...]:
    """Names of the models with hidden terms of a problem of this name."""
    places, rows = experiments.places(), weights.ROWS
    candidates = (name for name in weights.names() if FAMILY in places.get(rows[name].experiment, ""))
    return tuple(
        name
        for name in candidates
        if experiments.get(rows[name].experiment).problem == problem and isinstance(_opened(name), UPINN)
    )


@lru_cache(maxsize=8)
def _opened(name: str) -> Any:
    """The model, which nobody trains further: read once."""
    return weights.open(name)
