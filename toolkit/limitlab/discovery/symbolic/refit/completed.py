"""What a refit gives back: equations without holes, in the order of how well they fit for their constants."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from limitlab.cards import Card, Shown
from limitlab.discovery.symbolic.expression import Expr
from limitlab.errors import InvalidArgument
from limitlab.labels import labelled

if TYPE_CHECKING:
    import xarray as xr

TIE = 2.0
"""Differences of BIC below this are no evidence: the fewer constants win."""


@dataclass(frozen=True, repr=False)
class Completed(Shown):
    """One equation without holes: formulas and free parameters as fitted, their standard errors, and how well they fit.

    loss: mean square of the residuals, in units of the states' standard deviations, or of the noise where it is known.

    >>> from limitlab.discovery.symbolic import Completed, Expr
    >>> Completed("x' = -x", (Expr.parse("-x", ("x",)),), ((),), {}, {}, loss=0.1, bic=-40.0, n=20).n_params
    0
    """

    equation: str
    formulas: tuple[Expr, ...]
    errors: tuple[tuple[float, ...], ...]
    free: Mapping[str, float]
    free_errors: Mapping[str, float]
    loss: float
    bic: float
    n: int

    @property
    def n_params(self) -> int:
        """Constants of the formulas."""
        return sum(len(formula.names) for formula in self.formulas)

    def card(self) -> Card:
        fit = f"{self.bic:.4g}, mean square {self.loss:.3g} of {self.n} numbers"
        return Card("Completed", (("equation", self.equation), ("BIC", fit)))


class Refits(Shown):
    """Completed equations in the order of their BIC; `best` is the one with the fewest constants within 2 of the first.

    >>> from limitlab.discovery.symbolic import Completed, Expr, Refits
    >>> rows = [Completed("x' = -x", (Expr.parse("-x", ("x",)),), ((),), {}, {}, 0.1, bic, 20) for bic in (3.0, 1.0)]
    >>> Refits(rows).best.bic
    1.0
    """

    def __init__(self, rows: Iterable[Completed]) -> None:
        self.rows = tuple(sorted(rows, key=lambda row: (not math.isfinite(row.bic), row.bic)))

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Completed:
        return self.rows[index]

    @property
    def best(self) -> Completed:
        """The choice; raises InvalidArgument where no equation could be solved."""
        near = [row for row in self.rows if math.isfinite(row.bic) and row.bic <= self.rows[0].bic + TIE]
        if not near:
            raise InvalidArgument("no candidate could be solved over the times of the measurements: bring other ones")
        return min(near, key=lambda row: row.n_params)

    @property
    def table(self) -> xr.Dataset:
        """One row an equation: BIC, loss, constants and text."""
        return labelled(
            bic=("candidate", [row.bic for row in self.rows], "Bayesian information criterion"),
            loss=("candidate", [row.loss for row in self.rows], "mean square of the residuals"),
            n_params=("candidate", [row.n_params for row in self.rows], "constants"),
            equation=("candidate", np.array([row.equation for row in self.rows], dtype=object), "equation"),
        )

    def card(self) -> Card:
        facts = tuple((f"{row.bic:.1f}", row.equation) for row in self.rows[:10])
        return Card(f"Refits of {len(self)} equations: BIC, equation", facts)
