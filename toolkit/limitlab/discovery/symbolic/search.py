"""The face of the search for formulas: measurements in, a front of error against complexity out.

Every engine's formulas are scored here, in double precision and on the same points; held-out points are seen by no
engine. What has been found is kept, whatever ends the search: the budget, an interrupt, a kill (with `run_file`).
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from limitlab.discovery.symbolic.catalogue import engines
from limitlab.discovery.symbolic.engine import OPERATORS, Data, Engine, Settings
from limitlab.discovery.symbolic.expression import COMPLEXITY, Expr
from limitlab.discovery.symbolic.front import ParetoFront
from limitlab.discovery.symbolic.rewriting.simplify import simplify_front
from limitlab.discovery.symbolic.scoring import empty_front, scored
from limitlab.errors import InvalidArgument, check_number, one_of
from limitlab.interruption import ask_to_go_on

if TYPE_CHECKING:
    from limitlab.discovery.symbolic.units import Units

SECONDS = 10.0
"""Budget of a search that names none."""


class SearchInterrupted(UserWarning):
    """A search ended before its budget; its front is what it had found."""


def search(
    X: Any,  # noqa: N803
    y: Any,
    *,
    names: Sequence[str] | None = None,
    ops: Sequence[str] = OPERATORS,
    engine: str = "evolve",
    budget_s: float | None = None,
    evaluations: int | None = None,
    seed: int = 0,
    weights: Any = None,
    sigma: float | None = None,
    units: Units | None = None,
    max_complexity: float = 30,
    costs: Mapping[str, float] | None = None,
    validation: float = 0.0,
    simplify: bool = True,
    run_file: Path | str | None = None,
    watch: Callable[[ParetoFront], object] | None = None,
) -> ParetoFront:
    """Formulas y = f(x) from points X (n, k) and values y (n,), as a front of error against complexity.

    The budget is seconds (10 where nothing is said) or, for a search that repeats itself, evaluations of formulas.
    sigma: standard deviation of the noise in y. units: of the variables and y; formulas that violate them are refused.
    validation: part of the points that is held out, for the rules `holdout` and `one_se`. simplify: in the end take out
    of the formulas what the data do not need. run_file: the front on disk, as the search goes on. watch: called with
    the front after every step. An interrupt ends the search, which returns what it has, with a warning.
    Raises InvalidArgument, UnknownName.

    >>> from limitlab.discovery.symbolic import search
    >>> x = torch.linspace(0, 2, 20, dtype=torch.float64)
    >>> front = search(x, 2 * x / (1 + x), ops=("+", "/"), engine="brute", evaluations=3000)
    >>> str(front.select("bic").expr)
    '2.0*x/(x + 1.0)'
    """
    table = engines()
    row = table[one_of("engine", engine, table)]
    data = Data.of(X, y, names=names, weights=weights, sigma=sigma, units=units, validation=validation, seed=seed)
    settings = _checked(Settings(ops, budget_s, evaluations, max_complexity, dict(costs or {})), row)
    front = empty_front(data, settings)
    try:
        _run(row, data, settings, seed, front, run_file=run_file, watch=watch)
        if simplify:
            simplify_front(front, data, settings)
    except KeyboardInterrupt:
        warnings.warn("interrupted; the front is what was found", SearchInterrupted, stacklevel=2)
    if run_file is not None:
        front.save(run_file)
    return front


def _run(
    row: Engine,
    data: Data,
    settings: Settings,
    seed: int,
    front: ParetoFront,
    *,
    run_file: Path | str | None,
    watch: Callable[[ParetoFront], object] | None,
) -> None:
    """Fill the front from the engine until its budget is spent or it has no more."""
    if row.ready is not None:
        row.ready()
    start, seen = time.monotonic(), set()
    with closing(row.search(data, settings, seed)) as steps:  # type: ignore[type-var]
        for progress in steps:
            fresh = [expr for expr in progress.formulas if expr not in seen]
            seen.update(fresh)
            if [expr for expr in fresh if _enter(expr, data, settings, front, row.name)] and run_file is not None:
                front.save(run_file)
            if watch is not None:
                watch(front)
            ask_to_go_on()
            if settings.budget_s is not None and time.monotonic() - start > settings.budget_s:
                break


def _enter(expr: Expr, data: Data, settings: Settings, front: ParetoFront, engine: str) -> bool:
    """Whether the formula is short enough, agrees with the units and is on the front now."""
    if data.units is not None and not data.units.allow(expr):
        return False
    candidate = scored(expr, data, engine=engine, costs=settings.costs)
    return candidate.complexity <= settings.max_complexity and front.add(candidate)


def _checked(settings: Settings, row: Engine) -> Settings:
    """The settings, where the engine can work with them; with a budget of time where they have none."""
    ops, costs, evaluations = settings.ops, settings.costs, settings.evaluations
    if isinstance(ops, str) or not ops:
        raise InvalidArgument(f"ops must be a list of names, such as ('+', '*', 'sin'); got {ops!r:.60}")
    for op in ops:
        one_of(f"operator of {row.name}", op, row.operators)
    for name, cost in costs.items():
        one_of("cost", name, COMPLEXITY)
        check_number(f"costs[{name!r}]", cost, low=0.0)
    budget_s = SECONDS if settings.budget_s is None and evaluations is None else settings.budget_s
    return Settings(
        tuple(dict.fromkeys(ops)),
        None if budget_s is None else check_number("budget_s", budget_s, low=0.0),
        None if evaluations is None else int(check_number("evaluations", evaluations, low=1, integer=True)),
        check_number("max_complexity", settings.max_complexity, low=1),
        costs,
    )
