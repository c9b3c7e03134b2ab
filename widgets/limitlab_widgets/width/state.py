"""State of the width studio: a regression, its limit in closed form, and finite networks that follow in a thread.

The closed form is found at once when a setting changes, for all recorded steps, so the time only selects. Networks are
kept as long as the regression stays the same: another width or more seeds train only what is missing.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from traitlets import Enum, Int, Unicode, observe
from traitlets import Float as FloatTrait

from limitlab.errors import InvalidArgument, LimitlabError, check_number, unknown_name
from limitlab.experiments import Prepared
from limitlab.experiments.infinite_width.ntk_circle import CircleData, CircleSettings
from limitlab.infinite_width import IllConditioned, WidthStudy, empirical_ntk
from limitlab_widgets.shared.following import Following
from limitlab_widgets.shared.worker import Check
from limitlab_widgets.width.regression import EXPERIMENT, NONLINEARITIES, TARGETS, WIDTHS, Regression
from limitlab_widgets.width.training import Pair, drift_table, on_closed_circle, require_room, trained_networks

if TYPE_CHECKING:
    import xarray as xr

MOST_SEEDS = 20
DRIFT_WIDTHS, DRIFT_SEEDS = (32, 64, 128, 256, 512), 5
QUESTION = tuple(field.name for field in dataclasses.fields(Regression))


class WidthState(Following):
    """A regression, networks of one width, and the time at which both are looked at.

    options: where the traits start. Raises InvalidArgument, UnknownName.
    """

    depth = Int(2, help="number of hidden layers")
    activation = Enum(NONLINEARITIES, "relu", help="what stands between the layers")
    weight_variance = FloatTrait(2.0, help="variance s_w^2 of the weights, before it is divided by the inputs")
    bias_scale = FloatTrait(0.1, help="standard deviation s_b of the biases")
    target = Enum(tuple(TARGETS), help="the function that is learned")
    points = Int(12, help="number of training points on the circle")
    rate = FloatTrait(1.0, help="rate of gradient descent times the largest eigenvalue of the kernel")
    steps = Int(400, help="steps of gradient descent")
    width = Int(256, help="width of the networks, a power of two")
    seeds = Int(10, help="number of networks")
    place = Int(0, help="which of the recorded steps is looked at")
    note = Unicode("", help="what a reader should know of the closed form; empty when all is well")
    revision = Int(0, help="raised when the closed form has changed")
    trained = Int(0, help="raised when something of the finite networks has changed")

    def __init__(self, **options: Any) -> None:
        super().__init__()
        for name in options:
            if name not in (*QUESTION, "width", "seeds"):
                raise unknown_name("option of WidthStudio", name, (*QUESTION, "width", "seeds"))
        given = {name: value for name, value in options.items() if name in QUESTION}
        started = dataclasses.asdict(Regression(**given)) | _networks(
            **{name: value for name, value in options.items() if name not in QUESTION}
        )
        self.regression: Regression
        self.settings: CircleSettings
        self.prepared: Prepared[CircleData]
        self.study: WidthStudy
        self.limit: xr.Dataset
        self.failures: dict[Pair, str] = {}
        self._runs: dict[Pair, xr.Dataset] = {}
        self._kernels: dict[int, np.ndarray] = {}
        self._changing = True
        for name, value in started.items():
            setattr(self, name, value)
        self._changing = False
        self._take(Regression(**given))
        self.place = len(self.study.steps) // 2

    @property
    def step(self) -> int:
        """The step that is looked at."""
        return int(self.study.steps[self.place])

    @property
    def ensemble(self) -> dict[int, xr.Dataset]:
        """The networks of the width and the seeds that are looked at, as far as they are trained."""
        with self._lock:
            return {
                seed: self._runs[self.width, seed] for seed in range(self.seeds) if (self.width, seed) in self._runs
            }

    @property
    def kernel(self) -> np.ndarray | None:
        """The tangent kernel of the first network of this width before training, where it is known."""
        return self._kernels.get(self.width)

    @property
    def drift(self) -> xr.Dataset | None:
        """`drift` and `kernel_error` (width, seed) of all networks there are; None for less than two widths."""
        with self._lock:
            return drift_table(self._runs)

    @observe(*QUESTION, "width", "seeds")
    def _answer(self, change: dict[str, Any]) -> None:
        if self._changing:
            return
        try:
            if change["name"] in QUESTION:
                self._take(Regression(**{name: getattr(self, name) for name in QUESTION}))
            else:
                _networks(width=self.width, seeds=self.seeds)
                self.trained += 1
                self._submit()
        except LimitlabError as error:
            self.error = str(error)

    def _take(self, regression: Regression) -> None:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", IllConditioned)
            settings = regression.settings
            prepared = EXPERIMENT.prepare(settings, False)
        shaky = any(issubclass(warning.category, IllConditioned) for warning in caught)
        with self._lock:
            self._worker.drop()
            self.regression, self.settings = regression, settings
            self.prepared, self.study = prepared, prepared.data.study
            self.limit = on_closed_circle(prepared.data.limit)
            self._runs, self._kernels, self.failures = {}, {}, {}
        self._changing = True
        self.place = min(self.place, len(self.study.steps) - 1)
        self._changing = False
        self.note, self.error = _note(regression, shaky), ""
        self.revision += 1
        self._submit()

    def _job(self) -> Callable[[Check], None]:
        return partial(self._follow_up, self.settings, self.prepared, self.width, self.seeds if self.follow else 0)

    def _follow_up(
        self, settings: CircleSettings, prepared: Prepared[CircleData], width: int, seeds: int, check: Check
    ) -> None:
        """One kernel, then the networks of the width that is looked at, then those of the laws of the width."""
        study = prepared.data.study
        if width not in self._kernels:
            require_room(settings.hidden, width)
            kernel = empirical_ntk(study.network(width, 0), study.x, outputs="trace").numpy()
            self._keep(check, self._kernels, width, kernel)
        if not seeds:
            return
        asked = [(width, seed) for seed in range(seeds)]
        asked += [(w, s) for w in DRIFT_WIDTHS for s in range(DRIFT_SEEDS) if (w, s) not in asked]
        wanted = [pair for pair in asked if pair not in self._runs and pair not in self.failures]
        for pair, found in trained_networks(settings, prepared, wanted, check, partial(self._show, check)):
            table: dict[Any, Any] = self.failures if isinstance(found, str) else self._runs
            self._keep(check, table, pair, found)
        failed = f", {len(self.failures)} could not be trained" if self.failures else ""
        widths = len({width for width, _ in self._runs})
        self._show(check, f"trained {len(self._runs)} networks of {widths} widths{failed}", 1, 1)

    def _keep(self, check: Check, table: dict[Any, Any], key: Any, found: Any) -> None:
        with self._lock:
            check()
            table[key] = found
            self.trained += 1


def _networks(width: int = 256, seeds: int = 10) -> dict[str, int]:
    """Both, checked."""
    if width not in WIDTHS:
        raise InvalidArgument(f"width must be a power of two from {WIDTHS[0]} to {WIDTHS[-1]}; got {width!r:.80}")
    return {"width": width, "seeds": int(check_number("seeds", seeds, low=1, high=MOST_SEEDS, integer=True))}


def _note(regression: Regression, shaky: bool) -> str:
    """What the closed form cannot say by itself."""
    notes = []
    if regression.rate > 2:
        notes.append(
            f"The rate is above 2/(largest eigenvalue): in the linear theory the first mode grows by the factor "
            f"{regression.rate - 1:.2f} in every step. Networks may settle all the same, where the kernel is smaller."
        )
    if shaky:
        notes.append(
            "The smallest eigenvalues are lost in rounding: no training learns those modes. Biases, or another "
            "activation, would tell them apart."
        )
    return " ".join(notes)
