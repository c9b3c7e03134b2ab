"""One notebook at every point of a product of parameters, on Dask, and one page that compares what they published.

Points run in processes of a local cluster that is started and closed here, or on the cluster of a given scheduler: a
worker receives the notebook as text and returns it executed, so it shares no files with the machine that asked.
A point's report is written when it is done, each file whole or not at all: a sweep that was killed is taken up there.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from limitlab.atomic import write_atomically
from limitlab.errors import InvalidArgument, check_number
from limitlab.reports import notebooks
from limitlab.reports.comparison import Point, comparison
from limitlab.reports.execution import (
    Execution,
    ReportFailed,
    execute,
    now,
    parameter_hash,
    with_origin,
    with_page,
    write,
)
from limitlab.reports.parameters import Value, complete, read_axes, read_parameters
from limitlab.reports.record import Record, of_notebook, origin, versions


@dataclass(frozen=True)
class Sweep:
    """A finished sweep: its points in the order of the product, and the page that compares them.

    >>> from pathlib import Path
    >>> points = (ll.reports.Point({"modes": 8}, {"error": 0.1}), ll.reports.Point({"modes": 99}, failure="too many"))
    >>> [point.parameters for point in ll.reports.Sweep(Path("index.html"), points).failures]
    [{'modes': 99}]
    """

    page: Path
    points: tuple[Point, ...]

    @property
    def failures(self) -> tuple[Point, ...]:
        return tuple(point for point in self.points if point.failure)


def sweep(
    notebook: str | Path,
    axes: Mapping[str, Iterable[Any]],
    *,
    workers: int = 1,
    scheduler: str | None = None,
    folder: str | Path = "reports",
    resume: bool = False,
    progress: bool = True,
) -> Sweep:
    """Reports of a notebook for the product of `axes` (parameter -> values), and `folder`/NAME-sweep-<hash>/index.html.

    workers: processes of the local cluster. scheduler: address of a running one, used instead. resume: keep the reports
    that are in `folder` already, of the same cells, parameters and versions, and run the rest.
    A point that fails is a line of the comparison and stops no other. Raises UnknownName and InvalidArgument before the
    first run.

    >>> ll.reports.sweep("00-start-here", {"deepest": [32, 5000]})
    Traceback (most recent call last):
    limitlab.errors.InvalidArgument: parameter 'deepest' must be a whole number in [16, 1024]; got '5000'
    """
    workers = int(check_number("workers", workers, low=1, high=256, integer=True))
    path = notebooks.find(notebook)
    source = notebooks.read(path)
    parameters = read_parameters(source, path.name)
    axes = read_axes(axes, parameters)
    if not axes or not all(axes.values()):
        raise InvalidArgument("a sweep needs at least one parameter with values, as in modes=8,16,32")
    asked = [
        _Asked(path, overrides, values, Path(folder) / f"{path.stem}-{parameter_hash(values)}")
        for overrides in (dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values()))
        for values in [complete(overrides, parameters)]
    ]
    made = origin(path, source)
    points = {run: kept for run in asked if (kept := run.finished(made["source"]))} if resume else {}
    left = [run for run in asked if run not in points]
    points |= _run(left, with_origin(path, source), min(workers, len(left)), scheduler, progress)
    ordered = tuple(points[run] for run in asked)
    target = Path(folder) / f"{path.stem}-sweep-{parameter_hash({name: list(values) for name, values in axes.items()})}"
    title = f"{notebooks.title(source) or path.stem}: {', '.join(axes)}"
    fixed = {parameter.name: parameter.default for parameter in parameters if parameter.name not in axes}
    record = Record(made["notebook"], made["source"], axes=axes, versions=versions(), date=now()).as_dict()
    page = write_atomically(target / "index.html", comparison(title, ordered, target, fixed, record))
    return Sweep(page, ordered)


@dataclass(frozen=True, eq=False)
class _Asked:
    """A point to run: the swept values, all parameters, and the folder of its report."""

    path: Path
    overrides: dict[str, Value]
    values: dict[str, Value]
    target: Path

    def finished(self, source: str) -> Point | None:
        """The point as an earlier sweep left it; None where it has not ended well, or was made of something else."""
        notebook = self.target / self.path.name
        try:
            record = of_notebook(notebooks.read(notebook), str(notebook))
        # what is not there or not whole is run again
        except (OSError, InvalidArgument):
            return None
        if (record.source, record.parameters, record.versions) != (source, self.values, versions()):
            return None
        made = with_page(self.path, self.values, self.target)
        return Point(self.overrides, made.results, made.page, made.seconds)

    def point(self, done: Execution) -> Point:
        """The point as it was executed, its report written."""
        try:
            made = write(done, self.path, self.values, self.target, pages=True)
        except ReportFailed as failure:
            return Point(self.overrides, seconds=done.seconds, failure=str(failure))
        return Point(self.overrides, made.results, made.page, made.seconds)


def _run(
    asked: Sequence[_Asked], text: str, workers: int, scheduler: str | None, progress: bool
) -> dict[_Asked, Point]:
    """Execute the notebook at these points on Dask, and write each report when it is done."""
    points: dict[_Asked, Point] = {}
    if not asked:
        return points
    from limitlab.data import dask_client

    name, folder = asked[0].path.stem, notebooks.run_folder(asked[0].path)
    with dask_client(workers, scheduler) as client:
        options = {"name": name, "folder": folder, "progress": False}
        futures = {client.submit(execute, text, run.values, run.overrides, **options, pure=False): run for run in asked}
        for future in _as_completed(futures, client.loop, name, progress):
            run = futures[future]
            try:
                points[run] = run.point(future.result())
            # a worker may die or lack a package: whatever the reason, it is this point's alone
            except Exception as cause:
                points[run] = Point(run.overrides, failure=f"{type(cause).__name__}: {cause}".splitlines()[0])
            # the cluster would hold every executed notebook until the last is done
            future.release()
    return points


def _as_completed(futures: Mapping[Any, _Asked], loop: Any, name: str, progress: bool) -> Iterator[Any]:
    from distributed import as_completed
    from tqdm import tqdm

    return iter(
        tqdm(as_completed(futures, loop=loop), total=len(futures), desc=name, unit="report", disable=not progress)
    )
