"""Which parametrisation trains alike at every width: how far a few steps of Adam move the activations of each module.

Networks of several widths learn the digits in the standard parametrisation (SP, the baseline) and under muP, the same
network at the base width. The change of every module is a power of the width; under muP all powers are near zero.
Source: Yang et al., Tensor programs V, arXiv 2203.03466, appendix D.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from torch import Tensor, nn

from limitlab.data.sources.digit_task import cross_entropy, digit_task
from limitlab.errors import InvalidArgument
from limitlab.experiments.contract.experiment import Experiment, Prepared, ReportProgress, Result
from limitlab.experiments.contract.settings import Settings, option
from limitlab.infinite_width.parametrizations.coordinate_check import coordinates, movement, passes, width_exponents
from limitlab.infinite_width.parametrizations.digit_networks import digit_networks

if TYPE_CHECKING:
    import plotly.graph_objects as go
    import xarray as xr

PARAMETRIZATIONS = ("sp", "mup")


@dataclass(frozen=True)
class CoordinateSettings(Settings):
    """Widths, steps and the rate, which should be larger than the one to train with."""

    parametrizations: tuple[str, ...] = option(PARAMETRIZATIONS, "parametrisations", choices=PARAMETRIZATIONS)
    widths: tuple[int, ...] = option((64, 128, 256, 512, 1024, 2048), "units of a layer", low=1, high=65_536)
    base_width: int = option(64, "width at which all parametrisations are one", low=1, high=65_536)
    optimizer: str = option("adam", "optimiser", choices=("adam", "adamw", "sgd"))
    learning_rate: float = option(1e-2, "rate at the base width", low=1e-6, high=100.0)
    steps: int = option(3, "training steps", low=1, high=1000)
    batch_size: int = option(64, "images a step", low=1, high=1797)
    probes: int = option(256, "images on which the activations are looked at", low=1, high=1797)
    seeds: int = option(4, "networks a width", low=1, high=100)
    seed: int = option(0, "seed of the batches and of the first network", low=0, high=2**31)
    device: str = option("auto", "where to train", choices=("auto", "cpu", "cuda", "mps"))

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.parametrizations or len(set(self.widths)) < 2:
            raise InvalidArgument("parametrizations must not be empty, and widths need two or more to fit a power to")


@dataclass(frozen=True)
class Choice:
    """One cell of the grid."""

    parametrization: str
    width: int


def prepare(settings: Settings, progress: ReportProgress = False) -> Prepared:
    """All networks on the same batches; the metrics `change_h1` ... are logged at every step."""
    assert isinstance(settings, CoordinateSettings)
    task = digit_task(settings.batch_size, settings.seed)
    probe = task.images[: settings.probes]
    common = {} if settings.optimizer == "sgd" else {"betas": (0.9, 0.95)}
    kinds = {
        kind: digit_networks(kind, base_width=settings.base_width, optimizer=settings.optimizer, **common)
        for kind in settings.parametrizations
    }
    choices = {f"{kind}/width-{n}": Choice(kind, n) for kind in settings.parametrizations for n in settings.widths}
    starts: WeakKeyDictionary[nn.Module, dict[str, Tensor]] = WeakKeyDictionary()

    def build(name: str, seed: int) -> nn.Module:
        make_model, _ = kinds[choices[name].parametrization]
        model = make_model(choices[name].width, seed)
        starts[model] = coordinates(model, probe)
        return model

    def measure(model: nn.Module) -> "xr.Dataset":
        """`size` and `change` of every module after training."""
        device = next(model.parameters()).device
        now = coordinates(model, probe.to(device))
        return movement(starts[model], {name: values.cpu() for name, values in now.items()})

    def training(name: str) -> dict[str, Any]:
        return {
            "steps": settings.steps,
            "learning_rate": settings.learning_rate,
            "weight_decay": 0.0,
            "schedule": "constant",
            "optimizer": settings.optimizer,
            "groups": kinds[choices[name].parametrization][1],
            "evaluate": lambda model: changes(measure(model)),
            "evaluate_every": 1,
            "device": settings.device,
        }

    return Prepared(
        settings=settings,
        models=tuple(choices),
        seeds=tuple(range(settings.seed, settings.seed + settings.seeds)),
        batches=task.batches,
        loss=cross_entropy,
        build=build,
        training=training,
        measure=measure,
        data=choices,
    )


def changes(measured: "xr.Dataset") -> dict[str, float]:
    """The change of each module as metrics of a step."""
    return {f"change_{name}": float(measured["change"].sel(module=name)) for name in measured["module"].values}


def gridded(dataset: "xr.Dataset", choices: Mapping[str, Any], *fields: str) -> "xr.Dataset":
    """The dim `model` taken apart into the fields of what each name stands for."""
    chosen = [choices[name] for name in dataset["model"].values]
    columns = {field: [getattr(choice, field) for choice in chosen] for field in fields}
    along = dataset.drop_vars(["model", *(field for field in fields if field in dataset.coords)])
    grid = along.assign_coords({field: ("model", column) for field, column in columns.items()})
    grid = grid.set_index(model=list(fields)).unstack("model")
    grid = grid.reindex({field: list(dict.fromkeys(column)) for field, column in columns.items()})
    for field in fields:
        grid[field].attrs.update(long_name=field.replace("_", " "), units="1")
    return grid


def fan(result: Result) -> "xr.Dataset":
    """`change` (parametrization, module, width, step, seed), as `coordinate_check` gives it."""
    import xarray as xr

    modules = [str(name) for name in result.metrics["module"].values]
    logged = gridded(result.curves, result.prepared.data, "parametrization", "width")
    change = xr.concat([logged[f"change_{name}"] for name in modules], xr.DataArray(modules, dims="module"))
    change.attrs = result.metrics["change"].attrs
    return xr.Dataset({"change": change.rename(concat_dim="module") if "concat_dim" in change.dims else change})


def exponents(result: Result) -> "xr.Dataset":
    """Powers of the width, (parametrization, module): `change` and `size` after training, and whether it `passes`."""
    import xarray as xr

    measured = gridded(result.metrics, result.prepared.data, "parametrization", "width")
    return xr.Dataset(
        {
            "change": width_exponents(measured["change"]),
            "size": width_exponents(measured["size"]),
            "passes": passes(measured.expand_dims("step")),
        }
    )


def draw(result: Result) -> dict[str, "go.Figure"]:
    """The fan of changes against the width."""
    from limitlab import figures

    return {"coordinates": figures.coordinate_fan(fan(result))}


COURSE = CoordinateSettings()
SMOKE = replace(COURSE, widths=(64, 128, 256), seeds=2)
PAPER = replace(COURSE, widths=(64, 128, 256, 512, 1024, 2048, 4096, 8192), seeds=10, steps=10)

EXPERIMENT = Experiment(
    name="coordinate_check",
    title="Coordinate check: SP and muP on the digits",
    system="feature-learning",
    sizes={"smoke": SMOKE, "course": COURSE, "paper": PAPER},
    prepare=prepare,
    draw=draw,
    check=lambda settings: None,
)
