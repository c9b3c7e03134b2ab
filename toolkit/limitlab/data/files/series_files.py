"""`open_series`: time series of a reader's own, with gaps and lengths that differ, from a table or a file of arrays.

.csv .tsv .txt              a column of times, columns of values; `series` and `label` where there are several
.ts                         the archives of time-series classification
.npz .pt .mat .h5 .nc ...   times (time) or (sample, time), values (sample, time, channel) or (sample, time), and
                            where there are any: lengths (sample), labels (sample), mask (sample, time[, channel])
"""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from limitlab.data.files.reading import FORMATS, contents_of
from limitlab.data.files.row import Contents, listed
from limitlab.data.series import Series, series
from limitlab.data.sources.csv_format import read_csv
from limitlab.data.sources.ts_format import read_ts
from limitlab.errors import InvalidArgument
from limitlab.numbers import array_of

TABLES = (".csv", ".tsv", ".txt")
TIMES, VALUES = ("times", "time", "t"), ("values", "y", "x", "data")


def open_series(path: str | PathLike[str]) -> Series:
    """The series of a file, NaN where nothing was measured. Raises InvalidArgument that names the file.

    >>> import numpy as np
    >>> np.savez("pulse.npz", times=[0.0, 0.5, 1.5], values=[[1.0, np.nan, 2.0], [3.0, 4.0, 5.0]])
    >>> ll.data.open_series("pulse.npz")
    Series(2 samples, 1 channels, 3 times on [0, 1.5]; 17 % missing)
    """
    return named_series(path)[0]


def named_series(path: str | PathLike[str]) -> tuple[Series, tuple[str, ...]]:
    """The series of a file, and the names of their channels where the file has them. Raises InvalidArgument."""
    if not isinstance(path, str | PathLike):
        raise InvalidArgument(f"path must be that of a file; got {path!r:.80}")
    place = Path(path).expanduser()
    ending = place.suffix.lower()
    if ending not in (*TABLES, ".ts"):
        if ending not in FORMATS:
            known = ", ".join((*TABLES, ".ts", *FORMATS))
            raise InvalidArgument(f"{place} must end in one of {known}; got {ending or 'no ending'!r}")
        return _of_arrays(place.name, _arrays(path)), ()
    try:
        content = place.read_bytes()
    except OSError as problem:
        raise InvalidArgument(f"{place} cannot be read: {problem.strerror}") from problem
    if ending == ".ts":
        try:
            return read_ts(content.decode()), ()
        except ValueError as problem:
            raise InvalidArgument(f"{place} is no file of series: {problem}") from problem
    return read_csv(content, str(place))


def _arrays(path: str | PathLike[str]) -> Mapping[str, Any]:
    whole = contents_of(path)
    if isinstance(whole, Contents):
        return whole.arrays
    return {str(name): array.values for name, array in whole.variables.items()}


def _of_arrays(name: str, arrays: Mapping[str, Any]) -> Series:
    times = next((arrays[key] for key in TIMES if key in arrays), None)
    values = next((arrays[key] for key in VALUES if key in arrays), None)
    if times is None or values is None:
        raise InvalidArgument(f"{name} must hold times and values; it holds {listed(arrays)}")
    exact = array_of(f"values of {name}", values)
    values = exact if np.asarray(values).dtype == np.float64 else exact.astype(np.float32)
    values = values[..., None] if values.ndim == 2 else values
    if "mask" in arrays:
        mask = np.asarray(arrays["mask"], dtype=bool)
        mask = mask[..., None] if mask.ndim == 2 else mask
        try:
            values = np.where(mask, values, np.nan)
        except ValueError:
            raise InvalidArgument(f"mask of {name} must fit values {values.shape}; got {mask.shape}") from None
    lengths, labels = (np.asarray(arrays[key]).ravel() if key in arrays else None for key in ("lengths", "labels"))
    try:
        return series(np.asarray(times), values, labels, lengths=lengths)
    except InvalidArgument as problem:
        raise InvalidArgument(f"{name}: {problem}") from None
