"""What a linear solve returns: the solution, how the residual fell, and what it cost, all per sample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float, Int
from torch import Tensor

from limitlab.cards import Card, Shown
from limitlab.labels import labelled

if TYPE_CHECKING:
    import xarray


@dataclass(frozen=True, eq=False)
class LinearSolution(Shown):
    """x with A x = b, to a tolerance; `residuals` are |b - A x|/|b| after each iteration, the first before any.

    errors: |x - reference|_A, where a reference was given. iterations: of each sample until it converged; later rows of
    its history repeat the last. matvecs: products with A, preconditionings: applications of the preconditioner, both of
    the sample that took longest. work: the same in units of one product on the finest grid. setup_seconds: what the
    preconditioner took to build, seconds: the solve. residual: |b - A x|/|b|, computed anew at the end.

    >>> A = ll.solvers.linear.diffusion((15, 15))
    >>> solution = ll.solvers.linear.conjugate_gradients(A, torch.ones(2, 15, 15, dtype=torch.float64))
    >>> bool(solution.converged.all()), solution
    (True, LinearSolution(2 samples, 27 iterations, residual 8.8e-09))
    """

    x: Float[Tensor, "batch *grid"]
    residuals: Float[Tensor, "iteration batch"]
    errors: Float[Tensor, "iteration batch"] | None
    iterations: Int[Tensor, " batch"]
    converged: Bool[Tensor, " batch"]
    residual: Float[Tensor, " batch"]
    matvecs: int
    preconditionings: int
    work: float
    seconds: float
    setup_seconds: float = 0.0

    def __repr__(self) -> str:
        return (
            f"LinearSolution({len(self.x)} samples, {int(self.iterations.max())} iterations, residual "
            f"{float(self.residual.max()):.1e}{'' if bool(self.converged.all()) else ', not converged'})"
        )

    def card(self) -> Card:
        """Its shapes and costs."""
        return Card(
            "LinearSolution",
            (
                ("x", f"{tuple(self.x.shape)}: sample, grid"),
                ("iterations", f"{int(self.iterations.min())} to {int(self.iterations.max())}"),
                ("residual", f"{float(self.residual.max()):.2g}"),
                ("work", f"{self.work:.0f} products with A"),
                ("seconds", f"{self.seconds:.3g}, and {self.setup_seconds:.3g} to prepare"),
            ),
        )

    def to_xarray(self) -> xarray.Dataset:
        """`residual`, and `error` where there is one, with dims (iteration, sample)."""
        columns = {"residual": (("iteration sample"), self.residuals.detach().cpu(), "residual over right-hand side")}
        if self.errors is not None:
            columns["error"] = ("iteration sample", self.errors.detach().cpu(), "error in the energy norm")
        return labelled(
            **columns,
            iteration=("iteration", np.arange(len(self.residuals)), "iteration"),
            sample=("sample", np.arange(len(self.x)), "sample"),
        )
