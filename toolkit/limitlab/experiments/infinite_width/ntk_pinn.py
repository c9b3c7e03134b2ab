"""Physics-informed networks with and without the weights that their tangent kernel asks for.

u'' = -(a pi)^2 sin(a pi x) on (0, 1) with u(0) = u(1) = 0, for several waves a; the loss

    w_b/2 sum |u(b)|^2 + w_r/2 sum |u''(r) - f(r)|^2

has a kernel K whose interior block outweighs that of the boundary, so the equation is learned long before the boundary
values. The weights w_b = tr K/tr K_uu and w_r = tr K/tr K_rr even that out; they are renewed every few hundred
steps from the kernel that the network then has, and are buffers of the model, so that a resumed training knows them.
Baseline: both weights one, the same networks, steps and rate.
Source: Wang, Yu, Perdikaris, When and why PINNs fail to train, arXiv 2007.14527.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from limitlab.errors import InvalidArgument
from limitlab.experiments.contract.experiment import Experiment, Prepared, ReportProgress, Result, Trial
from limitlab.experiments.contract.settings import Ensemble, Trained, option, sizes
from limitlab.infinite_width import Dense, Network, PinnKernel, chain, empirical_pinn_kernel, limit_pinn_kernel
from limitlab.infinite_width.limit.pinn import Pinn
from limitlab.labels import labelled
from limitlab.training import descent
from limitlab.training.recipe import Loss

if TYPE_CHECKING:
    import plotly.graph_objects as go
    import xarray as xr

SMOOTH = ("erf", "tanh", "gelu", "sin")
TEST_POINTS = 201


@dataclass(frozen=True)
class PinnSettings(Ensemble, Trained):
    """The equation's waves, the network and its training."""

    frequencies: tuple[int, ...] = option(
        (1, 2, 4), "waves a of the solution sin(a pi x)", low=1, high=64, distinct=True
    )
    interior: int = option(20, "points of the equation", low=2, high=10_000)
    width: int = option(256, "units of the hidden layer", low=1, high=65_536)
    activation: str = option("erf", "activation, a smooth one", choices=SMOOTH)
    weight_variance: float = option(4.0, "variance of the first layer's weights", low=0.01, high=1000.0)
    learning_rate: float = option(1e-3, "rate of Adam", low=1e-7, high=1.0)
    refresh: int = option(200, "steps between two looks at the kernel", low=1, high=1_000_000)


@dataclass(frozen=True)
class PinnData:
    """Points of the equation and of the boundary, and the limit's kernel on them."""

    interior: Float[Tensor, "r 1"]
    boundary: Float[Tensor, "2 1"]
    limit: PinnKernel


@dataclass(frozen=True)
class Conditions:
    """All points at every step, and whether the weights are due."""

    interior: Float[Tensor, "r 1"]
    boundary: Float[Tensor, "2 1"]
    refresh: int

    def batch(self, step: int) -> dict[str, Any]:
        # by the step, so that a resumed training renews the weights when an uninterrupted one does
        return {"interior": self.interior, "boundary": self.boundary, "due": step % self.refresh == 0}

    def shard(self, rank: int, world: int) -> Conditions:
        raise InvalidArgument("a network on a few points is trained in one process")


def plain(model: Any, batch: Mapping[str, Any]) -> Mapping[str, Tensor]:
    """The two terms of the loss of a Pinn."""
    return model.losses(batch["interior"], batch["boundary"])


def weighted(model: Any, batch: Mapping[str, Any]) -> Mapping[str, Tensor]:
    """The same, with the weights of the kernel as it was when they were last due."""
    if batch["due"]:
        model.balance(batch["interior"], batch["boundary"])
    return plain(model, batch)


WEIGHTINGS: dict[str, Loss] = {"plain": plain, "weighted": weighted}


def prepare(settings: PinnSettings, progress: ReportProgress = False) -> Prepared[PinnData]:
    """A network for every wave with and without weights, the same at the start."""
    architecture = chain(Dense(settings.weight_variance, 1.0), settings.activation, Dense(1.0))
    # off the walls, whose points belong to the boundary conditions
    interior = torch.linspace(0.02, 0.98, settings.interior, dtype=torch.float64)[:, None]
    boundary = torch.tensor([[0.0], [1.0]], dtype=torch.float64)
    conditions = Conditions(interior, boundary, settings.refresh)

    def build(frequency: int) -> Callable[[int], nn.Module]:
        return lambda seed: Pinn(Network(architecture, 1, settings.width, seed=seed), frequency)

    trials = tuple(
        Trial(
            {"frequency": frequency, "weighting": name},
            build(frequency),
            descent(loss, conditions, settings.steps, settings.learning_rate, optimizer="adam"),
        )
        for frequency in settings.frequencies
        for name, loss in WEIGHTINGS.items()
    )
    data = PinnData(interior, boundary, limit_pinn_kernel(architecture, interior, boundary))
    return Prepared(trials, partial(measure, data), data)


@torch.no_grad()
def measure(data: PinnData, model: Any, fresh: nn.Module) -> xr.Dataset:
    """Relative L2 error, the solution that was learned (x), and the traces per point of the kernel after training."""
    device = next(model.parameters()).device
    x = torch.linspace(0, 1, TEST_POINTS, dtype=torch.float64)
    solution, exact = model(x[:, None].to(device))[:, 0].cpu(), model.exact(x)
    kernel = empirical_pinn_kernel(model.network, data.interior.to(device), data.boundary.to(device))
    return labelled(
        relative_l2=("", (solution - exact).norm() / exact.norm(), "relative L2 error"),
        solution=("x", solution, "u"),
        exact=("x", exact, "exact solution"),
        boundary_trace=("", kernel.boundary.diagonal().mean(), "trace of K, boundary"),
        interior_trace=("", kernel.interior.diagonal().mean(), "trace of K, interior"),
        x=("x", x, "x"),
    )


def improvement(result: Result[PinnSettings, PinnData]) -> xr.DataArray:
    """Error without weights over error with them, dims (frequency, seed)."""
    errors = result.grid("frequency", "weighting")["relative_l2"]
    plain_error, weighted_error = (errors.sel(weighting=name, drop=True) for name in WEIGHTINGS)
    return (plain_error / weighted_error).rename("improvement")


def spectra(kernel: PinnKernel) -> xr.DataArray:
    """Eigenvalues of the blocks of K, descending, before and after the weights: dims (weighting, block, mode)."""
    import xarray as xr

    size = len(kernel.matrix())
    values = np.full((2, 3, size), np.nan)
    for index, scaled in enumerate((kernel, kernel.weighted(*kernel.weights()))):
        for row, block in enumerate((scaled.matrix(), scaled.boundary, scaled.interior)):
            values[index, row, : len(block)] = torch.linalg.eigvalsh(block).flip(0).clamp_min(0).numpy()
    return xr.DataArray(
        # smaller ones are rounding, which a log axis would show as structure
        np.where(values > 1e-12 * np.nanmax(values), values, np.nan),
        dims=("weighting", "block", "mode"),
        coords={
            "weighting": list(WEIGHTINGS),
            "block": ["all of K", "boundary", "equation"],
            "mode": ("mode", np.arange(1, size + 1), {"long_name": "mode", "units": "1"}),
        },
        attrs={"long_name": "eigenvalue", "units": "1"},
    )


def draw(result: Result[PinnSettings, PinnData]) -> dict[str, go.Figure]:
    """Training curves, the spectra of the limit's kernel, and the solutions of the highest wave."""
    import xarray as xr

    from limitlab import figures

    highest = max(result.settings.frequencies)
    hardest = result.grid("frequency", "weighting").sel(frequency=highest).isel(seed=0)
    lines = [hardest["exact"].isel(weighting=0), *hardest["solution"].transpose("weighting", "x")]
    solutions = xr.DataArray(
        [line.values for line in lines],
        dims=("solution", "x"),
        coords={"solution": ["exact", *WEIGHTINGS], "x": hardest["x"]},
        attrs={"long_name": f"u, a = {highest}", "units": "1"},
    )
    return {
        "training": figures.training_curves(result.curves),
        "spectra": figures.pinn_spectra(spectra(result.data.limit)),
        "solutions": figures.profiles(solutions),
    }


SIZES = sizes(
    course=PinnSettings(steps=2000),
    smoke={"frequencies": (1, 2), "width": 32, "steps": 40, "refresh": 20, "seeds": 1},
    paper={"interior": 100, "width": 500, "steps": 40_000, "seeds": 10},
)
EXPERIMENT = Experiment("ntk", "Physics-informed networks, balanced by their tangent kernel", SIZES, prepare, draw)
