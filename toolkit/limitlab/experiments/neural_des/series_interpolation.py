"""Values that were not measured, from those that were: latent stochastic equations beside straight lines.

Series of damped oscillators at irregular times, of which a share of the single values is seen. A model is trained to
give all values of the training series from those that are seen of them, and is asked for the hidden ones of the test
series. `error` is the squared error there over the variance; the rivals are the path that drives the model, a cubic
spline, the straight lines through the same values, and the mean. Noise of deviation 0.1 in the hidden values is beyond
every model: `floor`.
Source: Oh, Lim, Kim (2024), arXiv 2402.14989, 5.2 (on PhysioNet's records, with 50 to 90 % of the values seen).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from limitlab.data import Series, damped_oscillators
from limitlab.experiments.contract.experiment import Experiment, Prepared, ReportProgress, Result, Trial
from limitlab.experiments.contract.settings import Ensemble, OnDevice, option, sizes
from limitlab.labels import labelled
from limitlab.neural_des.stable_sde import Architecture, PathBatches, SeriesInterpolation, path_on, path_through
from limitlab.neural_des.stable_sde.interpolation import interpolation
from limitlab.training import descent

if TYPE_CHECKING:
    import plotly.graph_objects as go
    import xarray as xr

KINDS = ("naive_control", "lsde", "lnsde", "gsde")
NOISE, SHOWN = 0.1, 101


@dataclass(frozen=True)
class InterpolationSettings(Ensemble, OnDevice):
    """The series, what is seen of them, the models and their training."""

    kinds: tuple[str, ...] = option(("lsde", "lnsde", "gsde"), "classes of the encoder", choices=KINDS, distinct=True)
    seen: float = option(0.5, "share of the values that is seen in training", low=0.1, high=0.99)
    test_seen: tuple[float, ...] = option((0.5, 0.7, 0.9), "the same at test", low=0.1, high=0.99, distinct=True)
    samples: int = option(300, "series to learn from, and as many to test", low=4, high=100_000)
    times: int = option(40, "times of a series", low=4, high=1000)
    width: int = option(32, "units of the state and of every network", low=2, high=512)
    latent: int = option(8, "components of the latent law", low=1, high=256)
    references: int = option(32, "reference times", low=2, high=1000)
    solver_steps: int = option(31, "steps of a solve", low=4, high=2000)
    steps: int = option(400, "training steps", low=1, high=100_000)
    batch: int = option(50, "series in a batch", low=2, high=4096)
    learning_rate: float = option(5e-3, "rate of Adam", low=1e-7, high=1.0)


@dataclass(frozen=True)
class Hidden:
    """Standardised series, and the seed that hides values of them."""

    train: Series
    test: Series
    seed: int
    floor: float

    def shown(self, part: Series, share: float) -> Series:
        """A part with a share of its single values left; the training series have tosses of their own."""
        return part.dropped(1 - share, 2 * self.seed + (part is self.test))


def series_of(settings: InterpolationSettings) -> Hidden:
    """Training and test series of streams of their own, standardised by the training series."""
    train, test = (damped_oscillators(settings.samples, settings.times, seed=2 * settings.seed + k) for k in (0, 1))
    floor = NOISE**2 / float(train.values.var())
    return Hidden(train.standardised(), test.standardised(train), settings.seed, floor)


def prepare(settings: InterpolationSettings, progress: ReportProgress = False) -> Prepared[Hidden]:
    """Every class on the same series, of which the same values are seen."""
    data = series_of(settings)
    path = path_through(data.shown(data.train, settings.seen))
    batches = PathBatches(
        path, size=min(settings.batch, len(data.train)), seed=settings.seed, target=data.train.values,
        at=data.train.times,
    )  # fmt: skip
    recipe = descent(interpolation, batches, settings.steps, settings.learning_rate, optimizer="adam", clip=1.0)
    trials = tuple(Trial({"kind": kind}, partial(build, settings, data, kind), recipe) for kind in settings.kinds)
    return Prepared(trials, partial(measure, settings, data), data)


def build(settings: InterpolationSettings, data: Hidden, kind: str, seed: int) -> SeriesInterpolation:
    """The model of the settings' size; the noise of measurements is known to it."""
    return SeriesInterpolation(
        kind, 3, Architecture(width=settings.width), latent=settings.latent, references=settings.references,
        std=data.floor**0.5, step_size=1 / settings.solver_steps, seed=seed,
    )  # fmt: skip


@torch.no_grad()
def measure(settings: InterpolationSettings, data: Hidden, model: Any, fresh: nn.Module) -> xr.Dataset:
    """Errors on hidden values of the test series at every share, those of the rivals, and one series."""
    device = model.references.device
    errors, rivals = [], []
    for share in settings.test_seen:
        part = data.shown(data.test, share)
        hidden = part.values.isnan()
        at = data.test.times
        answers = {
            "model": model(path_on(path_through(part), device), at.to(device), noise=data.seed).cpu(),
            "line": path_through(part, "linear").evaluate(at)[..., 1:],
            "spline": path_through(part).evaluate(at)[..., 1:],
            "mean": torch.zeros_like(part.values),
        }
        squares = {name: float((y - data.test.values)[hidden].square().mean()) for name, y in answers.items()}
        errors.append(squares.pop("model"))
        rivals.append(list(squares.values()))
    moments = torch.linspace(0, 1, SHOWN)
    one = path_through(data.shown(data.test, settings.test_seen[0]).take(torch.arange(1)))
    return labelled(
        error=("test_seen", errors, "squared error of hidden values over the variance"),
        rival_error=("test_seen rival", rivals, "squared error of hidden values over the variance"),
        floor=("", data.floor, "noise of the values over the variance"),
        parameters=("", sum(p.numel() for p in model.parameters()), "parameters"),
        series=("moment", model(path_on(one, device), moments.to(device)[None], noise=data.seed)[0, :, 0].cpu(), "x"),
        line=("moment", one.evaluate(moments)[0, :, 1], "x"),
        moment=("moment", moments, "time"),
        test_seen=("test_seen", list(settings.test_seen), "share seen at test"),
        rival=("rival", ["line", "spline", "mean"], "rival"),
    )


def draw(result: Result[InterpolationSettings, Hidden]) -> dict[str, go.Figure]:
    """A series as each class gives it, beside the spline that drives them all, and the training curves."""
    from limitlab import figures

    grid = result.grid("kind").isel(seed=0)
    kinds = {str(kind): grid["series"].sel(kind=kind) for kind in grid["kind"].values}
    return {
        "series": figures.lines({"spline": grid["line"].isel(kind=0)} | kinds, title="A series and what was seen"),
        "training": figures.training_curves(result.curves, "bound"),
    }


SIZES = sizes(
    course=InterpolationSettings(seeds=1),
    smoke={
        "kinds": ("lsde", "gsde"), "samples": 8, "times": 10, "width": 8, "latent": 2, "references": 6,
        "solver_steps": 8, "steps": 4, "test_seen": (0.5, 0.9),
    },
    paper={"seeds": 5, "kinds": KINDS, "samples": 4000, "latent": 32, "references": 64, "steps": 6000},
)  # fmt: skip
EXPERIMENT = Experiment("stable-neural-sde", "Values that were not measured", SIZES, prepare, draw)
