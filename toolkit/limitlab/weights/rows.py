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
    new data are made to measure it again, with the seed `unseen`, which is that of the training where there are no data
    but those; factor: how far from the card's figure it may then be, up or down. part: what of the trained model ships.

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
    part: str = ""

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


def _chain(experiment: str) -> Row:
    """Two waves of half the course's size, which is half a megabyte in half precision."""
    row = _among(experiment, "two_waves", 32, models=("persistence",), chains=("two_waves",), weights=255_000)
    return dataclasses.replace(row, small={"train_samples": 8, "test_samples": 2})


def _step(experiment: str, metric: str) -> Row:
    """A Lord network's time step, without the pool of states that it learned on."""
    options, small = {"networks": ("lordnet",)}, {"test_samples": 2}
    return Row(experiment, {"network": "lordnet"}, metric, {"time": 1}, options, small, part="model")


def _regularized(experiment: str, metric: str, **rest: Any) -> Row:
    """A flow that was made cheap to solve while it was trained."""
    return Row(experiment, {"way": "ernode"}, metric, options={"ways": ("ernode",)}, **rest)


def _hidden(experiment: str, **rest: Any) -> Row:
    """A network for hidden terms, trained in two phases on measurements without noise, of which there is one set."""
    options = {"trainings": ("two_phases",)}
    return Row(experiment, {"training": "two_phases"}, "inner_error", options=options, **SAME, **rest)


SAME: Mapping[str, Any] = {"factor": 1.02, "unseen": 0}
"""Where there are no data but those of the training and of its test."""

SMALL = "each of its networks trains in under 20 s"
ABSENT: Mapping[str, str] = {
    "abc_regimes": f"a study of widths, of which no network is the one to show; {SMALL}",
    "barron_descent": "nothing is trained: iterates are computed",
    "burgers_operators": f"all operators of the catalogue, of which the best ship trained for longer; {SMALL}",
    "coordinate_check": f"a study of widths, of which no network is the one to show; {SMALL}",
    "darcy_operators": "all operators of the catalogue, of which the best ship trained for longer",
    "learning_rate_transfer": f"a study of widths and rates, of which no network is the one to show; {SMALL}",
    "ntk_circle": f"a study of widths beside kernels, of which no network is the one to show; {SMALL}",
    "ntk_digits": "kernels, which are solved for and not trained",
    "operator_learning": "it learns from a reader's own file",
    "spiral_ernode": "its course takes under 20 s",
    "trajectory_learning": "it learns from a reader's own file",
}
"""Why nothing ships of an experiment that has no row: every experiment of the library is here or there."""

ROWS: Mapping[str, Row] = {
    "burgers_fno": _operator("burgers_fno", "fno", 64),
    "darcy_fno": _operator("darcy_fno", "fno", 16),
    "navier_stokes_fno": _operator("navier_stokes_fno", "fno", 32),
    "darcy_tfno": _among("darcy_tfno", "tucker", 16),
    "annuli_augmented": _annuli("augmented"),
    "annuli_ode": _annuli("ode"),
    "annuli_ernode": _regularized("annuli_ernode", "accuracy", factor=1.05),
    "mixture_ernode": _regularized("mixture_ernode", "excess", factor=2.0),
    "digits_ernode": _regularized("digits_ernode", "accuracy", **SAME),
    "spiral_sde_ernode": Row(
        "spiral_sde_ernode", {"way": "error"}, "misfit", {}, {"ways": ("error",)}, {"tested": 300}, 2.0
    ),
    "annuli_node": Row(
        "annuli_node", {"task": "annuli", "extra": 1}, "accuracy", {}, {"tasks": ("annuli",), "extra": (1,)}, {}, 1.05
    ),
    "spirals_cde": _series("spirals", "cde"),
    "motions_cde": _series("basic_motions", "cde"),
    "motions_gsde": _series("basic_motions", "gsde"),
    "activities_gsde": Row(
        "stable_sde_motions",
        {"kind": "gsde", "rate": 0.0},
        "accuracy",
        {"test_rate": 0.3},
        {"models": ("gsde",), "rates": (0.0,)},
        {"test_rates": (0.3,)},
        1.15,
    ),
    "diffusion_menu": Row(
        "diffusion_menu", {"diffusion": "net_time"}, "accuracy", {}, {"diffusions": ("net_time",)}, {}, 1.1
    ),
    "series_interpolation": Row(
        "series_interpolation", {"kind": "gsde"}, "error", {"test_seen": 0.5}, {"kinds": ("gsde",)}
    ),
    "digits_reduction": Row(
        "digits_reduction",
        {"block": "convolutional"},
        "full_accuracy",
        {},
        {"blocks": ("convolutional",)},
        {"methods": ("svd",), "modes": (16,), "calls": 1},
        **SAME,
    ),
    "ou_latent_sde": Row("ou_latent_sde", {"law": "latent SDE"}, "mean_distance", factor=2.0),
    "ou_sde_gan": Row("ou_sde_gan", {"law": "SDE-GAN"}, "mean_distance", factor=2.0),
    "oscillator_node": Row(
        "oscillator_node",
        {"training": "Hamiltonian"},
        "mse_unseen",
        {},
        {"trainings": ("Hamiltonian",)},
        {"samples": 64},
        3.0,
    ),
    "spiral_cde": Row(
        "spiral_cde", {"network": "linear"}, "accuracy", {"missing": 0.0}, {"models": ("linear",)}, {}, 1.1
    ),
    "decaying_latent_ode": Row(
        "decaying_latent_ode", {"variant": "gru"}, "error_ahead", {}, {"variants": ("gru",)}, {"samples": 16}, 2.0
    ),
    "deep_ritz": Row("deep_ritz", {"dimension": 10, "points": "fresh"}, "l2", {}, {"dimensions": (10,), "compared": 0}),
    "apoptosis_upinn": _hidden("apoptosis_upinn"),
    "chemotherapy_upinn": _hidden("chemotherapy_upinn"),
    "lotka_volterra_upinn": _hidden("lotka_volterra_upinn"),
    "burgers_upinn": _hidden("burgers_upinn"),
    "darcy_mgno": _among("darcy_mgno", "multigrid", 32),
    "navier_stokes_patches": _among("navier_stokes_patches", "both_2", 64, models=("mean",), twins=("both_2",)),
    "helmholtz_mgno": _among("helmholtz_mgno", "even", 32),
    "navier_stokes_mgno": dataclasses.replace(
        _among("navier_stokes_mgno", "multigrid", 32, models=("persistence",)),
        small={"train_samples": 10, "test_samples": 4},
    ),
    "turbulence_sinenet": _chain("turbulence_sinenet"),
    "gas_sinenet": _chain("gas_sinenet"),
    "smoke_sinenet": _chain("smoke_sinenet"),
    "water_sinenet": _chain("water_sinenet"),
    "shift_sinenet": Row(
        "shift_sinenet",
        {"waves": 4, "shift": 6},
        "relative_l2",
        {},
        {"waves": (4,), "shifts": (6,), "weights": 255_000},
        {"steps": 2},
    ),
    "poisson_lordnet": Row(
        "poisson_lordnet", {"network": "lordnet", "loss": "msr"}, "error", {}, {"networks": ("lordnet",)}
    ),
    "vorticity_lordnet": _step("vorticity_lordnet", "error"),
    "cavity_lordnet": _step("cavity_lordnet", "step_error"),
    "antiderivative_deeponet": Row(
        "antiderivative_deeponet",
        {"model": "deeponet"},
        "relative_l2",
        {"resolution": 100},
        {"models": ("deeponet",)},
        {"test_samples": 50},
    ),
    "ntk_pinn": Row(
        "ntk_pinn", {"frequency": 4, "weighting": "weighted"}, "relative_l2", {}, {"frequencies": (4,)}, {}, 1.02, 0
    ),
    "maml_glyphs": Row(
        "maml_glyphs",
        {"limit": "infinite"},
        "accuracy",
        {},
        {"widths": (8,), "kernels": ("linear_ntk",)},
        {"test_tasks": 40},
        1.15,
        # another seed is another clutter
        0,
    ),
    "word2vec_cbow": Row(
        "word2vec_cbow", {"width": 64}, "accuracy", {}, {"widths": (64,), "limits": ()}, {"held_out": 0.02}, 1.05
    ),
}
