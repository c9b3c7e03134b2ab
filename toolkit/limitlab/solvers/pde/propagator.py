"""Systems v_t = A v that are linear with constant coefficients, exactly: one exponential of a small matrix a wave.

For two fields, with s = trace(A)/2 and q^2 = -det(A - s),

    exp(A t) = e^(s t) (cosh(q t) + (A - s) sinh(q t)/q),

which is d'Alembert's cos(c k t) and sin(c k t)/(c k) for the wave equation u_t = v, v_t = c^2 Laplacian u. More fields
go through scaling and squaring.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Complex, Float
from torch import Tensor

from limitlab.errors import InvalidArgument
from limitlab.solvers.failures import SolutionBlewUp
from limitlab.solvers.pde.bases import basis_of
from limitlab.spaces.grid import Grid

Matrices = Complex[Tensor, "*modes fields fields"]


def propagate(
    initial: Float[Tensor, "batch field *grid"],
    grid: Grid,
    matrices: Matrices | Float[Tensor, "*modes fields fields"],
    times: Sequence[float] | np.ndarray | Tensor,
    *,
    resolution: int | Sequence[int] | None = None,
    first: int = 0,
) -> Float[Tensor, "batch time field *grid"]:
    """Solution of v_t = A v at `times`, where times[0] belongs to the initial value; exact but for rounding.

    matrices: A of every mode, in the layout of the grid's transform. resolution: of the result. first: number of the
    first sample, used in messages. Raises SolutionBlewUp, InvalidArgument.
    """
    basis = basis_of(grid)
    grid.require("initial", initial)
    fields = initial.shape[1]
    if tuple(matrices.shape) != (*basis.layout(grid), fields, fields):
        raise InvalidArgument(
            f"matrices must be {(*basis.layout(grid), fields, fields)} for {fields} fields; got {tuple(matrices.shape)}"
        )
    coefficients = basis.transform(initial, grid)
    state = coefficients.movedim(1, -1).to(torch.promote_types(coefficients.dtype, matrices.dtype))
    frames = []
    for time in times:
        # from the very start: products of exponentials would add up their rounding
        exponential = matrix_exponential(matrices, float(time) - float(times[0])).to(state.dtype)
        moved = torch.einsum("...ij,b...j->b...i", exponential, state)
        values = basis.inverse(moved.movedim(-1, 1).to(coefficients.dtype), grid)
        finite = torch.isfinite(values).flatten(1).all(1)
        if not bool(finite.all()):
            sample = first + int((~finite).nonzero()[0, 0])
            raise SolutionBlewUp(f"sample {sample} is not finite at t = {float(time):g}: shorten the span")
        frames.append(values if resolution is None else basis.resample(values, grid, resolution))
    return torch.stack(frames, dim=1)


def matrix_exponential(matrices: Matrices | Float[Tensor, "*modes fields fields"], time: float) -> Tensor:
    """exp(A t) of every matrix A.

    >>> from limitlab.solvers.pde.propagator import matrix_exponential
    >>> rotation = torch.tensor([[0.0, 1.0], [-1.0, 0.0]], dtype=torch.float64)
    >>> matrix_exponential(rotation, torch.pi).round(decimals=12).real.diagonal().tolist()
    [-1.0, -1.0]
    """
    if matrices.shape[-1] != 2:
        return torch.matrix_exp(matrices * time)
    a = matrices.to(torch.complex128)
    half_trace = (a[..., 0, 0] + a[..., 1, 1]) / 2
    difference = (a[..., 0, 0] - a[..., 1, 1]) / 2
    root = torch.sqrt(difference**2 + a[..., 0, 1] * a[..., 1, 0])
    angle = root * time
    # the quotient loses its digits where the angle is small, and is one at zero
    small = angle.abs() < 1e-3
    safe = torch.where(small, torch.ones_like(angle), angle)
    ratio = time * torch.where(small, 1 + angle**2 / 6 + angle**4 / 120, torch.sinh(safe) / safe)
    growth = torch.exp(half_trace * time)
    identity = torch.eye(2, dtype=a.dtype, device=a.device)
    traceless = a - half_trace[..., None, None] * identity
    exponential = growth[..., None, None] * (
        torch.cosh(angle)[..., None, None] * identity + ratio[..., None, None] * traceless
    )
    return exponential if matrices.is_complex() else exponential.real
