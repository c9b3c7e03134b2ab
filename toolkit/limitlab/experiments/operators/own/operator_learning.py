"""Functions of a reader's own: which operator learns the map from inputs to targets of a file.

    limitlab run operator_learning -o data=flow.h5 -o inputs=a -o targets=u -o models=fno,unet,mean

The file is one that `limitlab.data.open` reads. A part of its samples is kept to test on, at the file's resolution or
at coarser ones too. `mean`, which knows the targets alone, is what a model must beat.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from limitlab.errors import InvalidArgument
from limitlab.experiments.contract.experiment import Experiment, Prepared, ReportProgress
from limitlab.experiments.contract.settings import option, sizes
from limitlab.experiments.operators._learning import OperatorData, draw_operator, prepare_operator
from limitlab.experiments.operators._rates import rates_of
from limitlab.experiments.operators.own._functions import OwnFunctions, functions_in, functions_of
from limitlab.experiments.operators.own._settings import FileSettings
from limitlab.operators import OPERATORS

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class OwnSettings(FileSettings):
    """The file, what of it is learned, and the training."""

    inputs: tuple[str, ...] = option((), "fields that are given; none: what the file says, or first frames")
    targets: tuple[str, ...] = option((), "fields that are learned; none: what the file says, or last frames")

    def at(self, own: OwnFunctions) -> OwnSettings:
        """The settings with the sizes of a file. Raises InvalidArgument where they do not fit it."""
        counts = self.counts(own.samples)
        batch = min(self.batch_size, counts["train_samples"])
        return replace(self, **self.resolutions(own.grid), **counts, batch_size=batch)

    @property
    def functions(self) -> OwnFunctions:
        """What the file holds. Raises InvalidArgument."""
        return functions_of(self.path, inputs=self.inputs, targets=self.targets, dims=self.dims, kind=self.kind)


def prepare(settings: OwnSettings, progress: ReportProgress = False) -> Prepared[OperatorData]:
    """Training and test functions of the file, one trial for each operator."""
    own = settings.functions
    return prepare_operator(own, settings.at(own), progress)


def check(settings: OwnSettings) -> None:
    """Raise InvalidArgument for a file, or for sizes, that cannot be learned from."""
    settings.at(settings.functions)
    rates_of(settings, OPERATORS)


def with_functions(dataset: xr.Dataset, name: str = "functions") -> Experiment[OwnSettings, OperatorData]:
    """The experiment `operator_learning` on pairs in memory, which `limitlab.data.from_arrays` makes, and no file.

    Raises InvalidArgument.

    >>> own = ll.data.from_arrays(torch.rand(10, 16), torch.rand(10, 16), axes={"x": (0, 1)})
    >>> experiment = ll.experiments.with_functions(own)
    >>> result = experiment.train(experiment.configure("smoke", models=("mean",))).finish()
    >>> result.metrics.sizes["sample"]
    2
    """
    own = functions_in(dataset, name)

    def prepare_own(settings: OwnSettings, progress: ReportProgress = False) -> Prepared[OperatorData]:
        return prepare_operator(own, settings.at(own), progress)

    def check_own(settings: OwnSettings) -> None:
        if settings.data:
            raise InvalidArgument(f"data must be left out for functions in memory; got {settings.data!r:.80}")
        settings.at(own)
        rates_of(settings, OPERATORS)

    return replace(EXPERIMENT, prepare=prepare_own, check=check_own, name="operator_learning")


EXPERIMENT = Experiment(
    "nns-to-nos",
    "The operator of a reader's own functions",
    sizes(
        OwnSettings(models=("fno", "unet", "mean"), seeds=1),
        smoke={
            "train_samples": 20, "test_samples": 4, "modes": 4, "width": 8, "layers": 2, "epochs": 2, "batch_size": 5,
        },
        paper={
            "train_samples": 1_000_000, "test_samples": 1_000_000, "width": 64, "modes": 32, "epochs": 500, "seeds": 3,
        },
    ),
    prepare,
    draw_operator,
    check,
)  # fmt: skip
