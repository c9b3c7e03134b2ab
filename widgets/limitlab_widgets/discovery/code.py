"""The code of a discovery studio: the same measurements, the same networks, trained as far, formulas and forecast.

What a search finds in so many seconds is no number of a seed: formulas are written as they were found, and as a refit
left them where there was one, which fits them again from there.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

from limitlab.errors import InvalidArgument
from limitlab_widgets.discovery.learned import Settings
from limitlab_widgets.shared.code.written import called, code_of, literal, opened_as, problem_code

if TYPE_CHECKING:
    from limitlab.discovery.symbolic import Expr
    from limitlab_widgets.discovery.learned import Learned
    from limitlab_widgets.discovery.sampling import Sampling
    from limitlab_widgets.discovery.state import DiscoveryState


def discovery_code(state: DiscoveryState) -> str:
    """The code of `measured`, and where something is learned of the `samples` of hidden terms on the visited set.

    Where formulas were found, `formulas` has those that are picked, by equation; where they were refitted, `completed`
    is the equation and `forecasts` what is solved from the new start. Raises InvalidArgument.
    """
    with state.lock:
        learned, measured, sampling = state.learning.learned, state.measured, state.measured_of
    if measured is None or sampling is None:
        raise InvalidArgument("there is no code of nothing: there are no measurements yet")
    if learned is None or state.outdated:
        return code_of(_measured(sampling))
    return code_of([*_measured(learned.plan.sampling), *_learned(learned), *_found(state, learned)])


def _measured(sampling: Sampling) -> list[str]:
    names = ("points", "noise", "trajectories", "seed")
    options = ", ".join(f"{name}={literal(getattr(sampling, name))}" for name in names)
    imported, read = "Sampling", []
    if sampling.file is not None:
        name = literal(sampling.file.name)
        read = [f"file = reading(problem, {name}, Path({name}).read_bytes())  # the file that you loaded"]
        imported, options = "Sampling, reading", f"{options}, file=file"
    return [
        f"from limitlab_widgets.discovery.sampling import {imported}",
        f"problem = {problem_code(sampling.problem)}",
        *read,
        f"sampling = Sampling(problem, {options})",
        "measured = sampling.measured()",
    ]


def _learned(learned: Learned) -> list[str]:
    plan, first = learned.plan, Settings()
    values = dataclasses.asdict(plan.settings)
    changed = {name: value for name, value in values.items() if value != getattr(first, name)}
    own = f", {plan.settings.term}" if plan.settings.term else ""
    return [
        "from limitlab_widgets.discovery.learned import Plan, Settings",
        f"settings = {called('Settings', **changed)}",
        f"plan = Plan(sampling, {literal(plan.hidden)}, {literal(plan.inputs)}, settings{own})",
        *_model(learned),
        f"samples = model.samples(ll.discovery.pinn.collocation(problem, {learned.measured.samples}))",
    ]


def _model(learned: Learned) -> list[str]:
    """The networks, trained as far, or opened."""
    if learned.shipped:
        return [f"model = {opened_as(learned.shipped)}"]
    settings = learned.plan.settings
    whole = learned.steps >= settings.adam + settings.quasi_newton
    halted = ["    pass"] if whole else [f"    if progress.step == {learned.steps}:", "        break"]
    return ["model = plan.model(measured)", "for progress in plan.training(model, measured):", *halted]


def _found(state: DiscoveryState, learned: Learned) -> list[str]:
    """The formulas that are looked at, refitted where they were, and the forecast from the new start."""
    learning, completed = state.learning, state.learning.completed
    if completed is None:
        picked = {name: expr for name in learned.equations if (expr := learning.formula(name)) is not None}
        return _formulas(picked, f"found by a search of {learning.seconds:g} s") if picked else []
    fitted = dict(zip(learned.equations, completed.formulas, strict=True))
    lines = [
        *_formulas(fitted, "found by a search, and fitted to the measurements"),
        "from limitlab_widgets.discovery.completing import refitted, solutions",
        "from limitlab_widgets.discovery.learned import Learned",
        "learned = Learned.of(plan, measured, model, {})",
        "candidates = {name: [formula] for name, formula in formulas.items()}",
        "completed = refitted(problem, learned, candidates, 1).best",
    ]
    forecasting = state.forecast
    with forecasting.lock:
        forecasts, start = forecasting.forecasts, forecasting.start
    if forecasts is None:
        return lines
    count, end = len(forecasts.times), float(forecasts.times[-1])
    return [
        *lines,
        f"times = torch.linspace(0.0, {literal(end)}, {count}, dtype=torch.float64)",
        f"asked = solutions(problem, learned, completed, {literal(start)}, times)",
        "with torch.no_grad():",
        "    forecasts = {name: solve() for name, solve in asked.items()}",
    ]


def _formulas(formulas: Mapping[str, Expr], remark: str) -> list[str]:
    rows = [
        f"    {literal(name)}: {called('Expr.parse', expr.structure, expr.variables, parameters=expr.parameters)},"
        for name, expr in formulas.items()
    ]
    return ["from limitlab.discovery.symbolic import Expr", f"formulas = {{  # {remark}", *rows, "}"]
