"""Learn the solution operator of a PDE at one resolution, test it at finer ones: FNO, U-Net and trivial predictors.

All samples are made once on the finest grid that is asked for; the training set and the coarser test sets are the same
functions, restricted. An error that grows with the test resolution is then the model's, not the data's.
Source: Li et al., Fourier Neural Operator (2021); Kossaifi et al., MG-TFNO (2023), whose plain FNO this is.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from limitlab import operators, problems
from limitlab.data import ChannelStatistics, batches
from limitlab.errors import InvalidArgument
from limitlab.experiments.contract.experiment import Experiment, Prepared, ReportProgress, Result
from limitlab.experiments.contract.settings import Settings, option
from limitlab.spaces import Grid, relative_l2, relative_sobolev
from limitlab.training import operator_loss

if TYPE_CHECKING:
    import plotly.graph_objects as go
    import xarray as xr

MODELS = ("fno", "unet", "mean", "persistence")
EVALUATION_BATCH = 50


@dataclass(frozen=True)
class OperatorSettings(Settings):
    """Settings of an operator-learning experiment; the defaults are the course size of the Darcy experiment."""

    parameters: tuple[str, ...] = option((), "the problem's parameters, such as viscosity=0.05")
    train_samples: int = option(500, "training functions", low=1, high=1_000_000)
    test_samples: int = option(50, "test functions", low=1, high=1_000_000)
    resolution: int = option(16, "points per axis in training", low=4, high=8192)
    test_resolutions: tuple[int, ...] = option((16, 32, 64), "points per axis in tests", low=4, high=8192)
    models: tuple[str, ...] = option(("fno", "unet", "mean"), "models to compare", choices=MODELS)
    modes: int = option(8, "Fourier modes kept per axis", low=2, high=512)
    width: int = option(24, "channels of the hidden layers", low=2, high=512)
    layers: int = option(4, "Fourier layers", low=1, high=16)
    padding: float = option(0.0, "zeros around the domain, as a fraction of it per side", low=0.0, high=0.25)
    norm: str = option("none", "normalisation inside the layers", choices=("none", "instance", "group"))
    loss: str = option("l2", "training loss", choices=("l2", "h1"))
    epochs: int = option(12, "passes over the training set", low=1, high=100_000)
    batch_size: int = option(20, "functions a step", low=1, high=4096)
    learning_rate: float = option(3e-3, "peak of the one-cycle schedule", low=1e-6, high=1.0)
    unet_learning_rate: float = option(3e-3, "the same for the U-Net", low=1e-6, high=1.0)
    weight_decay: float = option(1e-4, "AdamW's decay", low=0.0, high=1.0)
    seeds: int = option(3, "trainings a model, for the spread", low=1, high=100)
    seed: int = option(0, "seed of the data and of the first training", low=0, high=2**31)
    workers: int = option(1, "processes that make data", low=1, high=256)
    device: str = option("auto", "where to train", choices=("auto", "cpu", "cuda", "mps"))
    precision: str = option("no", "mixed precision", choices=("no", "bf16"))

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.models or not self.test_resolutions:
            raise InvalidArgument("models and test_resolutions must not be empty")
        finest = max(self.resolution, *self.test_resolutions)
        if any(finest % coarse for coarse in (self.resolution, *self.test_resolutions)):
            raise InvalidArgument(
                f"test_resolutions and resolution must divide the finest of them ({finest}); "
                f"got {self.resolution} and {self.test_resolutions}"
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
    """The problem and its functions, (sample, channel, *grid) `input` and `target`; tests by resolution."""

    problem: "problems.PDEProblem"
    train: "xr.Dataset"
    test: dict[int, "xr.Dataset"]


def operator_learning(
    name: str, title: str, problem: "str | problems.PDEProblem", sizes: dict[str, OperatorSettings]
) -> Experiment:
    """The experiment that learns the operator of a problem of the catalogue, or of a person's own."""

    def prepare(settings: Settings, progress: ReportProgress = False) -> Prepared:
        assert isinstance(settings, OperatorSettings)
        return prepare_operator(problem_at(problem, settings), settings, progress)

    return Experiment(
        name=name,
        title=title,
        system="mg-tfno",
        sizes=sizes,
        prepare=prepare,
        draw=draw_operator,
        check=lambda settings: problem_at(problem, settings),
        problem=problem if isinstance(problem, str) else problem.name,
    )


def problem_at(problem: "str | problems.PDEProblem", settings: Settings) -> "problems.PDEProblem":
    """The problem with the settings' parameters. Raises UnknownName or InvalidArgument for bad ones."""
    assert isinstance(settings, OperatorSettings)
    base = problems.get(problem) if isinstance(problem, str) else problem
    values = {}
    for entry in settings.parameters:
        key, equals, number = entry.partition("=")
        try:
            values[key.strip()] = float(number)
        except ValueError:
            equals = ""
        if not equals:
            raise InvalidArgument(f"parameters must be entries such as viscosity=0.05; got {entry!r:.80}")
    return base.with_parameters(**values) if values else base


def prepare_operator(
    problem: "problems.PDEProblem", settings: OperatorSettings, progress: ReportProgress = False
) -> Prepared:
    """Data on the finest grid, restricted; models of equal parameter count; the loss on decoded outputs."""
    common: dict[str, Any] = {"workers": settings.workers, "progress": progress}
    made = {
        "train": problem.dataset(settings.train_samples, settings.seed, settings.finest, split="train", **common),
        "test": problem.dataset(settings.test_samples, settings.seed, settings.finest, split="test", **common),
    }

    def view(split: str, resolution: int) -> "xr.Dataset":
        dataset = made[split]
        restricted = dataset if resolution == settings.finest else problem.restrict(dataset, resolution)
        return problem.operator_view(restricted)

    data = OperatorData(
        problem,
        view("train", settings.resolution),
        {n: view("test", n) for n in sorted(set(settings.test_resolutions))},
    )
    training_set = batches(data.train, size=settings.batch_size, seed=settings.seed)
    whole = training_set.tensors()
    statistics = [ChannelStatistics.of(whole[role]) for role in ("input", "target")]
    inputs, outputs = (whole[role].shape[1] for role in ("input", "target"))
    grid = training_set.grid

    def build(model: str, seed: int) -> nn.Module:
        if model == "mean":
            return operators.MeanPredictor(whole["target"].mean(0))
        if model == "persistence":
            return operators.Persistence()
        torch.manual_seed(seed)
        fno = operators.build(
            "fno",
            inputs,
            outputs,
            grid.dimension,
            modes=(settings.modes,) * grid.dimension,
            width=settings.width,
            layers=settings.layers,
            padding=settings.padding,
            norm=None if settings.norm == "none" else settings.norm,
        )
        network = fno
        if model == "unet":
            network = operators.unet_with_parameters(operators.count_parameters(fno), inputs, outputs, grid.dimension)
        return operators.Normalized(network, *statistics)

    def training(model: str) -> dict[str, Any] | None:
        if model in ("mean", "persistence"):
            return None
        return {
            "steps": settings.steps,
            "learning_rate": settings.unet_learning_rate if model == "unet" else settings.learning_rate,
            "weight_decay": settings.weight_decay,
            "schedule": "one_cycle",
            "device": settings.device,
            "precision": settings.precision,
        }

    return Prepared(
        settings=settings,
        models=settings.models,
        seeds=tuple(range(settings.seed, settings.seed + settings.seeds)),
        batches=training_set,
        loss=operator_loss(settings.loss, grid),
        build=build,
        training=training,
        measure=lambda model: measure_operator(model, data, settings.resolution),
        data=data,
    )


@torch.no_grad()
def predict(model: nn.Module, dataset: "xr.Dataset") -> "xr.Dataset":
    """The dataset's `input` and `target` with the model's `prediction` beside them, on the same dims."""
    inputs = torch.as_tensor(dataset["input"].values)
    device = next((tensor.device for tensor in (*model.parameters(), *model.buffers())), inputs.device)
    model.eval()
    outputs = torch.cat([model(part.to(device)).float().cpu() for part in inputs.split(EVALUATION_BATCH)])
    return dataset.assign(prediction=(dataset["target"].dims, outputs.numpy(), dict(dataset["target"].attrs)))


def measure_operator(model: nn.Module, data: OperatorData, train_resolution: int) -> "xr.Dataset":
    """Relative L2 and H1 errors of every test sample at every test resolution, dims (resolution, sample)."""
    import xarray as xr

    rows = []
    for dataset in data.test.values():
        predicted = predict(model, dataset)
        grid = Grid.from_json(dataset.attrs["grid"])
        prediction, target = (torch.as_tensor(predicted[name].values).double() for name in ("prediction", "target"))
        errors: dict[str, Tensor] = {
            "relative_l2": relative_l2(prediction, target, grid),
            "relative_h1": relative_sobolev(prediction, target, grid),
        }
        names = {"relative_l2": "relative L2 error", "relative_h1": "relative H1 error"}
        rows.append(
            xr.Dataset(
                {
                    key: ("sample", values.numpy(), {"long_name": names[key], "units": "1"})
                    for key, values in errors.items()
                },
                coords={"sample": dataset["sample"]},
            )
        )
    resolution = xr.DataArray(
        list(data.test),
        dims="resolution",
        name="resolution",
        attrs={"long_name": "points per axis in the test", "units": "1"},
    )
    metrics = xr.concat(rows, resolution)
    metrics["parameters"] = ((), operators.count_parameters(model), {"long_name": "real parameters", "units": "1"})
    return metrics.assign_attrs(train_resolution=train_resolution, problem=data.problem.name)


def draw_operator(result: Result) -> dict[str, "go.Figure"]:
    """Training curves, error against resolution, error over samples, error spectrum and the median test sample."""
    from limitlab import figures

    settings, data = result.prepared.settings, result.prepared.data
    assert isinstance(settings, OperatorSettings)
    name = "fno" if "fno" in result.prepared.models else result.prepared.models[0]
    seed = result.prepared.seeds[0]
    finest = max(data.test)
    predicted = predict(result.models[name, seed], data.test[finest])
    errors = result.metrics["relative_l2"].sel(model=name, seed=seed, resolution=finest)
    median = int(abs(errors - errors.median()).values.argmin())
    return {
        "training": figures.training_curves(result.curves),
        "resolution": figures.error_against_resolution(result.metrics, train_resolution=settings.resolution),
        "distribution": figures.error_distribution(result.metrics),
        "spectrum": figures.error_spectrum(predicted, modes=settings.modes),
        "sample": figures.triptych(predicted.isel(sample=median)),
    }
