"""Latent ODEs on decaying oscillators that are measured at twenty times of their own, half of them seen.

    x'' = -1.31 x - 0.2 x',    starts N(0, 1),    times uniform on [0, 3], values with noise and gaps

The encoder sees the rows before the middle of the window; the loss asks for all rows, so that the model learns to go
on. Beside it: the same model with a network of (z, t) in place of the ODE, trained in the same way; and the last value
held, a straight line through the last two, and the mean, which need no training. Nothing is learned from times after
the window; there the equation must carry on by itself. Samples of the prior must decay as the data do.
Source: an example of the library of Kidger, On Neural Differential Equations (2022), with 10,000 oscillators; Rubanova,
Chen & Duvenaud (2019), 4.2, for the task of going on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from limitlab.data import Series, ShuffledRows, series
from limitlab.experiments.contract.experiment import Experiment, Prepared, ReportProgress, Result, Trial
from limitlab.experiments.contract.settings import Batched, Ensemble, option, sizes
from limitlab.labels import labelled
from limitlab.neural_des.latent import GRUEncoder, LatentODE, ODERNNEncoder, annealed, elbo
from limitlab.problems import get
from limitlab.training import descent
from limitlab.training.streams import seeded

if TYPE_CHECKING:
    import plotly.graph_objects as go
    import xarray as xr

PROBLEM = "damped_oscillator"
RATE, FREQUENCY = 0.1, math.sqrt(1.31)
"""Amplitudes decay like exp(-0.1 t); without damping a round takes 2 pi / 1.14."""
WINDOW = 3.0
VARIANTS = ("gru", "ode_rnn", "without ODE")
LATER = torch.linspace(WINDOW, 2 * WINDOW, 13)[1:]
"""Times after the window, from which nobody learns."""
LEAST_GAP = 1e-4
"""Between two times of a series."""
PRIOR = 2000
"""Series from the prior, for its decay."""


@dataclass(frozen=True)
class DecaySettings(Ensemble, Batched):
    """The oscillators, the model and its training."""

    variants: tuple[str, ...] = option(
        ("gru", "without ODE"),
        "what reads the series, or that no ODE stands behind them",
        choices=VARIANTS,
        distinct=True,
    )
    samples: int = option(1000, "oscillators to learn from", low=16, high=1_000_000)
    unseen: int = option(200, "oscillators to measure on", low=16, high=1_000_000)
    times: int = option(20, "times of each", low=4, high=1000)
    noise: float = option(0.05, "deviation of the noise of a value", low=0.0, high=10.0)
    missing: float = option(0.2, "share of the values that are missing", low=0.0, high=0.9)
    latent: int = option(4, "components of the latent state", low=1, high=64)
    hidden: int = option(16, "components of the ODE, units of the encoder", low=2, high=1024)
    steps: int = option(250, "training steps", low=1, high=1_000_000)
    annealing: int = option(75, "steps over which the divergence gets its weight", low=1, high=1_000_000)
    batch_size: int = option(256, "oscillators a step", low=1, high=1_000_000)
    learning_rate: float = option(1e-2, "rate of Adam", low=1e-7, high=1.0)


@dataclass(frozen=True)
class Oscillators:
    """Series to learn from and to measure on; what the latter are without noise and gaps, and after the window."""

    seen: Series
    unseen: Series
    truth: Float[Tensor, "series time state"]
    beyond: Float[Tensor, "series later state"]


class WithoutODE(LatentODE):
    """The same encoder, law and lift, with a network of (lifted z, time) in place of the solve."""

    def __init__(self, channels: int, latent: int, hidden: int, *, encoder: nn.Module, seed: int) -> None:
        super().__init__(channels, latent, hidden, encoder=encoder, field=lambda t, y: torch.zeros_like(y), seed=seed)
        with seeded(seed):
            layers = [nn.Linear(hidden + 1, 2 * hidden), nn.Softplus(), nn.Linear(2 * hidden, hidden), nn.Softplus()]
            self.network = nn.Sequential(*layers)

    def decode(self, z: Tensor, times: Tensor, lengths: Tensor | None = None) -> Tensor:
        clock = (times - times[:, :1])[..., None]
        lifted = self.lift(z)[:, None].expand(-1, times.shape[1], -1)
        return self.read_out(self.network(torch.cat([lifted, clock], dim=-1)))


def oscillators(settings: DecaySettings) -> Oscillators:
    """Oscillators from standard normal starts, each with times of its own; the first row is complete."""
    draws = torch.Generator().manual_seed(settings.seed)
    count = settings.samples + settings.unseen
    starts = torch.randn(count, 2, generator=draws, dtype=torch.float64)
    drawn = torch.rand(count, settings.times, generator=draws, dtype=torch.float64).sort(1).values
    # two draws may be one number in float32
    apart = LEAST_GAP * torch.arange(settings.times, dtype=torch.float64)
    times = (WINDOW - apart[-1]) * drawn + apart
    problem = get(PROBLEM, omega=FREQUENCY, zeta=RATE / FREQUENCY)
    moments = torch.cat([torch.zeros(count, 1), times, LATER.double().expand(count, -1)], dim=1)
    truth, beyond = (
        problem.solve(starts, moments, rtol=1e-6, atol=1e-8).y[:, 1:].float().split((settings.times, len(LATER)), 1)
    )
    noisy = truth + settings.noise * torch.randn(truth.shape, generator=draws)
    whole = series(times.float(), noisy).dropped(settings.missing, settings.seed)
    rows = torch.arange(count)
    return Oscillators(
        whole.take(rows[: settings.samples]),
        whole.take(rows[settings.samples :]),
        truth[settings.samples :],
        beyond[settings.samples :],
    )


def beginning(data: Series) -> Float[Tensor, "series time channel"]:
    """The values before the middle of the window; the first row in any case."""
    early = data.times < WINDOW / 2
    early[:, 0] = True
    return data.values.masked_fill(~early[..., None], torch.nan)


def prepare(settings: DecaySettings, progress: ReportProgress = False) -> Prepared[Oscillators]:
    """Every variant, trained on the same batches."""
    data = oscillators(settings)
    tensors = {**data.seen.batches(1).tensors(), "seen": beginning(data.seen)}
    batches = annealed(ShuffledRows(tensors, size=settings.batch_size, seed=settings.seed), settings.annealing)
    recipe = descent(elbo, batches, settings.steps, settings.learning_rate, optimizer="adam")
    trials = tuple(Trial({"variant": name}, partial(_build, name, settings), recipe) for name in settings.variants)
    return Prepared(trials, partial(measure, data), data)


def _build(variant: str, settings: DecaySettings, seed: int) -> LatentODE:
    reads = (ODERNNEncoder if variant == "ode_rnn" else GRUEncoder)(2, settings.hidden, seed=seed)
    kind = WithoutODE if variant == "without ODE" else LatentODE
    return kind(2, settings.latent, settings.hidden, encoder=reads, seed=seed)


@torch.no_grad()
def measure(data: Oscillators, model: Any, fresh: nn.Module) -> xr.Dataset:
    """Errors over the variance, of what was seen and of what came after; the decay of the prior; the rivals' errors."""
    device = next(model.parameters()).device
    unseen, early = data.unseen, beginning(data.unseen)
    posterior = model.encode(unseen.times.to(device), early.to(device))
    expected = model.decode(posterior.mean, unseen.times.to(device), unseen.lengths.to(device)).cpu()
    later = torch.cat([unseen.times[:, :1], LATER.expand(len(unseen), -1)], dim=1)
    beyond = model.decode(posterior.mean, later.to(device)).cpu()[:, 1:]
    late = unseen.times >= WINDOW / 2
    late[:, 0] = False
    variance = data.truth.var()
    errors = [(expected - data.truth)[rows].square().mean() / variance for rows in (~late, late)]
    rivals = {
        name: (guess - data.truth)[late].square().mean() / variance
        for name, guess in simple(unseen.times, early).items()
    }
    moments = torch.linspace(0, WINDOW, 31)
    prior = model.sample(PRIOR, moments, seed=0).cpu()
    return labelled(
        error_seen=("", errors[0], "mean squared error over the variance, before the middle of the window"),
        error_ahead=("", errors[1], "mean squared error over the variance, after it"),
        error_beyond=(
            "",
            (beyond - data.beyond).square().mean() / variance,
            "the same after the window, up to twice it",
        ),
        rival_error=("rival", list(rivals.values()), "the same of what needs no training"),
        rate=("", decay_rate(moments, prior), "rate at which series of the prior decay"),
        observation_std=("channel", model.log_std.exp(), "deviation of a measurement, as learned"),
        divergence=("", posterior.kl().mean(), "divergence of a posterior from the prior", "nats"),
        series=("time channel", expected[0], "state"),
        truth=("time channel", data.truth[0], "state, without noise"),
        time=("time", unseen.times[0], "time"),
        rival=("rival", list(rivals), "what needs no training"),
    )


def simple(times: Float[Tensor, "series time"], seen: Float[Tensor, "series time channel"]) -> dict[str, Tensor]:
    """How each series goes on by the last value, by the line through the last two, and by the mean of all."""
    held = ~seen.isnan()
    rows = torch.arange(times.shape[1])[None, :, None].expand_as(seen)
    last = torch.where(held, rows, -1).amax(1, keepdim=True)
    before = torch.where(held & (rows < last), rows, -1).amax(1, keepdim=True)
    # a channel that was seen once has no line: its value is held
    before = torch.where(before < 0, last, before)
    clock = times[..., None].expand_as(seen)
    end, begun = (seen.gather(1, row) for row in (last, before))
    gap = clock.gather(1, last) - clock.gather(1, before)
    slope = torch.where(gap > 0, (end - begun) / gap.clamp_min(1e-6), 0.0)
    return {
        "last value": end.expand_as(seen),
        "line": end + slope * (clock - clock.gather(1, last)),
        "mean": seen.nanmean((0, 1)).expand_as(seen),
    }


def decay_rate(times: Float[Tensor, " time"], prior: Float[Tensor, "sample time channel"]) -> float:
    """The rate r of exp(-r t), fitted to the root mean square over samples of (omega x, v)."""
    weights = torch.tensor([FREQUENCY, 1.0])
    envelope = (prior * weights).square().sum(-1).mean(0).sqrt().double()
    design = torch.stack([-times.double(), torch.ones(len(times), dtype=torch.float64)], -1)
    return float(torch.linalg.lstsq(design, envelope.log()[:, None]).solution[0, 0])


def draw(result: Result[DecaySettings, Oscillators]) -> dict[str, go.Figure]:
    """Training curves, and how the model goes on with one series."""
    from limitlab import figures

    grid = result.grid("variant").isel(seed=0, channel=0)
    named = {"without noise": grid["truth"].isel(variant=0)}
    named |= {str(name): grid["series"].sel(variant=name) for name in grid["variant"].values}
    return {"training": figures.training_curves(result.curves), "series": figures.lines(named)}


SIZES = sizes(
    course=DecaySettings(seeds=1),
    smoke={"samples": 64, "unseen": 32, "steps": 20, "annealing": 10, "batch_size": 32, "hidden": 8},
    paper={"seeds": 3, "samples": 10_000, "variants": VARIANTS, "steps": 1000, "annealing": 200},
)
EXPERIMENT = Experiment(
    "neural-differential-equations",
    "Decaying oscillators by latent ODEs",
    SIZES,
    prepare,
    draw,
    problem=PROBLEM,
)
