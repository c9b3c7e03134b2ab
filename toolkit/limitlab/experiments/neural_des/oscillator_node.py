"""Trajectories of a nonlinear oscillator by neural ODEs: the beginning first, or all at once, or by an energy.

    x' = y/(1 + y),    y' = -x/(1 + x),    256 starts, 100 times on [0, 10]

"beginning first" learns the first tenth of every series and then all of it; "all at once" has as many steps on whole
series. "Hamiltonian" learns a scalar whose gradient is the field, in the first way. Source: an example of the library
of Kidger, On Neural Differential Equations (2022): MSE 0.0012 and 0.0020 at the end of two published runs, by
AdaBelief. In as many steps SOAP ends at 0.0020, 0.0034 and 0.0018 (seeds 0, 7, 1000), Adam at four to six times as
much; the true field has 1.5e-5 at this tolerance.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from limitlab.data import ShuffledRows
from limitlab.experiments.contract.experiment import Experiment, Prepared, ReportProgress, Result, Trial
from limitlab.experiments.contract.settings import Batched, Ensemble, option, sizes
from limitlab.labels import labelled
from limitlab.neural_des.ode import HamiltonianField, MLPField, NeuralODE
from limitlab.problems import get
from limitlab.training import Recipe, descent
from limitlab.training.streams import seeded

if TYPE_CHECKING:
    import plotly.graph_objects as go
    import xarray as xr

PROBLEM = "saturating_oscillator"
TRAININGS = ("beginning first", "all at once", "Hamiltonian")
UNSEEN = 64
"""Series to measure on, of starts that nobody learned from."""


@dataclass(frozen=True)
class OscillatorSettings(Ensemble, Batched):
    """The series, the field and its training."""

    trainings: tuple[str, ...] = option(TRAININGS, "what is trained, and how", choices=TRAININGS, distinct=True)
    samples: int = option(256, "series to learn from", low=8, high=100_000)
    times: int = option(100, "times of a series", low=10, high=10_000)
    share: float = option(0.1, "of every series, learned first", low=0.02, high=1.0)
    first_steps: int = option(500, "steps on that share", low=1, high=1_000_000)
    steps: int = option(500, "steps on whole series", low=1, high=1_000_000)
    width: int = option(64, "units of a hidden layer", low=2, high=1024)
    optimizer: str = option("soap", "what takes the steps", choices=("soap", "adam"))
    learning_rate: float = option(3e-3, "its rate", low=1e-7, high=1.0)


@dataclass(frozen=True)
class Oscillations:
    """Series to learn from, at the first half of the times, and others at all of them to measure on."""

    times: Float[Tensor, " time"]
    seen: Float[Tensor, "series half state"]
    unseen: Float[Tensor, "series time state"]

    @property
    def learned(self) -> Float[Tensor, " half"]:
        """The times that are learned from."""
        return self.times[: self.seen.shape[1]]


def series_of(settings: OscillatorSettings) -> Oscillations:
    """All from one law; those to measure on come after those to learn from in its stream."""
    problem = get(PROBLEM)
    starts, _ = problem.sample(settings.samples + UNSEEN, settings.seed)
    times = torch.linspace(0, problem.span, settings.times)
    # evenly spaced beyond the span too
    whole = torch.cat([times, times + times[-1] + times[1]])
    y = problem.solve(starts, whole).y.float()
    return Oscillations(whole, y[: settings.samples, : settings.times], y[settings.samples :])


def build(hamiltonian: bool, settings: OscillatorSettings, seed: int) -> NeuralODE:
    """The network of the example as a field, or a scalar one as an energy, with the solver of the example."""
    if hamiltonian:
        width = settings.width
        with seeded(seed):
            hidden = [nn.Linear(2, width), nn.Softplus(), nn.Linear(width, width), nn.Softplus()]
            energy = nn.Sequential(*hidden, nn.Linear(width, 1))
        return NeuralODE(HamiltonianField(energy), rtol=1e-3, atol=1e-6)
    return NeuralODE(MLPField(2, settings.width, 2, seed=seed), rtol=1e-3, atol=1e-6)


def loss(times: Float[Tensor, " time"], model: Any, batch: Mapping[str, Any]) -> dict[str, Tensor]:
    """Mean squared error at these times, which begin every series."""
    y = batch["y"][:, : len(times)]
    return {"mse": (model.solve(y[:, 0], times).y - y).square().mean()}


def prepare(settings: OscillatorSettings, progress: ReportProgress = False) -> Prepared[Oscillations]:
    """The same number of steps on the same batches for every training."""
    data = series_of(settings)
    batches = ShuffledRows({"y": data.seen}, size=settings.batch_size, seed=settings.seed)
    beginning = max(2, round(settings.share * settings.times))
    whole, part = partial(loss, data.learned), partial(loss, data.learned[:beginning])
    rule: dict[str, Any] = {"learning_rate": settings.learning_rate, "optimizer": settings.optimizer}
    both = descent(part, batches, settings.first_steps, **rule).then(settings.steps, loss=whole, **rule)
    recipes: dict[str, tuple[bool, Recipe]] = {
        "beginning first": (False, both),
        "all at once": (False, descent(whole, batches, settings.first_steps + settings.steps, **rule)),
        "Hamiltonian": (True, both),
    }
    trials = []
    for name in settings.trainings:
        hamiltonian, recipe = recipes[name]
        trials.append(Trial({"training": name}, partial(build, hamiltonian, settings), recipe))
    return Prepared(tuple(trials), partial(measure, data), data)


@torch.no_grad()
def measure(data: Oscillations, model: Any, fresh: nn.Module) -> xr.Dataset:
    """Errors on the series that were learned, on others, and on what comes after the time that was learned from."""
    device = next(model.parameters()).device
    seen = model.solve(data.seen[:, 0].to(device), data.learned.to(device)).y.cpu()
    calls = model.last.evaluations.function.double().mean()
    unseen = model.solve(data.unseen[:, 0].to(device), data.times.to(device)).y.cpu()
    ahead, errors = len(data.learned), (unseen - data.unseen).square()
    return labelled(
        mse=("", (seen - data.seen).square().mean(), "mean squared error of the series that were learned"),
        mse_unseen=("", errors[:, :ahead].mean(), "mean squared error of series from other starts"),
        mse_ahead=("", errors[:, ahead:].mean(), "the same on the span after that which was learned"),
        field_calls=("", calls, "field calls of a sample"),
        series=("time state", unseen[0], "series from a start that nobody learned from"),
        truth=("time state", data.unseen[0], "the same by the problem"),
        time=("time", data.times, "time"),
    )


def draw(result: Result[OscillatorSettings, Oscillations]) -> dict[str, go.Figure]:
    """Training curves, and the first component of a new series by each training and by the problem."""
    from limitlab import figures

    grid = result.grid("training").isel(seed=0, state=0)
    named = {"problem": grid["truth"].isel(training=0)}
    named |= {str(name): grid["series"].sel(training=name) for name in grid["training"].values}
    return {"training": figures.training_curves(result.curves), "series": figures.lines(named)}


SIZES = sizes(
    course=OscillatorSettings(seeds=1),
    smoke={"samples": 32, "times": 20, "first_steps": 10, "steps": 15, "width": 16},
    paper={"seeds": 3},
)
EXPERIMENT = Experiment(
    "neural-differential-equations",
    "A nonlinear oscillator learned from trajectories",
    SIZES,
    prepare,
    draw,
    problem=PROBLEM,
)
