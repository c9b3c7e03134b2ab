"""Runs: the folder that a training leaves, readable anywhere.

    settings.json      what was asked for; written last, so that a folder with it is a run
    environment.json   experiment, seed, versions, device, threads, commit
    log.jsonl          a line a step: losses, metrics, learning rate, gradient norm, seconds
    metrics.nc         the measured claim, an xarray.Dataset
    model.safetensors  the model, which `limitlab.load` has back, or its weights alone
    checkpoints/       what `fit(resume=True)` goes on from

A run that trains several models gives each a folder of its own inside it: `run.child("fno/seed-0")`, with its own log,
weights and checkpoints. Among several processes the main one writes; the others' writes do nothing.
"""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from limitlab.atomic import replacing
from limitlab.cards import Card, Shown
from limitlab.errors import InvalidArgument, LimitlabError
from limitlab.saved.model import FILE, load, store
from limitlab.training.device import device as torch_device
from limitlab.training.device import is_main_process

if TYPE_CHECKING:
    import xarray as xr


def create(
    folder: str | os.PathLike[str],
    settings: Mapping[str, Any],
    experiment: str = "",
    seed: int = 0,
    *,
    device: str = "auto",
    resume: bool = False,
) -> Run:
    """Start a run in a new or empty folder; with `resume`, take up the run of the same experiment, settings and seed.

    Raises InvalidArgument for a folder that holds anything else and for settings that are not JSON-able.

    >>> ll.training.runs.create("runs/waves", {"modes": 8}).settings
    {'modes': 8}
    """
    run = Run(Path(folder))
    try:
        # as they will be read back: tuples are lists in JSON
        requested = json.loads(json.dumps(dict(settings), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise InvalidArgument(f"settings must hold only what JSON can: {error}") from error
    if not is_main_process():
        return run
    if run.folder.exists() and not run.folder.is_dir():
        raise InvalidArgument(f"{run.folder} is a file; a run needs a folder")
    if (run.folder / "settings.json").exists():
        if not resume:
            raise InvalidArgument(f"{run.folder} already holds a run; choose another folder, or resume it")
        _require_same(run, {"experiment": experiment, "seed": seed, **requested})
        return run
    # what a run that died while it was being created may have left is not somebody's work
    foreign = [p.name for p in run.folder.glob("*") if p.name != "environment.json" and p.suffix != ".part"]
    if foreign:
        raise InvalidArgument(
            f"{run.folder} is not empty (it holds {min(foreign)!r}) and is no run; choose another folder"
        )
    _write_json(run.folder / "environment.json", environment(experiment, seed, device))
    # last, since a folder with settings is a run
    _write_json(run.folder / "settings.json", requested)
    return run


def open(path: str | os.PathLike[str]) -> Run:
    """The run in a folder. Raises InvalidArgument where there is none.

    >>> run = ll.training.runs.create("runs/second", {"modes": 8})
    >>> ll.training.runs.open("runs/second") == run
    True
    """
    run = Run(Path(path))
    if not (run.folder / "settings.json").is_file():
        reason = "it has no settings.json" if run.folder.is_dir() else "there is no such folder"
        raise InvalidArgument(f"{run.folder} is not a run: {reason}")
    return run


@dataclass(frozen=True, repr=False)
class Run(Shown):
    """A folder of results; `name` is that of a model inside it, empty for the run itself.

    >>> run = ll.training.runs.create("runs/first", {"modes": 8}, "darcy_fno")
    >>> run.settings, run.child("fno/seed-0").folder.as_posix()
    ({'modes': 8}, 'runs/first/fno/seed-0')
    """

    root: Path
    name: str = ""

    @property
    def folder(self) -> Path:
        return self.root / self.name

    @property
    def settings(self) -> dict[str, Any]:
        return _read_json(self.root / "settings.json")

    @property
    def environment(self) -> dict[str, Any]:
        return _read_json(self.root / "environment.json")

    @property
    def experiment(self) -> str:
        return self.environment["experiment"]

    @property
    def seed(self) -> int:
        return self.environment["seed"]

    @property
    def checkpoints(self) -> Path:
        return self.folder / "checkpoints"

    def child(self, name: str) -> Run:
        """The part of one model, such as "fno/seed-0"; it shares settings and environment. Raises InvalidArgument."""
        parts = str(name).split("/")
        if not all(re.fullmatch(r"\w[\w.=+-]*", part) for part in parts) or "checkpoints" in parts:
            raise InvalidArgument(f"a model's name is words joined by '/', such as 'fno/seed-0'; got {name!r}")
        return Run(self.root, "/".join([*filter(None, [self.name]), *parts]))

    @property
    def children(self) -> tuple[str, ...]:
        """Names of the models inside that have a log or weights."""
        folders = {path.parent for mark in ("log.jsonl", "model.safetensors") for path in self.folder.rglob(mark)}
        return tuple(sorted(path.relative_to(self.folder).as_posix() for path in folders - {self.folder}))

    @property
    def log(self) -> list[dict[str, Any]]:
        """Records of `Progress.record`, oldest first; a line that a killed process left half-written is left out."""
        path = self.folder / "log.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        records = []
        for number, line in enumerate(lines, start=1):
            try:
                records.append(json.loads(line))
            except json.JSONDecodeError as error:
                # only the last line can be half-written; any other is damage
                if number < len(lines):
                    raise LimitlabError(f"{path}, line {number}, is not JSON: {error}") from error
        return records

    def append_log(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Add a line for each record."""
        if not is_main_process():
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write("".join(json.dumps(record) + "\n" for record in records))

    def truncate_log(self, step: int) -> None:
        """Drop what was logged after `step`, so that a resumed training logs no step twice."""
        if not is_main_process():
            return
        records = [record for record in self.log if record["step"] <= step]
        with replacing(self.folder / "log.jsonl") as temporary:
            temporary.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")

    def write_metrics(self, metrics: xr.Dataset) -> None:
        """Store the measured results, replacing earlier ones."""
        if is_main_process():
            with replacing(self.folder / "metrics.nc") as temporary:
                metrics.to_netcdf(temporary, engine="h5netcdf")

    @property
    def metrics(self) -> xr.Dataset:
        """The measured results, in memory. Raises InvalidArgument when nothing was measured yet."""
        import xarray as xr

        path = self.folder / "metrics.nc"
        if not path.exists():
            raise InvalidArgument(f"{self.folder} holds no metrics yet")
        # loaded, not opened, which would lock the file against the next write
        return xr.load_dataset(path, engine="h5netcdf")

    def write_model(self, model: nn.Module) -> None:
        """Store the model, replacing an earlier one: its weights alone, where it is of no class that files can name."""
        if is_main_process():
            store(model, self.folder / FILE)

    def read_model(self, model: nn.Module) -> nn.Module:
        """Load the stored weights into `model`, on its device, and return it. Raises InvalidArgument, DamagedFile."""
        path = self.folder / FILE
        if not path.exists():
            held = f"; it has models {', '.join(self.children)}" if self.children else ""
            raise InvalidArgument(f"{self.folder} holds no weights{held}")
        return load(path, into=model)

    def card(self) -> Card:
        """What was run, where, and what its models came to."""
        where = self.environment
        versions = f"limitlab {where['limitlab']}, torch {where['torch']}"
        facts = [
            ("experiment", f"{where['experiment'] or '(none)'}, seed {where['seed']}"),
            ("settings", ", ".join(f"{key}={value}" for key, value in self.settings.items())),
            ("environment", f"{versions}, {where['device']}, {where['created']}"),
        ]
        for name in ("", *self.children):
            log = (self.child(name) if name else self).log
            if log:
                losses = ", ".join(f"{term} {value:.3g}" for term, value in log[-1]["losses"].items())
                facts.append((name or "training", f"step {log[-1]['step']}: {losses}"))
        if (self.folder / "metrics.nc").exists():
            facts.append(("metrics", ", ".join(map(str, self.metrics.data_vars))))
        return Card(f"Run {self.folder}", tuple(facts))


def environment(experiment: str, seed: int, device: str) -> dict[str, Any]:
    """What a result depends on besides its settings."""
    try:
        installed = version("limitlab")
    except PackageNotFoundError:
        installed = "uninstalled"
    chosen = torch_device(device)
    return {
        "experiment": experiment,
        "seed": seed,
        "created": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "limitlab": installed,
        "commit": _commit(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "device": torch.cuda.get_device_name() if chosen.type == "cuda" else chosen.type,
        "threads": torch.get_num_threads(),
        "platform": platform.platform(),
    }


def _commit() -> str | None:
    """Commit of the source tree that limitlab is run from; None for an installed package."""
    source = Path(__file__).resolve().parent
    if "site-packages" in source.parts:
        return None
    # from the folder of the source: the user's own folder may be another repository
    command = ["git", "-C", str(source), "rev-parse", "--verify", "HEAD"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()


def _require_same(run: Run, requested: dict[str, Any]) -> None:
    held = {"experiment": run.experiment, "seed": run.seed, **run.settings}
    differing = sorted(key for key in held.keys() | requested.keys() if held.get(key) != requested.get(key))
    if differing:
        shown = ", ".join(f"{key} ({held.get(key)!r} there, {requested.get(key)!r} now)" for key in differing)
        raise InvalidArgument(f"{run.folder} holds another run, which differs in {shown}")


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LimitlabError(f"{path} cannot be read: {error}") from error
