"""Settings of experiments on a reader's file: which file, how it is read, and sizes that are those of the file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from limitlab.data.axes import KINDS
from limitlab.errors import InvalidArgument
from limitlab.experiments.contract.settings import Ensemble, option
from limitlab.experiments.operators._learning import OperatorSettings
from limitlab.experiments.operators.own._functions import coarser
from limitlab.operators import OPERATORS
from limitlab.spaces import Grid

TEST_SHARE = 0.2
"""Of the samples of a file that holds fewer than are asked for."""


@dataclass(frozen=True)
class FileSettings(OperatorSettings):
    """The file, and the training; sizes that are left open are those of the file."""

    data: str = option("", "path of the file: .npz, .pt, .mat, .h5, .nc or .zarr")
    dims: str = option("", "dims of its fields, such as sample x y, where sizes leave them open")
    kind: str = option("", "points of its axes, where they do not tell", choices=("", *KINDS))
    parameters: tuple[str, ...] = option((), "none: a file has no equation")
    resolution: int = option(0, "points of the first axis in training, 0: those of the file", low=0, high=8192)
    test_resolutions: tuple[int, ...] = option((), "the same in tests, none: that of the training", low=2, high=8192)

    def __post_init__(self) -> None:
        # what it checks beyond its own base is known once the file is read
        super(Ensemble, self).__post_init__()
        if not self.models:
            raise InvalidArgument("models must not be empty")
        if self.parameters:
            raise InvalidArgument(f"parameters must be left out: a file has no equation; got {self.parameters}")

    @property
    def path(self) -> str:
        """The path of the file. Raises InvalidArgument where none is named."""
        if not self.data:
            raise InvalidArgument("data must be the path of a file, as in -o data=flow.h5")
        return self.data

    def resolutions(self, grid: Grid) -> dict[str, Any]:
        """`resolution` and `test_resolutions` on the grid of a file, those that are left open as it has them.

        Raises InvalidArgument where it cannot be made so coarse, or an operator would not be tested where it learns.
        """
        first = grid.axes[0]
        resolution = self.resolution or first.size
        tests = tuple(sorted(set(self.test_resolutions))) or (resolution,)
        for asked in (resolution, *tests):
            for axis in grid.axes:
                coarser(axis, first, asked)
        fixed = [name for name in self.models if OPERATORS[name].fixed]
        if fixed and resolution not in tests:
            raise InvalidArgument(
                f"test_resolutions must hold the training resolution {resolution}, the only one of {fixed[0]}; got"
                f" {tests}"
            )
        return {"resolution": resolution, "test_resolutions": tests}

    def counts(self, samples: int) -> dict[str, Any]:
        """`train_samples` and `test_samples` for a file of so many samples."""
        test = min(self.test_samples, max(1, round(TEST_SHARE * samples)))
        return {"train_samples": min(self.train_samples, samples - test), "test_samples": test}
