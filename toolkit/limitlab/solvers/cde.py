"""Controlled differential equations dz = f(s, z) dX(s): a state driven by a path through data.

    z' = f(s, z) X'(s),      f: (batch, hidden, channels), X': (batch, channels).

How fast the path is run through does not matter to z at its end, so the solver may take any parameter of it. The
log-ODE method is the same equation driven by a path of log-signatures (`limitlab.spaces.log_signature_path`): on window
[r_j, r_j+1] with log-signature L_j = (D^a, A^{ab})

    z' = g(s, z) L_j / (r_j+1 - r_j),

where g is free to be learnt, or the exact one, of f and its Lie brackets (`log_ode_field`).

Sources: Kidger, Morrill, Foster & Lyons 2020 (neural controlled differential equations); Morrill, Salvi, Kidger, Foster
& Lyons 2021 (neural rough differential equations).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.errors import InvalidArgument, digits, unknown_name
from limitlab.numbers import rounding_of, tensor_of
from limitlab.solvers.ode.solve import solve_ode
from limitlab.solvers.solution import Solution
from limitlab.spaces.paths.control import ControlPath, Pieces

MatrixField = Callable[[Tensor, Tensor], Tensor]


def solve_cde(
    field: MatrixField,
    z0: Float[Tensor, "batch hidden"],
    path: ControlPath,
    t: Tensor | Sequence[float] | None = None,
    *,
    method: str = "tsit5",
    stops: Literal["knots"] | None = "knots",
    **options: Any,
) -> Solution:
    """Solution of dz = field(s, z) dX(s) from z0 at the parameters t of the path, its two ends when left out.

    field: s (batch, 1), z (batch, hidden) -> (batch, hidden, channels of the path). t: (time,) or (batch, time). A
    sample that ends before the last of t stays as it is. Observation k of a rectilinear path is at s = 2k.
    stops: steps end at the knots, between which the path is a polynomial, so that a method keeps its order; None allows
    steps longer than a piece of a smooth path, at a loss of accuracy.
    The other options, of which `gradient` is one, and the errors are those of `solve_ode`; compile=True serves all
    paths of one shape.

    >>> path = ll.spaces.control_path([0.0, 1.0, 2.0], torch.tensor([[[0.0], [1.0], [3.0]]]), include_time=False)
    >>> solution = ll.solvers.solve_cde(lambda s, z: z[..., None], torch.ones(1, 1), path)
    >>> round(float(solution.y[0, -1, 0].log()), 3)  # z' = z X', so that z is exp(X)
    3.0
    """
    if not isinstance(path, ControlPath):
        raise InvalidArgument(f"path must be a ControlPath; got {type(path).__name__}")
    if not isinstance(z0, Tensor) or z0.dim() != 2 or z0.shape[0] != path.batch:
        got = tuple(z0.shape) if isinstance(z0, Tensor) else type(z0).__name__
        raise InvalidArgument(
            f"z0 must be a tensor ({path.batch}, hidden), as the path has {path.batch} samples; got {got}"
        )
    if t is None:
        t = torch.stack([path.start, path.end], dim=-1)
    else:
        t = tensor_of("t", t, dtype=None if isinstance(t, Tensor) else torch.float64, device=path.knots.device)
        low, high = float(path.start.min()), float(path.end.max())
        # what lies beyond the ends by rounding alone is at the ends
        margin = 4 * max(rounding_of(t.detach()), rounding_of(path.knots.detach())) if t.numel() else 0.0
        if bool(((t < low - margin) | (t > high + margin)).any()):
            first, last, start, end = digits(low, high, float(t.min()), float(t.max()))
            raise InvalidArgument(f"t must lie on the path, within [{first}, {last}]; got times from {start} to {end}")
        t = t.to(path.knots.dtype).clamp(low, high)
    if stops not in ("knots", None):
        raise unknown_name("stops", stops, ["knots", "None"])
    driven = DrivenField(field, path)
    if options.get("compile"):
        if options.get("gradient", "direct") != "direct":
            raise InvalidArgument(f"compile needs gradient 'direct' along a path; got {options['gradient']!r}")
        driven = _compiled_field(field)
        driven.path = path
    return solve_ode(driven, z0, t, method=method, stops=path.knots if stops else None, **options)


@dataclass(eq=False)
class DrivenField:
    """The field f(s, z) X'(s) of an ordinary differential equation; path: settled before the first call."""

    field: MatrixField
    path: ControlPath | None = None

    def __call__(self, s: Float[Tensor, "batch 1"], z: Float[Tensor, "batch hidden"]) -> Float[Tensor, "batch hidden"]:
        assert self.path is not None
        # first, as the field may write on s
        slope = self.path.derivative(s)
        return _driven(self.field(s, z), slope, z)

    def within(self, s: Float[Tensor, "batch step"], size: Float[Tensor, "batch step"]) -> list[DrivenByPiece]:
        """The same on each step from s of this size, which lies on one piece of the path: that of its middle."""
        assert self.path is not None
        slopes = self.path.near(s + 0.5 * size).differentiated()
        return [DrivenByPiece(self.field, slope) for slope in slopes.split()]


@dataclass(eq=False)
class DrivenByPiece:
    """f(s, z) X'(s) on one piece of the path; slope: the polynomial X'."""

    field: MatrixField
    slope: Pieces

    def __call__(self, s: Float[Tensor, "batch 1"], z: Float[Tensor, "batch hidden"]) -> Float[Tensor, "batch hidden"]:
        slope = self.slope.evaluate(s)
        return _driven(self.field(s, z), slope, z)


def _driven(
    matrix: Float[Tensor, "batch hidden channel"],
    slope: Float[Tensor, "batch 1 channel"],
    z: Float[Tensor, "batch hidden"],
) -> Float[Tensor, "batch hidden"]:
    expected = (*z.shape, slope.shape[-1])
    if matrix.shape != expected:
        raise InvalidArgument(
            f"field must return (batch, hidden, channels) = {expected}; got shape {tuple(matrix.shape)}"
        )
    return (matrix * slope).sum(dim=-1)


@lru_cache(maxsize=32)
def _compiled_field(field: MatrixField) -> DrivenField:
    """One for each field: what is compiled belongs to the object, and the path in it is data."""
    return DrivenField(field)


def log_ode_field(field: MatrixField) -> MatrixField:
    """The exact g of the log-ODE of depth two: the columns f_a of the field, then the brackets of all a < b,

    [f_a, f_b] = (Df_b) f_a - (Df_a) f_b,     in the order of `limitlab.spaces.log_signature`.
    """

    def with_brackets(s: Tensor, z: Float[Tensor, "batch hidden"]) -> Float[Tensor, "batch hidden entry"]:
        columns = field(s.clone(), z.clone())
        along = torch.func.vmap(lambda v: torch.func.jvp(lambda state: field(s, state), (z,), (v,))[1], in_dims=-1)
        moved = along(columns)
        brackets = moved - moved.permute(3, 1, 2, 0)
        row, column = torch.triu_indices(columns.shape[-1], columns.shape[-1], offset=1, device=z.device)
        return torch.cat([columns, brackets[row, :, :, column].movedim(0, -1)], dim=-1)

    return with_brackets
