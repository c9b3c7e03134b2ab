"""State of the operator studio: the problem, the settings, and what the trained operators predict.

Predictions of every test function at every resolution are made once, in the training's thread; a slider only selects.
All numbers come from `limitlab.experiments`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from torch import nn
from traitlets import Any as AnyTrait
from traitlets import Dict, Int, Tuple, Unicode, validate

from limitlab import experiments, problems
from limitlab.errors import InvalidArgument, check_number, one_of
from limitlab.experiments.operators._learning import (
    Build,
    OperatorData,
    OperatorSettings,
    operator_learning,
    predict,
    with_models,
)
from limitlab.operators import OPERATORS
from limitlab_widgets.shared.state import StudioState
from limitlab_widgets.shared.training import TrainingState

if TYPE_CHECKING:
    import xarray as xr

    from limitlab.experiments import Experiment, Prepared, Result

    OperatorExperiment = Experiment[OperatorSettings, OperatorData]

SYSTEM = "mg-tfno"
BASELINE = "mean"
LIKE = {1: "burgers", 2: "darcy"}
"""Problems whose settings those of the same dimension borrow that have no experiment of their own."""
DATA = ("parameters", "train_samples", "test_samples", "resolution", "test_resolutions", "seed")
MODEL = {name for row in OPERATORS.values() for name in row.settings}
CHOSEN = ("models", "rates", "seeds", "workers")


class OperatorState(StudioState):
    """A problem, an operator to learn it with, and the predictions; `training` makes data and trains.

    problem: a PDEProblem at its parameters, or its name. models: torch modules, or functions of the task that make one,
    by name: they can be picked beside the operators of the catalogue. options: settings that differ from the
    experiment's size. Problems without an experiment of their own borrow the settings of another of their dimension.
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

    decides = ("problem", "operator", "options")

    problem = AnyTrait(help="the problem at its parameters, a PDEProblem; a name is looked up")
    # traitlets would let None pass without asking the validator, and takes no such argument for this trait
    problem.allow_none = False
    operator = Unicode("fno", help="what to train next")
    options = Dict(help="settings that were moved away from the experiment's")
    model = Unicode(BASELINE, help="whose prediction is looked at")
    beside = Unicode("", help="whose prediction is looked at next to it, none where empty")
    models = Tuple(help="models that can be looked at")
    resolutions = Tuple(help="test resolutions that can be looked at")
    samples = Int(0, help="number of test functions")
    resolution = Int(0, help="the test resolution that is looked at")
    sample = Int(0, help="the test function that is looked at")
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
        self.training = TrainingState(self.plan, self._take_data, self._take_models)
        self.predictions: dict[str, dict[int, xr.Dataset]] = {}
        self.measured: dict[str, xr.Dataset] = {}
        self.settings_of: dict[str, OperatorSettings] = {}
        self._modules = dict(models or {})
        self._experiments: dict[tuple[problems.PDEProblem, str], OperatorExperiment] = {}
        self._data_of: tuple[Any, ...] = ()
        self._answered: tuple[str, dict[str, Any]] = ("", {})
        self.problem = problem
        with_models(self.experiment, **self._modules)
        self.plan()

    @property
    def experiment(self) -> OperatorExperiment:
        """The experiment of the problem."""
        return self._experiment_of("")

    @property
    def defaults(self) -> OperatorSettings:
        """The settings before any option of the studio was moved."""
        return self.experiment.configure(self.size, **self.base_options)

    def plan(self) -> tuple[OperatorExperiment, OperatorSettings]:
        """The experiment and the settings that a training started now would have. Raises what `configure` raises."""
        moved = {p.name: self.problem.values[p.name] for p in self.problem.parameters}
        parameters = tuple(f"{p.name}={moved[p.name]!r}" for p in self.problem.parameters if moved[p.name] != p.default)
        # a model of the reader's own comes beside those of the settings, which cannot be none
        own = self.operator in self._modules
        options = {"parameters": parameters, "models": (BASELINE if own else self.operator,), "seeds": 1}
        experiment = self._experiment_of(self.operator if own else "")
        return experiment, experiment.configure(self.size, **{**self.base_options, **self.options, **options})

    @property
    def predicted(self) -> xr.Dataset | None:
        """`input`, `target` and `prediction` of the model shown at the resolution shown, all test functions."""
        return self.predictions.get(self.model, {}).get(self.resolution)

    @property
    def compared(self) -> dict[str, xr.Dataset]:
        """What `predicted` holds, of the model shown and of the one beside it, by name; empty where none is beside."""
        if self.beside in ("", self.model):
            return {}
        tables = {name: self.predictions.get(name, {}) for name in (self.model, self.beside)}
        if any(self.resolution not in table for table in tables.values()):
            return {}
        return {name: table[self.resolution] for name, table in tables.items()}

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
        names = (field.name for field in dataclasses.fields(now) if field.name not in {*DATA, *CHOSEN, *unused})
        return [name for name in names if getattr(now, name) != getattr(trained, name)]

    def answer(self) -> None:
        """Say whether the figures are of the problem and the data that are chosen."""
        name, options = self._answered
        if name and self.problem.name != name and self.options == options:
            self.options = {}
        self._answered = self.problem.name, self.options
        self._compare_data()

    def close(self) -> None:
        """Stop what is under way and release the threads."""
        super().close()
        self.training.close()

    @validate("problem")
    def _is_problem(self, proposal: dict[str, Any]) -> problems.PDEProblem:
        value = proposal["value"]
        problem = problems.get(value) if isinstance(value, str) else value
        if not isinstance(problem, problems.PDEProblem) or problem.dimension not in LIKE:
            raise InvalidArgument(f"problem must be a PDE in one or two dimensions; got {problem!r:.80}")
        return problem

    @validate("operator")
    def _is_learner(self, proposal: dict[str, Any]) -> str:
        return one_of("operator", proposal["value"], self.learners)

    @validate("options")
    def _are_options(self, proposal: dict[str, Any]) -> dict[str, Any]:
        options = dict(proposal["value"])
        self.experiment.configure(self.size, **{**self.base_options, **options})
        return options

    @validate("model")
    def _is_model(self, proposal: dict[str, Any]) -> str:
        return one_of("model", proposal["value"], self.models or (BASELINE,))

    @validate("beside")
    def _is_another_model(self, proposal: dict[str, Any]) -> str:
        return one_of("beside", proposal["value"], ("", *self.models))

    @validate("sample")
    def _is_sample(self, proposal: dict[str, Any]) -> int:
        return int(check_number("sample", proposal["value"], low=0, high=max(0, self.samples - 1), integer=True))

    @validate("resolution")
    def _is_resolution(self, proposal: dict[str, Any]) -> int:
        if proposal["value"] not in (self.resolutions or (0,)):
            raise InvalidArgument(f"resolution must be one of {self.resolutions}; got {proposal['value']}")
        return int(proposal["value"])

    def _experiment_of(self, own: str) -> OperatorExperiment:
        """The experiment of the problem, with the reader's own model of this name."""
        base = dataclasses.replace(self.problem, values={})
        if (base, own) not in self._experiments:
            plain = _learning(base) if not own else self._experiment_of("")
            self._experiments[base, own] = with_models(plain, **{own: self._modules[own]}) if own else plain
        return self._experiments[base, own]

    def _compare_data(self) -> None:
        if not self._data_of:
            return
        settings, (equation, *values) = self.plan()[1], self._data_of
        equal = dataclasses.replace(self.problem, values={}) == dataclasses.replace(equation, values={})
        names = [name for name, value in zip(DATA, values, strict=True) if getattr(settings, name) != value]
        changed = names if equal else ["problem"]
        self.stale = bool(changed)
        words = ", ".join(name.replace("_", " ") for name in changed)
        self.activity = f"{words} changed since: make data, or train" if changed else ""

    def _take_data(self, prepared: Prepared) -> None:
        settings, data = self.training.settings, prepared.data
        made_of = (data.problem, *(getattr(settings, name) for name in DATA))
        if made_of == self._data_of:
            return
        baseline = OPERATORS[BASELINE].build(data.task, settings)
        predictions, measured = _evaluate(prepared, baseline)
        with self.lock:
            for table in (self.predictions, self.measured, self.settings_of, self.training.logs):
                table.clear()
            self._data_of = made_of
            self.predictions[BASELINE], self.measured[BASELINE] = predictions, measured
            self.settings_of[BASELINE] = settings
            self.beside = ""
            # the sample before the samples: it must exist among the old functions and among the new ones
            self.sample = min(self.sample, settings.test_samples - 1)
            self.samples, self.models, self.resolutions = settings.test_samples, (BASELINE,), tuple(data.test)
            if self.resolution not in data.test:
                self.resolution = settings.resolution if settings.resolution in data.test else min(data.test)
            self.model = BASELINE
            self._compare_data()
            self.revision += 1
        self.training.logged += 1

    def _take_models(self, prepared: Prepared, models: dict[str, nn.Module], result: Result | None) -> None:
        evaluated = {name: _evaluate(prepared, model, name, result) for name, model in models.items()}
        with self.lock:
            for name, (predictions, measured) in evaluated.items():
                self.predictions[name], self.measured[name] = predictions, measured
                self.settings_of[name] = self.training.settings
            self.models = tuple(name for name in self.titles if name in self.predictions)
            self.model = list(evaluated)[-1]
            self.revision += 1


def _evaluate(
    prepared: Prepared, model: nn.Module, name: str = "", result: Result | None = None
) -> tuple[dict[int, xr.Dataset], xr.Dataset]:
    """Predictions by resolution, and errors: those of the result, where the training has ended."""
    predictions = {n: predict(model, dataset) for n, dataset in prepared.data.test.items()}
    whole = result.metrics.sel(model=name).isel(seed=0) if result else prepared.measure(model, model)
    return predictions, whole.drop_vars(["model", "operator", "seed"], errors="ignore")


def _learning(problem: problems.PDEProblem) -> OperatorExperiment:
    """The plain experiment of a problem, or one with the settings of another problem of its dimension."""
    alike = experiments.of(problem=problem.name, system=SYSTEM)
    if alike and problem == problems.get(problem.name):
        return alike[0]
    sizes = (alike or experiments.of(problem=LIKE[problem.dimension], system=SYSTEM))[0].sizes
    return operator_learning(system=SYSTEM, title=problem.title, problem=problem, sizes=sizes, name=problem.name)
