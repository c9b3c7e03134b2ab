"""What every experiment is: trials on the same data, each a model, how it is trained, and what is measured of it.

An experiment is a value. Its `prepare` turns settings into `Prepared`: trials, each at a place of its grid, a measure,
the data. All the rest (training every trial with every seed, resuming, measuring, storing) is written here and in
`training`, once, for all systems.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from torch import nn

from limitlab.cards import Card, Shown
from limitlab.errors import InvalidArgument, one_of
from limitlab.experiments.contract.result import Result, curves_of
from limitlab.experiments.contract.settings import Ensemble, OnDevice, Option, Settings
from limitlab.experiments.contract.training import Training
from limitlab.training import Recipe, runs

if TYPE_CHECKING:
    import plotly.graph_objects as go
    import xarray as xr

SIZES = ("smoke", "course", "paper")
ReportProgress = Callable[[int, int], None] | bool
S = TypeVar("S", bound=Settings)
D = TypeVar("D")


@dataclass(frozen=True)
class Trial:
    """One model of an experiment: its place in the grid, how a seed makes it, its recipe (None: nothing to learn).

    at: coordinates such as {"parametrization": "mup", "width": 256}; metrics and curves have them along `model`, and
    `result.grid` makes dims of them.

    >>> squared = lambda model, batch: {"squared": (model(batch["x"]) - 2 * batch["x"]).square().mean()}
    >>> recipe = ll.training.descent(squared, ll.training.fixed(x=torch.ones(4, 1)), 5, 0.1)
    >>> trial = ll.experiments.Trial({"width": 1}, lambda seed: torch.nn.Linear(1, 1), recipe)

    >>> trial.name
    'width-1'
    """

    at: Mapping[str, str | float]
    build: Callable[[int], nn.Module]
    recipe: Recipe | None = None

    @property
    def name(self) -> str:
        """A label for readers and folders: texts as they are, numbers with their axis, as in "mup/width-256"."""
        return "/".join(value if isinstance(value, str) else f"{axis}-{value}" for axis, value in self.at.items())


@dataclass(frozen=True)
class Prepared(Generic[D]):
    """An experiment at given settings, its data made, nothing trained yet.

    measure(trained, fresh) is an xarray.Dataset of metrics of a model, beside the same as it was built; the two are one
    where nothing was learned. `data` is what figures and studios look at.

    >>> squared = lambda model, batch: {"squared": (model(batch["x"]) - 2 * batch["x"]).square().mean()}
    >>> recipe = ll.training.descent(squared, ll.training.fixed(x=torch.ones(4, 1)), 5, 0.1)
    >>> trial = ll.experiments.Trial({"width": 1}, lambda seed: torch.nn.Linear(1, 1), recipe)

    >>> slope = lambda trained, fresh: ll.labels.labelled(slope=("", trained.weight.item(), "slope"))
    >>> prepared = ll.experiments.Prepared((trial,), slope, data=None)

    >>> prepared.trial(width=1) is trial
    True
    """

    trials: tuple[Trial, ...]
    measure: Callable[[nn.Module, nn.Module], xr.Dataset]
    data: D

    def __post_init__(self) -> None:
        names = self.names
        if not names or len(set(names)) < len(names):
            raise InvalidArgument(f"an experiment needs trials, each at a place of its own; got {names}")

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the trials, in order."""
        return tuple(trial.name for trial in self.trials)

    def select(self, **at: str | float) -> Prepared[D]:
        """The trials with these coordinates alone; raises InvalidArgument where there are none.

        A number may be named with others: `select(width=(64, 256))`.
        """
        chosen = tuple(t for t in self.trials if all(_among(t.at.get(axis), value) for axis, value in at.items()))
        if not chosen:
            raise InvalidArgument(f"no trial has {at}; there are {', '.join(self.names)}")
        return dataclasses.replace(self, trials=chosen)

    def trial(self, **at: str | float) -> Trial:
        """The one trial with these coordinates; raises InvalidArgument where there is none, or more than one."""
        chosen = self.select(**at).trials
        if len(chosen) > 1:
            raise InvalidArgument(f"{at} fits several trials: {', '.join(trial.name for trial in chosen)}")
        return chosen[0]


@dataclass(frozen=True)
class Experiment(Shown, Generic[S, D]):
    """One experiment of a system; `configure` gives its settings, `train` runs it, `load` reads a finished run.

    system: slug of the paper's system in `limitlab.systems`. problem: name of the problem that it learns from, if any.
    draw: figures of a result. check: raises for settings that are well-formed but mean nothing here, such as a
    parameter that the problem does not have. name: that of the module, for an experiment of the catalogue.

    >>> squared = lambda model, batch: {"squared": (model(batch["x"]) - 2 * batch["x"]).square().mean()}
    >>> recipe = ll.training.descent(squared, ll.training.fixed(x=torch.ones(4, 1)), 5, 0.1)
    >>> trial = ll.experiments.Trial({"width": 1}, lambda seed: torch.nn.Linear(1, 1), recipe)

    >>> slope = lambda trained, fresh: ll.labels.labelled(slope=("", trained.weight.item(), "slope"))
    >>> prepared = ll.experiments.Prepared((trial,), slope, data=None)

    >>> settings = ll.experiments.sizes(ll.experiments.Trained(), smoke={}, paper={})
    >>> line = ll.experiments.Experiment("ntk", "A line", settings, lambda s, progress: prepared, lambda result: {})

    >>> dict(line.train(line.configure("smoke")).finish().metrics.sizes)
    {'model': 1, 'seed': 1}
    """

    system: str
    title: str
    sizes: Mapping[str, S]
    prepare: Callable[[S, ReportProgress], Prepared[D]] = field(repr=False)
    draw: Callable[[Result[S, D]], dict[str, go.Figure]] = field(repr=False)
    check: Callable[[S], object] | None = field(default=None, repr=False)
    problem: str = ""
    name: str = ""

    def card(self) -> Card:
        """Its system, its problem, and what differs between its sizes."""
        facts = [("system", self.system)]
        if self.problem:
            facts.append(("problem", self.problem))
        for size, settings in self.sizes.items():
            values = {option.name: getattr(settings, option.name) for option in settings.options()}
            changed = (f"{name}={value}" for name, value in values.items() if self._differs(name))
            facts.append((size, ", ".join(changed)))
        return Card(f"Experiment {self.name or '(no name)'}: {self.title}", tuple(facts))

    def _differs(self, name: str) -> bool:
        """Whether the sizes have different values of a setting."""
        values = [getattr(settings, name) for settings in self.sizes.values()]
        return any(value != values[0] for value in values)

    def configure(self, size: str = "course", **options: Any) -> S:
        """Settings of a size with options changed, from values or text; raises UnknownName and InvalidArgument."""
        settings = self.sizes[one_of("size", size, self.sizes)].with_options(**options)
        if self.check is not None:
            self.check(settings)
        return settings

    def options(self) -> tuple[Option, ...]:
        """Every setting with its type, course default, range and meaning."""
        course = self.sizes["course"]
        return tuple(dataclasses.replace(o, default=getattr(course, o.name)) for o in course.options())

    def train(
        self,
        settings: S,
        folder: str | Path | None = None,
        *,
        resume: bool = False,
        progress: ReportProgress = False,
        prepared: Prepared[D] | None = None,
        only: Mapping[str, Any] | None = None,
    ) -> Training[S, D]:
        """A training of every trial with every seed: iterate over it for one Stage a step, then read its result.

        With a folder, the run, its logs, weights and metrics are stored there; `resume` goes on from where a killed one
        stopped. `progress` reports the making of data, which `prepared` skips. `only={"width": 256}` leaves out the
        trials that are elsewhere.
        """
        run = None
        if folder is not None:
            seed = settings.seed if isinstance(settings, Ensemble) else 0
            device = settings.device if isinstance(settings, OnDevice) else "auto"
            run = runs.create(folder, settings.as_dict(), self.name, seed, device=device, resume=resume)
        whole = prepared if prepared is not None else self.prepare(settings, progress)
        return Training(self, settings, whole.select(**only) if only else whole, run, resume)

    def load(self, folder: str | Path, *, progress: ReportProgress = False) -> Result[S, D]:
        """The result of a finished run, its models rebuilt from the stored weights."""
        run = runs.open(folder)
        # any size would do: a run stores every field
        settings = self.configure("course", **run.settings)
        prepared = self.prepare(settings, progress)
        trained, logs = {}, {}
        for seed in settings.seed_range:
            for trial in prepared.trials:
                model = trial.build(seed)
                if trial.recipe is not None:
                    part = run.child(f"{trial.name}/seed-{seed}")
                    model = part.read_model(model)
                    logs[trial.name, seed] = part.log
                trained[trial.name, seed] = model.eval()
        return Result(self, settings, prepared, trained, run.metrics, curves_of(logs), run)


def _among(coordinate: str | float | None, value: Any) -> bool:
    return coordinate in value if isinstance(value, tuple | list) else coordinate == value
