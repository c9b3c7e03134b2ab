"""The `.ts` text format of the archives of time-series classification: a header of @ lines, then one sample a line.

    @classLabel true Standing Running
    @data
    0.1,0.2,?:1.0,0.9,1.1:Standing

Channels are separated by colons, values of a channel by commas, the class comes last, and a `?` or `NaN` is a value
that was not measured. Time is the number of the row, unless it is told otherwise.
Source: Bagnall et al., The UEA multivariate time series classification archive (2018), arXiv 1811.00075.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.data.series import Series, series
from limitlab.errors import InvalidArgument, check_number


def read_ts(text: str, *, interval: float = 1.0) -> Series:
    """The series of a `.ts` file's text, `interval` apart in time, with the classes in the order of the header.

    Samples may differ in length; shorter ones are filled up with NaN that `lengths` leaves out of account.
    Raises InvalidArgument naming the sample: channels of different number or length, an unknown class, no number.

    >>> text = "@classLabel true walk run\\n@data\\n1,2,3:4,?,6:run\\n1,2:3,4:walk\\n"
    >>> ll.data.read_ts(text, interval=0.1)
    Series(2 samples, 2 channels, 2 classes, 2 to 3 times on [0, 0.2]; 10 % missing)
    """
    interval = float(check_number("interval", interval, low=1e-12))
    lines = iter(text.splitlines())
    classes = _classes(lines)
    samples = [line.strip() for line in lines if line.strip()]
    if not samples:
        raise InvalidArgument("text must hold samples after a line @data; got none")
    rows, labels = [], []
    for number, sample in enumerate(samples):
        *channels, label = sample.split(":") if classes else [*sample.split(":"), ""]
        rows.append(_values(channels, number))
        labels.append(_class(label, classes, number))
    _require_same_channels(rows)
    lengths = [len(row) for row in rows]
    values = torch.full((len(rows), max(lengths), rows[0].shape[1]), torch.nan)
    for number, row in enumerate(rows):
        values[number, : len(row)] = row
    times = interval * torch.arange(max(lengths))
    return series(times, values, labels if classes else None, lengths=lengths, classes=classes)


def _classes(lines: Iterator[str]) -> tuple[str, ...]:
    """The names of the header's classes; `lines` is left at the first sample."""
    classes: tuple[str, ...] = ()
    for line in lines:
        words = line.split()
        key = words[0].lower() if words else ""
        if key == "@data":
            return classes
        if key == "@timestamps" and words[1:2] == ["true"]:
            raise InvalidArgument("text has time stamps, which read_ts does not read: only rows at equal intervals")
        if key == "@classlabel" and words[1:2] == ["true"]:
            classes = tuple(words[2:])
    raise InvalidArgument("text must have a line @data before its samples")


def _values(channels: Iterable[str], sample: int) -> Float[Tensor, "time channel"]:
    try:
        columns = [np.array(channel.replace("?", "nan").split(","), dtype=np.float32) for channel in channels]
    except ValueError as problem:
        raise InvalidArgument(f"values of sample {sample} are no numbers: {problem}") from None
    if not columns or len({len(column) for column in columns}) > 1:
        raise InvalidArgument(f"channels of sample {sample} have lengths {[len(column) for column in columns]}")
    return torch.from_numpy(np.stack(columns, axis=1))


def _class(label: str, classes: tuple[str, ...], sample: int) -> int:
    if not classes:
        return 0
    if label.strip() not in classes:
        raise InvalidArgument(f"sample {sample} has class {label.strip()!r}, which is none of {', '.join(classes)}")
    return classes.index(label.strip())


def _require_same_channels(rows: list[Tensor]) -> None:
    for number, row in enumerate(rows):
        if row.shape[1] != rows[0].shape[1]:
            raise InvalidArgument(f"sample {number} has {row.shape[1]} channels, sample 0 has {rows[0].shape[1]}")
