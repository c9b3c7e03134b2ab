"""Residuals of the equations of a flow, from their text, by differences on its grid."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.errors import InvalidArgument
from limitlab.problems.pde.periodic import time_derivative
from limitlab.problems.pde.problem import EvolvingFields
from limitlab.spaces.differences import finite_difference
from limitlab.spaces.grid import Grid


def residuals_by_differences(
    problem: EvolvingFields,
    grid: Grid,
    time: Float[Tensor, " time"] | None,
    fields: Mapping[str, Tensor],
    others: Mapping[str, Tensor] | None = None,
) -> dict[str, Float[Tensor, "batch time x y"]]:
    """Left side minus right side by the name of the field; others: unknowns of the text that are no fields."""
    from limitlab.problems.compiled.periodic_terms import torch_function

    if time is None:
        raise InvalidArgument(f"the residual of {problem.name} needs the times of the frames")
    numbers = {name: torch.tensor(value, dtype=torch.float64) for name, value in problem.values.items()}
    values = {**numbers, **fields, **(others or {})}

    def differentiate(quantity: Tensor, axis: str, order: int) -> Tensor:
        return finite_difference(quantity, grid, grid.names.index(axis), order)

    return {
        name: time_derivative(fields[name], time) - torch_function(equation.rhs)(values, differentiate)
        for name, equation in zip(problem.names, problem.expressions(), strict=True)
    }
