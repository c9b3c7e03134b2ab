"""Time series of many samples: times of their own, gaps, lengths that differ, and a label for each where there is one.

A NaN is a value that was not measured. What a model is given is `Series.rescaled`, on a window of length one, since the
vector fields that it learns are made for times and values of order one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from limitlab.cards import Card, Shown
from limitlab.data.batches import ShuffledRows
from limitlab.errors import InvalidArgument, check_number, digits, one_of
from limitlab.numbers import resolved, tensor_of

Dropped = Literal["value", "time"]


@dataclass(frozen=True, eq=False)
class Series(Shown):
    """Values (sample, time, channel) at times (sample, time), NaN where nothing was measured; made by `series`.

    lengths: rows of each sample that count; later rows are NaN, their times go on increasing. labels: number of each
    sample's class in `classes`, or None.

    >>> ll.data.series([0.0, 1.0, 2.0], torch.tensor([[[0.0], [float("nan")], [1.0]]]))
    Series(1 samples, 1 channels, 3 times on [0, 2]; 33 % missing)
    """

    times: Float[Tensor, "sample time"]
    values: Float[Tensor, "sample time channel"]
    lengths: Int64[Tensor, " sample"]
    labels: Int64[Tensor, " sample"] | None = None
    classes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        low, high = digits(*self.window)
        classes = f", {len(self.classes)} classes" if self.classes else ""
        shortest, longest = int(self.lengths.min()), int(self.lengths.max())
        times = f"{longest}" if shortest == longest else f"{shortest} to {longest}"
        missing = 100 * (1 - float(self.observed.sum() / (self.inside.sum() * self.values.shape[-1])))
        return (
            f"Series({len(self)} samples, {self.values.shape[-1]} channels{classes}, {times} times on [{low}, {high}];"
            f" {missing:.0f} % missing)"
        )

    def card(self) -> Card:
        """Its shapes, its window, what is missing of it, and how many samples each class has."""
        low, high = digits(*self.window)
        facts = [
            ("values", f"{tuple(self.values.shape)}: sample, time, channel"),
            ("times", f"{int(self.lengths.min())} to {int(self.lengths.max())} a sample, on [{low}, {high}]"),
            ("measured", f"{int(self.observed.sum())} values"),
        ]
        if self.labels is not None:
            counts = torch.bincount(self.labels, minlength=len(self.classes)).tolist()
            facts.append(
                ("classes", ", ".join(f"{name}: {count}" for name, count in zip(self.classes, counts, strict=True)))
            )
        return Card("Series", tuple(facts))

    @property
    def inside(self) -> Bool[Tensor, "sample time"]:
        """Rows that count."""
        return torch.arange(self.times.shape[1], device=self.times.device) < self.lengths[:, None]

    @property
    def observed(self) -> Bool[Tensor, "sample time channel"]:
        """Where something was measured."""
        return ~self.values.isnan()

    @property
    def window(self) -> tuple[float, float]:
        """The first and the last time that counts, over all samples."""
        last = self.times.gather(1, self.lengths[:, None] - 1)
        return float(self.times[:, 0].min()), float(last.max())

    def rescaled(self, window: tuple[float, float] | None = None) -> Series:
        """Times on [0, 1], by the window of all samples, or by another: that of the training set.

        >>> ll.data.series([2.0, 4.0], torch.zeros(1, 2, 1)).rescaled().times.tolist()
        [[0.0, 1.0]]
        """
        low, high = self.window if window is None else window
        if not low < high:
            raise InvalidArgument(f"window must be an interval (first, last); got ({low}, {high})")
        return replace(self, times=(self.times - low) / (high - low))

    def standardised(self, like: Series | None = None) -> Series:
        """Every channel with mean 0 and deviation 1 over what was measured in `like`, the training set; itself if None.

        A channel that is constant there is only shifted.
        """
        mean, deviation = (self if like is None else like)._statistics()
        return replace(self, values=(self.values - mean) / deviation)

    def take(self, rows: Tensor | np.ndarray) -> Series:
        """The samples of these numbers."""
        chosen = tensor_of("rows", rows).long()
        labels = None if self.labels is None else self.labels[chosen]
        return replace(self, times=self.times[chosen], values=self.values[chosen], lengths=self.lengths[chosen],
                       labels=labels)  # fmt: skip

    def dropped(self, rate: float, seed: int, by: Dropped = "value", *, first: bool = False) -> Series:
        """The series with a share `rate` of its measurements taken away, each by a toss of its own.

        by: "value", every channel apart, or "time", a whole row. first: the first row may go too. What is taken away
        depends on the seed and the shape alone, and grows with the rate: a value that is missing at 0.3 is at 0.5.

        >>> full = ll.data.series([0.0, 1.0, 2.0], torch.zeros(2, 3, 1))
        >>> full.dropped(0.0, seed=0).values.equal(full.values)
        True
        """
        rate = float(check_number("rate", rate, low=0.0, high=1.0))
        seed = int(check_number("seed", seed, low=0, high=2**63 - 1, integer=True))
        one_of("by", by, get_args(Dropped))
        shape = tuple(self.values.shape) if by == "value" else (*self.times.shape, 1)
        tosses = torch.from_numpy(np.random.default_rng([seed, 17]).random(shape)).to(self.values.device)
        gone = tosses < rate
        if not first:
            gone[:, 0] = False
        return replace(self, values=self.values.masked_fill(gone, torch.nan))

    def split(self, share: float, seed: int) -> tuple[Series, Series]:
        """Two parts, the first with a share of the samples, of every class alike where there are labels."""
        share = float(check_number("share", share, low=0.0, high=1.0))
        draws = np.random.default_rng([int(check_number("seed", seed, low=0, integer=True)), 23])
        labels = np.zeros(len(self), dtype=np.int64) if self.labels is None else self.labels.cpu().numpy()
        first, second = [], []
        for label in np.unique(labels):
            rows = draws.permutation(np.flatnonzero(labels == label))
            count = round(share * len(rows))
            first.append(rows[:count])
            second.append(rows[count:])
        parts = [np.sort(np.concatenate(part)) for part in (first, second)]
        if not all(len(part) for part in parts):
            raise InvalidArgument(f"share {share:g} of {len(self)} samples leaves one part empty")
        return self.take(parts[0]), self.take(parts[1])

    def batches(self, size: int, seed: int = 0, *, shuffle: bool = True, masked: bool = False) -> ShuffledRows:
        """Batches {"times", "values", "lengths", and "label" where there is one}, in an order of each epoch's own.

        masked: with "mask", which is true where something was measured, and values that are 0 instead of NaN elsewhere.

        >>> ragged = ll.data.series([[0.0, 1.0, 2.0], [0.0, 1.5]], [[[1.0], [2.0], [3.0]], [[4.0], [5.0]]])
        >>> ragged.batches(2, shuffle=False, masked=True).batch(0)["mask"][..., 0].tolist()
        [[True, True, True], [True, True, False]]
        """
        tensors = {"times": self.times, "values": self.values, "lengths": self.lengths}
        if masked:
            tensors |= {"values": self.values.nan_to_num(0.0), "mask": self.observed}
        if self.labels is not None:
            tensors["label"] = self.labels
        return ShuffledRows(tensors, size=size, seed=seed, shuffle=shuffle)

    def _statistics(self) -> tuple[Float[Tensor, " channel"], Float[Tensor, " channel"]]:
        exact, observed = self.values.double().nan_to_num(), self.observed
        count = observed.sum((0, 1))
        if not count.all():
            raise InvalidArgument(f"channel {int((count == 0).int().argmax())} was never measured: it has no scale")
        mean = exact.sum((0, 1)) / count
        deviation = (((exact - mean) * observed).square().sum((0, 1)) / count).sqrt()
        constant = deviation <= 8 * torch.finfo(self.values.dtype).eps * mean.abs()
        return mean.to(self.values), torch.where(constant, 1.0, deviation).to(self.values)


def series(
    times: Any,
    values: Any,
    labels: Any = None,
    *,
    lengths: Any = None,
    classes: tuple[str, ...] = (),
) -> Series:
    """Series of values (sample, time, channel) at times (time,) or (sample, time), NaN where nothing was measured.

    values may be a list of samples (time, channel) of different lengths, with their times in another.
    lengths: rows of each sample that count, all when left out; what lies beyond is left out of account, times too.
    labels: (sample,) numbers of classes from 0; classes: their names. float32, or float64 where the values are.
    Raises InvalidArgument naming the sample: fewer than two times, times that repeat or run backwards, values that are
    infinite, a sample without one measurement.

    >>> gaps = ll.data.series([[0.0, 1.0], [0.0, 3.0]], [[[1.0], [2.0]], [[4.0], [5.0]]], labels=[0, 1])
    >>> gaps.classes, gaps.window
    (('0', '1'), (0.0, 3.0))
    """
    if lengths is None and _is_ragged(values):
        times, values, lengths = _padded(times, values)
    data = tensor_of("values", values).detach()
    if data.dim() != 3 or not data.numel():
        raise InvalidArgument(f"values must be (sample, time, channel), not empty; got shape {tuple(data.shape)}")
    data = data if data.is_floating_point() else data.float()
    batch, rows, _ = data.shape
    counted = _checked_lengths(lengths, batch, rows, data.device)
    inside = torch.arange(rows, device=data.device) < counted[:, None]
    moments = _checked_times(times, data, inside)
    data = torch.where(inside[..., None], data, torch.nan)
    require_measured(data)
    chosen = None if labels is None else _checked_labels(labels, batch).to(data.device)
    if chosen is not None:
        classes = tuple(classes) or tuple(str(number) for number in range(int(chosen.max()) + 1))
        if int(chosen.max()) >= len(classes):
            raise InvalidArgument(
                f"labels must be below {len(classes)}, the number of classes; got {int(chosen.max())}"
            )
    return Series(moments, data, counted, chosen, classes)


def _is_ragged(values: Any) -> bool:
    """Whether values are a list of samples that differ in length."""
    listed = isinstance(values, list | tuple) and all(hasattr(sample, "__len__") for sample in values)
    return listed and len({len(sample) for sample in values}) > 1


def _padded(times: Any, values: Sequence[Any]) -> tuple[Tensor, Tensor, Int64[Tensor, " sample"]]:
    """Samples of different lengths filled up to the longest, and their lengths."""
    if not isinstance(times, list | tuple) or len(times) != len(values):
        raise InvalidArgument(f"times must be a list of {len(values)}, one of each sample, as values have; got others")
    parts = [tensor_of(f"values of sample {number}", sample).detach() for number, sample in enumerate(values)]
    moments = [tensor_of(f"times of sample {number}", sample).detach() for number, sample in enumerate(times)]
    for number, (part, moment) in enumerate(zip(parts, moments, strict=True)):
        if part.dim() != 2 or part.shape[1:] != parts[0].shape[1:] or moment.shape != part.shape[:1]:
            raise InvalidArgument(
                f"sample {number} must have values (time, {parts[0].shape[-1]}) at as many times; got values"
                f" {tuple(part.shape)} at times {tuple(moment.shape)}"
            )
    lengths = torch.tensor([len(part) for part in parts])
    exact = torch.float64 if any(part.dtype == torch.float64 for part in parts) else torch.float32
    parts, moments = [part.to(exact) for part in parts], [moment.double() for moment in moments]
    return pad_sequence(moments, batch_first=True), pad_sequence(parts, batch_first=True), lengths


def _checked_lengths(lengths: Any, batch: int, rows: int, device: torch.device) -> Int64[Tensor, " sample"]:
    counted = torch.full((batch,), rows, device=device) if lengths is None else tensor_of("lengths", lengths).to(device)
    if counted.shape != (batch,) or counted.is_floating_point():
        raise InvalidArgument(f"lengths must be {batch} whole numbers; got {counted.dtype} {tuple(counted.shape)}")
    wrong = (counted < 2) | (counted > rows)
    if wrong.any():
        sample = int(wrong.int().argmax())
        raise InvalidArgument(
            f"a series must have two times or more, and at most {rows} here; sample {sample} has {int(counted[sample])}"
        )
    return counted.long()


def _checked_times(times: Any, data: Tensor, inside: Bool[Tensor, "sample time"]) -> Float[Tensor, "sample time"]:
    moments = resolved("times", tensor_of("times", times).detach(), data)
    batch, rows = inside.shape
    if moments.shape not in ((rows,), (batch, rows)):
        raise InvalidArgument(f"times must be ({rows},) or ({batch}, {rows}); got shape {tuple(moments.shape)}")
    moments = moments.expand(batch, rows).contiguous()
    require_increasing(moments, inside)
    # rows that don't count go on by one, so that every row of times increases
    last = moments.gather(1, inside.sum(1, keepdim=True) - 1)
    beyond = torch.arange(rows, device=data.device) - (inside.sum(1, keepdim=True) - 1)
    return torch.where(inside, moments, last + beyond)


def require_increasing(times: Float[Tensor, "sample time"], inside: Bool[Tensor, "sample time"] | None = None) -> None:
    """Raise InvalidArgument, naming sample and row, for a single time and for times that repeat or run backwards.

    inside: the rows that count, all when left out.

    >>> from limitlab.data.series import require_increasing
    >>> require_increasing(torch.tensor([[0.0, 1.0, 0.0]]), torch.tensor([[True, True, False]]))
    """
    if times.shape[1] < 2:
        raise InvalidArgument(f"a series must have two times or more; sample 0 has {times.shape[1]}")
    beyond = torch.zeros_like(times, dtype=torch.bool) if inside is None else ~inside
    finite = times.isfinite() | beyond
    rising = (times.diff(dim=1) > 0) | beyond[:, 1:]
    bad = ~(finite.all(1) & rising.all(1))
    if bad.any():
        sample = int(bad.int().argmax())
        row = times[sample]
        if not finite[sample].all():
            raise InvalidArgument(f"times must be finite; sample {sample} has {float(row[~finite[sample]][0])}")
        place = int((~rising[sample]).int().argmax())
        before, after = float(row[place]), float(row[place + 1])
        raise InvalidArgument(
            f"times must increase; in sample {sample}, {after:g} follows {before:g} at row {place + 1}"
        )


def require_measured(data: Float[Tensor, "sample time channel"]) -> None:
    """Raise InvalidArgument, naming the sample, where all values are missing, or one is infinite.

    >>> from limitlab.data.series import require_measured
    >>> require_measured(torch.tensor([[[float("nan")], [1.0]]]))
    """
    infinite = data.isinf().flatten(1).any(1)
    if infinite.any():
        raise InvalidArgument(f"values must be finite or NaN (missing); sample {int(infinite.int().argmax())} is not")
    empty = data.isnan().flatten(1).all(1)
    if empty.any():
        raise InvalidArgument(f"sample {int(empty.int().argmax())} has no measurement: all its values are missing")


def _checked_labels(labels: Any, batch: int) -> Int64[Tensor, " sample"]:
    chosen = tensor_of("labels", labels)
    if chosen.shape != (batch,) or chosen.is_floating_point() or bool((chosen < 0).any()):
        raise InvalidArgument(f"labels must be {batch} whole numbers from 0; got {chosen.dtype} {tuple(chosen.shape)}")
    return chosen.long()
