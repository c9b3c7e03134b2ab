"""State of the page on parametrisations: the exponents, their regime at once, the coordinate check in a thread.

With SGD networks are trained in the abc-parametrisation of the sliders. Its regimes are statements about SGD; so with
Adam torch's own layers are trained instead, in the standard parametrisation (SP) and with its maximal update (muP).
"""

from __future__ import annotations

from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any

from traitlets import Enum, Int, validate
from traitlets import Float as FloatTrait

from limitlab import experiments
from limitlab.errors import check_number
from limitlab.experiments import Training
from limitlab.experiments.infinite_width import abc_regimes
from limitlab.experiments.infinite_width._digits import fan
from limitlab.infinite_width import ABC, parametrization
from limitlab_widgets.shared.worker import Check, Job
from limitlab_widgets.width.run import RunState

if TYPE_CHECKING:
    import xarray as xr

PRESETS = {
    "mup": "µP, maximal update",
    "sp": "SP, standard",
    "sp-lazy": "SP with the rate over n",
    "ntp": "NTP, neural tangent",
    "mfp": "MFP, mean field, one layer",
}
BASE_WIDTH, WIDTHS = 64, (64, 128, 256, 512, 1024)
STEPS, SEEDS, PROBES = 3, 2, 64
OCTAVES = tuple(range(-11, -1))
USUAL = {"sgd": -2, "adam": -6}
REACH = {"readout": 4.0, "c": 4.0, "theta": 4.0}
"""How far the exponents may go either side of zero."""
LABELS = {"sp": "SP", "mup": "µP"}


class ScalingState(RunState):
    """One point in the plane of a_(L+1) and c, from one of the PRESETS, shifted by theta; and its coordinate check."""

    # what others start from comes first: an undo goes in this order
    decides = ("preset", "optimizer", "readout", "c", "theta", "octave")

    preset = Enum(tuple(PRESETS), "mup", help="the parametrisation that the sliders start from")
    readout = FloatTrait(0.5, help="a of the readout; a + b stays as the preset has it")
    c = FloatTrait(0.0, help="the learning rate is divided by the width to this power")
    theta = FloatTrait(0.0, help="moves every a by theta, b by -theta and c by -2 theta")
    optimizer = Enum(("sgd", "adam"), "sgd", help="what trains the networks of the coordinate check")
    octave = Int(USUAL["sgd"], help="logarithm to base two of the learning rate at width 64")
    revision = Int(0, help="raised when the check has changed")

    def __init__(self) -> None:
        super().__init__()
        self.check: xr.Dataset | None = None
        self._answered = self._settings()

    @property
    def base(self) -> ABC:
        """The preset."""
        return parametrization(self.preset, hidden=1 if self.preset == "mfp" else 2)

    @property
    def unshifted(self) -> ABC:
        """The preset with the readout and the rate of the sliders."""
        return self.base.with_layer(self.base.hidden + 1, self.readout).with_rate(self.c)

    @property
    def abc(self) -> ABC:
        """What the networks are trained in."""
        return self.unshifted.shift(self.theta)

    def answer(self) -> None:
        """Forget the check of other settings; another preset or optimiser brings the numbers that it starts with."""
        before = self._answered
        if self.preset != before["preset"]:
            self._start({"readout": self.base.a[-1], "c": self.base.c, "theta": 0.0})
        if self.optimizer != before["optimizer"]:
            self._start({"octave": USUAL[self.optimizer]})
        self._answered = self._settings()
        if self._answered == before:
            return
        with self.lock:
            self._drop()
            self.check = None
        self.revision += 1
        self.run()

    def job(self) -> Job:
        """Train networks of five widths for a few steps."""
        return partial(self._compare, self.abc, self.optimizer, 2.0**self.octave)

    @validate(*REACH)
    def _is_in_range(self, proposal: dict[str, Any]) -> float:
        name = proposal["trait"].name
        return check_number(name, proposal["value"], low=-REACH[name], high=REACH[name])

    @validate("octave")
    def _is_octave(self, proposal: dict[str, Any]) -> int:
        low, high = OCTAVES[0], OCTAVES[-1]
        return int(check_number("octave", proposal["value"], low=low, high=high, integer=True))

    def _settings(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.decides}

    def _start(self, values: dict[str, float]) -> None:
        """Set what was not set together with the change that brings these."""
        for name, value in values.items():
            if getattr(self, name) == self._answered[name]:
                setattr(self, name, value)

    def _compare(self, abc: ABC, optimizer: str, rate: float, check: Check) -> None:
        training = _maximal_update(rate) if optimizer == "adam" else _one_point(abc, rate)
        trials = {trial.name: trial for trial in training.prepared.trials}
        total = len(trials) * SEEDS
        with closing(training):
            for stage in training:
                check()
                if stage.progress.step == 1:
                    network = f"width {trials[stage.model].at['width']}, seed {stage.seed}"
                    self.report(check, f"{network}: network {stage.stage} of {total}", stage.stage - 1, total)
        assert training.result is not None
        changes = fan(training.result)
        if optimizer == "adam":
            changes = changes.assign_coords(
                parametrization=[LABELS[name] for name in changes["parametrization"].values]
            )
        else:
            changes = changes.isel(parametrization=0, drop=True)
        self.report(check, f"{total} networks, {STEPS} steps each", total, total)
        with self.lock:
            check()
            self.check = changes
            self.revision += 1


def _one_point(abc: ABC, rate: float) -> Training[Any, Any]:
    """SGD in one abc-parametrisation."""
    experiment = experiments.get("abc_regimes")
    settings = experiment.configure(**check_options(rate))
    return experiment.train(settings, prepared=abc_regimes.prepare_points({"point": abc}, settings))


def _maximal_update(rate: float) -> Training[Any, Any]:
    """Adam on torch's layers, in the standard parametrisation and with its maximal update."""
    experiment = experiments.get("coordinate_check")
    return experiment.train(experiment.configure(parametrizations=tuple(LABELS), **check_options(rate)))


def check_options(rate: float) -> dict[str, Any]:
    """Settings of the coordinate check at a learning rate, whichever experiment does it."""
    measured = {"widths": WIDTHS, "base_width": BASE_WIDTH, "probes": PROBES}
    return {**measured, "learning_rate": rate, "steps": STEPS, "seeds": SEEDS, "device": "cpu"}
