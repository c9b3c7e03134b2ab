"""A series has a class: the loss of `fit`, and how many are told right, with measurements dropped or not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from limitlab.data import Series
from limitlab.data.series import Dropped
from limitlab.errors import InvalidArgument


def cross_entropy(model: nn.Module, batch: Mapping[str, Any]) -> dict[str, Tensor]:
    """Mean over the batch of -log softmax(output)[class]; a class that the batch lacks costs nothing.

    >>> spirals = ll.data.spirals(samples=8, times=10)
    >>> losses = ll.neural_des.cde.cross_entropy(ll.neural_des.cde.NeuralCDE(2, 2), spirals.batches(4).batch(0))
    """
    outputs = model(batch["times"], batch["values"], batch["lengths"])
    return {"cross_entropy": functional.cross_entropy(outputs, batch["label"])}


@torch.no_grad()
def accuracy(model: nn.Module, series: Series) -> float:
    """Share of the series whose class has the largest output. Raises InvalidArgument for series without labels.

    >>> accuracy = ll.neural_des.cde.accuracy(ll.neural_des.cde.NeuralCDE(2, 2), ll.data.spirals(samples=8, times=10))
    >>> 0.0 <= accuracy <= 1.0
    True
    """
    if series.labels is None:
        raise InvalidArgument("series must have labels for an accuracy")
    device = next(model.parameters()).device
    outputs = model(series.times.to(device), series.values.to(device), series.lengths.to(device))
    return float((outputs.argmax(-1).cpu() == series.labels.cpu()).double().mean())


def dropped_accuracy(model: nn.Module, series: Series, rate: float, seed: int, by: Dropped = "time") -> float:
    """The accuracy on the series with a share `rate` of their rows, or values, taken away.

    >>> model, spirals = ll.neural_des.cde.NeuralCDE(2, 2), ll.data.spirals(samples=8, times=10)
    >>> ll.neural_des.cde.dropped_accuracy(model, spirals, 0.0, seed=0) == ll.neural_des.cde.accuracy(model, spirals)
    True
    """
    return accuracy(model, series.dropped(rate, seed, by))
