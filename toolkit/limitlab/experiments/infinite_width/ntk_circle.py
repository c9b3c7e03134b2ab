"""Regression on a circle by networks of several widths, beside their linearised twins and the infinitely wide network.

Full-batch gradient descent on 1/2 sum |f - y|^2 at twelve angles of y = sin 2a + cos(a)/2. With the width the tangent
kernel moves less and less (drift n^-1), a network stays with its linearised twin (n^(-1/2)), and the mean of many is
kernel regression. Baselines of the same run: the narrow networks, and regression with the NNGP covariance, which is
training of the last layer alone. The paper size is the circle of the paper, with four layers.
Source: Jacot, Gabriel, Hongler, Neural tangent kernel, arXiv 1806.07572; Lee et al., arXiv 1902.06720.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from limitlab.errors import InvalidArgument
from limitlab.experiments.contract.experiment import Experiment, Prepared, ReportProgress, Result, Trial
from limitlab.experiments.contract.settings import Ensemble, Trained, option, sizes
from limitlab.infinite_width import WidthStudy, mlp
from limitlab.infinite_width.circle import (
    TARGETS,
    TWO_WAVES,
    CircleRegression,
    ClosedForm,
    circle_regression,
    closed_form,
)
from limitlab.infinite_width.finite.width_study import Start
from limitlab.labels import labelled
from limitlab.training import descent, fixed

if TYPE_CHECKING:
    import plotly.graph_objects as go
    import xarray as xr

ACTIVATIONS = (
    *("relu", "leaky_relu", "abs", "erf", "tanh", "sigmoid", "sin", "cos", "gelu", "silu", "softplus", "linear"),
)
TEST_ERROR = "mean squared error at the test points"


@dataclass(frozen=True)
class CircleSettings(Ensemble, Trained):
    """The network class, the circle and the training; rate 0 stands for 1/(largest eigenvalue of the kernel)."""

    hidden: int = option(2, "hidden layers", low=1, high=8)
    activation: str = option("relu", "activation", choices=ACTIVATIONS)
    weight_variance: float = option(
        2.0, "variance of the weights, before it is divided by the inputs", low=0.01, high=16
    )
    bias_variance: float = option(0.01, "variance of the biases", low=0.0, high=16)
    target: str = option(TWO_WAVES, "function of the angle that is learned", choices=tuple(TARGETS))
    points: int = option(12, "training points on the circle", low=2, high=1000)
    test_points: int = option(64, "test points on the circle", low=2, high=10_000)
    widths: tuple[int, ...] = option((64, 256, 1024), "units of a layer", low=1, high=65_536, distinct=True)
    rate: float = option(0.0, "rate of gradient descent; 0 for 1/(largest eigenvalue)", low=0.0, high=1e6)
    modes: int = option(6, "leading modes of the residual that are logged", low=1, high=100)
    records: int = option(30, "steps at which figures show them, spaced by logarithms", low=2, high=1000)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.modes > self.points:
            raise InvalidArgument(f"modes must be <= points ({self.points}); got {self.modes}")


@dataclass(frozen=True)
class CircleData:
    """The problem, the study of it beside whose limit networks are measured, and what `study.limit` says."""

    task: CircleRegression
    study: WidthStudy
    limit: xr.Dataset


def squared_error(network: nn.Module, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """1/2 sum |f - y|^2."""
    return {"squared_error": 0.5 * (network(batch["input"]) - batch["target"]).square().sum()}


def prepare(settings: CircleSettings, progress: ReportProgress = False) -> Prepared[CircleData]:
    """Networks of every width on one problem, and what the two limits predict."""
    task = circle_regression(settings.points, settings.test_points, settings.target)
    study = WidthStudy(
        mlp(settings.hidden, settings.activation, settings.weight_variance, settings.bias_variance),
        task.x,
        task.y,
        task.x_test,
        steps=settings.steps,
        rate=settings.rate or None,  # a form has no field for None
        records=settings.records + 1,
    )
    recipe = descent(
        squared_error,
        fixed(input=study.x, target=study.y[:, None]),
        settings.steps,
        study.rate,
        # every step asks for the same start, whose kernel takes longer than the step
        evaluate=partial(leading_modes, lru_cache(maxsize=1)(study.start_of), study.x, settings.modes),
        evaluate_every=1,
    )
    networks = (Trial({"width": width}, partial(study.network, width), recipe) for width in settings.widths)
    limit = study.limit()
    predictions = {"nngp": limit["nngp"], "ntk": limit["mean"].isel(step=-1)}
    limits = (Trial({"limit": name}, closed_form(torch.tensor(p.values))) for name, p in predictions.items())
    data = CircleData(task, study, limit)
    return Prepared((*networks, *limits), partial(measure, data, settings.modes), data)


def leading_modes(
    start_of: Callable[[nn.Module], Start], x: Tensor, modes: int, network: nn.Module, fresh: nn.Module
) -> dict[str, float]:
    """The residual along the leading eigenvectors of the kernel before training: residual_1, residual_2, ..."""
    # back to the points, beside which the kernel's eigenvectors are
    outputs = network(x.to(next(network.parameters()).device))[:, 0].to(x.device)
    residual = start_of(fresh.to(x.device)).residual(outputs)[:modes]
    return {f"residual_{mode}": value for mode, value in enumerate(residual.tolist(), start=1)}


def measure(data: CircleData, modes: int, model: nn.Module, fresh: nn.Module) -> xr.Dataset:
    """A trained network against its start, its linearised twin and the limit; of a limit the prediction alone."""
    task, study = data.task, data.study
    if isinstance(model, ClosedForm):
        measured = labelled(study.attributes, prediction=("x", model.values, "output"))
    else:
        measured = study.compare(model.to(study.x.device), fresh.to(study.x.device), modes)
    error = task.test_error(torch.from_numpy(measured["prediction"].values))
    return measured.merge(labelled(test_error=("", error, TEST_ERROR), x=("x", task.test_angles, "angle", "rad")))


def modes_of(result: Result[CircleSettings, CircleData]) -> xr.Dataset:
    """The leading modes as `decay_fit` and `dying_modes` take them: residual (width, seed, step, mode), eigenvalues."""
    import xarray as xr

    study, networks, logged = result.data.study, result.grid("width"), result.grid("width", of=result.curves)
    later = xr.concat([logged[f"residual_{mode}"] for mode in networks["mode"].values], networks["mode"])
    start = networks["residual_start"].expand_dims(step=[0])
    # the log begins after the first step; the start is measured apart
    residual = xr.concat([start, later.sel(step=study.steps[1:])], "step").transpose("width", "seed", "step", "mode")
    residual["step"].attrs.update(long_name="training step", units="1")
    return xr.Dataset(
        {
            "residual": residual.assign_attrs(long_name="residual", units="1"),
            "eigenvalue_start": networks["eigenvalue_start"],
        },
        attrs=study.attributes,
    )


def slices(result: Result[CircleSettings, CircleData], *widths: int) -> tuple[xr.DataArray, xr.DataArray]:
    """The kernel with the first point before and after training, as `kernel_slices` takes it, and the limit's (x)."""
    import xarray as xr

    networks = result.grid("width")
    cases = {
        f"width {width}, {when}": networks[name].sel(width=width, drop=True)
        for width in widths
        for when, name in (("start", "slice_start"), ("trained", "slice_end"))
    }
    kernels = xr.concat(list(cases.values()), xr.IndexVariable("case", list(cases)))
    limit = result.data.study.block("ntk")[1][:, 0].numpy()
    named = kernels.assign_attrs(long_name="tangent kernel with the point at angle 0", units="1")
    return named, xr.DataArray(limit, dims="x", coords={"x": networks["x"]})


def band(result: Result[CircleSettings, CircleData], width: int) -> tuple[xr.Dataset, xr.DataArray]:
    """The networks of a width, with the limit's mean and deviation, and the values learned: of `ensemble_functions`."""
    import xarray as xr

    task, limit, networks = result.data.task, result.data.limit.isel(step=-1), result.grid("width")
    functions = xr.Dataset(
        {
            "network": networks["prediction"].sel(width=width),
            "mean": ("x", limit["mean"].values),
            "std": ("x", limit["std"].values),
        },
        coords={"x": networks["x"]},
    )
    return functions, xr.DataArray(task.y.numpy(), dims="x", coords={"x": task.angles.numpy()})


def draw(result: Result[CircleSettings, CircleData]) -> dict[str, go.Figure]:
    """Laws of the width, trained networks in the band of the limit, and the residual's modes as they die."""
    from limitlab import figures

    widths = result.settings.widths
    drawn = {
        "training": figures.training_curves(result.curves),
        "functions": figures.ensemble_functions(*band(result, max(widths))),
        "modes": figures.dying_modes(modes_of(result).isel(seed=0)),
    }
    if len(widths) > 1:
        drawn["laws"] = figures.width_laws(result.grid("width")[["drift", "kernel_error", "deviation"]])
    return drawn


SIZES = sizes(
    course=CircleSettings(steps=400, seeds=5),
    smoke={"widths": (16, 64), "seeds": 2, "steps": 40, "test_points": 16},
    paper={
        **{"hidden": 3, "weight_variance": 1.0, "widths": (500, 10_000), "rate": 1.0},
        **{"steps": 200, "seeds": 10, "test_points": 128},
    },
)
EXPERIMENT = Experiment(
    "ntk", "Wide networks on a circle, their linearised twins and their limit", SIZES, prepare, draw
)
