"""The regimes of wide networks, predicted by exponents and measured by training: SP, SP with c = 1, NTP and muP.

Networks without biases in each abc-parametrisation take a few steps of SGD on the digits. The change of the last hidden
layer is a power of the width, -r by the theory: above zero it explodes, below it freezes (a kernel), at zero features
are learned. The kernel of the features moves, or does not, with it. Before the readout has moved, an unstable network
still follows other powers: those of the first step.
Source: Yang, Hu, Feature learning in infinite-width neural networks, arXiv 2011.14522.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor, nn

from limitlab.data.sources.digit_task import CLASSES, cross_entropy, digit_task
from limitlab.experiments.contract.experiment import Experiment, Prepared, ReportProgress, Trial
from limitlab.experiments.contract.result import Result
from limitlab.experiments.contract.settings import option, sizes
from limitlab.experiments.infinite_width._digits import (
    ScalingSettings,
    fan,
    measure_movement,
    require_fit,
    step_metrics,
)
from limitlab.infinite_width.parametrizations.abc import ABC, parametrization, regime_map
from limitlab.infinite_width.parametrizations.abc_mlp import ABCMLP
from limitlab.infinite_width.parametrizations.coordinate_check import width_exponents
from limitlab.labels import labelled
from limitlab.training import descent

if TYPE_CHECKING:
    import plotly.graph_objects as go
    import xarray as xr

PRESETS = ("sp", "sp-lazy", "ntp", "mup")
# the readout of SP and of muP starts at another size, so one plane cannot hold both
PLANES = {"sp": ("sp", "sp-lazy", "ntp"), "mup": ("mup",)}
ACTIVATIONS = ("relu", "tanh", "erf", "gelu")
Points = Mapping[str, ABC]


@dataclass(frozen=True)
class RegimeSettings(ScalingSettings):
    """Parametrisations, widths, and a rate that is large enough to show what explodes."""

    parametrizations: tuple[str, ...] = option(PRESETS, "parametrisations", choices=PRESETS)
    hidden: int = option(2, "hidden layers", low=1, high=8)
    activation: str = option("relu", "activation", choices=ACTIVATIONS)
    learning_rate: float = option(0.5, "rate of SGD at the base width", low=1e-6, high=100.0)
    probes: int = option(256, "images on which the activations are looked at", low=2, high=1797)

    def __post_init__(self) -> None:
        super().__post_init__()
        require_fit(self)


def prepare(settings: RegimeSettings, progress: ReportProgress = False) -> Prepared[Points]:
    """Networks in the parametrisations of the settings."""
    return prepare_points(
        {name: parametrization(name, settings.hidden) for name in settings.parametrizations}, settings
    )


def prepare_points(points: Points, settings: RegimeSettings) -> Prepared[Points]:
    """Networks in any abc-parametrisations, by name, on the same batches; those of the settings are left aside.

    `change_h1` ... and `kernel` are logged at every step.
    """
    task = digit_task(settings.batch_size, settings.seed)
    measure = partial(measure_change, task.images[: settings.probes])
    recipe = descent(
        cross_entropy,
        task.batches,
        settings.steps,
        settings.learning_rate,
        groups=ABCMLP.groups,
        evaluate=step_metrics(measure),
        evaluate_every=1,
    )
    trials = (
        Trial({"parametrization": name, "width": n}, partial(_network, settings, abc, n), recipe)
        for name, abc in points.items()
        for n in settings.widths
    )
    return Prepared(tuple(trials), measure, dict(points))


def _network(settings: RegimeSettings, abc: ABC, width: int, seed: int) -> ABCMLP:
    inputs = digit_task().images.shape[1]
    phi, base = settings.activation, settings.base_width
    return ABCMLP(inputs, width, CLASSES, abc, activation=phi, base_width=base, seed=seed)


def measure_change(probe: Float[Tensor, "points pixels"], model: nn.Module, fresh: nn.Module) -> xr.Dataset:
    """`size`, `change` (module) and `kernel`, the relative change of the feature kernel."""
    points = probe.to(next(model.parameters()).device)
    start, kernel = (feature_kernel(network, points).cpu() for network in (fresh, model))
    change = (kernel - start).norm() / start.norm()
    relative = labelled(kernel=("", change.item(), "relative change of the feature kernel"))
    return measure_movement(probe, model, fresh).assign(relative)


@torch.no_grad()
def feature_kernel(model: nn.Module, points: Float[Tensor, "points pixels"]) -> Float[Tensor, "points points"]:
    """phi(h^L) phi(h^L)^T / n among the points."""
    assert isinstance(model, ABCMLP)
    features = model.features(points)
    return features @ features.T / features.shape[1]


def exponents(result: Result[RegimeSettings, Points]) -> xr.Dataset:
    """Measured and predicted powers of the width, dims (parametrization, module), at the first and the last step.

    first, last: of the change of each module; predicted_first, predicted_last: by theory; kernel (parametrization): of
    the relative change of the feature kernel after the last step; regime.
    """
    import xarray as xr

    names, theories = list(result.data), list(result.data.values())
    change = fan(result)["change"]
    kernel = result.grid("parametrization", "width", of=result.curves)["kernel"]
    predicted = labelled(
        predicted_first=("parametrization module", [abc.exponents(first_step=True) for abc in theories], "first step"),
        predicted_last=("parametrization module", [abc.exponents() for abc in theories], "later steps"),
        r=("parametrization", [abc.r for abc in theories], "r"),
        regime=("parametrization", [abc.regime for abc in theories], "regime"),
        parametrization=("parametrization", names, "parametrization"),
        module=("module", change["module"].values, "module"),
    )
    measured = xr.Dataset(
        {
            # before the readout has moved, when an unstable network has other powers
            "first": width_exponents(change.isel(step=0, drop=True)),
            "last": width_exponents(change.isel(step=-1, drop=True)),
            "kernel": width_exponents(kernel.isel(step=-1, drop=True)),
        }
    )
    return predicted.assign(measured).transpose("parametrization", "module", ...)


def draw(result: Result[RegimeSettings, Points]) -> dict[str, go.Figure]:
    """The planes of SP and of muP with the trained points on them, and the changes after the last step."""
    from limitlab import figures

    drawn = {}
    for plane, names in PLANES.items():
        origin = parametrization(plane, result.settings.hidden)
        points = {name: result.data[name] for name in names if name in result.data}
        drawn[f"{plane}_plane"] = figures.regime_plane(regime_map(origin), _marks(origin, points))
    return drawn | {"changes": figures.coordinate_fan(fan(result))}


def _marks(origin: ABC, points: Points) -> xr.Dataset:
    """Where the points lie in the plane through the origin; what lies at one point has one label."""
    labels: dict[tuple[float, float], list[str]] = {}
    for name, point in points.items():
        # a shift leaves the training as it is, and the last hidden layer is the plane's then
        shifted = point.shift(origin.a[-2] - point.a[-2])
        labels.setdefault((shifted.a[-1], shifted.c), []).append(name)
    return labelled(
        a_readout=("point", [a for a, _ in labels], "a of the readout"),
        c=("point", [c for _, c in labels], "c of the learning rate"),
        label=("point", [", ".join(names) for names in labels.values()], "parametrisations"),
    )


SIZES = sizes(
    RegimeSettings(steps=5, seeds=3),
    smoke={"widths": (64, 128, 256), "seeds": 1},
    paper={"widths": (64, 128, 256, 512, 1024, 2048, 4096, 8192), "seeds": 10},
)

EXPERIMENT = Experiment(
    "feature-learning", "Regimes of wide networks: exponents predicted and measured", SIZES, prepare, draw
)
