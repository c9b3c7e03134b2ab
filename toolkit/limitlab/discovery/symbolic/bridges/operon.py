"""The engine `operon`: genetic programming by the package pyoperon, every offspring's constants fitted.

pyoperon computes in single precision: the data are scaled by powers of two on the way in, and the constants of what
comes back are fitted again in double precision. Its own time limit counts whole seconds, so a budget of seconds is
spent in slices of one, the population carried over; a budget of evaluations is one run that repeats itself.
Source: Burlacu, Kronberger & Kommenda, Operon C++, 2020.
"""

from __future__ import annotations

import importlib.util
import platform
import time
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np

from limitlab.discovery.symbolic.engine import Data, Engine, Progress, Settings
from limitlab.discovery.symbolic.expression import Expr
from limitlab.discovery.symbolic.rewriting.least_squares import fitted
from limitlab.errors import InvalidArgument, LimitlabError

POPULATION = 500
OPTIMISER_STEPS = 5
LONGEST = 50
DECIMALS = 9
NO_LIMIT = 10**9
SYMBOLS = {
    "+": "add",
    "-": "sub",
    "*": "mul",
    "/": "div",
    "square": "square",
    **{name: name for name in ("sin", "cos", "tan", "exp", "log", "sqrt", "tanh", "sinh", "cosh", "abs")},
}
"""What pyoperon calls the operators."""


class EngineMissing(LimitlabError):
    """An engine's package is not there, or cannot run on this machine."""


def searched(data: Data, settings: Settings, seed: int) -> Iterator[Progress]:
    """The fronts of pyoperon, one a second, or one for a budget of evaluations."""
    for formulas, evaluated in slices(data, settings, seed):
        yield Progress(list(formulas), evaluated)


def slices(data: Data, settings: Settings, seed: int) -> Iterator[tuple[Iterator[Expr], int]]:
    """What is new on each front, made as it is read, which ends with the next front; and evaluations so far."""
    regressor = _regressor_class()
    scale, top = _powers_of_two(data)
    points, values = data.X / scale, data.y / top
    sigma = data.sigma or 0.01 * float(data.y.std())
    options: dict[str, Any] = {
        "allowed_symbols": ",".join([*(SYMBOLS[op] for op in settings.ops), "constant", "variable"]),
        "objectives": ["r2", "length"],
        # its default fits no constants
        "optimizer_iterations": OPTIMISER_STEPS,
        # its default of one breaks the description length
        "uncertainty": [sigma / top],
        "max_length": int(min(settings.max_complexity, LONGEST)),
        "population_size": POPULATION,
        "n_threads": 1,
    }
    start, evaluated, seen = time.monotonic(), 0, set[str]()
    model = regressor(**options)
    while True:
        if settings.evaluations is None:
            slice_limits = {"max_time": 1, "generations": NO_LIMIT, "max_evaluations": NO_LIMIT}
        else:
            slice_limits = {"generations": max(settings.evaluations // POPULATION, 1), "max_evaluations": NO_LIMIT}
        # the same seed again would draw the same numbers in every slice
        model.set_params(random_state=seed + evaluated, warm_start=evaluated > 0, **slice_limits)
        model.fit(points, values)
        evaluated += max(int(model.stats_["residual_evaluations"]), 1)
        yield _formulas(model, data, scale, top, seen), evaluated
        spent = time.monotonic() - start
        if settings.evaluations is not None or (settings.budget_s is not None and spent + 1 > settings.budget_s):
            return


def _formulas(model: Any, data: Data, scale: np.ndarray, top: float, seen: set[str]) -> Iterator[Expr]:
    """What the model's front has that was not seen in a slice before."""
    import sympy

    names = list(data.names)
    back = {
        sympy.Symbol(name, real=True): sympy.Symbol(name, real=True) / s for name, s in zip(names, scale, strict=True)
    }
    for row in model.pareto_front_:
        text = model.get_model_string(row["tree"], DECIMALS, names=names)
        if text in seen:
            continue
        seen.add(text)
        try:
            read = Expr.parse(text, data.names)
            yield fitted(Expr.of(top * read.sympy.xreplace(back), data.names), data).expr
        except InvalidArgument:
            # not finite, or longer than a text may be
            continue


def _powers_of_two(data: Data) -> tuple[np.ndarray, float]:
    """Scales of the variables and of the values near their root mean squares, so that dividing rounds nothing."""
    sizes = np.sqrt(np.mean(np.column_stack([data.X, data.y]) ** 2, axis=0))
    scales = 2.0 ** np.round(np.log2(np.where(sizes > 0, sizes, 1.0)))
    return scales[:-1], float(scales[-1])


@cache
def _regressor_class() -> type:
    """pyoperon's regressor. Raises EngineMissing."""
    for package in ("pyoperon", "sklearn"):
        if importlib.util.find_spec(package) is None:
            raise EngineMissing("the engine 'operon' needs pyoperon and scikit-learn: pip install 'limitlab[symbolic]'")
    if not _has_avx2():
        raise EngineMissing("the engine 'operon' needs a processor with AVX2, which this one lacks; use 'evolve'")
    from pyoperon.sklearn import SymbolicRegressor

    return SymbolicRegressor


def _has_avx2() -> bool:
    """Whether instructions that pyoperon's wheels were built for are there; its wheels for ARM need none of them."""
    from numpy._core._multiarray_umath import __cpu_features__

    return platform.machine().lower() not in ("x86_64", "amd64") or bool(__cpu_features__.get("AVX2"))


ROWS = (Engine("operon", "Genetic programming by pyoperon", searched, operators=tuple(SYMBOLS)),)
