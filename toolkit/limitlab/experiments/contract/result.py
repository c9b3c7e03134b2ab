"""What an experiment has found: trained models, metrics and curves, by name of the trial or on the trials' grid."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from torch import nn

from limitlab.cards import Card, Shown
from limitlab.errors import InvalidArgument
from limitlab.experiments.contract.settings import Settings, differences
from limitlab.labels import labelled
from limitlab.training import runs

if TYPE_CHECKING:
    import plotly.graph_objects as go
    import xarray as xr

    from limitlab.experiments.contract.experiment import Experiment, Prepared, Trial

S = TypeVar("S", bound=Settings)
D = TypeVar("D")
Pair = tuple[str, int]


@dataclass(frozen=True)
class Result(Shown, Generic[S, D]):
    """Trained models by (name, seed), and the metrics with the dims (model, seed, ...).

    >>> squared = lambda model, batch: {"squared": (model(batch["x"]) - 2 * batch["x"]).square().mean()}
    >>> recipe = ll.training.descent(squared, ll.training.fixed(x=torch.ones(4, 1)), 5, 0.1)
    >>> trial = ll.experiments.Trial({"width": 1}, lambda seed: torch.nn.Linear(1, 1), recipe)

    >>> slope = lambda trained, fresh: ll.labels.labelled(slope=("", trained.weight.item(), "slope"))
    >>> prepared = ll.experiments.Prepared((trial,), slope, data=None)

    >>> settings = ll.experiments.sizes(ll.experiments.Trained(), smoke={}, paper={})
    >>> line = ll.experiments.Experiment("ntk", "A line", settings, lambda s, progress: prepared, lambda result: {})

    >>> dict(line.train(line.configure("smoke")).finish().grid("width").sizes)
    {'width': 1, 'seed': 1}
    """

    experiment: Experiment[S, D]
    settings: S
    prepared: Prepared[D]
    models: dict[Pair, nn.Module]
    metrics: xr.Dataset
    curves: xr.Dataset
    run: runs.Run | None = None

    def card(self) -> Card:
        """The experiment, how its settings differ from those of the nearest size, its models, and its metrics."""
        experiment = self.experiment
        # the nearest size needs the fewest words
        size, changed = min(
            ((name, differences(self.settings, base)) for name, base in experiment.sizes.items()),
            key=lambda pair: len(pair[1]),
        )
        names, seeds = (list(dict.fromkeys(part)) for part in zip(*self.models, strict=True))
        return Card(
            f"Result of {experiment.name or experiment.system}: {experiment.title}",
            (
                ("settings", f"{size}{f', {changed}' if changed else ''}"),
                ("models", f"{', '.join(names)}; seeds {', '.join(map(str, seeds))}"),
                ("metrics", "; ".join(_metric(name, values) for name, values in self.metrics.data_vars.items())),
                ("run", str(self.run.folder) if self.run is not None else "not stored"),
            ),
        )

    @property
    def data(self) -> D:
        """What the trials learned from."""
        return self.prepared.data

    def figures(self) -> dict[str, go.Figure]:
        """The experiment's figures of this result, by name."""
        return self.experiment.draw(self)

    def grid(self, *axes: str, of: xr.Dataset | None = None) -> xr.Dataset:
        """The metrics, or another dataset with the dim `model`, with the dims (*axes, seed, ...) instead.

        It holds the trials that have all of these axes, and the variables that any of them has. Raises InvalidArgument
        where no trial has them, or where they do not tell two trials apart.
        """
        import pandas as pd
        import xarray as xr

        dataset = self.metrics if of is None else of
        names = set(dataset["model"].values.tolist())
        trials = [t for t in self.prepared.trials if t.name in names and all(axis in t.at for axis in axes)]
        cells = [tuple(trial.at[axis] for axis in axes) for trial in trials]
        if not axes or not trials or len(set(cells)) < len(cells):
            held = ", ".join(str(dict(trial.at)) for trial in self.prepared.trials)
            raise InvalidArgument(f"axes {axes} must tell the trials apart that have them; the trials are at {held}")
        chosen = dataset.sel(model=[trial.name for trial in trials])
        along = [name for name, coordinate in chosen.coords.items() if "model" in coordinate.dims]
        index = pd.MultiIndex.from_tuples(cells, names=axes)
        # xarray refuses a new index over coordinates of the old one
        chosen = chosen.drop_vars(along).assign_coords(xr.Coordinates.from_pandas_multiindex(index, "model"))
        # unstack sorts the axes; trials have an order of their own
        grid = chosen.unstack("model").reindex(
            {axis: list(dict.fromkeys(index.get_level_values(axis))) for axis in axes}
        )
        for axis in axes:
            grid[axis].attrs.update(long_name=axis.replace("_", " "), units="1")
        # metrics that none of the chosen trials has are NaN throughout
        empty = [name for name, values in grid.data_vars.items() if values.dtype.kind == "f" and values.isnull().all()]
        return grid.drop_vars(empty).transpose(*axes, *(["seed"] if "seed" in grid.dims else []), ...)


def _metric(name: object, values: xr.DataArray) -> str:
    """A metric with its dims and its unit."""
    dims = ", ".join(f"{dim} {size}" for dim, size in values.sizes.items())
    unit = values.attrs.get("units", "1")
    return f"{name} ({dims})" if unit == "1" else f"{name} ({dims}) in {unit}"


def collect(trials: Sequence[Trial], seeds: Sequence[int], metrics: Mapping[Pair, xr.Dataset]) -> xr.Dataset:
    """The metrics of every trial and seed with the dims (model, seed, ...); NaN where a trial has no such variable."""
    import xarray as xr

    models = xr.DataArray([trial.name for trial in trials], dims="model", name="model")
    # a number of every trial, such as its width, goes along `model`; an axis of some, such as a mode, does not
    scalars = [{str(name) for name, c in dataset.coords.items() if c.ndim == 0} for dataset in metrics.values()]
    along = sorted(set.intersection(*scalars))
    rows = [
        xr.concat([metrics[trial.name, seed] for trial in trials], models, coords=along, join="outer") for seed in seeds
    ]
    whole = xr.concat(rows, xr.DataArray(list(seeds), dims="seed", name="seed")).transpose("model", "seed", ...)
    return whole.assign_coords(
        {axis: values for axis, values in _coordinates(trials).items() if axis not in whole.coords}
    )


def curves_of(logs: Mapping[Pair, list[dict[str, Any]]]) -> xr.Dataset:
    """Logged losses and metrics with the dims (model, seed, step); NaN where a model has no such step or term.

    The attribute `kind` of a variable is "loss" or "metric".
    """
    logged = {pair: {record["step"]: record for record in log} for pair, log in logs.items() if log}
    models = list(dict.fromkeys(name for name, _ in logged))
    seeds = list(dict.fromkeys(seed for _, seed in logged))
    steps = sorted({step for records in logged.values() for step in records})
    rows = {(models.index(name), seeds.index(seed)): records for (name, seed), records in logged.items()}
    curves = labelled(step=("step", steps, "training step")).assign_coords(model=models, seed=seeds)
    for kind, entry in (("loss", "losses"), ("metric", "metrics")):
        for term in sorted(
            {term for records in rows.values() for record in records.values() for term in record[entry]}
        ):
            values = _curve(rows, (len(models), len(seeds)), steps, entry, term)
            curves[term] = ("model", "seed", "step"), values, {"long_name": term.replace("_", " "), "units": "1"}
            curves[term].attrs["kind"] = kind
    return curves


def _curve(
    rows: Mapping[tuple[int, int], Mapping[int, Any]], shape: tuple[int, int], steps: list[int], entry: str, term: str
) -> Any:
    import numpy as np

    values = np.full((*shape, len(steps)), np.nan)
    for cell, records in rows.items():
        values[cell] = [records[step][entry].get(term, np.nan) if step in records else np.nan for step in steps]
    return values


def _coordinates(trials: Sequence[Trial]) -> dict[str, Any]:
    """Where the trials are, along `model`; NaN or the empty text on an axis that a trial does not have."""
    coordinates = {}
    for axis in dict.fromkeys(axis for trial in trials for axis in trial.at):
        texts = any(isinstance(trial.at.get(axis), str) for trial in trials)
        values = [trial.at.get(axis, "" if texts else math.nan) for trial in trials]
        coordinates[axis] = ("model", values, {"long_name": axis.replace("_", " "), "units": "1"})
    return coordinates
