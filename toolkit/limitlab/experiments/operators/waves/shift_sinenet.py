"""How far a network can move things: fields of noise, shifted by some points, learned by one wave and by several.

    input u, white noise of all wavenumbers |k_j| <= 12;    target u(x, y - s/n), s points of n

A wave with three halvings sees the whole field, so that its coarse levels know where everything goes; but what is fine
comes over its skip connection at the finest level alone, where two convolutions reach two points. All chains have the
same number of parameters. Source: Zhang et al., SineNet (2024), arXiv 2403.19507, section 3, of which this is the
argument without a flow.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor

from limitlab import operators
from limitlab.data import Batches
from limitlab.errors import InvalidArgument
from limitlab.experiments.contract.experiment import Experiment, Prepared, ReportProgress, Trial
from limitlab.experiments.contract.result import Result
from limitlab.experiments.contract.settings import Ensemble, MixedPrecision, option, sizes
from limitlab.labels import labelled
from limitlab.operators import SineNet, Wave, sinenet_with_parameters
from limitlab.saved import Saved
from limitlab.spaces import Grid, gaussian_field, relative_l2, spectral_resample
from limitlab.training import Recipe, operator_loss

if TYPE_CHECKING:
    import plotly.graph_objects as go
    import xarray as xr

TEST_SAMPLES = 64


@dataclass(frozen=True)
class ShiftSettings(Ensemble, MixedPrecision):
    """Settings of the shifts; the defaults are the course size."""

    waves: tuple[int, ...] = option((1, 4), "waves of the chains", low=1, high=64, distinct=True)
    shifts: tuple[int, ...] = option((2, 6), "points that fields are moved by", low=0, high=64, distinct=True)
    resolution: int = option(32, "points per axis", low=8, high=512)
    highest: int = option(12, "highest wavenumber along an axis", low=1, high=255)
    weights: int = option(525_000, "parameters of every chain", low=1000, high=10**9)
    width: int = option(16, "channels between the waves", low=1, high=512)
    halvings: int = option(3, "levels of a wave", low=1, high=8)
    disentangled: bool = option(True, "the raw field enters every level of a wave")
    padding: str = option("periodic", "beyond the ends", choices=tuple(operators.unet.PADDINGS))
    steps: int = option(130, "training steps, each on new fields", low=1, high=1_000_000)
    batch_size: int = option(16, "fields a step", low=1, high=4096)
    learning_rate: float = option(2e-3, "peak of the one-cycle schedule", low=1e-6, high=1.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.resolution % 2**self.halvings or 2 * self.highest >= self.resolution:
            raise InvalidArgument(
                f"resolution must be a multiple of 2^{self.halvings} above {2 * self.highest}, twice the highest "
                f"wavenumber; got {self.resolution}"
            )


@dataclass(frozen=True)
class Fields:
    """Fields to train on and to test, (sample, 1, x, y)."""

    train: Float[Tensor, "sample 1 x y"]
    test: Float[Tensor, "sample 1 x y"]
    grid: Grid


class Mover(Saved):
    """A chain, with the number of points that it learns to move a field by."""

    def __init__(self, chain: SineNet, shift: int) -> None:
        super().__init__()
        self.chain, self.shift = chain, shift

    def forward(self, u: Float[Tensor, "batch 1 x y"]) -> Float[Tensor, "batch 1 x y"]:
        return self.chain(u)

    def moved(self, u: Float[Tensor, "batch 1 x y"]) -> Float[Tensor, "batch 1 x y"]:
        """What it should answer."""
        return u.roll(self.shift, -1)


def noise(grid: Grid, highest: int, samples: int, seed: int, first: int = 0) -> Float[Tensor, "samples 1 x y"]:
    """Fields number first, first + 1, ..: all waves up to `highest` along each axis alike, deviation one."""
    exact = grid.at(2 * highest + 1)
    # all coefficients but the mean
    sigma = 1 / math.sqrt(math.prod(exact.shape) - 1)
    field = gaussian_field(exact, samples, seed, alpha=0.0, tau=0.0, sigma=sigma, first=first)
    return spectral_resample(field, exact, grid.shape)[:, None].float()


def prepare(settings: ShiftSettings, progress: ReportProgress = False) -> Prepared[Fields]:
    """New fields for every step; one trial for each number of waves and each shift."""
    grid = Grid.uniform((settings.resolution,) * 2)
    samples = settings.steps * settings.batch_size
    train = noise(grid, settings.highest, samples, settings.seed)
    data = Fields(train, noise(grid, settings.highest, TEST_SAMPLES, settings.seed, first=samples), grid)
    return Prepared(tuple(trials_of(settings, data)), lambda model, fresh: measure(model, data), data)


def trials_of(settings: ShiftSettings, data: Fields) -> Iterator[Trial]:
    """Chains of one size, each with the same fields in the same order."""
    for waves in settings.waves:
        for shift in settings.shifts:

            def build(seed: int, waves: int = waves, shift: int = shift) -> Mover:
                # before the model draws its weights, so that a trial does not depend on those before it
                torch.manual_seed(seed)
                wave = Wave(settings.halvings, padding=settings.padding, disentangled=settings.disentangled)
                chain = sinenet_with_parameters(settings.weights, 1, 1, width=settings.width, waves=waves, wave=wave)
                return Mover(chain, shift)

            pairs = {"input": data.train, "target": data.train.roll(shift, -1)}
            batches = Batches(pairs, data.grid, size=settings.batch_size, seed=settings.seed)
            loss = operator_loss("l2", data.grid)
            recipe = Recipe(loss, batches, settings.steps, settings.learning_rate)
            yield Trial({"waves": waves, "shift": shift}, build, recipe)


@torch.no_grad()
def measure(model: Any, data: Fields) -> xr.Dataset:
    """The relative error of every test field."""
    device = next(model.parameters()).device
    made = model(data.test.to(device)).cpu()
    return labelled(
        relative_l2=(
            "sample",
            relative_l2(made.double(), model.moved(data.test).double(), data.grid),
            "relative L2 error",
        ),
        parameters=("", operators.count_parameters(model), "real parameters"),
    )


def draw(result: Result[ShiftSettings, Fields]) -> dict[str, go.Figure]:
    """Training curves, error against the shift for every number of waves, and a field that was to be moved farthest."""
    from limitlab import figures

    settings, data = result.settings, result.data
    errors = result.grid("waves", "shift")["relative_l2"].mean(("seed", "sample"), keep_attrs=True)
    named = errors.assign_coords(waves=[f"{n} wave{'s' * (n > 1)}" for n in settings.waves])
    trial = result.prepared.trial(waves=min(settings.waves), shift=max(settings.shifts))
    model: Any = result.models[trial.name, settings.seed_range[0]]
    with torch.no_grad():
        shown = data.test[:1].to(next(model.parameters()).device)
        made, true = model(shown).cpu()[0, 0], model.moved(data.test[:1])[0, 0]
    fields = labelled(
        target=("x y", true, "field"), prediction=("x y", made, "field"),
        **{name: (name, points, f"position {name}") for name, points in data.grid.coordinates().items()},
    )  # fmt: skip
    return {
        "training": figures.training_curves(result.curves),
        "shift": figures.lines(named, log="y", marks=True),
        "sample": figures.triptych(fields),
    }


EXPERIMENT = Experiment(
    system="sinenet",
    title="How far a chain of waves can move what is fine",
    sizes=sizes(
        ShiftSettings(seeds=1),
        smoke={
            "resolution": 16,
            "highest": 6,
            "weights": 20_000,
            "width": 4,
            "halvings": 2,
            "steps": 4,
            "batch_size": 4,
        },
        paper={
            "waves": (1, 2, 4, 8),
            "shifts": (1, 2, 3, 4, 6, 8, 12, 16),
            "resolution": 128,
            "highest": 48,
            "weights": 35_490_219,
            "width": 64,
            "halvings": 4,
            "steps": 2000,
            "batch_size": 32,
            "learning_rate": 2e-4,
            "seeds": 3,
        },
    ),
    prepare=prepare,
    draw=draw,
)
