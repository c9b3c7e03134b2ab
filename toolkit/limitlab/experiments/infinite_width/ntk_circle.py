"""Regression on a circle by networks of several widths, beside their linearised twins and the infinitely wide network.

Full-batch gradient descent on 1/2 sum |f - y|^2 at twelve angles of y = sin 2a + cos(a)/2. With the width the tangent
kernel moves less and less (drift n^-1), a network stays with its linearised twin (n^(-1/2)), and the mean of many is
kernel regression. Baselines of the same run: the narrow networks, and regression with the NNGP covariance, which is
training of the last layer alone. The paper size is the circle of the paper, with four layers.
Source: Jacot, Gabriel, Hongler, Neural tangent kernel, arXiv 1806.07572; Lee et al., arXiv 1902.06720.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from limitlab.errors import InvalidArgument
from limitlab.experiments.contract.experiment import Experiment, Prepared, ReportProgress, Result
from limitlab.experiments.contract.settings import Settings, option
from limitlab.infinite_width import ACTIVATIONS, Network, WidthStudy, empirical_ntk, mlp
from limitlab.infinite_width.finite.width_study import Start

if TYPE_CHECKING:
    import plotly.graph_objects as go
    import xarray as xr

BASELINES = ("nngp", "ntk")
SMOOTH_OR_NOT = tuple(name for name in ("relu", "erf", "tanh", "gelu", "sin") if name in ACTIVATIONS)
VARIABLES = {
    "prediction": "output",
    "linearized": "output of the linearised network",
    "slice_start": "tangent kernel with the first point, before training",
    "slice_end": "tangent kernel with the first point, after training",
    "residual_start": "residual before training",
    "own_eigenvalue": "eigenvalue of the kernel at the start",
    "drift": "drift of the kernel in training",
    "kernel_error": "error of the kernel at the start",
    "deviation": "deviation from the linearised network, test points",
    "deviation_train": "deviation from the linearised network, training points",
    "distance": "distance to the limit from the same start, test points",
    "residual": "residual after training over the targets",
    "test_error": "mean squared error at the test points",
}


@dataclass(frozen=True)
class CircleSettings(Settings):
    """The network class, the circle and the training; rate 0 stands for 1/(largest eigenvalue of the kernel)."""

    hidden: int = option(2, "hidden layers", low=1, high=8)
    activation: str = option("relu", "activation", choices=SMOOTH_OR_NOT)
    weight_variance: float = option(
        2.0, "variance of the weights, before it is divided by the inputs", low=0.01, high=16
    )
    bias_variance: float = option(0.01, "variance of the biases", low=0.0, high=16)
    points: int = option(12, "training points on the circle", low=2, high=1000)
    test_points: int = option(64, "test points on the circle", low=2, high=10_000)
    widths: tuple[int, ...] = option((64, 256, 1024), "units of a layer", low=1, high=65_536)
    rate: float = option(0.0, "rate of gradient descent; 0 for 1/(largest eigenvalue)", low=0.0, high=1e6)
    steps: int = option(400, "steps of gradient descent", low=1, high=1_000_000)
    modes: int = option(6, "leading modes of the residual that are logged", low=1, high=100)
    records: int = option(30, "steps that are kept of them, spaced by logarithms", low=2, high=1000)
    seeds: int = option(5, "networks a width", low=1, high=1000)
    seed: int = option(0, "seed of the first network", low=0, high=2**31)
    device: str = option("auto", "where to train", choices=("auto", "cpu", "cuda", "mps"))

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.widths or len(set(self.widths)) < len(self.widths):
            raise InvalidArgument(f"widths must hold different numbers, one or more; got {self.widths}")
        if self.modes > self.points:
            raise InvalidArgument(f"modes must be <= points ({self.points}); got {self.modes}")


@dataclass(frozen=True)
class CircleData:
    """The limit and the problem it learns; angles of the test points."""

    study: WidthStudy
    angles: Float[Tensor, " x"]
    targets_there: Float[Tensor, " x"]


class Predicted(nn.Module):
    """What a limit says at the test points; nothing to learn."""

    outputs: Tensor

    def __init__(self, outputs: Float[Tensor, " x"]) -> None:
        super().__init__()
        self.register_buffer("outputs", outputs)


class FullBatch:
    """All points at every step."""

    def __init__(self, x: Tensor, y: Tensor) -> None:
        self.rows = {"input": x, "target": y[:, None]}

    def batch(self, step: int) -> Mapping[str, Tensor]:
        return self.rows

    def shard(self, rank: int, world: int) -> "FullBatch":
        raise InvalidArgument("gradient descent on a few points runs in one process")


def squared_error(network: nn.Module, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """1/2 sum |f - y|^2."""
    return {"squared_error": 0.5 * (network(batch["input"]) - batch["target"]).square().sum()}


def target(angles: Tensor) -> Tensor:
    """sin 2a + cos(a)/2."""
    return torch.sin(2 * angles) + torch.cos(angles) / 2


def circle(angles: Tensor) -> Float[Tensor, "points 2"]:
    """The points of the unit circle at these angles."""
    return torch.stack([torch.cos(angles), torch.sin(angles)], -1)


def prepare(settings: Settings, progress: ReportProgress = False) -> Prepared:
    """Networks of every width and seed on one problem, the limit and the NNGP beside them."""
    assert isinstance(settings, CircleSettings)
    whole = 2 * torch.pi / settings.points * torch.arange(settings.points, dtype=torch.float64)
    angles = 2 * torch.pi / settings.test_points * torch.arange(settings.test_points, dtype=torch.float64)
    study = WidthStudy(
        mlp(settings.hidden, settings.activation, settings.weight_variance, settings.bias_variance),
        circle(whole),
        target(whole),
        circle(angles),
        steps=settings.steps,
        rate=settings.rate or None,
    )
    data = CircleData(study, angles, target(angles))
    limit = study.limit()
    says = {"nngp": limit["nngp"], "ntk": limit["mean"].isel(step=-1)}
    widths = {f"width-{width}": width for width in settings.widths}
    start = lru_cache(maxsize=2)(study.start)

    def build(model: str, seed: int) -> nn.Module:
        if model in says:
            return Predicted(torch.tensor(says[model].values))
        return Network(study.architecture, 2, widths[model], seed=seed)

    def modes(model: nn.Module) -> dict[str, float]:
        assert isinstance(model, Network)
        own = start(model.width, model.seed)
        outputs = model(study.x.to(next(model.parameters()).device))[:, 0].cpu()
        leading = own.twin.residual_modes(outputs)[:, 0].flip(0)[: settings.modes]
        return {f"residual_{place}": value for place, value in enumerate(leading.tolist(), start=1)}

    def training(model: str) -> dict[str, Any] | None:
        if model in says:
            return None
        return {
            "steps": settings.steps,
            "learning_rate": study.rate,
            "weight_decay": 0.0,
            "schedule": "constant",
            "optimizer": "sgd",
            "evaluate": modes,
            "evaluate_every": 1,  # the leading modes die within a few steps
            "device": settings.device,
        }

    return Prepared(
        settings=settings,
        models=(*widths, *BASELINES),
        seeds=tuple(range(settings.seed, settings.seed + settings.seeds)),
        batches=FullBatch(study.x, study.y),
        loss=squared_error,
        build=build,
        training=training,
        measure=lambda model: measure(
            model, data, start(model.width, model.seed) if isinstance(model, Network) else None, settings.modes
        ),
        data=data,
    )


@torch.no_grad()
def measure(model: nn.Module, data: CircleData, start: Start | None, modes: int) -> "xr.Dataset":
    """A trained network against its start, its linearised twin and the limit; of a limit the prediction alone."""
    import xarray as xr

    study = data.study
    blank = torch.full((), torch.nan, dtype=torch.float64)
    values = {name: blank for name in VARIABLES}
    values |= {name: blank.expand(len(data.angles)) for name in ("linearized", "slice_start", "slice_end")}
    values |= {name: blank.expand(modes) for name in ("residual_start", "own_eigenvalue")}
    width = torch.inf
    if start is None:
        assert isinstance(model, Predicted)
        values["prediction"] = model.outputs
    else:
        assert isinstance(model, Network)
        width, steps, n = model.width, float(study.steps[-1]), len(study.x)
        model.to(study.x.device)
        limit, cross, _ = study.block("ntk")
        train, there = (model(x)[:, 0] for x in (study.x, study.x_test))
        linear_train, linear = start.linearized(steps)
        ideal = study.dynamics.elsewhere(cross, start.outputs, start.outputs_there)(steps)
        values |= {
            "prediction": there,
            "linearized": linear,
            "slice_start": start.kernel[n:, 0],
            "slice_end": empirical_ntk(model, study.x_test, study.x[:1], outputs="trace")[:, 0],
            "residual_start": start.twin.residual_modes(start.outputs)[:, 0].flip(0)[:modes],
            "own_eigenvalue": start.twin.eigenvalues.flip(0)[:modes],
            "drift": start.drift(model, study.x),
            "kernel_error": (start.trained_kernel - limit).norm() / limit.norm(),
            "deviation": root_mean_square(there - linear),
            "deviation_train": root_mean_square(train - linear_train),
            "distance": root_mean_square(there - ideal),
            "residual": root_mean_square(train - study.y) / root_mean_square(study.y),
        }
    values["test_error"] = (values["prediction"] - data.targets_there).square().mean()
    return xr.Dataset(
        {
            name: (
                () if value.dim() == 0 else "mode" if name in ("residual_start", "own_eigenvalue") else "x",
                value.numpy(),
                {"long_name": VARIABLES[name], "units": "1"},
            )
            for name, value in values.items()
        },
        coords={
            "x": ("x", data.angles.numpy(), {"long_name": "angle", "units": "rad"}),
            "mode": ("mode", range(1, modes + 1), {"long_name": "mode", "units": "1"}),
            "width": ((), float(width), {"long_name": "width", "units": "1"}),
        },
        attrs={"rate": study.rate, "steps": int(study.steps[-1])},
    )


def root_mean_square(values: Tensor) -> Tensor:
    return values.square().mean().sqrt()


def by_width(result: Result) -> "xr.Dataset":
    """The metrics of the trained networks with the dims (width, seed, ...), ready for fits and figures of widths."""
    by_number = result.metrics.sel(model=trained(result)).swap_dims(model="width").drop_vars("model")
    return by_number.assign_coords(width=by_number["width"].astype(int).assign_attrs(by_number["width"].attrs))


def trained(result: Result) -> list[str]:
    """Names of the models that learn."""
    return [name for name in result.prepared.models if name not in BASELINES]


def modes_of(result: Result) -> "xr.Dataset":
    """The leading modes as `decay_fit` and `dying_modes` take them: residual (width, seed, step, mode), eigenvalues."""
    import xarray as xr

    study, settings = by_width(result), result.prepared.settings
    assert isinstance(settings, CircleSettings)
    names = [f"residual_{mode}" for mode in study["mode"].values]
    logged = xr.concat([result.curves[name].sel(model=trained(result)) for name in names], "mode")
    kept = np.unique(np.geomspace(1, settings.steps, settings.records).round().astype(int))
    widths = ("model", study["width"].values)
    later = logged.sel(step=kept).assign_coords(model=widths).rename(model="width")
    first = study["residual_start"].expand_dims(step=[0])
    residual = xr.concat([first, later.assign_coords(mode=study["mode"])], "step").transpose(
        "width", "seed", "step", "mode"
    )
    residual["step"].attrs.update(long_name="training step", units="1")
    return xr.Dataset(
        {"residual": residual.assign_attrs(long_name="residual", units="1"), "own_eigenvalue": study["own_eigenvalue"]},
        attrs=result.metrics.attrs,
    )


def draw(result: Result) -> dict[str, "go.Figure"]:
    """Laws of the width, trained networks in the band of the limit, and the residual's modes as they die."""
    import xarray as xr

    from limitlab import figures

    data, study, settings = result.prepared.data, by_width(result), result.prepared.settings
    assert isinstance(settings, CircleSettings)
    laws = study[["drift", "kernel_error", "deviation"]] if len(settings.widths) > 1 else None
    limit = data.study.limit().isel(step=-1)
    widest = study.sel(width=int(study["width"].max().item()))
    band = xr.Dataset(
        {
            "network": widest["prediction"],
            "mean": ("x", limit["mean"].values),
            "std": ("x", limit["std"].values),
        },
        coords={"x": widest["x"]},
    )
    angles = 2 * torch.pi / settings.points * torch.arange(settings.points)
    learned = xr.DataArray(data.study.y.numpy(), dims="x", coords={"x": angles.numpy()})
    modes = modes_of(result).isel(seed=0)
    drawn = {
        "training": figures.training_curves(result.curves),
        "functions": figures.ensemble_functions(band, learned),
        "modes": figures.dying_modes(modes),
    }
    return drawn if laws is None else drawn | {"laws": figures.width_laws(laws)}


COURSE = CircleSettings()
SMOKE = replace(COURSE, widths=(16, 64), seeds=2, steps=40, test_points=16)
PAPER = replace(
    COURSE, hidden=3, weight_variance=1.0, widths=(500, 10_000), rate=1.0, steps=200, seeds=10, test_points=128
)

EXPERIMENT = Experiment(
    name="ntk_circle",
    title="Wide networks on a circle, their linearised twins and their limit",
    system="ntk",
    sizes={"smoke": SMOKE, "course": COURSE, "paper": PAPER},
    prepare=prepare,
    draw=draw,
    check=lambda settings: None,
)
