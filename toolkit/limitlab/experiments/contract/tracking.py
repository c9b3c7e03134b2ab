"""A training shown to a tracker while it runs: loss terms and metrics as scalars, through Hugging Face Accelerate.

    for stage in tracked(experiment.train(settings, "runs/first"), "tensorboard"):
        ...                                        # then: tensorboard --logdir runs/first/tensorboard

Each model and seed is a run of its own, so that the same term of all of them is one picture. A tracker that keeps its
files on this machine writes into RUN/<its name>; what others do with what they are told is theirs.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from limitlab.errors import InvalidArgument, LimitlabError, one_of
from limitlab.experiments.contract.training import Stage, Training
from limitlab.training.device import is_main_process
from limitlab.training.progress import fetch

if TYPE_CHECKING:
    import xarray as xr
    from accelerate.tracking import GeneralTracker

STEPS_BETWEEN = 20  # reading a loss makes an accelerator wait
RESUMED = {"tensorboard": lambda first: {"purge_step": first}}
"""How a tracker forgets the steps that a killed training had told it, and that are taken again."""


def tracked(training: Training[Any, Any], tracker: str) -> Generator[Stage, None, None]:
    """The same stages, each told to a tracker of Accelerate; closing this closes the trackers, not the training.

    Raises at once: UnknownName, LimitlabError where the tracker's package is missing, InvalidArgument for a training
    without a folder.

    >>> line = ll.experiments.get("darcy_fno")
    >>> ll.experiments.tracked(line, "tensorbord")
    Traceback (most recent call last):
    limitlab.errors.UnknownName: unknown tracker 'tensorbord'; did you mean 'tensorboard'? ...
    """
    require_tracker(tracker)
    if training.run is None:
        raise InvalidArgument("a tracked training needs a folder: train(settings, folder)")
    return _told(training, tracker, training.run.root) if is_main_process() else (stage for stage in training)


def require_tracker(name: str) -> None:
    """Raises UnknownName, and LimitlabError where the tracker's package is not installed."""
    from accelerate.tracking import LOGGER_TYPE_TO_CLASS, get_available_trackers
    from accelerate.utils import LoggerType

    one_of("tracker", name, LOGGER_TYPE_TO_CLASS)
    # one that somebody has registered is there
    if name in map(str, LoggerType) and name not in map(str, get_available_trackers()):
        brought = "; the track extra brings it: pip install 'limitlab[track]'" if name in RESUMED else ""
        raise LimitlabError(f"the tracker {name} is not installed{brought}")


def _told(training: Training[Any, Any], name: str, folder: Path) -> Generator[Stage, None, None]:
    waiting: list[Stage] = []
    with contextlib.ExitStack() as closing:
        trackers: dict[tuple[str, int], GeneralTracker] = {}
        last: dict[tuple[str, int], int] = {}
        try:
            for stage in training:
                at = stage.model, stage.seed
                # not before: a tracker asks Accelerate for a device, which the training is to choose
                if at not in trackers:
                    _tell(waiting, trackers)
                    trackers[at] = _started(name, stage, folder)
                    closing.callback(trackers[at].finish)
                waiting.append(stage)
                last[at] = stage.progress.step
                if len(waiting) == STEPS_BETWEEN:
                    _tell(waiting, trackers)
                yield stage
        # what was trained until somebody stopped it, too
        finally:
            _tell(waiting, trackers)
        if training.result is not None:
            for at, tracker in trackers.items():
                tracker.log(_scalars(training.result.metrics, *at), step=last[at])


def _started(name: str, first: Stage, folder: Path) -> GeneralTracker:
    """The tracker of one model and seed, which knows the run's folder."""
    from accelerate.tracking import LOGGER_TYPE_TO_CLASS

    kind: Any = LOGGER_TYPE_TO_CLASS[name]
    where = {"logging_dir": str(folder / name)} if kind.requires_logging_directory else {}
    resumed = RESUMED[name](first.progress.step) if name in RESUMED and first.progress.step > 1 else {}
    tracker = kind(f"{first.model}/seed-{first.seed}", **where, **resumed)
    tracker.start()
    tracker.log({"run": str(folder.resolve())}, step=first.progress.step)
    return tracker


def _tell(waiting: list[Stage], trackers: Mapping[tuple[str, int], GeneralTracker]) -> None:
    """The scalars of these stages, brought to the host in one transfer."""
    fetch([stage.progress for stage in waiting])
    for stage in waiting:
        progress = stage.progress
        values = {f"loss/{term}": value for term, value in progress.losses.items()}
        values |= {f"metrics/{metric}": float(value) for metric, value in progress.metrics.items()}
        values["learning_rate"] = progress.learning_rate
        trackers[stage.model, stage.seed].log(values, step=progress.step)
    waiting.clear()


def _scalars(metrics: xr.Dataset, model: str, seed: int) -> dict[str, float]:
    """What was measured of one model in the end: each metric's mean over all but models and seeds."""
    at = {dim: value for dim, value in (("model", model), ("seed", seed)) if dim in metrics.dims}
    one = metrics.sel(at)
    numeric = {name: values for name, values in one.data_vars.items() if values.dtype.kind in "fiub"}
    means = {f"measured/{name}": float(values.mean()) for name, values in numeric.items()}
    # a metric that this model does not have
    return {name: value for name, value in means.items() if value == value}
