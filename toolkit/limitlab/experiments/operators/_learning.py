"""Learn the solution operator of a PDE at one resolution, test it at finer ones; any operators of the catalogue.

All samples are made once on the finest grid that is asked for; the training set and the coarser test sets are the same
functions, restricted. An error that grows with the test resolution is then the model's, not the data's.
Source: Li et al., Fourier Neural Operator (2021); Kossaifi et al., MG-TFNO (2023), whose plain FNO this is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from limitlab import operators, problems
from limitlab.data import ChannelStatistics, batches
from limitlab.errors import InvalidArgument
from limitlab.experiments.contract.experiment import Experiment, Prepared, ReportProgress, Trial
from limitlab.experiments.contract.result import Result
from limitlab.experiments.contract.settings import Ensemble, MixedPrecision, option
from limitlab.experiments.operators._drift import drift
from limitlab.experiments.operators._rates import assignments, rate_of, rates_of
from limitlab.experiments.operators._source import Source
from limitlab.experiments.operators.own._modules import Build, row_of, try_on
from limitlab.labels import labelled
from limitlab.operators import OPERATORS, Operator, Task
from limitlab.spaces import Grid, relative_l2, relative_sobolev
from limitlab.training import Recipe, operator_loss
from limitlab.training.batches import Batches
from limitlab.training.losses.relative import Loss

if TYPE_CHECKING:
    import plotly.graph_objects as go
    import xarray as xr

    from limitlab.problems import PDEProblem

EVALUATION_BATCH = 50
LEARNERS = tuple(name for name, row in OPERATORS.own.items() if row.trains)
"""All that the library has: what an experiment compares does not depend on what else is installed."""
FACTORIZATIONS = ("tucker", "cp", "tt", "joint")


@dataclass(frozen=True)
class OperatorSettings(Ensemble, MixedPrecision):
    """Settings of an operator-learning experiment; the defaults are the course size of the Darcy experiment.

    >>> ll.experiments.OperatorSettings(models=("fno", "mean"), epochs=20).steps
    500
    """

    parameters: tuple[str, ...] = option((), "the problem's parameters, such as viscosity=0.05")
    train_samples: int = option(500, "training functions", low=1, high=1_000_000)
    test_samples: int = option(50, "test functions", low=1, high=1_000_000)
    resolution: int = option(16, "points per axis in training", low=4, high=8192)
    test_resolutions: tuple[int, ...] = option((16, 32, 64), "points per axis in tests", low=4, high=8192)
    models: tuple[str, ...] = option(("fno", "unet", "mean"), "operators to compare", choices=OPERATORS)
    modes: int = option(8, "Fourier modes kept per axis", low=2, high=512)
    width: int = option(24, "channels of the hidden layers", low=2, high=512)
    layers: int = option(4, "Fourier layers", low=1, high=16)
    padding: float = option(0.0, "zeros around the domain, as a fraction of it per side", low=0.0, high=0.25)
    norm: str = option("none", "normalisation inside the layers", choices=("none", "instance", "group"))
    factorization: str = option("tucker", "format of a tensorised operator's weights", choices=FACTORIZATIONS)
    rank: float = option(0.1, "what its factors hold of the dense weights' numbers", low=0.001, high=1.0)
    loss: str = option("l2", "training loss", choices=("l2", "h1"))
    epochs: int = option(12, "passes over the training set", low=1, high=100_000)
    batch_size: int = option(20, "functions a step", low=1, high=4096)
    learning_rate: float = option(3e-3, "peak of the one-cycle schedule", low=1e-6, high=1.0)
    rates: tuple[str, ...] = option((), "the same for single models, such as unet=1e-3")
    weight_decay: float = option(1e-4, "AdamW's decay", low=0.0, high=1.0)
    workers: int = option(1, "processes that make data", low=1, high=256)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.models or not self.test_resolutions:
            raise InvalidArgument("models and test_resolutions must not be empty")
        if any(self.finest % coarse for coarse in (self.resolution, *self.test_resolutions)):
            raise InvalidArgument(
                f"test_resolutions and resolution must divide the finest of them ({self.finest}); "
                f"got {self.resolution} and {self.test_resolutions}"
            )
        fixed = [name for name in self.models if OPERATORS[name].fixed]
        if fixed and self.resolution not in self.test_resolutions:
            raise InvalidArgument(
                f"test_resolutions must hold the training resolution {self.resolution}, the only one of {fixed[0]}; "
                f"got {self.test_resolutions}"
            )
        if self.batch_size > self.train_samples:
            raise InvalidArgument(f"batch_size must be <= train_samples ({self.train_samples}); got {self.batch_size}")

    @property
    def finest(self) -> int:
        return max(self.resolution, *self.test_resolutions)

    @property
    def steps(self) -> int:
        return self.epochs * max(1, self.train_samples // self.batch_size)


@dataclass(frozen=True)
class OperatorData:
    """A problem, or a reader's functions, as (sample, channel, *grid) `input` and `target`; tests by resolution.

    loss: of the training, where it is another than the settings' kind of `operator_loss`.
    """

    problem: Source
    train: xr.Dataset
    test: dict[int, xr.Dataset]
    task: Task
    batches: Batches
    loss: Loss | None = None


def operator_learning(
    *, system: str, title: str, problem: str | PDEProblem, sizes: Mapping[str, OperatorSettings], name: str = ""
) -> Experiment[OperatorSettings, OperatorData]:
    """The experiment that learns the operator of a problem of the catalogue, or of a person's own.

    >>> heat = ll.problems.parse("u_t = nu*u_xx", {"nu": 0.05}, span=0.1)
    >>> settings = ll.experiments.OperatorSettings(models=("fno", "mean"), resolution=32, test_resolutions=(32, 64))
    >>> three = ll.experiments.sizes(settings, smoke={"train_samples": 20, "epochs": 2}, paper={"seeds": 5})
    >>> ll.experiments.operator_learning(system="mg-tfno", title="Heat", problem=heat, sizes=three).problem
    'own_equation'
    """

    def prepare(settings: OperatorSettings, progress: ReportProgress = False) -> Prepared[OperatorData]:
        return prepare_operator(problem_at(problem, settings), settings, progress)

    def check(settings: OperatorSettings) -> None:
        problem_at(problem, settings)
        rates_of(settings, OPERATORS)

    label = problem if isinstance(problem, str) else problem.name
    return Experiment(system, title, sizes, prepare, draw_operator, check, label, name)


def with_models(
    experiment: Experiment[OperatorSettings, OperatorData], **models: nn.Module | Build
) -> Experiment[OperatorSettings, OperatorData]:
    """The experiment with a person's own models beside those of its settings, on the same data, steps and seeds.

    A model is a torch module, of which every seed trains a copy, or a function of the task (`in_channels`,
    `out_channels`, `dimension`, `grid`) that makes one. It maps (batch, in_channels, *grid) to (batch, out_channels,
    *grid), on normalised fields, and is tried on zeros of every resolution before anything is trained. Raises
    InvalidArgument for an experiment that compares no operators, a name of the catalogue, and another map.

    >>> darcy = ll.experiments.with_models(ll.experiments.get("darcy_fno"), linear=torch.nn.Conv2d(1, 1, 1))
    >>> darcy.title
    'Darcy flow: from a two-phase coefficient to the pressure'
    """
    if not all(isinstance(settings, OperatorSettings) for settings in experiment.sizes.values()):
        operators_of = "an experiment of operators, such as 'darcy_fno'"
        raise InvalidArgument(
            f"experiment must be {operators_of}; got {experiment.name or experiment.title!r}, which with_rivals takes"
        )
    for name in models:
        if name in OPERATORS:
            raise InvalidArgument(f"{name!r} is an operator of the catalogue; give the model another name")
    rows = tuple(row_of(name, model) for name, model in models.items())
    extended = with_rows(experiment, *rows)

    def prepare(settings: OperatorSettings, progress: ReportProgress = False) -> Prepared[OperatorData]:
        prepared = extended.prepare(settings, progress)
        tests = [Grid.from_json(dataset.attrs["grid"]).shape for dataset in prepared.data.test.values()]
        for row in rows:
            try_on(row, settings, prepared.data.task, tests)
        return prepared

    return replace(extended, prepare=prepare)


def with_rows(
    experiment: Experiment[OperatorSettings, OperatorData], *added: Operator
) -> Experiment[OperatorSettings, OperatorData]:
    """The experiment with operators that the catalogue does not have beside those of its settings."""
    rows = {row.name: row for row in added}

    def prepare(settings: OperatorSettings, progress: ReportProgress = False) -> Prepared[OperatorData]:
        prepared = experiment.prepare(settings, progress)
        trials = (trial_of(row, settings, prepared.data) for row in rows.values())
        return replace(prepared, trials=(*prepared.trials, *trials))

    def check(settings: OperatorSettings) -> None:
        rates_of(settings, {**OPERATORS, **rows})
        others = tuple(entry for entry in settings.rates if entry.partition("=")[0].strip() not in rows)
        if experiment.check is not None:
            experiment.check(replace(settings, rates=others))

    return replace(experiment, prepare=prepare, check=check)


def problem_at(problem: str | PDEProblem, settings: OperatorSettings) -> PDEProblem:
    """The problem with the settings' parameters. Raises UnknownName or InvalidArgument for bad ones."""
    base = problems.get(problem) if isinstance(problem, str) else problem
    values = assignments("parameters", settings.parameters, "viscosity=0.05")
    return base.with_parameters(**values) if values else base


def prepare_operator(
    problem: Source, settings: OperatorSettings, progress: ReportProgress = False
) -> Prepared[OperatorData]:
    """Data on the finest grid, restricted; one trial for each operator of the settings."""
    common: dict[str, Any] = {"workers": settings.workers, "progress": progress}
    finest = {
        "train": problem.dataset(settings.train_samples, settings.seed, settings.finest, split="train", **common),
        "test": problem.dataset(settings.test_samples, settings.seed, settings.finest, split="test", **common),
    }

    def view(split: str, resolution: int) -> xr.Dataset:
        dataset = finest[split]
        restricted = dataset if resolution == settings.finest else problem.restrict(dataset, resolution)
        return problem.operator_view(restricted)

    train = view("train", settings.resolution)
    training_set = batches(train, size=settings.batch_size, seed=settings.seed)
    tensors = training_set.tensors()
    task = Task(
        in_channels=tensors["input"].shape[1],
        out_channels=tensors["target"].shape[1],
        grid=training_set.grid,
        statistics=(ChannelStatistics.of(tensors["input"]), ChannelStatistics.of(tensors["target"])),
        mean_target=tensors["target"].mean(0),
        targets=tensors["target"],
    )
    test = {n: view("test", n) for n in sorted(set(settings.test_resolutions))}
    data = OperatorData(problem, train, test, task, training_set)
    return Prepared(
        tuple(trial_of(OPERATORS[name], settings, data) for name in settings.models),
        lambda model, fresh: measure_operator(model, data, settings.resolution),
        data,
    )


def trial_of(operator: Operator, settings: OperatorSettings, data: OperatorData) -> Trial:
    """The trial of one operator: what learns does so between normalised fields, with the recipe of all."""

    def build(seed: int) -> nn.Module:
        # before the model draws its weights, so that a trial does not depend on those before it
        torch.manual_seed(seed)
        model = operator.build(data.task, settings)
        return operators.Normalized(model, *data.task.statistics) if operator.trains else model

    recipe = Recipe(
        data.loss or operator_loss(settings.loss, data.task.grid),
        data.batches,
        settings.steps,
        rate_of(settings, operator.name),
        weight_decay=settings.weight_decay,
    )
    return Trial({"operator": operator.name}, build, recipe if operator.trains else None)


@torch.no_grad()
def predict(model: nn.Module, dataset: xr.Dataset) -> xr.Dataset:
    """The dataset's `input` and `target` with the model's `prediction` beside them, on the same dims.

    A fixed operator has no answer on another grid than its own: NaN.
    """
    inputs = torch.as_tensor(dataset["input"].values)
    if operators.points_of(model) not in (None, tuple(inputs.shape[2:])):
        return dataset.assign(prediction=dataset["target"].where(False))
    device = next((tensor.device for tensor in (*model.parameters(), *model.buffers())), inputs.device)
    model.eval()
    # in parts: a test set at the finest resolution may not fit on the device
    outputs = torch.cat([model(part.to(device)).float().cpu() for part in inputs.split(EVALUATION_BATCH)])
    return dataset.assign(prediction=(dataset["target"].dims, outputs.numpy(), dict(dataset["target"].attrs)))


def measure_operator(model: nn.Module, data: OperatorData, train_resolution: int) -> xr.Dataset:
    """Relative L2 and H1 errors, and drifts, of every test sample at every test resolution, dims (resolution, sample).

    NaN where a fixed operator has no answer.
    """
    import xarray as xr

    rows = []
    predictions = {resolution: predict(model, dataset) for resolution, dataset in data.test.items()}
    for dataset, predicted in zip(data.test.values(), predictions.values(), strict=True):
        grid = Grid.from_json(dataset.attrs["grid"])
        # in double: an H1 error multiplies rounding by the largest wavenumber
        prediction, target = (torch.as_tensor(predicted[name].values).double() for name in ("prediction", "target"))
        errors = labelled(
            relative_l2=("sample", relative_l2(prediction, target, grid), "relative L2 error"),
            relative_h1=("sample", relative_sobolev(prediction, target, grid), "relative H1 error"),
        )
        rows.append(errors.assign_coords(sample=dataset["sample"]))
    resolution = labelled(resolution=("resolution", list(data.test), "points per axis in the test"))["resolution"]
    size = labelled(parameters=("", operators.count_parameters(model), "real parameters"))
    metrics = xr.concat(rows, resolution).merge(size).assign(drift=drift(predictions, data.problem))
    return metrics.assign_attrs(train_resolution=train_resolution, problem=data.problem.name)


def draw_operator(result: Result[Any, OperatorData]) -> dict[str, go.Figure]:
    """Training curves, error against resolution, error over samples, error spectrum and the median test sample."""
    from limitlab import figures

    settings, data = result.settings, result.data
    trials = result.prepared.trials
    name = next((trial.name for trial in trials if trial.recipe is not None), trials[0].name)
    seed = settings.seed_range[0]
    anywhere = operators.points_of(result.models[name, seed]) is None
    # what a file or a problem gave, which settings may leave open
    trained_at = data.task.grid.shape[0]
    finest = max(data.test) if anywhere else trained_at
    predicted = predict(result.models[name, seed], data.test[finest])
    errors = result.metrics["relative_l2"].sel(model=name, seed=seed, resolution=finest)
    # the nearest sample: of an even number the median is none of them
    median = int(abs(errors - errors.median()).values.argmin())
    return {
        "training": figures.training_curves(result.curves),
        "resolution": figures.error_against_resolution(result.metrics, train_resolution=trained_at),
        "distribution": figures.error_distribution(result.metrics),
        "spectrum": figures.error_spectrum(predicted, modes=settings.modes),
        "sample": figures.triptych(predicted.isel(sample=median)),
    }
