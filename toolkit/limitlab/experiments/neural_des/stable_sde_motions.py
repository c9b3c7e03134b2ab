"""Classes of latent stochastic equations on series with gaps: in training, and only at test.

Every model is trained on series with a share of the values missing, and tested with other shares missing. The rivals
are the naive equation with and without the path, and neural CDEs dz = F(z) dX of the same width, rate and steps, on the
same path and on the linear one through the same knots, by Euler's steps from knot to knot. Accuracy is that of the
softmax averaged over several draws; a series whose solve diverges counts as wrong, and a training that diverges is
marked. A test set of 40 series has a standard error of about 0.04.
Source: Oh, Lim, Kim, Stable neural stochastic differential equations (2024), arXiv 2402.14989.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from limitlab.experiments.contract.experiment import Experiment, Prepared, ReportProgress, Result, Trial
from limitlab.experiments.contract.settings import option, sizes
from limitlab.experiments.neural_des._sequences import Sequences, SequenceSettings, latent, sequences
from limitlab.labels import labelled
from limitlab.neural_des.stable_sde import StableSDE, classification, path_on, predict, until_diverged
from limitlab.neural_des.stable_sde.model import least_gap
from limitlab.saved import Saved
from limitlab.solvers import solve_cde
from limitlab.spaces import ControlPath
from limitlab.spaces.paths.splines import linear_pieces
from limitlab.training import descent
from limitlab.training.streams import seeded

if TYPE_CHECKING:
    import plotly.graph_objects as go
    import xarray as xr


@dataclass(frozen=True)
class MotionSettings(SequenceSettings):
    """The models, and the shares that are missing in training and at test."""

    models: tuple[str, ...] = option(
        ("naive", "naive_control", "lsde", "lnsde", "gsde", "cde", "cde_linear", "lsde_unbounded", "gsde_unbounded"),
        "classes, with how they are bounded",
        choices=(
            "naive", "naive_control", "lsde", "lnsde", "gsde", "cde", "cde_linear", "lsde_unbounded", "lnsde_unbounded",
            "gsde_unbounded", "lsde_clipped", "lnsde_clipped", "gsde_clipped",
        ),
        distinct=True,
    )  # fmt: skip
    rates: tuple[float, ...] = option((0.0, 0.5), "shares missing in training", low=0.0, high=0.99, distinct=True)
    test_rates: tuple[float, ...] = option(
        (0.0, 0.3, 0.5, 0.7, 0.9), "shares missing at test", low=0.0, high=0.99, distinct=True
    )


class ControlledRival(Saved):
    """A neural CDE dz = F(z) dX, F = tanh(MLP(z)) as a matrix, one step of Euler's method from knot to knot.

    linear: X is straight between the knots of the path that it is given, so that a step takes its whole increment;
    otherwise it is the path itself, whose slope a step takes at its left end.
    """

    diverged = None

    def __init__(self, channels: int, outputs: int, *, width: int, depth: int, linear: bool, seed: int) -> None:
        super().__init__()
        with seeded(seed):
            hidden = [layer for _ in range(depth) for layer in (nn.Linear(width, width), nn.SiLU())]
            self.start, self.head = nn.Linear(channels, width), nn.Linear(width, outputs)
            self.layers = nn.Sequential(*hidden, nn.Linear(width, width * channels), nn.Tanh())
        self.linear = linear

    def field(self, s: Tensor, z: Tensor) -> Tensor:
        """F(z), (batch, state, channel)."""
        return self.layers(z).unflatten(-1, (z.shape[-1], -1))

    def forward(self, path: ControlPath, *, noise: Any = None, on_failure: Any = "raise") -> Tensor:
        """Read-outs at the end of every path; it draws nothing."""
        if self.linear:
            path = ControlPath("linear", path.knots, linear_pieces(path.knots, path.coefficients[:, :, 0]))
        z0 = self.start(path.evaluate(float(path.start.min())))
        solved = solve_cde(self.field, z0, path, method="euler", step_size=least_gap(path))
        return self.head(solved.y[:, -1])


Build = Callable[[MotionSettings, int, int, int], nn.Module]


def _latent(kind: str, bound: str) -> Build:
    return lambda settings, channels, outputs, seed: latent(kind, bound, settings, channels, outputs, seed=seed)


def _rival(linear: bool) -> Build:
    def build(settings: MotionSettings, channels: int, outputs: int, seed: int) -> nn.Module:
        return ControlledRival(channels, outputs, width=settings.width, depth=settings.depth, linear=linear, seed=seed)

    return build


MODELS: dict[str, Build] = {
    # the authors' baseline is clipped
    "naive": _latent("naive", "outer"),
    "naive_control": _latent("naive_control", "outer"),
    "lsde": _latent("lsde", "coefficient"),
    "lnsde": _latent("lnsde", "coefficient"),
    "gsde": _latent("gsde", "coefficient"),
    "cde": _rival(linear=False),
    "cde_linear": _rival(linear=True),
    **{f"{kind}_unbounded": _latent(kind, "none") for kind in ("lsde", "lnsde", "gsde")},
    **{f"{kind}_clipped": _latent(kind, "outer") for kind in ("lsde", "lnsde", "gsde")},
}


def prepare(settings: MotionSettings, progress: ReportProgress = False) -> Prepared[Sequences]:
    """Every model at every share missing in training."""
    data = sequences(settings)
    guess = {"cross_entropy": math.log(data.classes)}
    channels = data.train.values.shape[-1] + 1
    trials = []
    for rate in settings.rates:
        batches = data.training_batches(rate, settings.batch)
        for name in settings.models:
            loss = until_diverged(classification, guess)
            recipe = descent(loss, batches, settings.steps, settings.learning_rate, optimizer="adam", clip=1.0)
            build = partial(MODELS[name], settings, channels, data.classes)
            trials.append(Trial({"kind": name, "rate": rate}, build, recipe))
    paths = {rate: data.test_path(rate) for rate in settings.test_rates}
    return Prepared(tuple(trials), partial(measure, settings, data, paths), data)


def measure(
    settings: MotionSettings, data: Sequences, paths: dict[float, ControlPath], model: Any, fresh: nn.Module
) -> xr.Dataset:
    """Accuracy at every share missing at test, how it varies over draws, and how large the states are."""
    device = next(model.parameters()).device
    labels, seed = data.test_labels, data.seed
    asked = [predict(model, path_on(path, device), settings.draws, seed=seed) for path in paths.values()]
    active = model.activity(path_on(data.test_path(0.0), device), noise=seed) if isinstance(model, StableSDE) else None
    return labelled(
        accuracy=("test_rate", [each.accuracy(labels) for each in asked], "accuracy"),
        draw_deviation=(
            "test_rate",
            [float(each.accuracies(labels).std(correction=0)) for each in asked],
            "deviation of the accuracy of single draws",
        ),
        largest=("", active.state if active else math.nan, "largest state on the test series"),
        drift=("", active.drift if active else math.nan, "mean size of the drift"),
        diffusion=("", active.diffusion if active else math.nan, "mean size of the diffusion"),
        diverged=("", float(model.diverged is not None), "whether the training diverged"),
        diverged_at=("", model.diverged.time if model.diverged else math.nan, "time at which a solve diverged"),
        parameters=("", sum(p.numel() for p in model.parameters()), "parameters"),
        test_rate=("test_rate", list(paths), "share missing at test"),
    )


def draw(result: Result[MotionSettings, Sequences]) -> dict[str, go.Figure]:
    """Training curves, and the accuracy against the share missing at test, of each model trained on the first share."""
    from limitlab import figures

    seen = result.grid("kind", "rate").isel(rate=0)["accuracy"].mean("seed", keep_attrs=True)
    named = {str(name): seen.sel(kind=name) for name in seen["kind"].values}
    return {"training": figures.training_curves(result.curves), "shift": figures.lines(named, marks=True)}


SIZES = sizes(
    course=MotionSettings(seeds=1),
    smoke={
        "models": ("naive", "gsde", "cde", "gsde_unbounded"), "rates": (0.0,), "test_rates": (0.0, 0.9), "width": 8,
        "solver_steps": 20, "steps": 12, "draws": 2,
    },
    paper={"seeds": 5, "rates": (0.0, 0.3, 0.5, 0.7), "steps": 300, "width": 64, "depth": 2, "draws": 20},
)  # fmt: skip
EXPERIMENT = Experiment("stable-neural-sde", "Activities from a smart watch, with gaps", SIZES, prepare, draw)
