"""The limit of a regression in closed form, for all recorded steps, and the search for it in a thread.

Kernels of some activations are integrals, which take a second: the figures say meanwhile that they are old.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from limitlab.experiments import Prepared
from limitlab.experiments.infinite_width.ntk_circle import CircleData, CircleSettings
from limitlab.infinite_width import WidthStudy
from limitlab_widgets.shared.state import StudioState
from limitlab_widgets.shared.warned import collected
from limitlab_widgets.shared.worker import Check
from limitlab_widgets.width.regression import EXPERIMENT, Regression
from limitlab_widgets.width.training import on_closed_circle

if TYPE_CHECKING:
    import xarray as xr

PATIENCE = 0.4


@dataclass(frozen=True)
class ClosedForm:
    """A regression with the settings of the experiment, its study, and its limit at every recorded step."""

    regression: Regression
    settings: CircleSettings
    prepared: Prepared[CircleData]
    limit: xr.Dataset
    note: str

    @property
    def study(self) -> WidthStudy:
        """Kernels and dynamics of the limit, and its networks."""
        return self.prepared.data.study


class ClosedFormSearch(StudioState):
    """Finds closed forms, the newest question first; `accept(closed_form, check)` gets each, in the thread."""

    def __init__(self, accept: Callable[[ClosedForm, Check], None]) -> None:
        super().__init__()
        self._accept = accept

    def find(self, regression: Regression) -> None:
        """Find the limit of this regression instead of any other."""
        self.error = ""
        self.work(partial(self._find, regression), patience=PATIENCE)

    def _find(self, regression: Regression, check: Check) -> None:
        form = closed_form(regression)
        check()
        self._accept(form, check)


def closed_form(regression: Regression) -> ClosedForm:
    """The limit of a regression. Raises LimitlabError."""
    # what it warns of stands in the note, in the reader's words
    with collected():
        settings = regression.settings
        prepared = EXPERIMENT.prepare(settings, False)
    shaky = prepared.data.study.dynamics.ill_conditioned
    limit = on_closed_circle(prepared.data.limit)
    return ClosedForm(regression, settings, prepared, limit, _note(regression, shaky))


def _note(regression: Regression, shaky: bool) -> str:
    """What the closed form cannot say by itself."""
    notes = []
    if regression.rate > 2:
        notes.append(
            f"The rate is above 2/(largest eigenvalue): in the linear theory the first mode grows by the factor "
            f"{regression.rate - 1:.2f} in every step. Networks may settle all the same, where the kernel is smaller."
        )
    if shaky:
        notes.append(
            "The smallest eigenvalues are lost in rounding: no training learns those modes. Biases, or another "
            "activation, would tell them apart."
        )
    return " ".join(notes)
