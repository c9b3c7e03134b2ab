"""One notebook at every point of a product of parameters, on Dask, and one page that compares what they published.

Points run in processes of a local cluster that is started and closed here, or on the cluster of a given scheduler: a
worker receives the notebook as text and returns it executed, so it shares no files with the machine that asked.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from limitlab.atomic import write_atomically
from limitlab.errors import InvalidArgument, check_number
from limitlab.reports import notebooks
from limitlab.reports.comparison import Point, comparison
from limitlab.reports.execution import Execution, ReportFailed, execute, parameter_hash, write
from limitlab.reports.parameters import Value, complete, read_axes, read_parameters


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
    progress: bool = True,
) -> Sweep:
    """Reports of a notebook for the product of `axes` (parameter -> values), and `folder`/NAME-sweep-<hash>/index.html.

    workers: processes of the local cluster. scheduler: address of a running one, used instead.
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
    combinations = [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]
    completed = [complete(overrides, parameters) for overrides in combinations]
    text = json.dumps(source)

    from limitlab.data import dask_client

    points: dict[int, Point] = {}
    with dask_client(min(workers, len(combinations)), scheduler) as client:
        futures = {}
        for index, (overrides, values) in enumerate(zip(combinations, completed, strict=True)):
            options = {"name": path.stem, "folder": notebooks.run_folder(path), "progress": False}
            futures[client.submit(execute, text, values, overrides, **options, pure=False)] = index
        for future in _as_completed(futures, client.loop, path.stem, progress):
            index = futures[future]
            overrides, values = combinations[index], completed[index]
            target = Path(folder) / f"{path.stem}-{parameter_hash(values)}"
            try:
                points[index] = _point(future.result(), path, overrides, values, target)
            # a worker may die or lack a package: whatever the reason, it is this point's alone
            except Exception as cause:
                points[index] = Point(overrides, failure=f"{type(cause).__name__}: {cause}".splitlines()[0])
            # the cluster would hold every executed notebook until the last is done
            future.release()
    ordered = tuple(points[index] for index in range(len(combinations)))
    target = Path(folder) / f"{path.stem}-sweep-{parameter_hash({name: list(values) for name, values in axes.items()})}"
    title = f"{notebooks.title(source) or path.stem}: {', '.join(axes)}"
    fixed = {parameter.name: parameter.default for parameter in parameters if parameter.name not in axes}
    return Sweep(write_atomically(target / "index.html", comparison(title, ordered, target, fixed)), ordered)


def _point(done: Execution, path: Path, overrides: dict[str, Value], values: dict[str, Value], target: Path) -> Point:
    try:
        made = write(done, path, values, target, pages=True)
    except ReportFailed as failure:
        return Point(overrides, seconds=done.seconds, failure=str(failure))
    return Point(overrides, made.results, made.page, made.seconds)


def _as_completed(futures: Mapping[Any, int], loop: Any, name: str, progress: bool) -> Iterator[Any]:
    from distributed import as_completed
    from tqdm import tqdm

    return iter(
        tqdm(as_completed(futures, loop=loop), total=len(futures), desc=name, unit="report", disable=not progress)
    )
