"""State of the operator studio: the problem, the settings, and what the trained operators predict.

Predictions of every test function at every resolution are made once, in the training's thread; a slider only selects.
All numbers come from `limitlab.experiments`.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from torch import nn
from traitlets import Dict, Int, Tuple, Unicode, validate

from limitlab import experiments, problems, weights
from limitlab.errors import InvalidArgument, check_number, one_of
from limitlab.experiments.operators._learning import Build, OperatorSettings, with_models
from limitlab.experiments.operators._rollouts import RolloutSettings
from limitlab.operators import OPERATORS
from limitlab_widgets.operator.code import Origin
from limitlab_widgets.operator.goals import GOALS, changed_since, configured, evaluate, made_of, on_few_functions
from limitlab_widgets.operator.own_file import OwnFile
from limitlab_widgets.operator.subject import SubjectState
from limitlab_widgets.shared.training import TrainingState

if TYPE_CHECKING:
    import xarray as xr

    from limitlab.experiments import Prepared, Result
    from limitlab_widgets.operator.goals import OperatorExperiment

MODEL = {name for row in OPERATORS.values() for name in row.settings}
CHOSEN = ("models", "rates", "seeds", "workers")


class OperatorState(SubjectState):
    """A problem, an operator to learn it with, and the predictions; `training` makes data and trains.

    problem: a PDEProblem at its parameters, or its name. models: torch modules, or functions of the task that make one,
    by name: they can be picked beside the operators of the catalogue. options: settings that differ from the
    experiment's size. Problems without an experiment of their own borrow the settings of another of their dimension.
    goal: "operator", the map of one function to another, or "rollouts", a step in time; a steady problem has the first,
    as has a file: `load(path, inputs=, targets=)` puts a reader's functions in the place of the problem.
    Raises UnknownName, InvalidArgument.

    >>> from limitlab_widgets import OperatorState
    >>> state = OperatorState("darcy", size="smoke", models={"linear": torch.nn.Conv2d(1, 1, 1)})
    >>> state.operator = "linear"
    >>> state.options = {"train_samples": 30}
    >>> experiment, settings = state.plan()
    >>> settings.train_samples
    30
    >>> state.close()
    """

    decides = ("problem", "file", "goal", "operator", "options")

    goal = Unicode("operator", help="what of the problem is learned")
    operator = Unicode("fno", help="what to train next")
    options = Dict(help="settings that were moved away from the experiment's")
    model = Unicode("mean", help="whose prediction is looked at")
    beside = Unicode("", help="whose prediction is looked at next to it, none where empty")
    models = Tuple(help="models that can be looked at")
    resolutions = Tuple(help="test resolutions that can be looked at")
    samples = Int(0, help="number of test functions")
    resolution = Int(0, help="the test resolution that is looked at")
    sample = Int(0, help="the test function that is looked at")
    steps = Int(0, help="steps of the rollouts that can be looked at, none for an operator")
    step = Int(1, help="the step that is looked at")
    revision = Int(0, help="raised when predictions have changed")

    def __init__(
        self,
        problem: str | problems.PDEProblem = "burgers",
        size: str = "course",
        *,
        models: Mapping[str, nn.Module | Build] | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        # in its own thread a generation can be stopped at every step, and no worker takes seconds to start
        self.size, self.base_options = size, {"workers": 1, **options}
        self.titles = {name: row.title for name, row in OPERATORS.items()}
        self.titles |= {name: f"{name}, a model of yours" for name in models or ()}
        self.learners = (*(name for name, row in OPERATORS.items() if row.trains), *(models or ()))
        self.training = TrainingState(self._begin, self._take_data, self._take_models)
        self.predictions: dict[str, dict[int, xr.Dataset]] = {}
        self.measured: dict[str, xr.Dataset] = {}
        self.settings_of: dict[str, OperatorSettings] = {}
        self.origins: dict[str, Origin] = {}
        self.trained: dict[str, nn.Module] = {}
        self._begun: Any = None
        self.shipped: dict[str, str] = {}
        self._modules = dict(models or {})
        self._experiments: dict[tuple[Any, str, str], OperatorExperiment] = {}
        self._data_of: tuple[Any, ...] = ()
        self._answered: tuple[tuple[str, str], dict[str, Any]] = (("", ""), {})
        self.problem = problem
        with_models(self.experiment, **self._modules)
        self.plan()

    @property
    def goals(self) -> dict[str, Goal]:
        """What can be learned of the problem, by name."""
        evolves = self.file is None and self.problem.span
        return {name: goal for name, goal in GOALS.items() if name == "operator" or evolves}

    @property
    def baseline(self) -> str:
        """The operator that is looked at before any training."""
        return GOALS[self._data_of[1] if self._data_of else self.goal].baseline

    @property
    def experiment(self) -> OperatorExperiment:
        """The experiment of the problem."""
        return self._experiment_of("")

    @property
    def defaults(self) -> OperatorSettings:
        """The settings before any option of the studio was moved."""
        return self._configured(self.experiment, {})

    def plan(self) -> tuple[OperatorExperiment, OperatorSettings]:
        """The experiment and the settings that a training started now would have. Raises what `configure` raises."""
        known = self.problem.parameters if self.file is None else ()
        moved = {p.name: self.problem.values[p.name] for p in known}
        parameters = tuple(f"{p.name}={moved[p.name]!r}" for p in known if moved[p.name] != p.default)
        # a model of the reader's own comes beside those of the settings, which cannot be none
        own = self.operator in self._modules
        models = (GOALS[self.goal].baseline if own else self.operator,)
        options = {"parameters": parameters, "models": models, "seeds": 1}
        experiment = self._experiment_of(self.operator if own else "")
        return experiment, self._configured(experiment, {**self.options, **options})

    def _begin(self) -> tuple[OperatorExperiment, OperatorSettings]:
        experiment, settings = self.plan()
        self._begun = Origin(self.subject, self.goal, experiment, settings, 0)
        return experiment, settings

    def preview(self) -> None:
        """Show the model that ships of this training on a few functions, in the background, where there is one.

        `shipped` then says of it, by name, that it is one.
        """
        experiment, settings = self.plan()
        name = weights.of(experiment.name, settings.as_dict(), operator=self.operator)
        if name is None:
            return
        operator = self.operator
        few = on_few_functions(settings)
        origin = Origin(self.subject, self.goal, experiment, few, 0, shipped=name)

        def take(prepared: Prepared) -> None:
            self._begun = origin
            self._take_data(prepared)
            self._take_models(prepared, {operator: weights.open(name)}, None)
            self.shipped[operator] = weights.card(name).label
            self._compare_data()
            self.revision += 1

        self.training.preview(lambda: (experiment, few), take)

    @property
    def predicted(self) -> xr.Dataset | None:
        """`input`, `target` and `prediction` of the model shown, at resolution and step shown, all test functions."""
        return self._at_step(self.predictions.get(self.model, {}).get(self.resolution))

    @property
    def compared(self) -> dict[str, xr.Dataset]:
        """What `predicted` holds, of the model shown and of the one beside it, by name; empty where none is beside."""
        if self.beside in ("", self.model):
            return {}
        tables = {name: self.predictions.get(name, {}) for name in (self.model, self.beside)}
        if any(self.resolution not in table for table in tables.values()):
            return {}
        return {name: self._at_step(table[self.resolution]) for name, table in tables.items()}

    @property
    def errors(self) -> xr.DataArray | None:
        """Relative L2 errors of the model shown at resolution and step shown, dims (sample)."""
        metrics = self.measured.get(self.model)
        if metrics is None:
            return None
        if not self.steps:
            return metrics["relative_l2"].sel(resolution=self.resolution)
        return metrics["rollout_l2"].sel(resolution=self.resolution, step=self.step).isel(start=0)

    @property
    def growth(self) -> xr.DataArray | None:
        """Relative L2 errors of all models in rollouts at the resolution shown, dims (model, step)."""
        metrics = self.metrics
        if metrics is None or not self.steps:
            return None
        return metrics["rollout_l2"].sel(resolution=self.resolution).mean(("sample", "start"), keep_attrs=True)

    @property
    def metrics(self) -> xr.Dataset | None:
        """Errors of all models that can be looked at, dims (model, resolution, sample)."""
        import xarray as xr

        with self.lock:
            measured = dict(self.measured)
        if not measured:
            return None
        names = [name for name in self.titles if name in measured]
        return xr.concat([measured[name] for name in names], xr.Variable("model", names))

    @property
    def changed_settings(self) -> list[str]:
        """Settings that the model looked at was not trained with, and would be now."""
        trained = self.settings_of.get(self.model)
        if trained is None or self.model not in self.learners:
            return []
        now = self.plan()[1]
        unused = MODEL - set(OPERATORS[self.model].settings if self.model in OPERATORS else ())
        given = {*GOALS[self.goal].data, *CHOSEN, *unused, *(OwnFile("").options)}
        names = (field.name for field in dataclasses.fields(now) if field.name not in given)
        return [name for name in names if getattr(now, name) != getattr(trained, name, None)]

    def answer(self) -> None:
        """Say whether the figures are of the problem and the data that are chosen."""
        if self.goal not in self.goals:
            self.goal = "operator"
        asked, (before, options) = (self.name, self.goal), self._answered
        if any(before) and asked != before and self.options == options:
            self.options = {}
        self._answered = asked, self.options
        self._compare_data()

    def close(self) -> None:
        """Stop what is under way and release the threads."""
        super().close()
        self.training.close()

    @validate("goal")
    def _is_goal(self, proposal: dict[str, Any]) -> str:
        return one_of("goal", proposal["value"], self.goals)

    @validate("operator")
    def _is_learner(self, proposal: dict[str, Any]) -> str:
        return one_of("operator", proposal["value"], self.learners)

    @validate("options")
    def _are_options(self, proposal: dict[str, Any]) -> dict[str, Any]:
        options = dict(proposal["value"])
        self._configured(self.experiment, options)
        return options

    @validate("model")
    def _is_model(self, proposal: dict[str, Any]) -> str:
        return one_of("model", proposal["value"], self.models or (self.model,))

    @validate("beside")
    def _is_another_model(self, proposal: dict[str, Any]) -> str:
        return one_of("beside", proposal["value"], ("", *self.models))

    @validate("sample")
    def _is_sample(self, proposal: dict[str, Any]) -> int:
        return int(check_number("sample", proposal["value"], low=0, high=max(0, self.samples - 1), integer=True))

    @validate("step")
    def _is_step(self, proposal: dict[str, Any]) -> int:
        return int(check_number("step", proposal["value"], low=1, high=max(1, self.steps), integer=True))

    @validate("resolution")
    def _is_resolution(self, proposal: dict[str, Any]) -> int:
        if proposal["value"] not in (self.resolutions or (0,)):
            raise InvalidArgument(f"resolution must be one of {self.resolutions}; got {proposal['value']}")
        return int(proposal["value"])

    def _experiment_of(self, own: str) -> OperatorExperiment:
        """The experiment of the problem, with the reader's own model of this name."""
        key = (base := self.subject, self.goal, own)
        if key not in self._experiments:
            plain = self._plain(base) if not own else self._experiment_of("")
            self._experiments[key] = with_models(plain, **{own: self._modules[own]}) if own else plain
        return self._experiments[key]

    def _plain(self, base: Any) -> OperatorExperiment:
        """The experiment of a problem at its goal, or of a file, without models of the reader's."""
        return GOALS[self.goal].experiment(base) if self.file is None else experiments.get("operator_learning")

    def _configured(self, experiment: OperatorExperiment, options: Mapping[str, Any]) -> OperatorSettings:
        """The settings of the size with options; of a file, with its sizes. Raises what `configure` raises."""
        told = None if self.file is None else self.file.options
        return configured(experiment, self.size, {**self.base_options, **options}, told)

    def _at_step(self, predicted: Any) -> Any:
        return predicted.sel(step=self.step) if self.steps and predicted is not None else predicted

    def _compare_data(self) -> None:
        if not self._data_of:
            return
        changed = changed_since(self._data_of, self.subject, self.goal, self.plan()[1], few=bool(self.shipped))
        self.stale = bool(changed)
        words = ", ".join(name.replace("_", " ") for name in changed)
        self.activity = f"{words} changed since: make data, or train" if changed else ""

    def _take_data(self, prepared: Prepared) -> None:
        settings, data = self.training.settings, prepared.data
        name = "rollouts" if isinstance(settings, RolloutSettings) else "operator"
        goal = GOALS[name]
        origin = made_of(name, settings, data)
        if origin == self._data_of:
            return
        baseline = OPERATORS[goal.baseline].build(data.task, settings)
        predictions, measured = evaluate(goal, prepared, baseline, settings)
        with self.lock:
            for table in (
                *(self.predictions, self.measured, self.settings_of, self.origins),
                *(self.trained, self.shipped, self.training.logs),
            ):
                table.clear()
            self._data_of = origin
            self.predictions[goal.baseline], self.measured[goal.baseline] = predictions, measured
            self.settings_of[goal.baseline], self.origins[goal.baseline] = settings, self._begun
            self.trained[goal.baseline] = baseline
            self.beside = ""
            # the sample before the samples: it must exist among the old functions and among the new ones
            self.sample = min(self.sample, settings.test_samples - 1)
            self.samples, self.models, self.resolutions = settings.test_samples, (goal.baseline,), tuple(data.test)
            self.step = 1
            self.steps = getattr(settings, "rollout", 0)
            if self.resolution not in data.test:
                self.resolution = settings.resolution if settings.resolution in data.test else min(data.test)
            self.model = goal.baseline
            self._compare_data()
            self.revision += 1
        self.training.logged += 1

    def _take_models(self, prepared: Prepared, models: dict[str, nn.Module], result: Result | None) -> None:
        settings, goal = self.training.settings, GOALS[self._data_of[1]]
        evaluated = {
            name: evaluate(goal, prepared, model, settings, name=name, result=result) for name, model in models.items()
        }
        with self.lock:
            for name, (predictions, measured) in evaluated.items():
                self.predictions[name], self.measured[name] = predictions, measured
                self.settings_of[name] = settings
                # a copy: after a pause the training goes on with the model
                self.trained[name] = copy.deepcopy(models[name])
                steps = len(self.training.logs.get((name, settings.seed_range[0]), ()))
                self.origins[name] = dataclasses.replace(self._begun, settings=settings, steps=steps)
                self.shipped.pop(name, None)
            self.models = tuple(name for name in self.titles if name in self.predictions)
            self.model = list(evaluated)[-1]
            self.revision += 1
