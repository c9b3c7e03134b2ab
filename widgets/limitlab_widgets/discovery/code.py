"""The code of a discovery studio: the same measurements, the same networks, trained as far.

What a search finds in so many seconds is no number of a seed: formulas are not written.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from limitlab.errors import InvalidArgument
from limitlab_widgets.discovery.learned import Settings
from limitlab_widgets.shared.code.written import called, code_of, literal, problem_code

if TYPE_CHECKING:
    from limitlab_widgets.discovery.learned import Learned
    from limitlab_widgets.discovery.sampling import Sampling
    from limitlab_widgets.discovery.state import DiscoveryState


def discovery_code(state: DiscoveryState) -> str:
    """The code of `measured`, and where something is learned of the `samples` of hidden terms on the visited set.

    Raises InvalidArgument.
    """
    with state.lock:
        learned, measured, sampling = state.learning.learned, state.measured, state.measured_of
    if measured is None or sampling is None:
        raise InvalidArgument("there is no code of nothing: there are no measurements yet")
    if learned is None or state.outdated:
        return code_of(_measured(sampling))
    return code_of([*_measured(learned.plan.sampling), *_learned(learned)])


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
    whole = learned.steps >= plan.settings.adam + plan.settings.quasi_newton
    halted = ["    pass"] if whole else [f"    if progress.step == {learned.steps}:", "        break"]
    return [
        "from limitlab_widgets.discovery.learned import Plan, Settings",
        f"settings = {called('Settings', **changed)}",
        f"plan = Plan(sampling, {literal(plan.hidden)}, {literal(plan.inputs)}, settings)",
        "model = plan.model(measured)",
        "for progress in plan.training(model, measured):",
        *halted,
        f"samples = model.samples(ll.discovery.pinn.collocation(problem, {learned.measured.samples}))",
    ]
