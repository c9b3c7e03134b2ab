"""Small real data that ships with the project, each with a card (origin, licence, checksum) in `datasets/`.

A file is compared with the SHA-256 of its card before it is read.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from limitlab.errors import LimitlabError
from limitlab.labels import labelled

if TYPE_CHECKING:
    import xarray as xr

_DIGITS = "09f66e6debdee2cd2b5ae59e0d6abbb73fc2b0e0185d2e1957e9ebb51e23aa22"

_HUDSON_BAY = "d141dbc79f620b1cd943c8387949959dce7c20801b1a9b50377eeee07e444a63"


class DataMissing(LimitlabError):
    """A file that ships is not there, or is not the one that its card describes."""


def digits() -> xr.Dataset:
    """Handwritten digits: image (sample, y, x), 1797 of 8 x 8 counts from 0 to 16, and label (sample).

    Source: Alpaydin, Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998.
    Raises DataMissing.

    >>> dict(ll.data.digits()["image"].sizes)
    {'sample': 1797, 'y': 8, 'x': 8}
    """
    table = np.loadtxt(checked("digits/digits.csv.gz", _DIGITS), delimiter=",", dtype=np.float32)
    return labelled(
        {"title": "Optical recognition of handwritten digits", "licence": "CC BY 4.0"},
        image=("sample y x", table[:, :64].reshape(-1, 8, 8), "black pixels of a block"),
        label=("sample", table[:, 64].astype(np.int64), "digit"),
        sample=("sample", np.arange(len(table)), "sample"),
    )


def hudson_bay() -> xr.Dataset:
    """Pelts of hares and lynx that the Hudson's Bay Company took: hare (year) and lynx (year), 1900 to 1920, thousands.

    Source: Hewitt 1921, by Howard, Modeling basics, Texas A&M University, 2009. Raises DataMissing.

    >>> float(ll.data.hudson_bay()["lynx"].sel(year=1904))
    59.4
    """
    table = np.loadtxt(checked("hudson_bay/hudson_bay.csv", _HUDSON_BAY), delimiter=",", skiprows=1)
    return labelled(
        {"title": "Hares and lynx of Hudson Bay", "licence": "facts"},
        hare=("year", table[:, 1], "pelts of hares", "thousand"),
        lynx=("year", table[:, 2], "pelts of lynx", "thousand"),
        year=("year", table[:, 0].astype(np.int64), "year"),
    )


def folder() -> Path:
    """Where the data lie: inside of an installed package, else beside the toolkit of a checkout."""
    package = Path(__file__).resolve().parents[2]
    installed = package / "datasets"
    return installed if installed.is_dir() else package.parents[1] / "datasets"


def checked(name: str, checksum: str) -> Path:
    """The path of a file that ships, once its SHA-256 was found right. Raises DataMissing."""
    path = folder() / name
    if not path.is_file():
        raise DataMissing(f"{path} is missing; it ships with the project: install it again")
    # before it is parsed: a truncated table may still parse
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != checksum:
        raise DataMissing(f"{path} is not the file of its card (SHA-256 {digest[:12]}..., not {checksum[:12]}...)")
    return path
