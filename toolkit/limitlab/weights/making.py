"""Shipped weights made: one trial trained as its row says, stored, opened again, and measured as it was opened."""

from __future__ import annotations

import dataclasses
import json
import math
import re
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from limitlab import __version__, experiments, saved
from limitlab.atomic import replacing, write_atomically
from limitlab.errors import InvalidArgument, one_of
from limitlab.experiments import Stage
from limitlab.saved.arguments import Writer
from limitlab.weights import shelf
from limitlab.weights.rows import ROWS, Row
from limitlab.weights.shelf import LARGEST, ShippedCard, card, checksum, paths, plain, value_of

LICENCE = "MIT, as the library"
SAME, NUMBER = 1e-9, re.compile(r"\d+\.\d+(?:e[+-]?\d+)?")
HALF_COSTS = 1.02
"""What half precision may cost: this factor of the figure, up or down."""


def make(name: str, place: Path | None = None, report: Callable[[Stage], object] | None = None) -> ShippedCard:
    """Train the model of a row and write its two files; a model of a megabyte or more is stored in half precision.

    Raises UnknownName, and InvalidArgument for a model that is too large or whose figure half precision spoils.
    """
    row = ROWS[one_of("weights", name, ROWS)]
    settings, experiment = row.settings(), experiments.get(row.experiment)
    prepared = experiment.prepare(settings, False)
    training = experiment.train(settings, prepared=prepared, only=row.at)
    begun = time.process_time()
    for stage in training:
        seconds = time.process_time() - begun
        if report is not None:
            report(stage)
    (((trial, seed), whole),) = training.finish().models.items()
    model = whole.get_submodule(row.part)
    at = next(dict(each.at) for each in prepared.trials if each.name == trial)
    file, beside = paths(name, place)
    with replacing(file) as temporary, tempfile.TemporaryDirectory() as aside:
        stored, kind = _stored(name, model, Path(aside), experiment.problem)
        value = _value(row, prepared, stored)
        if not 1 / HALF_COSTS <= value / _value(row, prepared, model) <= HALF_COSTS:
            raise InvalidArgument(f"{name} is spoiled by half precision, and too large without it")
        written = Path(aside) / saved.model.FILE
        temporary.write_bytes(written.read_bytes())
        about = saved.about(written)
        made = ShippedCard(
            name, row.experiment, at, plain(settings.as_dict()), seed, __version__, row.metric, dict(row.where), value,
            seconds, about.parameters, _kind(model), kind, checksum(written), LICENCE,
        )  # fmt: skip
    write_atomically(beside, json.dumps(dataclasses.asdict(made), indent=1) + "\n")
    return made


def again(name: str, *, seed: int | None = None, place: Path | None = None) -> float:
    """The figure of a model that ships on a few new data, drawn with a seed, that of its row where left out.

    >>> ll.weights.again("annuli_augmented") > 0.9
    True
    """
    row = ROWS[one_of("weights", name, ROWS)]
    settings = row.settings(seed=row.unseen if seed is None else seed, **row.small)
    prepared = experiments.get(row.experiment).prepare(settings, False)
    return _value(row, prepared, shelf.open(name, place=place))


def outdated(name: str, place: Path | None = None) -> str:
    """What of today's experiment differs from that which a model that ships is of; empty where nothing does.

    >>> ll.weights.outdated("annuli_augmented")
    ''
    """
    row, shipped = ROWS[one_of("weights", name, ROWS)], card(name, place)
    settings = plain(row.settings().as_dict())
    changed = [key for key in {**settings, **shipped.settings} if settings.get(key) != shipped.settings.get(key)]
    if changed or (shipped.experiment, shipped.metric) != (row.experiment, row.metric):
        return f"{', '.join(sorted(changed)) or 'the experiment'} changed since: {shelf.command(name)}"
    small = row.settings(**row.small)
    model = experiments.get(row.experiment).prepare(small, False).trial(**shipped.at).build(shipped.seed)
    today, about = plain(Writer().write(model.get_submodule(row.part), name)), saved.about(paths(name, place)[0])
    if today["class"] != about.name or not _alike(today["arguments"], about.arguments):
        return f"the arguments of {about.name} changed since: {shelf.command(name)}"
    return ""


def _alike(one: Any, other: Any) -> bool:
    """Whether two arguments are the same but for rounding: what is computed from data has that of the processor."""
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=SAME)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_alike(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_alike, one, other))
    if isinstance(one, str) and isinstance(other, str):
        numbers = [[float(number) for number in NUMBER.findall(text)] for text in (one, other)]
        return NUMBER.split(one) == NUMBER.split(other) and _alike(*numbers)
    return bool(one == other)


def _value(row: Row, prepared: Any, model: nn.Module) -> float:
    return value_of(row, prepared.measure(model, model))


def _stored(name: str, model: nn.Module, aside: Path, problem: str) -> tuple[nn.Module, str]:
    """The model as it comes back from a file in this folder, and the kind of number that the file holds."""
    path = saved.save(model, aside, problem=problem or None)
    if path.stat().st_size < LARGEST:
        return saved.load(path), _kind(model)
    half = saved.load(path)
    for parameter in half.parameters():
        parameter.data = parameter.data.to(torch.float16)
    path = saved.save(half, aside, problem=problem or None)
    if path.stat().st_size >= LARGEST:
        raise InvalidArgument(f"{name} must be smaller than {LARGEST:,} bytes; got {path.stat().st_size:,}")
    return saved.load(path).to(next(model.parameters()).dtype), "float16"


def _kind(model: nn.Module) -> str:
    return str(next(model.parameters()).dtype).removeprefix("torch.")
