"""Navier-Stokes at 64 x 64, learned on the whole square and on 2 x 2 and 4 x 4 patches, with what they see varied.

An FNO on patches alone, on patches with a halo, with coarse windows of their surroundings, and with both; `padded` has
both, and zeros around the window inside the FNO, for which a patch is a period otherwise; `zeros` has only these. On
the whole square the same FNO. Waves are kept up to the same length in all of them. None of them is told positions,
which the equation does not know. Errors are those of the whole field, and once more by the distance to the nearest seam
of the 2 x 2 patches.
Source: Kossaifi et al., MG-TFNO (2023), arXiv 2310.00120.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from limitlab.experiments.contract.experiment import Experiment, Prepared, ReportProgress, Trial
from limitlab.experiments.contract.result import Result
from limitlab.experiments.contract.settings import option, sizes
from limitlab.experiments.operators._learning import (
    OperatorData,
    OperatorSettings,
    draw_operator,
    measure_operator,
    predict,
    prepare_operator,
    problem_at,
    trial_of,
)
from limitlab.experiments.operators._navier_stokes import PROBLEM
from limitlab.experiments.operators._rates import rates_of
from limitlab.operators import FNO, OPERATORS, MultigridPatched, Operator, Patching, Task, patch_loss, seam_error

if TYPE_CHECKING:
    import plotly.graph_objects as go
    import xarray as xr

SEEN = ("isolated", "zeros", "halo", "coarse", "both", "padded")
TWINS = ("whole", *(f"{seen}_2" for seen in SEEN), "isolated_4", "both_4", "padded_4")
"""What is seen, and patches along an axis."""


@dataclass(frozen=True)
class PatchSettings(OperatorSettings):
    """Settings of an experiment on patches; `modes` are those of the whole square, of which a patch has its share."""

    twins: tuple[str, ...] = option(TWINS, "what the patches see, and how many along an axis", choices=TWINS)
    halo: float = option(1 / 16, "halo, as a fraction of the axis", low=0.0, high=0.5)
    inside: float = option(1 / 8, "zeros around a padded window, as a fraction of it", low=0.0, high=0.25)
    learn_from: str = option("fields", "errors that are learned from", choices=("fields", "patches"))


def patching_of(twin: str, settings: PatchSettings) -> Patching:
    """How a twin cuts its fields."""
    seen, _, count = twin.partition("_")
    levels = int(count or 1).bit_length() - 1
    halo = settings.halo if seen in ("halo", "both", "padded") else 0.0
    return Patching(levels, halo, coarse=seen in ("coarse", "both", "padded"), positional=False)


def row_of(twin: str, settings: PatchSettings) -> Operator:
    """The twin as an operator."""
    patching = patching_of(twin, settings)

    def build(task: Task, sizes: Any) -> nn.Module:
        window = patching.window(task.grid.shape)
        modes = [max(2, round(sizes.modes * n / of)) for n, of in zip(window, task.grid.shape, strict=True)]
        channels = patching.channels(task.in_channels, task.dimension)
        padding = sizes.inside if twin.startswith(("zeros", "padded")) else 0.0
        inner = FNO(channels, task.out_channels, modes, sizes.width, sizes.layers, positional=False, padding=padding)
        return MultigridPatched(inner, patching)

    return Operator(twin, twin, MultigridPatched, build)


def trial_of_twin(twin: str, settings: PatchSettings, data: OperatorData) -> Trial:
    """The trial of a twin, which learns from errors of whole fields or of patches."""
    trial, patching = trial_of(row_of(twin, settings), settings, data), patching_of(twin, settings)
    if settings.learn_from == "fields" or trial.recipe is None:
        return trial
    return replace(trial, recipe=replace(trial.recipe, loss=patch_loss(settings.loss, data.task.grid, patching)))


def prepare(settings: PatchSettings, progress: ReportProgress = False) -> Prepared[OperatorData]:
    """The operators of the settings, and the twins."""
    prepared = prepare_operator(problem_at(PROBLEM, settings), settings, progress)
    data = prepared.data
    twins = (trial_of_twin(twin, settings, data) for twin in settings.twins)

    def measure(model: nn.Module, fresh: nn.Module) -> xr.Dataset:
        predicted = predict(model, data.test[settings.resolution])
        prediction, target = (torch.as_tensor(predicted[name].values) for name in ("prediction", "target"))
        seams = seam_error(prediction, target, Patching(1)).rename(error="seam")
        return measure_operator(model, data, settings.resolution).merge(seams, combine_attrs="override")

    return replace(prepared, trials=(*prepared.trials, *twins), measure=measure)


def draw(result: Result[Any, OperatorData]) -> dict[str, go.Figure]:
    """The figures of every operator, and the error by its distance to a seam."""
    from limitlab import figures

    seams = result.metrics["seam"].mean("seed", keep_attrs=True)
    return {
        **draw_operator(result),
        "seams": figures.lines({str(n): seams.sel(model=n) for n in seams["model"].values}),
    }


def check(settings: PatchSettings) -> None:
    """Raise for parameters that the problem does not have, and for rates of unknown models."""
    problem_at(PROBLEM, settings)
    rates_of(settings, {**OPERATORS, **{twin: row_of(twin, settings) for twin in settings.twins}})


EXPERIMENT = Experiment(
    "mg-tfno",
    "Navier-Stokes on patches, with and without a halo and coarse windows",
    sizes(
        PatchSettings(
            parameters=("amplitude=0.1",),
            train_samples=80,
            test_samples=20,
            resolution=64,
            test_resolutions=(64,),
            models=("mean",),
            modes=32,
            width=16,
            layers=3,
            epochs=6,
            batch_size=2,
            learning_rate=1e-2,
        ),
        smoke={
            "train_samples": 8,
            "test_samples": 4,
            "resolution": 16,
            "test_resolutions": (16,),
            "modes": 8,
            "width": 8,
            "layers": 2,
            "epochs": 1,
            "seeds": 1,
        },
        paper={
            "parameters": ("amplitude=1",),
            "train_samples": 2000,
            "test_samples": 500,
            "resolution": 128,
            "test_resolutions": (128,),
            "modes": 64,
            "width": 64,
            "epochs": 100,
            "batch_size": 8,
            "learning_rate": 3e-4,
            "loss": "h1",
        },
    ),
    prepare,
    draw,
    check,
    PROBLEM.name,
)
