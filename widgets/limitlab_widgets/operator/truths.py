"""What a problem makes of inputs that are not of its law: its own solver's answer, on the grid of a test.

Steady problems are solved on the grid that their data are made on, and averaged, so that a coarse grid has no truth of
its own. Evolution equations are solved from the grid of the test, which is all that an operator sees.
"""

from __future__ import annotations

from functools import singledispatch
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from limitlab.errors import InvalidArgument
from limitlab.experiments.operators._learning import problem_at
from limitlab.operators import points_of
from limitlab.problems.pde.elliptic import EllipticProblem
from limitlab.problems.pde.navier_stokes import NavierStokesProblem
from limitlab.problems.pde.periodic import PeriodicProblem
from limitlab.problems.pde.problem import PDEProblem
from limitlab.problems.pde.spectral_system import SpectralSystem
from limitlab.spaces.differences import block_average
from limitlab.spaces.grid import Grid

if TYPE_CHECKING:
    import xarray as xr

    from limitlab_widgets.operator.code import Origin


def source_of(origin: Origin) -> Any:
    """The problem at the parameters of a training, or the functions of a file."""
    subject = origin.subject
    return problem_at(subject, origin.settings) if isinstance(subject, PDEProblem) else subject


@singledispatch
def solver_grid(problem: Any, size: int) -> Grid:
    """Where inputs of a test with `size` points per axis are solved. Raises InvalidArgument for other problems."""
    name = getattr(problem, "name", "a file")
    raise InvalidArgument(f"{name} has no solver for an input of yours: steady problems and equations of one field do")


@solver_grid.register
def _periodic_grid(problem: PeriodicProblem, size: int) -> Grid:
    return problem.grid(size)


@solver_grid.register
def _elliptic_grid(problem: EllipticProblem, size: int) -> Grid:
    return problem.grid(size).at(problem.solver_resolution(size))


@solver_grid.register
def _flow_grid(problem: NavierStokesProblem, size: int) -> Grid:
    return problem.grid(size)


@solver_grid.register
def _system_grid(problem: SpectralSystem, size: int) -> Grid:
    if len(problem.fields) > 1:
        raise InvalidArgument(f"{problem.name} starts from {len(problem.fields)} fields, which no single input gives")
    return problem.grid(size)


@singledispatch
def pairs(
    problem: Any, inputs: Float[Tensor, "batch *fine"], size: int
) -> tuple[Float[Tensor, "batch *grid"], Float[Tensor, "batch *grid"]]:
    """Inputs and truths on the grid of a test, of inputs on the `solver_grid`; float64. Raises LimitlabError."""
    # raises for what has no solver
    solver_grid(problem, size)
    raise AssertionError(type(problem))


@pairs.register
def _periodic_pairs(problem: PeriodicProblem, inputs: Tensor, size: int) -> tuple[Tensor, Tensor]:
    return inputs, problem.solve(inputs, np.array([0.0, problem.span]))[:, -1]


@pairs.register
def _elliptic_pairs(problem: EllipticProblem, inputs: Tensor, size: int) -> tuple[Tensor, Tensor]:
    fine = solver_grid(problem, size)
    return block_average(inputs, fine, size), block_average(problem.solve(inputs), fine, size)


@pairs.register
def _flow_pairs(problem: NavierStokesProblem, inputs: Tensor, size: int) -> tuple[Tensor, Tensor]:
    times = np.array([0.0, problem.span])
    # by Stokes' theorem neither a vorticity nor the curl of a force has a mean on a torus
    inputs = inputs - inputs.mean((-2, -1), keepdim=True)
    if problem.operator[0] == "f":
        return inputs, problem.solve(torch.zeros_like(inputs), inputs, times)[:, -1]
    return inputs, problem.solve(inputs, times=times)[:, -1]


@pairs.register
def _system_pairs(problem: SpectralSystem, inputs: Tensor, size: int) -> tuple[Tensor, Tensor]:
    # raises for several fields
    solver_grid(problem, size)
    return inputs, problem.solve(inputs[:, None], np.array([0.0, problem.span]))[:, -1, 0]


@torch.no_grad()
def answers_of(model: nn.Module, inputs: Float[Tensor, "batch *grid"]) -> Float[Tensor, "batch *grid"]:
    """What an operator says to inputs of one channel; float64. Raises InvalidArgument where it knows another grid."""
    if points_of(model) not in (None, tuple(inputs.shape[1:])):
        raise InvalidArgument(f"the model answers at {points_of(model)} points alone; got {tuple(inputs.shape[1:])}")
    device = next((part.device for part in (*model.parameters(), *model.buffers())), inputs.device)
    return model.eval()(inputs.float()[:, None].to(device))[:, 0].double().cpu()


def as_sample(test: xr.Dataset, **parts: Float[Tensor, "*grid"]) -> xr.Dataset:
    """Fields of one input (sample 1, channel 1, *grid), single precision, as a test set holds them."""
    one = test.isel(sample=[0]).drop_vars("sample", errors="ignore")
    dims = test["target"].dims
    of = {"input": test["input"].attrs}
    arrays = {name: part.numpy().astype(np.float32)[None, None] for name, part in parts.items()}
    return one.assign({name: (dims, array, of.get(name, test["target"].attrs)) for name, array in arrays.items()})
