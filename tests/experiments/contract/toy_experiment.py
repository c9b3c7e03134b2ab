"""A toy of two axes, slope and rate: lines w x + b that learn slope x, beside the mean of it, which learns nothing."""

from dataclasses import dataclass
from functools import partial

import torch
from torch import nn

from limitlab.experiments import Ensemble, Experiment, Prepared, Trained, Trial, option, sizes
from limitlab.labels import labelled
from limitlab.training import descent, fixed

X = torch.linspace(-1, 1, 8)[:, None]


@dataclass(frozen=True)
class LineSettings(Ensemble, Trained):
    slopes: tuple[float, ...] = option((1.0, 2.0), "slopes to learn", low=-9, high=9)


class Line(nn.Module):
    """w x + b, drawn from the seed."""

    def __init__(self, seed):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.w, self.b = (nn.Parameter(torch.randn((), generator=generator)) for _ in range(2))

    def forward(self, x):
        return self.w * x + self.b


class Mean(nn.Module):
    """The mean of all targets."""

    def forward(self, x):
        return torch.zeros_like(x)


def squared_error(slope, model, batch):
    return {"squared": (model(batch["x"]) - slope * batch["x"]).square().mean()}


def distance(model, fresh):
    """How far w has gone: a metric that is zero where `fresh` is not the model as it was built."""
    return {"moved": float((model.w - fresh.w).abs())}


def prepare(settings, progress=False):
    lines = tuple(
        Trial(
            {"slope": slope, "rate": rate},
            Line,
            descent(partial(squared_error, slope), fixed(x=X), settings.steps, value, evaluate=distance),
        )
        for slope in settings.slopes
        for rate, value in (("slow", 0.1), ("fast", 0.5))
    )
    return Prepared((*lines, Trial({"baseline": "mean"}, lambda seed: Mean())), measure, settings.slopes)


def measure(model, fresh):
    if isinstance(model, Mean):
        return labelled(output=("x", model(X)[:, 0], "output"), same=("", model is fresh, "one model"))
    return labelled(
        output=("x", model(X)[:, 0], "output"),
        start=("", fresh.w, "w before training"),
        weight=("", model.w, "w"),
        bias=("part", torch.stack([model.b, fresh.b]), "b after and before training"),
    )


LINES = Experiment(
    "ntk",
    "Lines",
    sizes(course=LineSettings(steps=30, seeds=2), smoke={"steps": 5}, paper={"seeds": 4}),
    prepare,
    lambda result: {},
    name="lines",
)
