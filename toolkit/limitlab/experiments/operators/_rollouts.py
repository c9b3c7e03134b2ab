"""Learn the time step of a PDE from trajectories, then let every model go on from its own answers.

A model maps a history of frames to the frame that follows. It is trained on windows of trajectories, after one step or
after several, and tested on other trajectories: over one step from data, and over rollouts from every start that is
there, beside persistence. A model that is good for a step need not be good for five.
Source: Gupta & Brandstetter, Towards multi-spatiotemporal-scale generalized PDE modeling (2023), arXiv 2209.15616.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from limitlab import operators
from limitlab.data import Batches, ChannelStatistics, windows
from limitlab.errors import InvalidArgument
from limitlab.experiments.contract.experiment import Experiment, Prepared, ReportProgress
from limitlab.experiments.contract.result import Result
from limitlab.experiments.contract.settings import option
from limitlab.experiments.operators._learning import (
    EVALUATION_BATCH,
    OperatorData,
    OperatorSettings,
    problem_at,
    trial_of,
)
from limitlab.experiments.operators._rates import rates_of
from limitlab.labels import labelled
from limitlab.operators import OPERATORS, Operator, Task
from limitlab.spaces import Grid
from limitlab.training import rollout, rollout_errors, rollout_loss

if TYPE_CHECKING:
    import plotly.graph_objects as go
    import xarray as xr

    from limitlab.problems import PDEProblem

Beside = Callable[[Any], Sequence[Operator]]


@dataclass(frozen=True)
class RolloutSettings(OperatorSettings):
    """Settings of an experiment on time steps; train_samples and test_samples count trajectories."""

    interval: float = option(0.1, "time between two frames", low=1e-6, high=1e6)
    frames: int = option(9, "frames of a trajectory, the first among them", low=2, high=10_000)
    history: int = option(1, "frames that a model sees", low=1, high=64)
    rollout: int = option(5, "steps of the rollouts in the tests", low=1, high=10_000)
    unrolled: int = option(1, "steps that the training loss is taken after", low=1, high=64)
    pushed: int = option(0, "steps before those, of the model itself and without gradient", low=0, high=64)

    def __post_init__(self) -> None:
        super().__post_init__()
        longest = max(self.rollout, self.unrolled + self.pushed)
        if self.history + longest > self.frames:
            raise InvalidArgument(
                f"frames must be >= {self.history + longest}, the history and the longest rollout; got {self.frames}"
            )

    @property
    def steps(self) -> int:
        starts = self.frames - self.history - self.unrolled - self.pushed + 1
        return self.epochs * max(1, self.train_samples * starts // self.batch_size)


def rollout_learning(
    *,
    system: str,
    title: str,
    problem: str | PDEProblem,
    sizes: Mapping[str, Any],
    beside: Beside = lambda settings: (),
    name: str = "",
) -> Experiment[Any, OperatorData]:
    """The experiment that learns the time step of an evolution problem, of the catalogue or of a person's own.

    beside: models that are compared with those of the settings, as rows that the settings make.
    """

    def at(settings: RolloutSettings) -> PDEProblem:
        span = settings.interval * (settings.frames - 1)
        return problem_at(problem, settings).with_domain(span=span, frames=settings.frames)

    def prepare(settings: RolloutSettings, progress: ReportProgress = False) -> Prepared[OperatorData]:
        return prepare_rollouts(at(settings), settings, beside(settings), progress)

    def check(settings: RolloutSettings) -> None:
        at(settings)
        rates_of(settings, {**OPERATORS, **{row.name: row for row in beside(settings)}})

    label = problem if isinstance(problem, str) else problem.name
    return Experiment(system, title, sizes, prepare, draw_rollouts, check, label, name)


def prepare_rollouts(
    problem: PDEProblem, settings: RolloutSettings, beside: Sequence[Operator], progress: ReportProgress = False
) -> Prepared[OperatorData]:
    """Trajectories on the finest grid, restricted; one trial for each operator of the settings and each beside them."""
    made: dict[str, Any] = {"workers": settings.workers, "progress": progress}
    finest = {
        "train": problem.dataset(settings.train_samples, settings.seed, settings.finest, split="train", **made),
        "test": problem.dataset(settings.test_samples, settings.seed, settings.finest, split="test", **made),
    }

    def view(split: str, resolution: int) -> xr.Dataset:
        # a store gives fields back in any order, and channels must be the same in training and tests
        dataset = finest[split][[f.name for f in problem.fields if f.name in finest[split]]]
        return dataset if resolution == settings.finest else problem.restrict(dataset, resolution)

    train = view("train", settings.resolution)
    grid = Grid.from_json(train.attrs["grid"])
    steps = settings.unrolled + settings.pushed
    pairs = windows(frames_of(train), history=settings.history, steps=steps)
    targets = rearrange(pairs["target"], "window step channel ... -> (window step) channel ...")
    task = Task(
        in_channels=pairs["input"].shape[1],
        out_channels=targets.shape[1],
        grid=grid,
        statistics=(ChannelStatistics.of(pairs["input"]), ChannelStatistics.of(targets)),
        mean_target=targets.mean(0),
    )
    test = {n: view("test", n) for n in sorted(set(settings.test_resolutions))}
    training_set = Batches(pairs, grid, size=settings.batch_size, seed=settings.seed)
    deviations = deviations_of(task)
    loss = rollout_loss(settings.loss, grid, steps=settings.unrolled, pushed=settings.pushed, deviations=deviations)
    data = OperatorData(problem, train, test, task, training_set, loss)
    rows = (*(OPERATORS[name] for name in settings.models), *beside)
    measure = partial(measure_rollouts, data=data, settings=settings)
    return Prepared(tuple(trial_of(row, settings, data) for row in rows), lambda model, fresh: measure(model), data)


def deviations_of(task: Task) -> Float[Tensor, " channel"] | None:
    """Deviations of the fields in training, of which errors need a part where some field is at rest; None for one."""
    return task.statistics[1].std if task.out_channels > 1 else None


def problem_of(data: OperatorData) -> PDEProblem:
    """The problem of trajectories, which has times and fields."""
    return cast("PDEProblem", data.problem)


def frames_of(dataset: xr.Dataset) -> Float[Tensor, "sample time channel *grid"]:
    """The fields that evolve, as channels in the dataset's order."""
    evolving = [values for values in dataset.data_vars.values() if "time" in values.dims]
    return torch.as_tensor(np.stack([values.values for values in evolving], axis=2))


@torch.no_grad()
def rollouts_of(model: nn.Module, dataset: xr.Dataset, *, history: int, steps: int) -> tuple[Tensor, Tensor]:
    """What the model makes of every start, and the truth: (sample, start, step, channel, *grid) each."""
    trajectories = frames_of(dataset)
    pairs = windows(trajectories, history=history, steps=steps)
    device = next((tensor.device for tensor in (*model.parameters(), *model.buffers())), trajectories.device)
    model.eval()
    # in parts: all starts of all trajectories may not fit on the device
    parts = pairs["input"].split(EVALUATION_BATCH)
    made = torch.cat([rollout(model, part.to(device), steps).float().cpu() for part in parts])
    apart = "(sample start) ... -> sample start ..."
    made, true = (rearrange(frames, apart, sample=len(trajectories)) for frames in (made, pairs["target"]))
    return made, true


def measure_rollouts(model: nn.Module, data: OperatorData, settings: RolloutSettings) -> xr.Dataset:
    """Errors after one step (resolution, sample), by step and start of a rollout, and the energy left at its end.

    The energy is that of every shell of wavenumbers, over the truth's, on the finest grid of the tests.
    """
    import xarray as xr

    rows = []
    for dataset in data.test.values():
        grid = Grid.from_json(dataset.attrs["grid"])
        measured = {}
        for name, steps in (("relative_l2", 1), ("rollout_l2", settings.rollout)):
            # in double, as all errors are
            made, true = (part.double() for part in rollouts_of(model, dataset, history=settings.history, steps=steps))
            flat, deviations = (made.flatten(0, 1), true.flatten(0, 1)), deviations_of(data.task)
            errors = rollout_errors("l2", *flat, grid, deviations=deviations).mean(2)
            measured[name] = rearrange(errors, "(sample start) step -> sample start step", sample=len(made))
        row = labelled(
            relative_l2=("sample", measured["relative_l2"].mean((1, 2)), "relative L2 error after one step"),
            rollout_l2=("sample start step", measured["rollout_l2"], "relative L2 error in rollouts"),
            step=("step", np.arange(1, settings.rollout + 1), "step"),
            start=("start", problem_of(data).times[: measured["rollout_l2"].shape[1]], "time of the first frame"),
        )
        rows.append(row.assign_coords(sample=dataset["sample"]))
    resolution = labelled(resolution=("resolution", list(data.test), "points per axis in the test"))["resolution"]
    size = labelled(parameters=("", operators.count_parameters(model), "real parameters"))
    metrics = xr.concat(rows, resolution).merge(size).assign(energy=_energy_left(made, true, grid))
    return metrics.assign_attrs(train_resolution=settings.resolution, problem=data.problem.name)


def _energy_left(made: Tensor, true: Tensor, grid: Grid) -> xr.DataArray:
    """Energy of every shell at the last step, over the truth's, pooled over all that is not space."""
    from limitlab import figures

    dims = " ".join(("row", *grid.names))

    def energy(frames: Tensor) -> xr.DataArray:
        last = rearrange(frames[:, :, -1], "sample start channel ... -> (sample start channel) ...")
        field = labelled(u=(dims, last, "field"))["u"].assign_attrs(grid=grid.to_json())
        return figures.spectrum(field).sum("row")

    # without the mean, and without the shell of n/2, which truncated data lack
    ratio = (energy(made) / energy(true)).isel(wavenumber=slice(1, -1))
    return ratio.assign_attrs(long_name="energy at the last step over the truth's", units="1")


def draw_rollouts(result: Result[Any, OperatorData]) -> dict[str, go.Figure]:
    """Training curves, errors by step, over samples and by wavenumber, and the median trajectory's last frame."""
    from limitlab import figures

    settings, data = result.settings, result.data
    seed, finest = settings.seed_range[0], max(result.data.test)
    errors = result.metrics["rollout_l2"].sel(resolution=finest)
    by_step = errors.mean(("seed", "sample", "start"), keep_attrs=True)
    trials = result.prepared.trials
    name = next((trial.name for trial in trials if trial.recipe is not None), trials[0].name)
    last = errors.sel(model=name, seed=seed).isel(step=-1, start=0)
    # the nearest sample: of an even number the median is none of them
    median = int(abs(last - last.median()).values.argmin())
    shown = data.test[finest].isel(sample=[median])
    made, true = rollouts_of(result.models[name, seed], shown, history=settings.history, steps=settings.rollout)
    dims = " ".join(data.task.grid.names)
    fields = labelled(
        target=(dims, true[0, 0, -1, 0], f"{problem_of(data).fields[0].meaning} after {settings.rollout} steps"),
        prediction=(dims, made[0, 0, -1, 0], f"{problem_of(data).fields[0].meaning} after {settings.rollout} steps"),
    )
    return {
        "training": figures.training_curves(result.curves),
        "rollout": figures.lines(by_step, log="y", marks=True),
        "distribution": figures.error_distribution(result.metrics),
        "spectrum": figures.lines(result.metrics["energy"].mean("seed", keep_attrs=True), log="xy"),
        "sample": figures.triptych(fields.assign_coords({d: shown[d] for d in data.task.grid.names})),
    }
