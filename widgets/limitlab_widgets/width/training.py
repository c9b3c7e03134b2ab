"""Networks of several widths and seeds, trained one after the other, with progress; and what their widths say together.

A training is given up between two layers of a network: that is where it lets itself be watched.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from limitlab.errors import LimitlabError
from limitlab.memory import require_memory
from limitlab_widgets.shared.worker import Check
from limitlab_widgets.width.regression import RECORDS, Regression

if TYPE_CHECKING:
    import xarray as xr

Pair = tuple[int, int]
Report = Callable[[str, int, int, "float | None"], None]
PARTS = 100
TICK = 0.2
COPIES = 4
LAWS = {"drift": "drift in training", "kernel_error": "error at the start"}


def trained_networks(
    regression: Regression, wanted: Sequence[Pair], check: Check, report: Report
) -> Iterator[tuple[Pair, xr.Dataset | str]]:
    """For every (width, seed) what `WidthStudy.run` gives, or in words why it could not.

    report(text, parts done, of so many, seconds left or None) is called at most every TICK.
    """
    for place, (width, seed) in enumerate(wanted):
        alike = [pair for pair in wanted if pair[0] == width]
        watch = _Watch(regression, f"width {width}: network", alike.index((width, seed)), len(alike), check, report)
        watch.before, watch.total = PARTS * place, PARTS * len(wanted)
        try:
            require_room(regression.depth, width)
            yield (width, seed), regression.study(watch).run(width, seed)
        except LimitlabError as error:
            yield (width, seed), f"width {width}, seed {seed}: {error}"


def require_room(depth: int, width: int) -> None:
    """Raise InvalidArgument where weights, gradients and steps of such a network do not fit into the free memory."""
    purpose = f"training of {depth} hidden layers of width {width}"
    needed = 8 * COPIES * (depth - 1) * width**2
    require_memory(needed, purpose, torch.device("cpu"), advice="take a smaller width or depth")


def drift_table(runs: Mapping[Pair, xr.Dataset]) -> xr.Dataset | None:
    """`drift` and `kernel_error` (width, seed) after the last step, over the seeds that every width has.

    None where there are less than two widths.
    """
    import xarray as xr

    widths = sorted({width for width, _ in runs})
    seeds = sorted(seed for seed in {seed for _, seed in runs} if all((width, seed) in runs for width in widths))
    if len(widths) < 2 or not seeds:
        return None
    tables = {
        name: np.array([[float(runs[width, seed][name].values.ravel()[-1]) for seed in seeds] for width in widths])
        for name in LAWS
    }
    return xr.Dataset(
        {name: (("width", "seed"), table, {"long_name": LAWS[name], "units": "1"}) for name, table in tables.items()},
        coords={"width": widths, "seed": seeds},
    )


class _Watch:
    """Called at every activation of a network in training: gives up where it is asked to, and tells how far it is."""

    before: int
    total: int

    def __init__(
        self, regression: Regression, where: str, number: int, count: int, check: Check, report: Report
    ) -> None:
        self._steps, self._depth = regression.steps, regression.depth
        self._where, self._number, self._count = where, number, count
        self._check, self._report = check, report
        self._calls, self._next, self._begun = 0, 0.0, 0.0

    def __call__(self) -> None:
        self._check()
        self._calls += 1
        now = time.perf_counter()
        self._begun = self._begun or now
        if now < self._next:
            return
        self._next = now + TICK
        # a record looks at the outputs of the training and the test points, and at the kernel
        passes = self._steps + 3 * min(RECORDS, self._steps)
        share = min(0.99, self._calls / (self._depth * passes))
        elapsed = now - self._begun
        left = elapsed / share * (self._count - self._number - share) if elapsed > TICK else None
        text = f"{self._where} {self._number + 1} of {self._count}, {share:.0%}"
        self._report(text, self.before + int(PARTS * share), self.total, left)
