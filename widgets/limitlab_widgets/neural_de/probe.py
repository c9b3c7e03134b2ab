"""The share of values that is missing at test, as state: every class that was trained is asked at it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from traitlets import Float as FloatTrait
from traitlets import Int, Unicode, validate

from limitlab.errors import check_number
from limitlab_widgets.neural_de.moments import Trained, accuracy_of, looked_at
from limitlab_widgets.neural_de.sources import SERIES
from limitlab_widgets.shared.state import StudioState
from limitlab_widgets.shared.worker import Check

if TYPE_CHECKING:
    import xarray as xr

PATIENCE = 0.1
HIGHEST = 0.95


class Probe(StudioState):
    """Accuracies of the trained classes at one share of missing values, and what one of them does with a series."""

    decides = ("rate", "shown")

    rate = FloatTrait(0.0, help="share of the values that is missing at test")
    shown = Unicode("", help="the class whose series is looked at")
    revision = Int(0, help="raised when there are new answers")

    def __init__(self) -> None:
        super().__init__()
        self.trained: dict[str, Trained] = {}
        self.accuracies: dict[str, float] = {}
        self.look: xr.Dataset | None = None

    @property
    def active(self) -> bool:
        """Whether there is a class that sees more than a start: of series."""
        return any(each.family == SERIES for each in self.trained.values())

    def take(self, trained: dict[str, Trained], shown: str) -> None:
        """Ask these classes from now on; shown: the one that is looked at."""
        with self.together():
            self.trained = dict(trained)
            self.shown = shown

    def answer(self) -> None:
        """Ask all classes."""
        if self.shown not in self.trained:
            self.shown = next(iter(self.trained), "")
        if self.active:
            self.work(partial(self._ask_models, dict(self.trained), self.shown, self.rate), patience=PATIENCE)
            return
        self.settle()
        self.accuracies, self.look = {}, None
        self.revision += 1

    def _ask_models(self, trained: dict[str, Trained], shown: str, rate: float, check: Check) -> None:
        accuracies: dict[str, float] = {}
        for number, (name, each) in enumerate(trained.items()):
            self.report(check, f"asking {name}", number, len(trained))
            accuracies[name] = accuracy_of(each, rate)
        chosen = trained[shown]
        look = looked_at(chosen.settings, chosen.data, chosen.model, rate)
        with self.lock:
            check()
            self.accuracies, self.look = accuracies, look
        self.revision += 1

    @validate("rate")
    def _share(self, proposal: dict[str, Any]) -> float:
        return check_number("rate", proposal["value"], low=0.0, high=HIGHEST)
