"""Trajectories of a reader's own: the next frame is learned, and models go on from their own answers.

    limitlab run trajectory_learning -o data=flow.h5 -o fields=vorticity -o rollout=10

The file is one that `limitlab.data.open` reads, with a field (sample, time, *axes) or several. A part of its samples is
kept to test on; `persistence`, which answers the frame that it was given, is what a model must beat.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from limitlab.errors import InvalidArgument
from limitlab.experiments.contract.experiment import Experiment, Prepared, ReportProgress
from limitlab.experiments.contract.settings import option, sizes
from limitlab.experiments.operators._learning import OperatorData
from limitlab.experiments.operators._rates import rates_of
from limitlab.experiments.operators._rollouts import RolloutSettings, draw_rollouts, prepare_rollouts
from limitlab.experiments.operators.own._settings import FileSettings
from limitlab.experiments.operators.own._trajectories import OwnTrajectories, trajectories_of
from limitlab.operators import OPERATORS

if TYPE_CHECKING:
    from limitlab.problems import PDEProblem


@dataclass(frozen=True)
class OwnRolloutSettings(FileSettings, RolloutSettings):
    """The file, what of it is learned, and the training."""

    fields: tuple[str, ...] = option((), "fields that are learned; none: all that evolve")
    interval: float = option(1.0, "that of the file, whatever is said here", low=1e-6, high=1e6)
    frames: int = option(0, "frames of a trajectory, 0: those of the file", low=0, high=10_000)

    def at(self, own: OwnTrajectories) -> OwnRolloutSettings:
        """The settings with the sizes of a file. Raises InvalidArgument where they do not fit it."""
        grids = self.resolutions(own.grid)
        longest = self.history + max(self.rollout, self.unrolled + self.pushed)
        frames = self.frames or own.frames
        if not longest <= frames <= own.frames:
            raise InvalidArgument(
                f"frames must be from {longest}, the history and the longest rollout, to {own.frames}, those of"
                f" {own.name}; got {frames}"
            )
        return replace(self, **grids, **self.counts(own.samples), frames=frames)

    @property
    def trajectories(self) -> OwnTrajectories:
        """What the file holds. Raises InvalidArgument."""
        return trajectories_of(self.path, fields=self.fields, dims=self.dims, kind=self.kind)


def prepare(settings: OwnRolloutSettings, progress: ReportProgress = False) -> Prepared[OperatorData]:
    """Training and test trajectories of the file, one trial for each operator."""
    own = settings.trajectories
    sized = settings.at(own)
    cut = replace(own, pairs=own.pairs.isel(time=slice(sized.frames)))
    # it has all that an experiment on steps asks a problem for
    return prepare_rollouts(cast("PDEProblem", cut), sized, (), progress)


def check(settings: OwnRolloutSettings) -> None:
    """Raise InvalidArgument for a file, or for sizes, that cannot be learned from."""
    settings.at(settings.trajectories)
    rates_of(settings, OPERATORS)


EXPERIMENT = Experiment(
    "nns-to-nos",
    "The time step of a reader's own trajectories, and rollouts",
    sizes(
        OwnRolloutSettings(models=("fno", "unet", "persistence"), seeds=1),
        smoke={
            "train_samples": 20, "test_samples": 4, "modes": 4, "width": 8, "layers": 2, "epochs": 2, "batch_size": 10,
            "rollout": 3,
        },
        paper={
            "train_samples": 1_000_000, "test_samples": 1_000_000, "width": 64, "modes": 32, "epochs": 500, "seeds": 3,
        },
    ),
    prepare,
    draw_rollouts,
    check,
)  # fmt: skip
