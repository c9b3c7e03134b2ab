"""What every experiment is: data, the paper's model, the baselines it must beat in the same run, a loss, metrics.

An experiment is a value. Its `prepare` turns settings into `Prepared`: batches, fresh models, a loss, a measure. All
the rest (training every model with every seed, resuming, measuring, storing) is written here, once, for all systems.
"""

import dataclasses
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from limitlab.errors import unknown_name
from limitlab.experiments.contract.settings import Option, Settings
from limitlab.training import Progress, fit, runs

if TYPE_CHECKING:
    import plotly.graph_objects as go
    import xarray as xr

SIZES = ("smoke", "course", "paper")
ReportProgress = Callable[[int, int], None] | bool


@dataclass(frozen=True)
class Prepared:
    """An experiment at given settings, its data made, nothing trained yet.

    build(model, seed) gives a fresh model; training(model) the arguments of `fit` for it, or None for one that has
    nothing to learn: `loss` and `batches` among them replace the shared ones. measure(model) is an xarray.Dataset of
    metrics, with scalar coordinates where models form a grid. `data` is what figures and studios look at.
    """

    settings: Settings
    models: tuple[str, ...]
    seeds: tuple[int, ...]
    batches: Any
    loss: Callable[..., Mapping[str, torch.Tensor]]
    build: Callable[[str, int], nn.Module]
    training: Callable[[str], dict[str, Any] | None]
    measure: Callable[[nn.Module], "xr.Dataset"]
    data: Any


@dataclass(frozen=True)
class Stage:
    """A step of the training of one model with one seed: number `stage` of `stages`."""

    model: str
    seed: int
    stage: int
    stages: int
    progress: Progress


@dataclass(frozen=True)
class Result:
    """Trained models by (name, seed), and the metrics with the dims (model, seed, ...)."""

    experiment: "Experiment"
    prepared: Prepared
    models: dict[tuple[str, int], nn.Module]
    metrics: "xr.Dataset"
    curves: "xr.Dataset"
    run: runs.Run | None = None

    def figures(self) -> dict[str, "go.Figure"]:
        """The experiment's figures of this result, by name."""
        return self.experiment.draw(self)


@dataclass(frozen=True)
class Experiment:
    """One system's experiment; `configure` gives its settings, `train` runs it, `load` reads a finished run.

    system: slug of the paper's system in `limitlab.systems`. problem: name of the problem that it learns from, if any.
    draw: figures of a result. check: raises for settings that are well-formed but mean nothing here, such as a
    parameter that the problem does not have.
    """

    name: str
    title: str
    system: str
    sizes: Mapping[str, Settings]
    prepare: Callable[[Settings, ReportProgress], Prepared] = field(repr=False)
    draw: Callable[[Result], dict[str, "go.Figure"]] = field(repr=False)
    check: Callable[[Settings], object] = field(repr=False)
    problem: str = ""

    def configure(self, size: str = "course", **options: Any) -> Settings:
        """Settings of a size with options changed, from values or text; raises UnknownName and InvalidArgument."""
        if size not in self.sizes:
            raise unknown_name("size", size, self.sizes)
        settings = self.sizes[size].with_options(**options)
        self.check(settings)
        return settings

    def options(self) -> tuple[Option, ...]:
        """Every setting with its type, course default, range and meaning."""
        course = self.sizes["course"]
        return tuple(dataclasses.replace(o, default=getattr(course, o.name)) for o in course.options())

    def train(
        self,
        settings: Settings,
        folder: str | Path | None = None,
        *,
        resume: bool = False,
        progress: ReportProgress = False,
        prepared: Prepared | None = None,
    ) -> "Training":
        """A training of every model with every seed: iterate over it for one Stage a step, then read its result.

        With a folder, the run, its logs, weights and metrics are stored there; `resume` goes on from where a killed one
        stopped. `progress` reports the making of data, which `prepared` skips.
        """
        run = None
        if folder is not None:
            seed, device = getattr(settings, "seed", 0), getattr(settings, "device", "auto")
            run = runs.create(folder, settings.as_dict(), self.name, seed, device=device, resume=resume)
        return Training(self, prepared or self.prepare(settings, progress), run, resume)

    def load(self, folder: str | Path, *, progress: ReportProgress = False) -> Result:
        """The result of a finished run, its models rebuilt from the stored weights."""
        run = runs.open(folder)
        settings = self.configure("course", **run.settings)
        prepared = self.prepare(settings, progress)
        trained, logs = {}, {}
        for seed in prepared.seeds:
            for name in prepared.models:
                model = prepared.build(name, seed)
                if prepared.training(name) is not None:
                    part = run.child(f"{name}/seed-{seed}")
                    model = part.read_model(model)
                    logs[name, seed] = part.log
                trained[name, seed] = model.eval()
        return Result(self, prepared, trained, run.metrics, curves_of(logs), run)


class Training:
    """The steps of an experiment, model after model and seed after seed: an iterator of Stage, as long as `len` says.

    `result` is there when it has ended; `close` stops it, and what was stored can be resumed.
    """

    def __init__(self, experiment: Experiment, prepared: Prepared, run: runs.Run | None, resume: bool) -> None:
        self.experiment, self.prepared, self.run, self.resume = experiment, prepared, run, resume
        self.result: Result | None = None
        self._stages = self._train()

    def __len__(self) -> int:
        steps = [(self.prepared.training(name) or {"steps": 0})["steps"] for name in self.prepared.models]
        return sum(steps) * len(self.prepared.seeds)

    def __iter__(self) -> Iterator[Stage]:
        return self

    def __next__(self) -> Stage:
        return next(self._stages)

    def close(self) -> None:
        """Stop here; a stored run keeps a checkpoint of this step."""
        self._stages.close()

    def finish(self) -> Result:
        """Do all that is left and give the result."""
        for _ in self:
            pass
        assert self.result is not None
        return self.result

    def _train(self) -> Generator[Stage, None, None]:
        prepared = self.prepared
        pairs = [(model, seed) for seed in prepared.seeds for model in prepared.models]
        trained, logs = {}, {}
        for number, (name, seed) in enumerate(pairs, start=1):
            part = self.run.child(f"{name}/seed-{seed}") if self.run else None
            model = prepared.build(name, seed)
            arguments = prepared.training(name)
            if arguments is not None:
                steps = []
                given = {"loss": prepared.loss, "batches": prepared.batches, **arguments}
                with closing(fit(model, run=part, resume=self.resume, seed=seed, **given)) as training:
                    for step in training:
                        steps.append(step)
                        yield Stage(name, seed, number, len(pairs), step)
                logs[name, seed] = part.log if part else [step.record() for step in steps]
            trained[name, seed] = model
        metrics = collect(prepared, trained)
        if self.run:
            self.run.write_metrics(metrics)
        self.result = Result(self.experiment, prepared, trained, metrics, curves_of(logs), self.run)


def collect(prepared: Prepared, models: Mapping[tuple[str, int], nn.Module]) -> "xr.Dataset":
    """The metrics of every model and seed, with the dims (model, seed, ...)."""
    import xarray as xr

    rows = []
    for seed in prepared.seeds:
        measured = [prepared.measure(models[name, seed]) for name in prepared.models]
        rows.append(xr.concat(measured, xr.DataArray(list(prepared.models), dims="model", name="model")))
    return xr.concat(rows, xr.DataArray(list(prepared.seeds), dims="seed", name="seed")).transpose("model", "seed", ...)


def curves_of(logs: Mapping[tuple[str, int], list[dict[str, Any]]]) -> "xr.Dataset":
    """Logged losses and metrics with the dims (model, seed, step); NaN where a model has no such step or term.

    The attribute `kind` of a variable is "loss" or "metric".
    """
    import numpy as np
    import xarray as xr

    trained = {pair: log for pair, log in logs.items() if log}
    models = list(dict.fromkeys(name for name, _ in trained))
    seeds = list(dict.fromkeys(seed for _, seed in trained))
    steps = sorted({record["step"] for log in trained.values() for record in log})
    place = {step: position for position, step in enumerate(steps)}
    dims = ("model", "seed", "step")
    variables = {}
    for kind, entry in (("loss", "losses"), ("metric", "metrics")):
        for term in sorted({term for log in trained.values() for record in log for term in record[entry]}):
            values = np.full((len(models), len(seeds), len(steps)), np.nan)
            for (name, seed), log in trained.items():
                logged = [(place[record["step"]], record[entry][term]) for record in log if term in record[entry]]
                if logged:
                    at, numbers = zip(*logged, strict=True)
                    values[models.index(name), seeds.index(seed), list(at)] = numbers
            variables[term] = (dims, values, {"long_name": term.replace("_", " "), "units": "1", "kind": kind})
    return xr.Dataset(
        variables,
        coords={"model": models, "seed": seeds, "step": ("step", steps, {"long_name": "training step", "units": "1"})},
    )
