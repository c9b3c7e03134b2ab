"""State of the page on parametrisations: the exponents, their regime at once, the coordinate check in a thread.

With SGD networks are trained in the abc-parametrisation of the sliders. Its regimes are statements about SGD; so with
Adam torch's own layers are trained instead, in the standard parametrisation (SP) and with its maximal update (muP).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn
from traitlets import Enum, Int, observe
from traitlets import Float as FloatTrait

from limitlab.infinite_width import (
    ABC,
    ABCMLP,
    coordinate_check,
    cross_entropy,
    digit_networks,
    digit_task,
    parametrization,
)
from limitlab_widgets.shared.following import Following
from limitlab_widgets.shared.worker import Check

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
STEPS, SEEDS, PROBES = 3, (0, 1), 64
PIXELS, CLASSES = 64, 10
OCTAVES = tuple(range(-11, -1))
USUAL = {"sgd": -2, "adam": -6}


class ScalingState(Following):
    """One point in the plane of a_(L+1) and c, from one of the PRESETS, shifted by theta; and its coordinate check."""

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
        self._changing = False

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

    @observe("preset")
    def _take_preset(self, _change: dict[str, Any]) -> None:
        self._changing = True
        self.readout, self.c, self.theta = self.base.a[-1], self.base.c, 0.0
        self._changing = False
        self._answer({})

    @observe("optimizer")
    def _take_optimizer(self, _change: dict[str, Any]) -> None:
        self._changing = True
        self.octave = USUAL[self.optimizer]
        self._changing = False
        self._answer({})

    @observe("readout", "c", "theta", "octave")
    def _answer(self, _change: dict[str, Any]) -> None:
        if self._changing:
            return
        with self._lock:
            self._worker.drop()
            self.check = None
        self.revision += 1
        if self.follow:
            self._submit()

    def _job(self) -> Callable[[Check], None]:
        return partial(self._compare, self.abc, self.optimizer, 2.0**self.octave)

    def _compare(self, abc: ABC, optimizer: str, rate: float, check: Check) -> None:
        import xarray as xr

        kinds: dict[str, tuple[Callable[[int, int], nn.Module], Any]] = {"": (_abc_network(abc), ABCMLP.groups)}
        if optimizer == "adam":
            kinds = {"SP": digit_networks("sp"), "µP": digit_networks("mup")}
        total = len(kinds) * len(WIDTHS) * len(SEEDS)
        found, made = [], 0
        for make, groups in kinds.values():

            def counted(width: int, seed: int, make: Callable[[int, int], nn.Module] = make) -> nn.Module:
                nonlocal made
                self._show(check, f"width {width}, seed {seed}: network {made + 1} of {total}", made, total)
                made += 1
                return make(width, seed)

            task = digit_task()
            found.append(
                coordinate_check(
                    counted,
                    WIDTHS,
                    loss=partial(_watched_loss, check),
                    batches=task.batches,
                    probe=task.images[:PROBES],
                    learning_rate=rate,
                    steps=STEPS,
                    seeds=SEEDS,
                    optimizer=optimizer,
                    groups=groups,
                )
            )
        joined = found[0] if len(found) == 1 else xr.concat(found, xr.Variable("parametrization", list(kinds)))
        self._show(check, f"{total} networks, {STEPS} steps each", total, total)
        with self._lock:
            check()
            self.check = joined
            self.revision += 1


def _watched_loss(check: Check, model: nn.Module, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
    check()
    return cross_entropy(model, batch)


def _abc_network(abc: ABC) -> Callable[[int, int], nn.Module]:
    def make(width: int, seed: int) -> nn.Module:
        return ABCMLP(PIXELS, width, CLASSES, abc, activation="relu", base_width=BASE_WIDTH, seed=seed)

    return make
