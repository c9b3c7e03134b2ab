"""The code of an operator studio: the same experiment at the same settings, trained as far, asked at the same test."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from limitlab import experiments
from limitlab.errors import InvalidArgument
from limitlab.operators import OPERATORS
from limitlab_widgets.shared.code.written import called, changed_settings, code_of, fresh, problem_code, trained_until

if TYPE_CHECKING:
    from limitlab.experiments import Experiment
    from limitlab_widgets.operator.drawn import DrawnState
    from limitlab_widgets.operator.state import OperatorState

MAKERS = {"operator": "learning", "rollouts": "stepping"}
"""What of `limitlab_widgets.operator.goals` gives the experiment of a problem that has none of its own."""


@dataclass(frozen=True)
class Origin:
    """Where the model of a studio comes from: the subject, the experiment, its settings, and the steps of its training.

    subject: the problem without its values, or the functions of a file, of which the settings have the path. shipped:
    the name of the model that was opened, where none was trained.
    """

    subject: Any
    goal: str
    experiment: Experiment[Any, Any]
    settings: Any
    steps: int
    shipped: str = ""


def operator_code(state: OperatorState, drawing: DrawnState | None = None) -> str:
    """The code of the prediction that is looked at: `predicted`, and its figure. Raises InvalidArgument.

    drawing: where something is drawn, `drawn` holds it, with its truth and the prediction.
    """
    with state.lock:
        name, shown = state.model, state.predicted
        origin = state.origins.get(name)
    if shown is None or origin is None:
        raise InvalidArgument("there is no code of nothing: make data, or train")
    if bool(shown["prediction"].isnull().all()):
        raise InvalidArgument(f"{state.titles[name]} has no answer at this resolution")
    own = name not in OPERATORS
    settings = replace(origin.settings, models=origin.settings.models if own else (name,))
    changed = changed_settings(settings, origin.experiment.sizes[state.size])
    lines = [*_experiment(origin), f"settings = {called('experiment.configure', state.size, **changed)}"]
    if own:
        lines.append(f"experiment = ll.experiments.with_models(experiment, {name}={name})  # your model")
    trains = own or OPERATORS[name].trains
    if trains and not origin.shipped:
        lines += trained_until(name, origin.steps, settings.steps)
    else:
        lines += fresh(origin.shipped if trains else "")
    return code_of([*lines, *_look(state), *_drawn(state, drawing)])


def _experiment(origin: Origin) -> list[str]:
    name = origin.experiment.name
    if name in experiments.names():
        return [f"experiment = {called('ll.experiments.get', name)}"]
    maker = MAKERS[origin.goal]
    problem = problem_code(origin.subject)
    return [f"from limitlab_widgets.operator.goals import {maker}", f"experiment = {maker}({problem})"]


def _look(state: OperatorState) -> list[str]:
    sample = f"sample={state.sample}"
    if state.steps:
        return [
            "from limitlab_widgets.operator.goals import rollouts",
            f"predicted = rollouts(prepared, model, settings)[{state.resolution}].sel(step={state.step})",
            f"ll.figures.triptych(predicted.isel({sample}))",
        ]
    return [
        f"test = prepared.data.test[{state.resolution}]",
        "with torch.no_grad():",
        "    answers = model.eval()(torch.from_numpy(test['input'].values))",
        "predicted = test.assign(prediction=(test['target'].dims, answers.numpy()))",
        f"ll.figures.triptych(predicted.isel({sample}))",
    ]


def _drawn(state: OperatorState, drawing: DrawnState | None) -> list[str]:
    """The numbers that were drawn, through the solver and the model; nothing where nothing is drawn."""
    if drawing is None:
        return []
    with drawing.lock:
        answers, ground, drawn = drawing.answers, drawing.ground, drawing.drawn
    if answers is None or ground is None or drawn is None or state.model not in answers.functions:
        return []
    kind = type(drawn).__name__
    return [
        f"from limitlab_widgets.operator.drawings import {kind}",
        "from limitlab_widgets.operator.truths import answers_of, as_sample, pairs, solver_grid",
        f"problem = {problem_code(ground.problem)}",
        f"drawing = {called(kind, **dataclasses.asdict(drawn))}",
        f"inputs, truths = pairs(problem, drawing.on(solver_grid(problem, {ground.size})), {ground.size})",
        "answers = answers_of(model, inputs)",
        "drawn = as_sample(test, input=inputs[0], target=truths[0], prediction=answers[0])",
        "ll.figures.triptych(drawn.isel(sample=0))",
    ]
