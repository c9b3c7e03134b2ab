"""The regimes of wide networks, predicted by exponents and measured by training: SP, SP with c = 1, NTP and muP.

Networks without biases in each abc-parametrisation take a few steps of SGD on the digits. The change of the last hidden
layer is a power of the width, -r by the theory: above zero it explodes, below it freezes (a kernel), at zero features
are learned. The kernel of the features moves, or does not, with it. Before the readout has moved, an unstable network
still follows other powers: those of the first step.
Source: Yang, Hu, Feature learning in infinite-width neural networks, arXiv 2011.14522.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from limitlab.data.sources.digit_task import CLASSES, cross_entropy, digit_task
from limitlab.errors import InvalidArgument
from limitlab.experiments.contract.experiment import Experiment, Prepared, ReportProgress, Result
from limitlab.experiments.contract.settings import Settings, option
from limitlab.experiments.infinite_width.coordinate_check import changes, gridded
from limitlab.infinite_width.parametrizations.abc import parametrization, regime_map
from limitlab.infinite_width.parametrizations.abc_mlp import ABCMLP
from limitlab.infinite_width.parametrizations.coordinate_check import coordinates, movement, width_exponents

if TYPE_CHECKING:
    import plotly.graph_objects as go
    import xarray as xr

PARAMETRIZATIONS = ("sp", "sp-lazy", "ntp", "mup")
SMOOTH_OR_NOT = ("relu", "tanh", "erf", "gelu")


@dataclass(frozen=True)
class RegimeSettings(Settings):
    """Parametrisations, widths, and a rate that is large enough to show what explodes."""

    parametrizations: tuple[str, ...] = option(PARAMETRIZATIONS, "parametrisations", choices=PARAMETRIZATIONS)
    widths: tuple[int, ...] = option((64, 128, 256, 512, 1024, 2048), "units of a layer", low=1, high=65_536)
    base_width: int = option(64, "width at which all parametrisations are one", low=1, high=65_536)
    hidden: int = option(2, "hidden layers", low=1, high=8)
    activation: str = option("relu", "activation", choices=SMOOTH_OR_NOT)
    learning_rate: float = option(0.5, "rate of SGD at the base width", low=1e-6, high=100.0)
    steps: int = option(5, "training steps", low=1, high=1000)
    batch_size: int = option(64, "images a step", low=1, high=1797)
    probes: int = option(256, "images on which the activations are looked at", low=2, high=1797)
    seeds: int = option(3, "networks a width", low=1, high=100)
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
    """All networks on the same batches; `change_h1` ... and `kernel` are logged at every step."""
    assert isinstance(settings, RegimeSettings)
    task = digit_task(settings.batch_size, settings.seed)
    probe = task.images[: settings.probes]
    choices = {f"{kind}/width-{n}": Choice(kind, n) for kind in settings.parametrizations for n in settings.widths}
    starts: WeakKeyDictionary[nn.Module, tuple[dict[str, Tensor], Tensor]] = WeakKeyDictionary()

    def build(name: str, seed: int) -> nn.Module:
        model = ABCMLP(
            probe.shape[1],
            choices[name].width,
            CLASSES,
            parametrization(choices[name].parametrization, settings.hidden),
            activation=settings.activation,
            base_width=settings.base_width,
            seed=seed,
        )
        starts[model] = coordinates(model, probe), feature_kernel(model, probe)
        return model

    def measure(model: nn.Module) -> "xr.Dataset":
        """`size`, `change` (module) and `kernel`, the relative change of the feature kernel."""
        device = next(model.parameters()).device
        start, kernel = starts[model]
        now = {name: values.cpu() for name, values in coordinates(model, probe.to(device)).items()}
        moved = (feature_kernel(model, probe.to(device)).cpu() - kernel).norm() / kernel.norm()
        described = {"long_name": "relative change of the feature kernel", "units": "1"}
        return movement(start, now).assign(kernel=((), moved.item(), described))

    def training(name: str) -> dict[str, Any]:
        return {
            "steps": settings.steps,
            "learning_rate": settings.learning_rate,
            "weight_decay": 0.0,
            "schedule": "constant",
            "optimizer": "sgd",
            "groups": ABCMLP.groups,
            "evaluate": evaluate,
            "evaluate_every": 1,
            "device": settings.device,
        }

    def evaluate(model: nn.Module) -> dict[str, float]:
        measured = measure(model)
        return changes(measured) | {"kernel": float(measured["kernel"])}

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


@torch.no_grad()
def feature_kernel(model: nn.Module, probe: Tensor) -> Tensor:
    """phi(h^L) phi(h^L)^T / n among the points."""
    assert isinstance(model, ABCMLP)
    features = model.features(probe)
    return features @ features.T / features.shape[1]


def exponents(result: Result) -> "xr.Dataset":
    """Measured and predicted powers of the width, dims (parametrization, module), at the first and the last step.

    first, last: of the change of each module; predicted_first, predicted_last: by theory; kernel (parametrization): of
    the relative change of the feature kernel after the last step; regime.
    """
    import xarray as xr

    settings, choices = result.prepared.settings, result.prepared.data
    assert isinstance(settings, RegimeSettings)
    modules = [str(name) for name in result.metrics["module"].values]
    logged = gridded(result.curves, choices, "parametrization", "width")
    change = xr.concat([logged[f"change_{name}"] for name in modules], xr.IndexVariable("module", modules))
    theories = [parametrization(kind, settings.hidden) for kind in settings.parametrizations]
    dims = ("parametrization", "module")
    return xr.Dataset(
        {
            "first": width_exponents(change.isel(step=0, drop=True)),
            "last": width_exponents(change.isel(step=-1, drop=True)),
            "kernel": width_exponents(logged["kernel"].isel(step=-1, drop=True)),
            "predicted_first": (dims, [theory.exponents(first_step=True) for theory in theories]),
            "predicted_last": (dims, [theory.exponents() for theory in theories]),
            "r": ("parametrization", [theory.r for theory in theories]),
            "regime": ("parametrization", [theory.regime for theory in theories]),
        },
        coords={"parametrization": list(settings.parametrizations), "module": modules},
    ).transpose("parametrization", "module", ...)


def draw(result: Result) -> dict[str, "go.Figure"]:
    """The planes of SP and of muP with the trained points on them, and the changes after the last step."""
    import xarray as xr

    from limitlab import figures

    settings = result.prepared.settings
    assert isinstance(settings, RegimeSettings)
    drawn = {}
    for plane, kinds in (("sp", ("sp", "sp-lazy", "ntp")), ("mup", ("mup",))):
        shown = [kind for kind in kinds if kind in settings.parametrizations]
        places: dict[tuple[float, float], list[str]] = {}
        for kind in shown:
            point = parametrization(kind, settings.hidden)
            # every preset in the gauge a_2 = 0 of SP and muP, so that one plane holds it
            point = point.shift(-0.5) if kind == "ntp" else point
            places.setdefault((point.a[-1], point.c), []).append(kind)
        marked = xr.Dataset(
            {
                "a_readout": ("point", [place[0] for place in places]),
                "c": ("point", [place[1] for place in places]),
                "label": ("point", [", ".join(names) for names in places.values()]),
            }
        )
        drawn[f"{plane}_plane"] = figures.regime_plane(regime_map(parametrization(plane, settings.hidden)), marked)
    logged = gridded(result.curves, result.prepared.data, "parametrization", "width")
    modules = [str(name) for name in result.metrics["module"].values]
    change = xr.concat([logged[f"change_{name}"] for name in modules], xr.IndexVariable("module", modules))
    change.attrs = result.metrics["change"].attrs
    return drawn | {"changes": figures.coordinate_fan(xr.Dataset({"change": change}))}


COURSE = RegimeSettings()
SMOKE = replace(COURSE, widths=(64, 128, 256), seeds=1)
PAPER = replace(COURSE, widths=(64, 128, 256, 512, 1024, 2048, 4096, 8192), seeds=10)

EXPERIMENT = Experiment(
    name="abc_regimes",
    title="Regimes of wide networks: exponents predicted and measured",
    system="feature-learning",
    sizes={"smoke": SMOKE, "course": COURSE, "paper": PAPER},
    prepare=prepare,
    draw=draw,
    check=lambda settings: None,
)
