"""A block that tells digits apart, made small without training it again: accuracy against the time of a call.

    convolutional   image -> lift to channels -> x' = tanh(conv x + b) for time 1 -> read-out
    recurrent       x(0) = 0 -> x' = tanh(A x + b) - x + Z u, a row of the image for time 1 each -> read-out

Each is trained once; every method of `limitlab.neural_des.reduction` then makes it small at several sizes, from
snapshots of the images of the training. Times are medians of calls in turns, as shares of the dense block's: the same
matrix without its structure.
Source: Lehtimäki, Paunonen & Linne, Accelerating neural ODEs using model order reduction (2022), arXiv 2105.14070.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from limitlab.data import ShuffledRows
from limitlab.data.sources.digit_task import CLASSES, DigitSplit, split_digits
from limitlab.errors import one_of
from limitlab.experiments.contract.experiment import Experiment, Prepared, ReportProgress, Result, Trial
from limitlab.experiments.contract.settings import Batched, Ensemble, option, sizes
from limitlab.labels import labelled
from limitlab.neural_des.reduction import (
    METHODS,
    ElementwiseField,
    ElementwiseODE,
    FlatConvolution,
    Snapshots,
    affine_of,
    collect,
    operations,
    reduce,
)
from limitlab.saved import Saved
from limitlab.training import Recipe
from limitlab.training.streams import seeded

if TYPE_CHECKING:
    import plotly.graph_objects as go
    import xarray as xr

BLOCKS = ("convolutional", "recurrent")
SIDE = 8


@dataclass(frozen=True)
class ReductionSettings(Ensemble, Batched):
    """The blocks, their training, and the sizes that they are reduced to."""

    blocks: tuple[str, ...] = option(BLOCKS, "blocks", choices=BLOCKS, distinct=True)
    methods: tuple[str, ...] = option(tuple(METHODS), "ways to reduce", choices=tuple(METHODS), distinct=True)
    modes: tuple[int, ...] = option(
        (8, 16, 32, 64, 128, 256), "sizes: modes and rows, rank, or units", low=1, high=512, distinct=True
    )
    channels: int = option(8, "channels of the convolution, of 64 units each", low=1, high=64)
    units: int = option(256, "units of the recurrent block", low=8, high=4096)
    steps: int = option(300, "training steps of the convolutional block", low=1, high=100_000)
    recurrent_steps: int = option(150, "training steps of the recurrent block", low=1, high=100_000)
    batch_size: int = option(128, "images a step", low=1, high=1437)
    calls: int = option(21, "timed calls of each block", low=1, high=1000)


class Lift(Saved):
    """An image (batch, 64) as channels (batch, channel * 64)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(1, channels, 3, padding="same")

    def forward(self, image: Float[Tensor, "batch pixels"]) -> Float[Tensor, "batch state"]:
        return self.convolution(image.unflatten(1, (1, SIDE, SIDE))).flatten(1)


class Rest(Saved):
    """The zero state, whatever the image: all that the block knows comes from its input."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.units = units

    def forward(self, image: Float[Tensor, "batch pixels"]) -> Float[Tensor, "batch state"]:
        return image.new_zeros(len(image), self.units)


def convolutional(channels: int, seed: int) -> ElementwiseODE:
    """image -> x' = tanh(conv x + b) -> logits, six steps."""
    with seeded(seed):
        field = ElementwiseField(FlatConvolution((channels, SIDE, SIDE)), nn.Tanh())
        return ElementwiseODE(Lift(channels), field, nn.Linear(channels * SIDE**2, CLASSES), steps=6)


def recurrent(units: int, seed: int) -> ElementwiseODE:
    """Rows of an image -> x' = tanh(A x + b) - x + Z u -> logits, two steps a row."""
    with seeded(seed):
        inner, drive = nn.Linear(units, units), nn.Linear(SIDE, units, bias=False)
        nn.init.normal_(inner.weight, std=0.5 / units**0.5)
        nn.init.normal_(drive.weight, std=1 / SIDE**0.5)
        field = ElementwiseField(inner, nn.Tanh(), leak=1.0, inputs=drive)
        return ElementwiseODE(Rest(units), field, nn.Linear(units, CLASSES), steps=2)


def fed(model: ElementwiseODE, image: Float[Tensor, "batch pixels"]) -> tuple[Tensor, ...]:
    """What the block takes of images: them alone, or with their rows as its input."""
    return (image,) if model.field.inputs is None else (image, image.unflatten(1, (SIDE, SIDE)))


def cross_entropy(model: Any, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Mean of -log softmax(logits)[digit]."""
    logits = model(*fed(model, batch["image"]))
    return {"cross_entropy": nn.functional.cross_entropy(logits, batch["label"])}


def prepare(settings: ReductionSettings, progress: ReportProgress = False) -> Prepared[DigitSplit]:
    """One training of each block."""
    data = split_digits(settings.seed)
    batches = ShuffledRows(
        {"image": data.train, "label": data.train_label}, size=settings.batch_size, seed=settings.seed
    )
    build = {
        "convolutional": (partial(convolutional, settings.channels), settings.steps, 5e-3),
        "recurrent": (partial(recurrent, settings.units), settings.recurrent_steps, 2e-3),
    }
    trials = []
    for name in settings.blocks:
        make, steps, rate = build[one_of("block", name, BLOCKS)]
        recipe = Recipe(cross_entropy, batches, steps, rate, optimizer="adam", weight_decay=0.0, schedule="constant")
        trials.append(Trial({"block": name}, make, recipe))
    return Prepared(tuple(trials), partial(measure, data, settings), data)


@torch.no_grad()
def measure(data: DigitSplit, settings: ReductionSettings, model: Any, fresh: nn.Module) -> xr.Dataset:
    """Accuracy, error of the states, operations and time of every method at every size, beside the full block's."""
    device = next(model.parameters()).device
    test, label = data.test.to(device), data.test_label.to(device)
    snapshots = collect(model, *fed(model, data.train.to(device)), seed=settings.seed)
    dense = dense_of(model)
    small = {
        (method, size): reduce(model, snapshots, min(size, len(snapshots.states)), method)
        for method in settings.methods
        for size in settings.modes
    }
    truth = model.states(*fed(model, test))
    taken = seconds_a_call([dense, model, *small.values()], test[:256], settings.calls)
    shape = (len(settings.methods), len(settings.modes))
    reached = [measures_of(block, test, label, truth) for block in small.values()]
    accuracy, error = (np.reshape(values, shape) for values in zip(*reached, strict=True))
    calls = np.reshape([operations(block.field) for block in small.values()], shape)
    states, units = snapshots.bases
    return labelled(
        accuracy=("reduction size", accuracy, "share of the test images that are told apart"),
        state_error=("reduction size", error, "relative error of the states along the way"),
        operations=("reduction size", calls, "operations of a call a sample"),
        time=(
            "reduction size",
            np.reshape(taken[2:], shape) / taken[0],
            "time of a call as a share of the dense block's",
        ),
        full_accuracy=("", measures_of(model, test, label, truth)[0], "accuracy of the full block"),
        own_time=("", taken[1] / taken[0], "time of the full block's call as a share of the dense block's"),
        full_operations=("", operations(dense.field), "operations of a call of the dense block a sample"),
        state_spectrum=("mode", _padded(states.singular_values, snapshots), "singular value of the states"),
        unit_spectrum=("mode", _padded(units.singular_values, snapshots), "singular value of the units"),
        reduction=("reduction", np.array(settings.methods, dtype=object), "way to reduce"),
        size=("size", list(settings.modes), "size"),
        mode=("mode", np.arange(1, len(snapshots.states) + 1), "mode"),
    )


def measures_of(
    block: ElementwiseODE, image: Tensor, label: Tensor, truth: Float[Tensor, "sample time state"]
) -> tuple[float, float]:
    """Accuracy, and the relative error of the states along the way."""
    path = block.states(*fed(block, image))
    right = block.read_out(path[:, -1]).argmax(1) == label
    return float(right.float().mean()), float((block.lift(path) - truth).norm() / truth.norm())


def dense_of(model: ElementwiseODE) -> ElementwiseODE:
    """The same block with its matrix written out."""
    read_out = model.read_out
    assert isinstance(read_out, nn.Linear)
    matrix, offset = affine_of(model.field.inner, read_out.in_features)
    inner = nn.Linear(len(matrix), len(matrix), device=matrix.device)
    inner.weight, inner.bias = (nn.Parameter(part.to(read_out.weight.dtype)) for part in (matrix, offset))
    field = ElementwiseField(inner, model.field.activation, leak=model.field.leak, inputs=model.field.inputs)
    return ElementwiseODE(model.encode, field, read_out, steps=model.steps)


def seconds_a_call(blocks: Sequence[ElementwiseODE], image: Tensor, calls: int) -> np.ndarray:
    """Median time of a call of each block's field at its start, in turns, so that all see the same machine."""
    starts = [block.encode(image) for block in blocks]
    clock = _device_clock if image.is_cuda else time.process_time
    taken = np.empty((calls + 2, len(blocks)))
    for turn in range(calls + 2):
        for number, (block, start) in enumerate(zip(blocks, starts, strict=True)):
            # once before, or it would pay for the weights that the block before it left in the cache
            block.field(start)
            begin = clock()
            block.field(start)
            taken[turn, number] = clock() - begin
    # the first two turns warm up
    return np.median(taken[2:], axis=0)


def _device_clock() -> float:
    torch.cuda.synchronize()
    return time.perf_counter()


def _padded(values: Tensor, snapshots: Snapshots) -> np.ndarray:
    spectrum = np.full(len(snapshots.states), np.nan)
    spectrum[: len(values)] = values.cpu()
    return spectrum


def draw(result: Result[ReductionSettings, DigitSplit]) -> dict[str, go.Figure]:
    """Accuracy against the time of a call, of every method, for each block; and the singular values."""
    from limitlab import figures

    grid = result.grid("block").mean("seed")
    drawn = {"training": figures.training_curves(result.curves)}
    for block in grid["block"].values:
        seen = grid.sel(block=block)
        named = {
            str(method): seen["accuracy"]
            .sel(reduction=method)
            .assign_coords(size=seen["time"].sel(reduction=method).values)
            for method in seen["reduction"].values
        }
        for line in named.values():
            line["size"].attrs.update(long_name="time of a call as a share of the dense block's", units="1")
        drawn[f"{block}_accuracy"] = figures.lines(named, log="x", marks=True)
    spectra = {"states": "state_spectrum", "units": "unit_spectrum"}
    first = grid.isel(block=0)
    drawn["spectra"] = figures.lines({name: first[variable] for name, variable in spectra.items()}, log="y")
    return drawn


SIZES = sizes(
    course=ReductionSettings(seeds=1),
    smoke={
        "modes": (4, 16), "channels": 2, "units": 32, "steps": 20, "recurrent_steps": 20, "calls": 3,
    },
    paper={"seeds": 3, "channels": 16, "units": 512, "steps": 1500, "recurrent_steps": 1000},
)  # fmt: skip
EXPERIMENT = Experiment(
    "mor-neural-ode",
    "Blocks that tell digits apart, made small",
    SIZES,
    prepare,
    draw,
)
