"""Which trained models ship: a row each, one trial of an experiment whose training takes longer than a reader waits."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from limitlab import experiments


@dataclass(frozen=True)
class Row:
    """The trial `at` of an experiment at its course size with `options`, and the metric that tells how good it is.

    where: coordinates at which the metric is read; over all that is left the mean is taken. small: options with which
    new data are made to measure it again; factor: how far from the card's figure it may then be, up or down.

    >>> ll.weights.ROWS["darcy_fno"].settings().models
    ('fno',)
    """

    experiment: str
    at: Mapping[str, str | float]
    metric: str
    where: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    small: Mapping[str, Any] = field(default_factory=dict)
    factor: float = 1.5

    def settings(self, **changed: Any) -> Any:
        """The settings of the training, some of them changed."""
        options = {"seeds": 1, "seed": 0, "device": "cpu", **self.options}
        return experiments.get(self.experiment).configure("course", **{**options, **changed})


def _operator(experiment: str, name: str, resolution: int, **options: Any) -> Row:
    """An operator of the catalogue, judged where it was trained."""
    return Row(
        experiment,
        {"operator": name},
        "relative_l2",
        {"resolution": resolution},
        {"models": (name,), **options},
        {"train_samples": 20, "test_samples": 20},
    )


def _among(experiment: str, name: str, resolution: int, models: tuple[str, ...] = ("mean",), **options: Any) -> Row:
    """A model that an experiment puts beside operators of the catalogue."""
    row = _operator(experiment, name, resolution, **options)
    return dataclasses.replace(row, options={**row.options, "models": models})


def _annuli(kind: str) -> Row:
    """A flow that takes a disc out of a ring."""
    options = {"data": "annuli", "classes": (kind,)}
    return Row("flow_classes", {"class": kind}, "accuracy", options=options, factor=1.05)


def _series(data: str, kind: str) -> Row:
    """A class that tells series apart."""
    options = {"data": data, "classes": (kind,)}
    return Row("series_classes", {"class": kind}, "accuracy", {"test_rate": 0.0}, options, {}, 1.1)


ROWS: Mapping[str, Row] = {
    "burgers_fno": _operator("burgers_fno", "fno", 64),
    "darcy_fno": _operator("darcy_fno", "fno", 16),
    "navier_stokes_fno": _operator("navier_stokes_fno", "fno", 32),
    "darcy_tfno": _among("darcy_tfno", "tucker", 16),
    "annuli_augmented": _annuli("augmented"),
    "annuli_ode": _annuli("ode"),
    "annuli_ernode": Row("annuli_ernode", {"way": "ernode"}, "accuracy", options={"ways": ("ernode",)}, factor=1.05),
    "spirals_cde": _series("spirals", "cde"),
    "motions_cde": _series("basic_motions", "cde"),
    "decaying_latent_ode": Row(
        "decaying_latent_ode", {"variant": "gru"}, "error_ahead", {}, {"variants": ("gru",)}, {"samples": 16}, 2.0
    ),
    "deep_ritz": Row("deep_ritz", {"dimension": 10, "points": "fresh"}, "l2", {}, {"dimensions": (10,), "compared": 0}),
}
