"""What can be learned from, and which classes fit: each source belongs to one experiment of the library.

The studio has names of its own for settings that the two experiments call differently: a regularisation `way` and its
`weight` are one way and one constant weight.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from limitlab import experiments
from limitlab.data import Series
from limitlab.data.sources.csv_format import read_csv
from limitlab.experiments import Experiment
from limitlab.experiments.neural_des.classes import flow_classes, series_classes
from limitlab.experiments.neural_des.classes._flow_data import POINTS
from limitlab.experiments.neural_des.regularization._regularized import WAYS

FLOW, SERIES = "flow_classes", "series_classes"
TITLES = {
    "annuli": ("a disc in a ring", FLOW),
    "oscillator": ("orbits: oscillator", FLOW),
    "damped_oscillator": ("orbits: damped", FLOW),
    "pendulum": ("orbits: pendulum", FLOW),
    "spirals": ("series: spirals", SERIES),
    "damped_oscillators": ("series: frequencies", SERIES),
    "basic_motions": ("series: activities", SERIES),
    "japanese_vowels": ("series: vowels", SERIES),
}
PARTS: dict[str, dict[str, Any]] = {
    FLOW: {name: (row.title, row.equation) for name, row in flow_classes.CLASSES.items()},
    SERIES: {name: (row.title, row.equation) for name, row in series_classes.CLASSES.items()},
}
CLASSES = tuple(dict.fromkeys([*PARTS[FLOW], *PARTS[SERIES]]))
WAY_TITLES = {
    "plain": "none",
    "ernode": "ERNODE (errors)",
    "srnode": "SRNODE (stiffness)",
    "unbiased": "local, any time",
    "biased": "local, any step",
    "initial": "local, first step",
    "steer": "STEER (random end)",
    "taylor": "TayNODE (curvature)",
}
UNWEIGHTED = tuple(name for name, way in WAYS.items() if not way.factor)


@dataclass(frozen=True)
class OwnFile:
    """Series of a reader's file, and the names of their channels."""

    name: str
    series: Series
    channels: tuple[str, ...]

    @classmethod
    def read(cls, name: str, content: bytes) -> OwnFile:
        """The file of these bytes. Raises InvalidArgument, naming the line where there is one."""
        return cls(name, *read_csv(content, name))

    @cached_property
    def experiment(self) -> Experiment[Any, Any]:
        """Classes to be told apart where there are labels, else trajectories. Raises InvalidArgument."""
        if self.series.labels is None:
            return flow_classes.with_series(self.series, self.channels)
        return series_classes.with_series(self.series, self.channels)


@dataclass(frozen=True)
class Source:
    """A set of data by name, or a reader's file in its place."""

    name: str
    file: OwnFile | None = None

    @property
    def family(self) -> str:
        """FLOW or SERIES."""
        if self.file is not None:
            return FLOW if self.file.series.labels is None else SERIES
        return TITLES[self.name][1]

    @property
    def title(self) -> str:
        return TITLES[self.name][0] if self.file is None else self.file.name

    @property
    def experiment(self) -> Experiment[Any, Any]:
        return experiments.get(self.family) if self.file is None else self.file.experiment

    @property
    def points(self) -> bool:
        """Whether there are points alone, of which nothing can be missing."""
        return self.file is None and self.name == POINTS

    @property
    def features(self) -> int:
        """Columns of trajectories and points; those of the library have two."""
        return 2 if self.file is None else len(self.file.channels)

    def refusal(self, kind: str, way: str = "plain", method: str = "tsit5") -> str:
        """Why a class cannot learn from these data in this way; empty where it can."""
        if kind not in PARTS[self.family]:
            needs = "a path through a series, with a class to tell" if self.family == FLOW else "states to follow"
            return f"{kind} needs {needs}"
        if self.family == FLOW:
            shape: dict[str, Any] = {"points": self.points, "features": self.features}
            return flow_classes.refusal(kind, way, method=method, **shape)
        return series_classes.refusal(kind, way, method)

    def settings(self, size: str, kind: str, options: Mapping[str, Any]) -> Any:
        """The experiment's settings for one class. Raises what `configure` raises."""
        named = dict(options)
        if self.family == FLOW:
            defaults = experiments.get(FLOW).configure(size)
            weight = named.pop("weight", defaults.first_weight)
            named |= {"ways": (named.pop("way", "plain"),), "first_weight": weight, "last_weight": weight}
        if self.file is None:
            named["data"] = self.name
        return self.experiment.configure(size, classes=(kind,), seeds=1, device="cpu", **named)
