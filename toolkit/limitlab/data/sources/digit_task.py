"""Handwritten digits as a task: tensors of the 8 x 8 images and their classes, batches, and the loss of a classifier.

Images have mean zero and variance one over all pixels; the loss is the cross entropy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor, nn
from torch.nn import functional

from limitlab.data.batches import Batches
from limitlab.data.sources.shipped import digits
from limitlab.spaces.grid import Grid

CLASSES = 10
TESTED = 360
DARKEST = 16


@dataclass(frozen=True)
class DigitTask:
    """Images (sample, 64), their classes as unit vectors (sample, 10), and batches of both as `fit` takes them.

    >>> task = ll.infinite_width.digit_task(batch_size=32)
    >>> tuple(task.images.shape), tuple(task.batches.batch(0)["target"].shape)
    ((1797, 64), (32, 10))
    """

    images: Float[Tensor, "sample pixels"]
    targets: Float[Tensor, "sample classes"]
    batches: Batches


@cache
def digit_task(batch_size: int = 64, seed: int = 0) -> DigitTask:
    """All 1797 digits; the order of the batches is that of the seed.

    >>> ll.infinite_width.digit_task().targets[0].argmax().item()
    0
    """
    raw, labels = digit_tensors()
    # one mean and one deviation for all pixels: some pixels at the border are always zero
    images = ((raw - raw.mean()) / raw.std()).float()
    targets = functional.one_hot(labels, CLASSES).float()
    grid = Grid.uniform((8, 8), dimension=2)
    return DigitTask(images, targets, Batches({"input": images, "target": targets}, grid, size=batch_size, seed=seed))


def digit_tensors() -> tuple[Float64[Tensor, "sample pixels"], Int64[Tensor, " sample"]]:
    """The digits as they ship: counts from 0 to 16, a row of 64 an image, and the digit that each shows."""
    shipped = digits()
    images = torch.tensor(shipped["image"].transpose("sample", "y", "x").values, dtype=torch.float64).flatten(1)
    return images, torch.tensor(shipped["label"].values).long()


@dataclass(frozen=True)
class DigitSplit:
    """Images (sample, 64) from 0 to 1 and their digits, to learn from and to test on."""

    train: Float[Tensor, "sample pixels"]
    train_label: Int64[Tensor, " sample"]
    test: Float[Tensor, "test pixels"]
    test_label: Int64[Tensor, " test"]


def split_digits(seed: int, dtype: torch.dtype = torch.float32) -> DigitSplit:
    """The digits in an order of the seed: 1437 to learn from, the last 360 to test on.

    >>> from limitlab.data.sources.digit_task import split_digits
    >>> parts = split_digits(0)
    >>> len(parts.train), len(parts.test), float(parts.test.max())
    (1437, 360, 1.0)
    """
    counts, labels = digit_tensors()
    images = (counts / DARKEST).to(dtype)
    order = torch.from_numpy(np.random.default_rng([seed, 3]).permutation(len(images)))
    train, test = order[:-TESTED], order[-TESTED:]
    return DigitSplit(images[train], labels[train], images[test], labels[test])


def cross_entropy(model: nn.Module, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The loss of `fit`: mean over the batch of -log softmax(output)[class].

    >>> task = ll.infinite_width.digit_task()
    >>> losses = ll.infinite_width.cross_entropy(torch.nn.Linear(64, 10), task.batches.batch(0))
    """
    return {"cross_entropy": functional.cross_entropy(model(batch["input"]), batch["target"])}
