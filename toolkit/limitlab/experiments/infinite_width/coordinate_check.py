"""Which parametrisation trains alike at every width: how far a few steps of Adam move the activations of each module.

Networks of several widths learn the digits in the standard parametrisation (SP, the baseline) and under muP, the same
network at the base width. The change of every module is a power of the width; under muP all powers are near zero.
Source: Yang et al., Tensor programs V, arXiv 2203.03466, appendix D.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from limitlab.data.sources.digit_task import DigitTask, cross_entropy, digit_task
from limitlab.experiments.contract.experiment import Experiment, Prepared, ReportProgress, Trial
from limitlab.experiments.contract.result import Result
from limitlab.experiments.contract.settings import option, sizes
from limitlab.experiments.infinite_width._digits import (
    OptimizerSettings,
    fan,
    measure_movement,
    require_fit,
    step_metrics,
)
from limitlab.infinite_width.parametrizations.coordinate_check import passes, width_exponents
from limitlab.training import descent

if TYPE_CHECKING:
    import plotly.graph_objects as go
    import xarray as xr


@dataclass(frozen=True)
class CoordinateSettings(OptimizerSettings):
    """Widths, steps and the rate, which should be larger than the one to train with."""

    learning_rate: float = option(1e-2, "rate at the base width", low=1e-6, high=100.0)
    probes: int = option(256, "images on which the activations are looked at", low=1, high=1797)

    def __post_init__(self) -> None:
        super().__post_init__()
        require_fit(self)


def prepare(settings: CoordinateSettings, progress: ReportProgress = False) -> Prepared[DigitTask]:
    """All networks on the same batches; the metrics `change_h1` ... are logged at every step."""
    task = digit_task(settings.batch_size, settings.seed)
    measure = partial(measure_movement, task.images[: settings.probes])
    trials = []
    for kind, (make_model, groups) in settings.networks().items():
        recipe = descent(
            cross_entropy,
            task.batches,
            settings.steps,
            settings.learning_rate,
            optimizer=settings.optimizer,
            groups=groups,
            evaluate=step_metrics(measure),
            evaluate_every=1,
        )
        trials += [
            Trial({"parametrization": kind, "width": n}, partial(make_model, n), recipe) for n in settings.widths
        ]
    return Prepared(tuple(trials), measure, task)


def exponents(result: Result[CoordinateSettings, DigitTask]) -> xr.Dataset:
    """Powers of the width, (parametrization, module): `change` and `size` after training, and whether it `passes`."""
    import xarray as xr

    measured = result.grid("parametrization", "width")
    return xr.Dataset(
        {
            "change": width_exponents(measured["change"]),
            "size": width_exponents(measured["size"]),
            "passes": passes(measured.expand_dims("step")),
        }
    )


def draw(result: Result[CoordinateSettings, DigitTask]) -> dict[str, go.Figure]:
    """The fan of changes against the width."""
    from limitlab import figures

    return {"coordinates": figures.coordinate_fan(fan(result))}


SIZES = sizes(
    CoordinateSettings(steps=3, seeds=4),
    smoke={"widths": (64, 128, 256), "seeds": 2},
    paper={"widths": (64, 128, 256, 512, 1024, 2048, 4096, 8192), "seeds": 10, "steps": 10},
)

EXPERIMENT = Experiment("feature-learning", "Coordinate check: SP and muP on the digits", SIZES, prepare, draw)
