"""The input of a problem's own law on which an operator errs most: the worst of the test set, and a search from there.

    a' = cos(theta) a + sin(theta) xi,     xi another draw of the law,     kept where the error grows

A step turns the input towards a fresh draw (theta from 0.03 to pi/2, which is that draw itself), so that it stays in
the family: of a Gaussian law of mean zero both have the same law, a series of waves is scaled to its amplitude again.
Every candidate has a truth of its own by the problem's solver. No gradient is asked for.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import singledispatch
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from limitlab.errors import InvalidArgument
from limitlab.interruption import interruptible
from limitlab.operators import points_of
from limitlab.problems import FourierLaw, GaussianLaw
from limitlab.problems.pde.periodic import PeriodicProblem
from limitlab.spaces import relative_l2

if TYPE_CHECKING:
    import xarray as xr

ROUNDS, BATCH = 20, 16
LEAST_ANGLE = 0.03
FAR = 10**6
"""Numbers of draws from here on are in no test set."""


@dataclass(frozen=True, eq=False)
class Worst:
    """The functions (sample 1), the error there, the largest and the median one of the test set, and the candidates."""

    functions: xr.Dataset
    error: float
    largest: float
    median: float
    candidates: int


@singledispatch
def turned(law: Any, a: Tensor, fresh: Float[Tensor, "batch x"], angles: Float[Tensor, " batch"]) -> Tensor:
    """Inputs between a and fresh draws of the law, in its family. Raises InvalidArgument for a law without such."""
    raise InvalidArgument(f"inputs of the law {type(law).__name__} cannot be searched: it has no steps in its family")


@turned.register
def _turned_gaussian(law: GaussianLaw, a: Tensor, fresh: Tensor, angles: Tensor) -> Tensor:
    return torch.cos(angles)[:, None] * a + torch.sin(angles)[:, None] * fresh


@turned.register
def _turned_series(law: FourierLaw, a: Tensor, fresh: Tensor, angles: Tensor) -> Tensor:
    between = torch.cos(angles)[:, None] * a + torch.sin(angles)[:, None] * fresh
    return law.amplitude * between / between.abs().amax(1, keepdim=True)


def require_searchable(problem: Any) -> PeriodicProblem:
    """The problem, where its inputs can be searched. Raises InvalidArgument."""
    if not isinstance(problem, PeriodicProblem) or problem.warm_up > 0:
        name = getattr(problem, "name", "a file")
        raise InvalidArgument(f"inputs of {name} cannot be searched: only starts of periodic equations on an interval")
    # raises for a law without steps
    turned(problem.initial, torch.ones(4), torch.ones(1, 4), torch.zeros(1))
    return problem


def worst_input(
    problem: PeriodicProblem,
    model: nn.Module,
    test: xr.Dataset,
    *,
    rounds: int = ROUNDS,
    seed: int = 0,
    check: Callable[[int], object] = lambda done: None,
) -> Worst:
    """Search from the worst input of a test set (`input`, dims (sample, channel, x)); check(rounds done) may raise.

    Raises InvalidArgument for a problem whose inputs cannot be searched, and for a model that is tied to another grid.
    """
    problem = require_searchable(problem)
    inputs = torch.from_numpy(test["input"].values[:, 0]).double()
    if points_of(model) not in (None, tuple(inputs.shape[1:])):
        raise InvalidArgument(f"the model answers at {points_of(model)} points alone; the test has {inputs.shape[1]}")
    size = inputs.shape[1]
    truths, answers, errors = _asked(problem, model, inputs, check, 0)
    tested = errors
    at = int(errors.nan_to_num(-1.0).argmax())
    a, truth, answer, error = inputs[at], truths[at], answers[at], float(errors[at])
    angles = torch.logspace(math.log10(LEAST_ANGLE), math.log10(math.pi / 2), BATCH, dtype=torch.float64)
    for done in range(rounds):
        check(done)
        fresh = problem.initial.sample(problem.grid(size), BATCH, seed, FAR + done * BATCH, problem.values)
        candidates = turned(problem.initial, a, fresh, angles)
        truths, answers, errors = _asked(problem, model, candidates, check, done)
        at = int(errors.nan_to_num(-1.0).argmax())
        if float(errors[at]) > error:
            a, truth, answer, error = candidates[at], truths[at], answers[at], float(errors[at])
    parts = {"input": a, "target": truth, "prediction": answer}
    one = test.isel(sample=[0]).drop_vars("sample", errors="ignore")
    functions = one.assign(
        {
            name: (("sample", "channel", "x"), part.numpy().astype(np.float32)[None, None], test["target"].attrs)
            for name, part in parts.items()
        }
    )
    known = tested[torch.isfinite(tested)]
    return Worst(functions, error, float(known.max()), float(known.median()), rounds * BATCH)


@torch.no_grad()
def _asked(
    problem: PeriodicProblem, model: nn.Module, inputs: Float[Tensor, "batch x"], check: Any, done: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Truths and answers (batch, x) of inputs, and relative L2 errors."""
    with interruptible(lambda: check(done)):
        truths = problem.solve(inputs, np.array([0.0, problem.span]))[:, -1]
    device = next((part.device for part in (*model.parameters(), *model.buffers())), inputs.device)
    answers = model.eval()(inputs.float()[:, None].to(device))[:, 0].double().cpu()
    errors = relative_l2(answers[:, None], truths[:, None], problem.grid(inputs.shape[1]))
    return truths, answers, errors
