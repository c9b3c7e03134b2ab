"""Sequences to classify, with values taken away: what the experiments on stable stochastic equations learn from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Int64
from torch import Tensor

from limitlab.data import Series, basic_motions, damped_oscillators, japanese_vowels, spirals
from limitlab.data.series import Dropped
from limitlab.experiments.contract.settings import Ensemble, OnDevice, option
from limitlab.neural_des.stable_sde import Architecture, PathBatches, StableSDE, path_through
from limitlab.spaces import ControlPath

OSCILLATORS = 300
SPIRALS, TURNS = 128, 40
"""Spirals of a set, and their times."""


def _oscillators(seed: int) -> tuple[Series, Series]:
    # train and test are streams of their own, whatever the seed
    return damped_oscillators(OSCILLATORS, seed=2 * seed), damped_oscillators(OSCILLATORS, seed=2 * seed + 1)


def _spirals(seed: int) -> tuple[Series, Series]:
    return spirals(SPIRALS, TURNS, 2 * seed), spirals(SPIRALS, TURNS, 2 * seed + 1)


SETS: dict[str, Callable[[int], tuple[Series, Series]]] = {
    "basic_motions": lambda seed: basic_motions(),
    "japanese_vowels": lambda seed: japanese_vowels(),
    "damped_oscillators": _oscillators,
    "spirals": _spirals,
}


@dataclass(frozen=True)
class SequenceSettings(Ensemble, OnDevice):
    """Which series, how a model looks at them, and how it is trained."""

    data: str = option("basic_motions", "the series", choices=tuple(SETS))
    dropped: str = option("value", "what is taken away: single values, or whole times", choices=("value", "time"))
    width: int = option(32, "units of the state and of every network", low=2, high=512)
    depth: int = option(1, "hidden layers of the drift", low=1, high=8)
    solver_steps: int = option(99, "steps of a solve", low=4, high=2000)
    steps: int = option(60, "training steps", low=1, high=100_000)
    batch: int = option(40, "series in a batch", low=2, high=4096)
    learning_rate: float = option(1e-2, "rate of Adam", low=1e-7, high=1.0)
    draws: int = option(5, "draws of the noise that a prediction is averaged over", low=1, high=200)


@dataclass(frozen=True)
class Sequences:
    """Training and test series on [0, 1], standardised by the training series; what is missing depends on the seed.

    names: of the channels, where they have any.
    """

    train: Series
    test: Series
    seed: int
    dropped: Dropped
    names: tuple[str, ...] = ()

    @property
    def classes(self) -> int:
        return len(self.train.classes)

    def seen(self, rate: float) -> Series:
        """The training series with a share of them missing."""
        return self.train.dropped(rate, 2 * self.seed, self.dropped)

    def unseen(self, rate: float) -> Series:
        """The test series with a share of them missing."""
        return self.test.dropped(rate, 2 * self.seed + 1, self.dropped)

    def training_batches(self, rate: float, size: int) -> PathBatches:
        """Paths through the training series with a share of them missing, in batches with "label"."""
        path = path_through(self.seen(rate))
        size = min(size, path.batch)
        label = _labels(self.train)
        return PathBatches(path, size=size, seed=self.seed, shuffle=size < path.batch, label=label)

    @property
    def test_labels(self) -> Int64[Tensor, " sample"]:
        """The classes of the test series."""
        return _labels(self.test)

    def test_path(self, rate: float) -> ControlPath:
        """Paths through the test series with a share of them missing."""
        return path_through(self.unseen(rate))


def sequences(settings: SequenceSettings) -> Sequences:
    """The series of the settings, ready."""
    return ready(*SETS[settings.data](settings.seed), settings)


def ready(train: Series, test: Series, settings: SequenceSettings, names: tuple[str, ...] = ()) -> Sequences:
    """Series of any source, on the window and the scales of those to train on."""
    window = train.window
    scaled = train.rescaled(window).standardised(), test.rescaled(window).standardised(train.rescaled(window))
    return Sequences(*scaled, settings.seed, "time" if settings.dropped == "time" else "value", names)


def latent(kind: str, bound: str, settings: SequenceSettings, channels: int, outputs: int, *, seed: int) -> StableSDE:
    """A class of the latent equations of the settings' size."""
    network = Architecture(width=settings.width, depth=settings.depth, bound=bound)
    return StableSDE(kind, channels, outputs, network, step_size=1 / settings.solver_steps, seed=seed)


def _labels(series: Series) -> Int64[Tensor, " sample"]:
    assert series.labels is not None
    return series.labels
