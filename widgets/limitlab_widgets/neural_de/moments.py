"""What is kept of trainings: moments of the one under way, and every class that was trained on the same data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import nn

from limitlab.experiments.neural_des.classes import flow_classes, series_classes
from limitlab.experiments.neural_des.classes._looks import calls_of
from limitlab.labels import labelled
from limitlab_widgets.neural_de.sources import FLOW, SERIES

if TYPE_CHECKING:
    import xarray as xr

    from limitlab.experiments import Prepared

MOST = 120


@dataclass(frozen=True, eq=False)
class Moment:
    """A model after so many steps: what it does with samples of the test set, and its field calls."""

    step: int
    look: xr.Dataset

    @property
    def calls(self) -> float:
        return calls_of(self.look)


@dataclass(frozen=True, eq=False)
class Trained:
    """A class after its training, or where it was stopped, with what is needed to ask it again."""

    name: str
    kind: str
    settings: Any
    data: Any
    model: nn.Module
    metrics: xr.Dataset
    moments: tuple[Moment, ...] = ()

    @property
    def family(self) -> str:
        return family_of(self.settings)

    @property
    def calls(self) -> xr.DataArray:
        """Field calls against the training step."""
        return calls_along(self.moments)


def calls_along(moments: Sequence[Moment]) -> xr.DataArray:
    """Field calls of a sample against the training step."""
    steps, calls = [moment.step for moment in moments], [moment.calls for moment in moments]
    return labelled(calls=("step", calls, "field calls of a sample"), step=("step", steps, "training step"))["calls"]


def family_of(settings: Any) -> str:
    """FLOW or SERIES."""
    return FLOW if isinstance(settings, flow_classes.FlowSettings) else SERIES


def copied(prepared: Prepared, settings: Any, model: nn.Module) -> nn.Module:
    """The model as it is now, which a training may go on to change."""
    # built again: the tape of its last solve cannot be copied
    copy = prepared.trials[0].build(settings.seed_range[0])
    copy.load_state_dict(model.state_dict())
    return copy.eval()


def name_of(kind: str, settings: Any) -> str:
    """A class, and what was missing or regularised in its training."""
    way = settings.ways[0] if hasattr(settings, "ways") else settings.way
    parts = [kind, *([f"{settings.missing:.0%} missing"] if settings.missing else [])]
    return ", ".join([*parts, *([way] if way != "plain" else [])])


def looked_at(settings: Any, data: Any, model: nn.Module, rate: float | None = None) -> xr.Dataset:
    """A look of the library; rate: the share missing, that of the training when left out."""
    if family_of(settings) == FLOW:
        return flow_classes.look(data, model)
    return series_classes.look(data, model, settings.missing if rate is None else rate)


def accuracy_of(trained: Trained, rate: float) -> float:
    """Share of test series told right with a share of them missing."""
    return series_classes.accuracy(trained.settings, trained.data, trained.model, rate)


def thinned(moments: Sequence[Moment]) -> list[Moment]:
    """The moments, every second one where there are too many; the first and the newest stay."""
    if len(moments) <= MOST:
        return list(moments)
    return [*moments[:-1:2], moments[-1]]
