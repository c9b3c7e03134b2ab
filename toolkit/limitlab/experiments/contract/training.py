"""The training of an experiment: trial after trial and seed after seed, one Stage a step, ending in a result."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import torch
from torch import nn

from limitlab.experiments.contract.result import Result, collect, curves_of
from limitlab.experiments.contract.settings import MixedPrecision, OnDevice, Settings
from limitlab.training import Progress, fit, runs

if TYPE_CHECKING:
    import xarray as xr

    from limitlab.experiments.contract.experiment import Experiment, Prepared, Trial

S = TypeVar("S", bound=Settings)
D = TypeVar("D")


@dataclass(frozen=True)
class Stage:
    """A step of the training of one model with one seed: number `stage` of `stages`.

    >>> squared = lambda model, batch: {"squared": (model(batch["x"]) - 2 * batch["x"]).square().mean()}
    >>> recipe = ll.training.descent(squared, ll.training.fixed(x=torch.ones(4, 1)), 5, 0.1)
    >>> trial = ll.experiments.Trial({"width": 1}, lambda seed: torch.nn.Linear(1, 1), recipe)

    >>> slope = lambda trained, fresh: ll.labels.labelled(slope=("", trained.weight.item(), "slope"))
    >>> prepared = ll.experiments.Prepared((trial,), slope, data=None)

    >>> settings = ll.experiments.sizes(ll.experiments.Trained(), smoke={}, paper={})
    >>> line = ll.experiments.Experiment("ntk", "A line", settings, lambda s, progress: prepared, lambda result: {})

    >>> first = next(line.train(line.configure("smoke")))
    >>> first.model, first.stage, first.stages
    ('width-1', 1, 1)
    """

    model: str
    seed: int
    stage: int
    stages: int
    progress: Progress


class Training(Generic[S, D]):
    """The steps of an experiment: an iterator of Stage, as long as `len` says.

    `models` holds every model that was built so far, by name and seed; `result` is there when all has ended; `close`
    stops it, and what was stored can be resumed.

    >>> squared = lambda model, batch: {"squared": (model(batch["x"]) - 2 * batch["x"]).square().mean()}
    >>> recipe = ll.training.descent(squared, ll.training.fixed(x=torch.ones(4, 1)), 5, 0.1)
    >>> trial = ll.experiments.Trial({"width": 1}, lambda seed: torch.nn.Linear(1, 1), recipe)

    >>> slope = lambda trained, fresh: ll.labels.labelled(slope=("", trained.weight.item(), "slope"))
    >>> prepared = ll.experiments.Prepared((trial,), slope, data=None)

    >>> settings = ll.experiments.sizes(ll.experiments.Trained(), smoke={}, paper={})
    >>> line = ll.experiments.Experiment("ntk", "A line", settings, lambda s, progress: prepared, lambda result: {})

    >>> [stage.progress.step for stage in line.train(line.configure("smoke"))]
    [1, 2, 3, 4, 5]
    """

    def __init__(
        self, experiment: Experiment[S, D], settings: S, prepared: Prepared[D], run: runs.Run | None, resume: bool
    ) -> None:
        self.experiment, self.settings, self.prepared = experiment, settings, prepared
        self.run, self.resume = run, resume
        self.models: dict[tuple[str, int], nn.Module] = {}
        self.result: Result[S, D] | None = None
        self._stages = self._train()

    def __len__(self) -> int:
        steps = sum(trial.recipe.steps for trial in self.prepared.trials if trial.recipe is not None)
        return steps * len(self.settings.seed_range)

    def __iter__(self) -> Iterator[Stage]:
        return self

    def __next__(self) -> Stage:
        return next(self._stages)

    def close(self) -> None:
        """Stop here; a stored run keeps a checkpoint of this step."""
        self._stages.close()

    def finish(self) -> Result[S, D]:
        """Do all that is left and give the result."""
        for _ in self:
            pass
        assert self.result is not None
        return self.result

    def _train(self) -> Generator[Stage, None, None]:
        prepared, seeds = self.prepared, self.settings.seed_range
        # seeds outside: all trials are trained once before any is again
        pairs = [(trial, seed) for seed in seeds for trial in prepared.trials]
        logs: dict[tuple[str, int], list[dict[str, Any]]] = {}
        metrics: dict[tuple[str, int], xr.Dataset] = {}
        for number, (trial, seed) in enumerate(pairs, start=1):
            model = self.models[trial.name, seed] = trial.build(seed)
            fresh = model
            if trial.recipe is not None:
                log = logs[trial.name, seed] = []
                for progress in self._fit(model, trial, seed, log):
                    yield Stage(trial.name, seed, number, len(pairs), progress)
                # built again rather than copied before: training would hold two models at once
                fresh = _beside(trial.build(seed), model)
            metrics[trial.name, seed] = prepared.measure(model, fresh)
        measured = collect(prepared.trials, seeds, metrics)
        if self.run:
            self.run.write_metrics(measured)
        curves = curves_of(logs)
        self.result = Result(self.experiment, self.settings, prepared, dict(self.models), measured, curves, self.run)

    def _fit(
        self, model: nn.Module, trial: Trial, seed: int, log: list[dict[str, Any]]
    ) -> Generator[Progress, None, None]:
        """The steps of one model; `log` has its records when they have ended."""
        assert trial.recipe is not None
        part = self.run.child(f"{trial.name}/seed-{seed}") if self.run else None
        device = self.settings.device if isinstance(self.settings, OnDevice) else "auto"
        precision = self.settings.precision if isinstance(self.settings, MixedPrecision) else "no"
        steps = []
        with closing(
            fit(model, trial.recipe, run=part, resume=self.resume, seed=seed, device=device, precision=precision)
        ) as training:
            for progress in training:
                steps.append(progress)
                yield progress
        # a resumed training has seen its later steps only; the folder has all
        log.extend(part.log if part else [progress.record() for progress in steps])


def _beside(fresh: nn.Module, trained: nn.Module) -> nn.Module:
    """The model as it was built, in eval mode on the trained one's device."""
    device = next((tensor.device for tensor in (*trained.parameters(), *trained.buffers())), torch.device("cpu"))
    return fresh.to(device).eval()
