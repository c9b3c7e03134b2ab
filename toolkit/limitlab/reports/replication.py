"""Claims of a notebook at several seeds: what holds at one seed alone is luck.

The notebook runs at every seed, on Dask as in a sweep; the verdicts that its table of claims has stored are collected.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from limitlab.errors import InvalidArgument, check_number
from limitlab.reports import notebooks
from limitlab.reports.claims import FAILS, VERDICTS
from limitlab.reports.parameters import Value, read_parameters
from limitlab.reports.sweep import sweep
from limitlab.reports.tables import Table

MISSING = "not stated"


@dataclass(frozen=True)
class Verdict:
    """Whether a claim holds at one seed, and the value there as its table shows it."""

    holds: bool
    here: str


@dataclass(frozen=True)
class Replication:
    """The verdict of every claim at every seed, and why runs failed. A claim that a run does not state has none there.

    >>> Verdict = ll.reports.replication.Verdict
    >>> held = ll.reports.Replication((0, 7), {"slope": {0: Verdict(True, "-1.0"), 7: Verdict(False, "-0.6")}})
    >>> list(held.failing), held.holds
    (['slope'], False)
    """

    seeds: tuple[int, ...]
    verdicts: Mapping[str, Mapping[int, Verdict]]
    failures: Mapping[int, str] = field(default_factory=dict)

    @property
    def failing(self) -> dict[str, tuple[int, ...]]:
        """The claims that do not hold, or are not stated, at seeds whose run ended well, with these seeds."""
        ended = [seed for seed in self.seeds if seed not in self.failures]
        at = {
            what: tuple(seed for seed in ended if seed not in found or not found[seed].holds)
            for what, found in self.verdicts.items()
        }
        return {what: seeds for what, seeds in at.items() if seeds}

    @property
    def holds(self) -> bool:
        """Whether every run ended well, stated claims, and every claim holds at every seed."""
        return bool(self.verdicts) and not self.failures and not self.failing

    @property
    def table(self) -> Table:
        """A claim a row, a seed a column: the value there, marked where the claim does not hold."""
        rows = [[what, *(self._cell(found, seed) for seed in self.seeds)] for what, found in self.verdicts.items()]
        return Table(["claim", *(f"seed {seed}" for seed in self.seeds)], rows)

    def _cell(self, found: Mapping[int, Verdict], seed: int) -> str:
        if seed in self.failures:
            return "run failed"
        if seed not in found:
            return MISSING
        return found[seed].here if found[seed].holds else f"{found[seed].here} {FAILS}".strip()

    def __repr__(self) -> str:
        return repr(self.table)

    def _repr_markdown_(self) -> str:
        return self.table._repr_markdown_()


def replicate(
    notebook: str | Path,
    seeds: int | Sequence[int] = 3,
    parameters: Mapping[str, Value] | None = None,
    *,
    workers: int = 1,
    scheduler: str | None = None,
    folder: str | Path = "reports",
    resume: bool = False,
    progress: bool = True,
) -> Replication:
    """The claims of a notebook at several seeds. seeds: how many, from the notebook's own on, or which.

    parameters: values over the notebook's defaults, the same for all. workers, scheduler, folder, resume: as of
    `sweep`. Raises UnknownName; InvalidArgument for a notebook without a parameter `seed`.

    >>> ll.reports.replicate("00-start-here", seeds=[0, 0])
    Traceback (most recent call last):
    limitlab.errors.InvalidArgument: seeds must be different; got [0, 0]
    """
    path = notebooks.find(notebook)
    known = {parameter.name: parameter for parameter in read_parameters(notebooks.read(path), path.name)}
    if "seed" not in known:
        raise InvalidArgument(f"{path.name} has no parameter `seed`: its claims can't be replicated")
    if "seed" in (parameters or {}):
        raise InvalidArgument("seed is what is replicated: say seeds=[...]")
    chosen = _chosen(seeds, known["seed"].default)
    axes: dict[str, Sequence[Value]] = {"seed": list(chosen)} | {n: [v] for n, v in (parameters or {}).items()}
    where: dict[str, Any] = {"workers": workers, "scheduler": scheduler, "folder": folder}
    made = sweep(path, axes, **where, resume=resume, progress=progress)
    verdicts: dict[str, dict[int, Verdict]] = {}
    failures = {}
    for seed, point in zip(chosen, made.points, strict=True):
        if point.failure or point.page is None:
            failures[seed] = point.failure or "no page was written"
            continue
        for what, verdict in stored_verdicts(notebooks.read(point.page.with_suffix(".ipynb"))).items():
            verdicts.setdefault(what, {})[seed] = verdict
    return Replication(chosen, verdicts, failures)


def stored_verdicts(notebook: Mapping[str, Any]) -> dict[str, Verdict]:
    """What an executed notebook says of its claims; of a table that is shown twice, the last."""
    outputs = (output for cell in notebook["cells"] for output in cell.get("outputs", []))
    records = (output.get("data", {}).get(VERDICTS, {}) for output in outputs)
    return {what: Verdict(**verdict) for record in records for what, verdict in record.items()}


def _chosen(seeds: int | Sequence[int], first: Any) -> tuple[int, ...]:
    if not isinstance(seeds, Sequence):
        return tuple(range(int(first), int(first) + int(check_number("seeds", seeds, low=1, high=1000, integer=True))))
    chosen = tuple(int(check_number("seeds", seed, low=0, integer=True)) for seed in seeds)
    if not chosen or len(set(chosen)) < len(chosen):
        raise InvalidArgument(f"seeds must be different; got {list(chosen)}")
    return chosen
