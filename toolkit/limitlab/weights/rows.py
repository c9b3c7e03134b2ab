"""Which trained models ship: a row each, one trial of an experiment whose training takes longer than a reader waits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from limitlab import experiments


@dataclass(frozen=True)
class Row:
    """The trial `at` of an experiment at its course size with `options`, and the metric that tells how good it is.

    where: coordinates at which the metric is read; over all that is left the mean is taken. small: options with which
    new data are made to measure it again, with the seed `unseen`, which is that of the training where all data that
    there are were split; factor: how far from the card's figure it may then be, up or down.

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
    unseen: int = 1

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


def _annuli(kind: str) -> Row:
    """A flow that takes a disc out of a ring."""
    options = {"data": "annuli", "classes": (kind,)}
    return Row("flow_classes", {"class": kind}, "accuracy", options=options, factor=1.05)


def _regularized(experiment: str, metric: str, **rest: Any) -> Row:
    """A flow that was made cheap to solve while it was trained."""
    return Row(experiment, {"way": "ernode"}, metric, options={"ways": ("ernode",)}, **rest)


def _hidden(experiment: str, metric: str = "inner_error", **rest: Any) -> Row:
    """A network for hidden terms, trained in two phases."""
    return Row(experiment, {"training": "two_phases"}, metric, options={"trainings": ("two_phases",)}, **rest)


DIGITS: Mapping[str, Any] = {"factor": 1.02, "unseen": 0}
"""Of digits there are no more than those that were split."""

ROWS: Mapping[str, Row] = {
    "burgers_fno": _operator("burgers_fno", "fno", 64),
    "darcy_fno": _operator("darcy_fno", "fno", 16),
    "navier_stokes_fno": _operator("navier_stokes_fno", "fno", 32),
    "annuli_augmented": _annuli("augmented"),
    "annuli_ode": _annuli("ode"),
    "spirals_cde": Row(
        "series_classes",
        {"class": "cde"},
        "accuracy",
        {"test_rate": 0.0},
        {"data": "spirals", "classes": ("cde",)},
        {},
        1.1,
    ),
    "annuli_ernode": _regularized("annuli_ernode", "accuracy", factor=1.05),
    "decaying_latent_ode": Row(
        "decaying_latent_ode", {"variant": "gru"}, "error_ahead", {}, {"variants": ("gru",)}, {"samples": 16}, 2.0
    ),
    "motions_gsde": Row(
        "stable_sde_motions",
        {"kind": "gsde", "rate": 0.0},
        "accuracy",
        {"test_rate": 0.3},
        {"models": ("gsde",), "rates": (0.0,)},
        {"test_rates": (0.3,)},
        1.15,
    ),
}
