"""What the operator studio can learn of a problem: the map of one function to another, or a step in time.

A goal is a row: the experiment of a problem, the baseline that is there before any training, and what can be looked at
of a model. A step in time is looked at in rollouts: `target` and `prediction` have a dim step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from torch import nn

from limitlab import experiments, problems
from limitlab.errors import InvalidArgument
from limitlab.experiments.contract.settings import sizes
from limitlab.experiments.operators._learning import OperatorData, OperatorSettings, operator_learning, predict
from limitlab.experiments.operators._rollouts import RolloutSettings, problem_of, rollout_learning, rollouts_of
from limitlab.experiments.operators.own.operator_learning import OwnSettings
from limitlab.labels import labelled

if TYPE_CHECKING:
    import xarray as xr

    from limitlab.experiments import Experiment, Prepared

    OperatorExperiment = Experiment[OperatorSettings, OperatorData]

SYSTEM = "mg-tfno"
FEW = 8
"""Test functions on which a model that ships is shown, before there are data to train on."""
LIKE = {1: "burgers", 2: "darcy"}
"""Problems whose settings those of the same dimension borrow that have no experiment of their own."""
COURSE: dict[int, dict[str, Any]] = {
    1: {"resolution": 64, "test_resolutions": (64, 128), "modes": 24, "width": 32, "epochs": 20},
    2: {"resolution": 32, "test_resolutions": (32,), "modes": 12, "width": 20, "epochs": 6},
}
SMOKE: dict[int, dict[str, Any]] = {
    1: {"resolution": 32, "test_resolutions": (32, 64), "modes": 12},
    2: {"resolution": 16, "test_resolutions": (16,), "modes": 6},
}


@dataclass(frozen=True)
class Goal:
    """A row: `experiment` of a problem at its defaults; `look` gives predictions of a model by resolution.

    baseline: the operator that needs no training. data: the settings that the data depend on.
    """

    title: str
    baseline: str
    experiment: Callable[[problems.PDEProblem], OperatorExperiment]
    look: Callable[[Prepared, nn.Module, Any], dict[int, xr.Dataset]]
    data: tuple[str, ...]


def learning(problem: problems.PDEProblem) -> OperatorExperiment:
    """The plain experiment of a problem, or one with the settings of another problem of its dimension."""
    alike = experiments.of(problem=problem.name, system=SYSTEM)
    if alike and problem == problems.get(problem.name):
        return alike[0]
    borrowed = (alike or experiments.of(problem=LIKE[problem.dimension], system=SYSTEM))[0].sizes
    return operator_learning(system=SYSTEM, title=problem.title, problem=problem, sizes=borrowed, name=problem.name)


def stepping(problem: problems.PDEProblem) -> OperatorExperiment:
    """The experiment on the problem's steps in time, as far apart as its stored frames.

    Raises InvalidArgument for a steady problem.
    """
    if not problem.span:
        raise InvalidArgument(f"{problem.title} has no steps in time")
    common: dict[str, Any] = {"models": ("fno", "persistence"), "interval": problem.span / (problem.frames - 1)}
    course = RolloutSettings(train_samples=64, test_samples=8, batch_size=16, **common, **COURSE[problem.dimension])
    smoke = {"train_samples": 8, "test_samples": 3, "batch_size": 8, "width": 8, "layers": 2, "epochs": 2, "frames": 6}
    return rollout_learning(
        system=SYSTEM,
        title=problem.title,
        problem=problem,
        sizes=sizes(course, smoke={**smoke, "rollout": 3, **SMOKE[problem.dimension]}, paper={"train_samples": 1000}),
        name=problem.name,
    )


def answers(prepared: Prepared, model: nn.Module, _settings: Any) -> dict[int, xr.Dataset]:
    """`input`, `target` and `prediction` of the test functions, dims (sample, channel, *grid)."""
    return {n: predict(model, dataset) for n, dataset in prepared.data.test.items()}


def rollouts(prepared: Prepared, model: nn.Module, settings: Any) -> dict[int, xr.Dataset]:
    """`input`, the newest frame that is given, with the frames that follow in truth and by the model, of one field.

    `target` and `prediction` have the dims (sample, step, channel, *grid), from the first start of every trajectory.
    """
    return {n: _rolled(model, dataset, prepared.data, settings) for n, dataset in prepared.data.test.items()}


def _rolled(model: nn.Module, dataset: xr.Dataset, data: OperatorData, settings: Any) -> xr.Dataset:
    import numpy as np

    made, true = rollouts_of(model, dataset, history=settings.history, steps=settings.rollout)
    field = problem_of(data).fields[0]
    space = data.task.grid.names
    given = dataset[field.name].isel(time=settings.history - 1, drop=True).transpose("sample", *space)
    dims = " ".join(("sample", "step", "channel", *space))
    fields = labelled(
        input=(" ".join(("sample", "channel", *space)), given.values[:, None], field.meaning),
        target=(dims, true[:, 0, :, :1], field.meaning),
        prediction=(dims, made[:, 0, :, :1], field.meaning),
        step=("step", np.arange(1, settings.rollout + 1), "step"),
    )
    return fields.assign_coords({name: dataset[name] for name in ("sample", *space)}).assign_attrs(dataset.attrs)


MADE = ("parameters", "train_samples", "test_samples", "resolution", "test_resolutions", "seed")
GOALS: dict[str, Goal] = {
    "operator": Goal("the map of one function to another", "mean", learning, answers, MADE),
    "rollouts": Goal(
        "a step in time, and rollouts",
        "persistence",
        stepping,
        rollouts,
        (*MADE, "interval", "frames", "history", "rollout", "unrolled", "pushed"),
    ),
}


def evaluate(
    goal: Goal, prepared: Prepared, model: nn.Module, settings: Any, *, name: str = "", result: Any = None
) -> tuple[dict[int, xr.Dataset], xr.Dataset]:
    """Predictions by resolution, and errors: those of the result, where the training has ended."""
    predictions = goal.look(prepared, model, settings)
    whole = result.metrics.sel(model=name).isel(seed=0) if result else prepared.measure(model, model)
    return predictions, whole.drop_vars(["model", "operator", "seed"], errors="ignore")


def configured(
    experiment: OperatorExperiment, size: str, options: Mapping[str, Any], own: Mapping[str, Any] | None
) -> OperatorSettings:
    """The settings of the size with options; own: those of a reader's file. Raises what `configure` raises."""
    if own is not None:
        settings = experiment.configure(size, **{**options, **own})
        assert isinstance(settings, OwnSettings)
        return settings.at(settings.functions)
    plain = experiment.configure(size, **{name: value for name, value in options.items() if name != "models"})
    # what is learned on a grid is tested there too, where operators that know no other grid can answer
    tested = sorted({*plain.test_resolutions, plain.resolution})
    return experiment.configure(size, **{**options, "test_resolutions": tuple(tested)})


def on_few_functions(settings: OperatorSettings) -> OperatorSettings:
    """The settings with as few functions as show what a model does."""
    return replace(settings, test_samples=min(FEW, settings.test_samples), train_samples=settings.batch_size)


def made_of(goal: str, settings: Any, data: OperatorData) -> tuple[Any, ...]:
    """What data were made of: the problem or file, the goal, and the settings that decide them."""
    source: Any = data.problem
    if isinstance(source, problems.PDEProblem):
        source = replace(source, values={})
    return source, goal, *(getattr(settings, setting) for setting in GOALS[goal].data)


def changed_since(made: tuple[Any, ...], subject: Any, goal: str, settings: Any, *, few: bool) -> list[str]:
    """What would be other in data that were made now. few: their numbers are those of `on_few_functions`."""
    equation, earlier, *values = made
    if goal == earlier == "rollouts":
        # an experiment on steps has frames of its own
        subject = subject.with_domain(span=equation.span, frames=equation.frames)
    if subject != equation:
        return ["problem" if isinstance(subject, problems.PDEProblem) else "file"]
    if goal != earlier:
        return ["what is learned"]
    counted = ("train_samples", "test_samples") if few else ()
    pairs = zip(GOALS[earlier].data, values, strict=True)
    return [name for name, value in pairs if name not in counted and getattr(settings, name) != value]
