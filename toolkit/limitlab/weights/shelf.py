"""The files that ship, and their cards: `open` gives a trained model without data and without training.

NAME.safetensors holds the model, as `limitlab.saved.save` writes it; NAME.json its card, with the SHA-256 of the
former, so that one of them cannot be exchanged without the other.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from limitlab import saved
from limitlab.cards import Card, Shown
from limitlab.data.sources import shipped
from limitlab.data.sources.shipped import DataMissing
from limitlab.errors import one_of
from limitlab.weights.rows import ROWS, Row

LARGEST = 1_000_000
"""Bytes of a file that ships."""


@dataclass(frozen=True, repr=False)
class ShippedCard(Shown):
    """What is known of a trained model that ships; value: of the metric on the test set of its training.

    dtype: of its numbers, which may be stored in fewer digits.

    >>> ll.weights.card("darcy_fno").experiment
    'darcy_fno'
    """

    name: str
    experiment: str
    at: Mapping[str, Any]
    settings: Mapping[str, Any]
    seed: int
    limitlab: str
    metric: str
    where: Mapping[str, Any]
    value: float
    seconds: float
    parameters: int
    dtype: str
    stored: str
    sha256: str
    licence: str

    def card(self) -> Card:
        """Its training, and how good it was."""
        trial = ", ".join(map(str, self.at.values()))
        where = ", ".join(f"{axis} {value}" for axis, value in self.where.items())
        facts = (
            ("experiment", f"{self.experiment} at course size, {trial}, seed {self.seed}"),
            (self.metric, f"{self.value:.4g} on its test set{f', {where}' if where else ''}"),
            ("numbers", f"{self.parameters:,} of {self.dtype}, stored as {self.stored}"),
            ("training", f"{self.seconds:.0f} CPU seconds, limitlab {self.limitlab}"),
            ("licence", self.licence),
        )
        return Card(f"Shipped weights {self.name}", facts)

    @property
    def label(self) -> str:
        """What a figure that shows the model says of it."""
        return f"shipped weights, trained for {self.seconds:.0f} s"


def folder() -> Path:
    """Where the files lie."""
    return shipped.folder() / "weights"


def names(place: Path | None = None) -> tuple[str, ...]:
    """Names of the models that ship.

    >>> "darcy_fno" in ll.weights.names()
    True
    """
    return tuple(name for name in ROWS if all(path.is_file() for path in paths(name, place)))


def paths(name: str, place: Path | None = None) -> tuple[Path, Path]:
    """The files of the weights and of the card. Raises UnknownName."""
    base = (place or folder()) / one_of("weights", name, ROWS)
    return base.with_suffix(saved.model.SUFFIX), base.with_suffix(".json")


def card(name: str, place: Path | None = None) -> ShippedCard:
    """The card of a model that ships. Raises UnknownName, and DataMissing that names the command.

    >>> print(ll.weights.card("annuli_augmented").at)
    {'class': 'augmented', 'way': 'plain'}
    """
    file = paths(name, place)[1]
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        return ShippedCard(**content)
    except (OSError, ValueError, TypeError) as error:
        raise DataMissing(f"{name} has no card that can be read ({error}): {command(name)}") from error


def open(name: str, *, device: torch.device | str = "cpu", place: Path | None = None) -> nn.Module:
    """The trained model of this name, in evaluation mode. Raises UnknownName, and DataMissing that names the command.

    >>> ll.weights.open("darcy_fno")(torch.rand(1, 1, 40, 40)).shape
    torch.Size([1, 1, 40, 40])
    """
    described, file = card(name, place), paths(name, place)[0]
    if not file.is_file():
        raise DataMissing(f"{file} is missing: {command(name)}")
    if checksum(file) != described.sha256:
        raise DataMissing(f"{file} is not the file of its card: {command(name)}")
    model: nn.Module = saved.load(file, device=device)
    # half precision is a way to store
    return model.to(getattr(torch, described.dtype)) if described.stored != described.dtype else model


def of(experiment: str, settings: Mapping[str, Any], **at: str | float) -> str | None:
    """The name of a model that ships of this trial, trained with these settings but for the ways of computing.

    >>> ll.weights.of("darcy_fno", ll.weights.ROWS["darcy_fno"].settings().as_dict(), operator="fno")
    'darcy_fno'
    """
    name, other = _closest(experiment, plain(settings), at)
    return name if name and not other else None


def refusal(experiment: str, settings: Mapping[str, Any], **at: str | float) -> str:
    """Why `of` finds nothing though a model of this trial ships, setting by setting; empty where one is found.

    >>> settings = ll.experiments.get("darcy_fno").configure("course", width=12).as_dict()
    >>> ll.weights.refusal("darcy_fno", settings, operator="fno")
    "darcy_fno ships with models=['fno'], width=24; asked for was models=['fno', 'unet', 'mean'], width=12"
    """
    asked = plain(settings)
    name, other = _closest(experiment, asked, at)
    if not other:
        return ""
    trained = card(name).settings
    held, wanted = (", ".join(f"{key}={values.get(key)!r}" for key in other) for values in (trained, asked))
    return f"{name} ships with {held}; asked for was {wanted}"


def _closest(experiment: str, asked: Mapping[str, Any], at: Mapping[str, str | float]) -> tuple[str, tuple[str, ...]]:
    """The model of this trial with the fewest other settings, and which those are; no name where none ships."""
    rows = {name: ROWS[name] for name in names()}
    alike = (
        name
        for name, row in rows.items()
        if row.experiment == experiment and all(row.at.get(axis) == value for axis, value in at.items())
    )
    pairs = [(name, _other(card(name).settings, asked)) for name in alike]
    return min(pairs, key=lambda pair: len(pair[1]), default=("", ()))


def _other(trained: Mapping[str, Any], asked: Mapping[str, Any]) -> tuple[str, ...]:
    """Settings of what is learned from what that are not those of a training."""
    return tuple(key for key, value in trained.items() if key not in COMPUTING and asked.get(key) != value)


COMPUTING = ("device", "precision", "workers", "seed", "seeds", "test_samples", "test_resolutions")
"""Settings that do not say what is learned from what."""


def plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as a file of JSON gives them back."""
    return json.loads(json.dumps(dict(settings)))


def command(name: str) -> str:
    """What makes the files again."""
    return f"`limitlab weights {name}` trains it and writes its files"


def checksum(file: str | os.PathLike[str]) -> str:
    """The SHA-256 of a file."""
    return hashlib.sha256(Path(file).read_bytes()).hexdigest()


def value_of(row: Row, metrics: Any) -> float:
    """The figure of a row in the metrics of its model."""
    return float(metrics[row.metric].sel(row.where).mean())
