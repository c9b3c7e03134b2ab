"""State of the operator studio: the problem, the settings, and what the trained operators predict.

Predictions of every test function at every resolution are made once, in the training's thread; a slider only selects.
All numbers come from `limitlab.experiments`.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from torch import nn
from traitlets import Any as AnyTrait
from traitlets import Dict, Enum, HasTraits, Int, Tuple, Unicode, observe

from limitlab import experiments, problems
from limitlab.experiments.operators._learning import OperatorData, OperatorSettings, operator_learning, predict
from limitlab.operators import OPERATORS
from limitlab_widgets.shared.training import TrainingState

if TYPE_CHECKING:
    import xarray as xr

    from limitlab.experiments import Experiment, Prepared, Result

    OperatorExperiment = Experiment[OperatorSettings, OperatorData]

BASELINE = "mean"
SIZES_OF = {1: "burgers_fno", 2: "darcy_fno"}
DATA = ("parameters", "train_samples", "test_samples", "resolution", "test_resolutions", "seed")


class OperatorState(HasTraits):
    """A problem, an operator to learn it with, and the predictions; `training` makes data and trains.

    problem: a PDEProblem at its parameters. options: settings that differ from the experiment's size. Problems without
    an experiment of their own borrow the settings of the one of their dimension.
    """

    problem = AnyTrait(help="the problem at its parameters, a PDEProblem")
    operator = Enum([name for name, row in OPERATORS.items() if row.trains], "fno", help="what to train next")
    options = Dict(help="settings that were moved away from the experiment's")
    shown = Unicode(BASELINE, help="whose prediction is looked at")
    models = Tuple(help="models that can be looked at")
    resolutions = Tuple(help="test resolutions that can be looked at")
    samples = Int(0, help="number of test functions")
    resolution = Int(0, help="the test resolution that is looked at")
    sample = Int(0, help="the test function that is looked at")
    revision = Int(0, help="raised when predictions have changed")

    def __init__(self, problem: str | problems.PDEProblem = "burgers", size: str = "course", **options: Any) -> None:
        super().__init__()
        self.size = size
        self.given = dict(options)
        self.training = TrainingState(self.plan, self._take_data, self._take_models)
        self.predictions: dict[str, dict[int, xr.Dataset]] = {}
        self.measured: dict[str, xr.Dataset] = {}
        self.settings_of: dict[str, OperatorSettings] = {}
        self._experiments: dict[problems.PDEProblem, OperatorExperiment] = {}
        self._data_of: tuple[Any, ...] = ()
        self.problem = problems.get(problem) if isinstance(problem, str) else problem
        self.plan()

    @property
    def experiment(self) -> OperatorExperiment:
        """The experiment of the problem."""
        base = dataclasses.replace(self.problem, values={})
        if base not in self._experiments:
            # of the experiments of a problem the plain one, whatever others are called
            similar = experiments.of(problem=base.name, system="mg-tfno")
            if similar and base == problems.get(base.name):
                self._experiments[base] = similar[0]
            else:
                sizes = (similar[0] if similar else experiments.get(SIZES_OF[base.dimension])).sizes
                self._experiments[base] = operator_learning(
                    system="mg-tfno", title=base.title, problem=base, sizes=sizes, name=base.name
                )
        return self._experiments[base]

    @property
    def defaults(self) -> OperatorSettings:
        """The settings before any option of the studio was moved."""
        return self.experiment.configure(self.size, **self.given)

    def plan(self) -> tuple[OperatorExperiment, OperatorSettings]:
        """The experiment and the settings that a training started now would have. Raises what `configure` raises."""
        moved = {p.name: self.problem.values[p.name] for p in self.problem.parameters}
        parameters = tuple(f"{p.name}={moved[p.name]!r}" for p in self.problem.parameters if moved[p.name] != p.default)
        options = {**self.given, **self.options, "parameters": parameters, "models": (self.operator,), "seeds": 1}
        return self.experiment, self.experiment.configure(self.size, **options)

    @property
    def predicted(self) -> xr.Dataset | None:
        """`input`, `target` and `prediction` of the model shown at the resolution shown, all test functions."""
        return self.predictions.get(self.shown, {}).get(self.resolution)

    @property
    def metrics(self) -> xr.Dataset | None:
        """Errors of all models that can be looked at, dims (model, resolution, sample)."""
        import xarray as xr

        if not self.measured:
            return None
        names = [name for name in OPERATORS if name in self.measured]
        return xr.concat([self.measured[name] for name in names], xr.Variable("model", names))

    def close(self) -> None:
        """Stop what is under way and release the thread."""
        self.unobserve_all()
        self.training.close()

    @observe("problem")
    def _forget_options(self, change: dict[str, Any]) -> None:
        before = change["old"]
        if isinstance(before, problems.PDEProblem) and before.name != change["new"].name:
            self.options = {}

    def _take_data(self, prepared: Prepared) -> None:
        settings, data = self.training.settings, prepared.data
        assert settings is not None
        made_of = (data.problem, *(getattr(settings, name) for name in DATA))
        if made_of == self._data_of:
            return
        self._data_of = made_of
        for kept in (self.predictions, self.measured, self.settings_of, self.training.logs):
            kept.clear()
        self.training.logged += 1
        self._look(prepared, BASELINE, OPERATORS[BASELINE].build(data.task, settings), None)
        self.sample = min(self.sample, settings.test_samples - 1)
        self.samples = settings.test_samples
        self.resolutions = tuple(data.test)
        if self.resolution not in data.test:
            self.resolution = settings.resolution if settings.resolution in data.test else min(data.test)
        self._publish(BASELINE)

    def _take_models(self, prepared: Prepared, models: dict[str, nn.Module], result: Result | None) -> None:
        for name, model in models.items():
            self._look(prepared, name, model, result)
            self._publish(name)

    def _look(self, prepared: Prepared, name: str, model: nn.Module, result: Result | None) -> None:
        self.predictions[name] = {n: predict(model, dataset) for n, dataset in prepared.data.test.items()}
        whole = result.metrics.sel(model=name).isel(seed=0) if result else prepared.measure(model, model)
        self.measured[name] = whole.drop_vars(["model", "operator", "seed"], errors="ignore")
        self.settings_of[name] = self.training.settings

    def _publish(self, name: str) -> None:
        self.models = tuple(model for model in OPERATORS if model in self.predictions)
        self.shown = name
        self.revision += 1
