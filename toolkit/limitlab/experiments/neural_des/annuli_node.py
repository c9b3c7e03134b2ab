"""What a plain neural ODE cannot do, and one more dimension can: a disc in a ring, and the map from x to -x.

    annuli       class = sign of w . y(1) + b,    y(0) = [x, 0_a],    a = 0 ... 5
    reflection   y_1(1) = -x for x on a line

A plain flow is a homeomorphism. The disc cannot leave the ring, so that a linear classifier behind the flow keeps
errors, and a flow on a line is increasing, so that its mean squared error of -x is at least the variance of x: the
isotonic regression of decreasing targets is their mean. Source: Dupont, Doucet & Teh, Augmented neural ODEs (2019);
Kidger, On Neural Differential Equations (2022), 2.2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from limitlab.data.sources.annuli import annuli
from limitlab.experiments.contract.experiment import Experiment, Prepared, ReportProgress, Result, Trial
from limitlab.experiments.contract.settings import Ensemble, Trained, option, sizes
from limitlab.labels import labelled
from limitlab.neural_des.ode import AugmentedODE, MLPField
from limitlab.saved import Saved
from limitlab.training import descent, fixed
from limitlab.training.streams import seeded

if TYPE_CHECKING:
    import plotly.graph_objects as go
    import xarray as xr

FEATURES = {"annuli": 2, "reflection": 1}
CIRCLE, ON_CIRCLE = 1.25, 4096
"""Radius of a circle inside the ring, and how many of its points are asked for."""
LOOKS = 20
"""How often the field calls are counted during a training."""


@dataclass(frozen=True)
class AnnuliSettings(Ensemble, Trained):
    """The tasks, the dimensions that are added, the field and its training."""

    tasks: tuple[str, ...] = option(tuple(FEATURES), "what is learned", choices=tuple(FEATURES), distinct=True)
    extra: tuple[int, ...] = option((0, 1), "dimensions that are added", low=0, high=5, distinct=True)
    samples: int = option(400, "points of each class, or on the line", low=10, high=100_000)
    width: int = option(32, "units of a hidden layer", low=2, high=1024)
    depth: int = option(2, "hidden layers", low=1, high=8)
    steps: int = option(100, "full-batch steps of Adam", low=1, high=100_000)
    learning_rate: float = option(2e-2, "its rate", low=1e-7, high=1.0)
    tolerance: float = option(1e-4, "relative and absolute tolerance of the solves", low=1e-7, high=1e-1)


@dataclass(frozen=True)
class Points:
    """What is learned from, and for the annuli as many points more, by task."""

    seen: Mapping[str, Float[Tensor, "sample feature"]]
    target: Mapping[str, Float[Tensor, " sample"]]
    unseen: Float[Tensor, "sample 2"]
    classes: Float[Tensor, " sample"]


class Flow(Saved):
    """An augmented ODE with what its task reads off the state at the end: a logit, or the first component.

    The field is tanh without a bound: a bounded one must first grow before it turns a line round.
    """

    def __init__(self, task: str, extra: int, *, width: int, depth: int, tolerance: float, seed: int) -> None:
        super().__init__()
        self.task, state = task, FEATURES[task] + extra
        field = MLPField(state, width, depth, activation="tanh", bounded=False, seed=seed)
        self.flow = AugmentedODE(field, extra, rtol=tolerance, atol=tolerance)
        with seeded(seed):
            self.read_out = nn.Linear(state, 1) if task == "annuli" else None

    def forward(self, x: Float[Tensor, "batch feature"]) -> Float[Tensor, " batch"]:
        state = self.flow(x)
        return state[:, 0] if self.read_out is None else self.read_out(state)[:, 0]


def points_of(settings: AnnuliSettings) -> Points:
    """Points of both tasks; those that nobody learns from have a stream of their own."""
    disc, labels = annuli(settings.samples, 2 * settings.seed)
    unseen, classes = annuli(settings.samples, 2 * settings.seed + 1)
    line = torch.randn(settings.samples, 1, generator=torch.Generator().manual_seed(settings.seed))
    return Points({"annuli": disc, "reflection": line}, {"annuli": labels, "reflection": -line[:, 0]}, unseen, classes)


def loss(model: nn.Module, batch: Mapping[str, Any]) -> dict[str, Tensor]:
    """Cross entropy of the annuli, mean squared error of the reflection."""
    output = model(batch["x"])
    if model.task == "annuli":
        return {"cross_entropy": functional.binary_cross_entropy_with_logits(output, batch["target"])}
    return {"mse": (output - batch["target"]).square().mean()}


def field_calls(model: Any, fresh: Any) -> dict[str, float]:
    """Field calls of a sample in the last solve."""
    return {"field_calls": float(model.flow.last.evaluations.function.double().mean())}


def prepare(settings: AnnuliSettings, progress: ReportProgress = False) -> Prepared[Points]:
    """Both tasks with every number of added dimensions, each trained on the same points for as many steps."""
    points = points_of(settings)
    trials = []
    for task in settings.tasks:
        batches = fixed(x=points.seen[task], target=points.target[task])
        recipe = descent(
            loss, batches, settings.steps, settings.learning_rate, optimizer="adam",
            evaluate=field_calls, evaluate_every=max(1, settings.steps // LOOKS),
        )  # fmt: skip
        trials += [
            Trial({"task": task, "extra": extra}, partial(_build, task, extra, settings), recipe)
            for extra in settings.extra
        ]
    return Prepared(tuple(trials), partial(measure, points), points)


def _build(task: str, extra: int, settings: AnnuliSettings, seed: int) -> nn.Module:
    sizes = {"width": settings.width, "depth": settings.depth}
    return Flow(task, extra, **sizes, tolerance=settings.tolerance, seed=seed)


@torch.no_grad()
def measure(points: Points, model: Any, fresh: nn.Module) -> xr.Dataset:
    """Accuracy on points that were not seen, or the error over the variance of x; and what a solve costs."""
    device = next(model.parameters()).device
    if model.task == "annuli":
        correct = ((model(points.unseen.to(device)) > 0).cpu() == (points.classes > 0)).double()
        metrics = {
            "accuracy": ("", correct.mean(), "share of new points in their class"),
            "leak": ("", leak(model, device), "share of a circle in the ring on the disc's side"),
        }
    else:
        x, target = points.seen["reflection"].to(device), points.target["reflection"].to(device)
        ratio = (model(x) - target).square().mean() / x.var(correction=0)
        metrics = {"mse_over_variance": ("", ratio, "mean squared error over the variance of x")}
    evaluations = model.flow.last.evaluations.function.double()
    return labelled(**metrics, field_calls=("", evaluations.mean(), "field calls of a sample"))


def leak(model: nn.Module, device: torch.device) -> float:
    """The share of a circle in the ring that is on the side of the disc's centre.

    Without augmentation it is never zero: the image of the circle goes round that of the centre, so that every line
    leaves a part of it on the centre's side.
    """
    angles = torch.linspace(0, 2 * torch.pi, ON_CIRCLE + 1, device=device)[1:]
    points = torch.stack([CIRCLE * angles.cos(), CIRCLE * angles.sin()], -1)
    sides = model(torch.cat([points.new_zeros(1, 2), points])) > 0
    return float((sides[1:] == sides[0]).float().mean())


def draw(result: Result[AnnuliSettings, Points]) -> dict[str, go.Figure]:
    """Training curves, and the field calls as they grow."""
    from limitlab import figures

    curves = result.curves
    calls = curves["field_calls"].isel(seed=0).dropna("step")
    return {
        "training": figures.training_curves(curves),
        "field_calls": figures.lines(calls.transpose("model", "step"), marks=True),
    }


SIZES = sizes(
    course=AnnuliSettings(seeds=1),
    smoke={"samples": 60, "width": 16, "depth": 1, "steps": 30, "learning_rate": 5e-2},
    paper={"seeds": 5, "extra": (0, 1, 2, 3, 4, 5), "samples": 2000, "steps": 500},
)
EXPERIMENT = Experiment(
    "neural-differential-equations",
    "Plain and augmented neural ODEs on a disc in a ring",
    SIZES,
    prepare,
    draw,
)
