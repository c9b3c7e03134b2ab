"""Linear systems of equations on grids, many at once: conjugate gradients, deflation, multigrid, gradients."""

from limitlab.solvers.linear.boxes import box_eigenvalues, solve_box
from limitlab.solvers.linear.deflation import Deflation, subdomains
from limitlab.solvers.linear.diffusion import diffusion
from limitlab.solvers.linear.implicit import solve
from limitlab.solvers.linear.incomplete_cholesky import IncompleteCholesky
from limitlab.solvers.linear.krylov import (
    conjugate_directions,
    conjugate_gradients,
    flexible_conjugate_gradients,
    stationary,
)
from limitlab.solvers.linear.lanczos import lanczos
from limitlab.solvers.linear.multigrid import Multigrid
from limitlab.solvers.linear.preconditioners import Chebyshev, Jacobi
from limitlab.solvers.linear.solution import LinearSolution
from limitlab.solvers.linear.stencil import Stencil

__all__ = [
    "Chebyshev",
    "Deflation",
    "IncompleteCholesky",
    "Jacobi",
    "LinearSolution",
    "Multigrid",
    "Stencil",
    "box_eigenvalues",
    "conjugate_directions",
    "conjugate_gradients",
    "diffusion",
    "flexible_conjugate_gradients",
    "lanczos",
    "solve",
    "solve_box",
    "stationary",
    "subdomains",
]
