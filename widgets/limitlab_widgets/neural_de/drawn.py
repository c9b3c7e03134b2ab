"""A drawn signal in the place of one channel of a test series, as state: every trained class says what it is.

The signal is drawn in the units of the training, standardised, over the window of the series; nothing of it is missing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from traitlets import Int, Tuple, validate

from limitlab.errors import InvalidArgument, check_number
from limitlab.experiments.neural_des.classes import series_classes
from limitlab_widgets.neural_de.moments import Trained
from limitlab_widgets.neural_de.sources import SERIES
from limitlab_widgets.shared.drawing.curve_pad import POINTS, height_around, on_points
from limitlab_widgets.shared.state import StudioState
from limitlab_widgets.shared.worker import Check

if TYPE_CHECKING:
    import xarray as xr

    from limitlab.experiments.neural_des._sequences import Sequences

PATIENCE = 0.1


def with_drawn(data: Sequences, sample: int, channel: int, values: Sequence[float]) -> Sequences:
    """The data with one series of the test set alone, of which one channel has the drawn values."""
    one = data.test.take(torch.tensor([sample]))
    begin, end = data.test.window
    share = ((one.times[0] - begin) / (end - begin)).double().numpy()
    changed = one.values.clone()
    drawn = torch.from_numpy(on_points(np.array(values), share, periodic=False))
    # rows that do not count stay empty
    changed[0, :, channel] = torch.where(one.inside[0], drawn.to(changed.dtype), changed[0, :, channel])
    return dataclasses.replace(data, test=dataclasses.replace(one, values=changed))


@dataclass(frozen=True, eq=False)
class Said:
    """What the classes say to a drawn series: probabilities by class of the data, and the look of one of them."""

    probabilities: dict[str, dict[str, float]]
    look: xr.Dataset


class DrawnSeries(StudioState):
    """A drawn channel of a series, and what the trained classes say to it; forgotten with the data."""

    decides = ("drawn", "channel", "sample")

    drawn = Tuple(help="values of the channel at equally spaced times; empty where nothing is drawn")
    channel = Int(0, help="which channel is drawn")
    sample = Int(0, help="the series of the test set whose other channels stay")
    revision = Int(0, help="raised when there are other answers, or none")
    offered = Int(0, help="raised when there is something else to draw over")

    def __init__(self) -> None:
        super().__init__()
        self.trained: dict[str, Trained] = {}
        self.shown = ""
        self.data: Sequences | None = None
        self.said: Said | None = None

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the channels."""
        if self.data is None:
            return ()
        return self.data.names or tuple(f"x{k + 1}" for k in range(self.data.test.values.shape[-1]))

    @property
    def ends(self) -> tuple[float, float]:
        """The least and the greatest value that can be drawn."""
        assert self.data is not None
        seen = self.data.test.values[..., self.channel]
        seen = seen[~seen.isnan()]
        return height_around(float(seen.min()), float(seen.max()))

    @property
    def start(self) -> list[float]:
        """The channel as it is, at the points of a drawing."""
        assert self.data is not None
        one, (begin, end) = self.data.test.take(torch.tensor([self.sample])), self.data.test.window
        times, values = one.times[0].double().numpy(), one.values[0, :, self.channel].double().numpy()
        known = ~np.isnan(values)
        points = np.linspace(begin, end, POINTS)
        return np.interp(points, times[known], values[known]).tolist() if known.any() else [0.0] * POINTS

    def take(self, trained: Mapping[str, Trained], shown: str) -> None:
        """Ask these classes from now on; shown: the one whose look is shown."""
        series = {name: each for name, each in trained.items() if each.family == SERIES}
        data = next((each.data for each in series.values()), None)
        fresh = data is not self.data and (
            data is None or self.data is None or not data.test.values.equal(self.data.test.values)
        )
        self.trained, self.data, self.shown = series, data, shown if shown in series else next(iter(series), "")
        if fresh:
            self.begin()
        else:
            self._ask()

    def begin(self, sample: int | None = None, channel: int | None = None) -> None:
        """Draw over a series as it is, anew."""
        with self.together():
            self.drawn = ()
            count = 1 if self.data is None else len(self.data.test)
            self.sample = min(self.sample if sample is None else sample, count - 1)
            self.channel = min(self.channel if channel is None else channel, max(len(self.channels) - 1, 0))
        self.offered += 1

    def draw(self, values: Sequence[float]) -> None:
        """Take what a pad read."""
        self.drawn = tuple(values)

    def answer(self) -> None:
        """Ask all classes."""
        if not self.drawn or self.data is None:
            self.settle()
            self._take(None)
            return
        drawn = with_drawn(self.data, self.sample, self.channel, self.drawn)
        self.work(partial(self._ask_classes, dict(self.trained), self.shown, drawn), patience=PATIENCE)

    @validate("drawn")
    def _is_drawing(self, proposal: dict[str, Any]) -> tuple[float, ...]:
        drawn = tuple(proposal["value"])
        if drawn and self.data is None:
            raise InvalidArgument("nothing can be drawn yet: train a class of series")
        return tuple(check_number("drawn", value) for value in drawn)

    def _ask_classes(self, trained: dict[str, Trained], shown: str, data: Sequences, check: Check) -> None:
        said: dict[str, dict[str, float]] = {}
        for number, (name, each) in enumerate(trained.items()):
            self.report(check, f"asking {name}", number, len(trained))
            said[name] = class_probabilities(each.settings, data, each.model)
        look = series_classes.look(data, trained[shown].model)
        with self.lock:
            check()
            self._take(Said(said, look))

    def _take(self, said: Said | None) -> None:
        self.said = said
        self.revision += 1


@torch.no_grad()
def class_probabilities(settings: Any, data: Sequences, model: Any) -> dict[str, float]:
    """Probability of each class for the first series of the test set, by name."""
    asked = series_classes.probabilities(model.eval(), data.unseen(0.0), settings.draws, data.seed)
    return dict(zip(data.test.classes, asked.mean[0].tolist(), strict=True))
