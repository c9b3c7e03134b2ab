"""One time step of a decaying flow, learned from the residual of an implicit scheme on states that the network makes.

The vorticity w on a periodic square goes to w + N(w) in a time `dt`. N is trained on a pool of states alone, by the
residual of Crank and Nicolson's step: with Arakawa's differences, or in Fourier space. Errors are those against the
spectral solver ETDRK4, after one step and along a rollout; standing still is the baseline.

Source: Huang et al., LordNet (2022), arXiv 2206.09418; Wandel et al. (2021) for the pool. Sizes are ours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from limitlab import problems
from limitlab.experiments.contract.experiment import Experiment, Prepared, ReportProgress, Trial
from limitlab.experiments.contract.result import Result
from limitlab.experiments.contract.settings import option, sizes
from limitlab.experiments.operators.lordnet._pools import TEST, PoolSettings, pool_trial
from limitlab.labels import labelled
from limitlab.operators import FNO, Kernels, LordNet, Persistence, QuadraticLordNet, UNet, count_parameters
from limitlab.problems.pde.navier_stokes import NavierStokesProblem
from limitlab.saved import Saved
from limitlab.solvers.pde.vorticity import crank_nicolson_residual
from limitlab.spaces import Grid
from limitlab.spaces.transforms import fourier, inverse_fourier

if TYPE_CHECKING:
    import plotly.graph_objects as go
    import xarray as xr

Residual = Callable[[Tensor, Tensor], Tensor]


class Step(Saved):
    """w -> w + scale N(w/scale) less its mean, which a flow keeps; scale: the size of initial vorticities."""

    def __init__(self, network: nn.Module, scale: float) -> None:
        super().__init__()
        self.network, self.scale = network, scale

    def forward(self, w: Float[Tensor, "batch 1 x y"]) -> Float[Tensor, "batch 1 x y"]:
        change = self.scale * self.network(w / self.scale)
        return w + change - change.mean((-2, -1), keepdim=True)


@dataclass(frozen=True)
class VorticitySettings(PoolSettings):
    """Settings of a time step learned without data."""

    scheme: str = option("spectral", "derivatives of the residual", choices=("spectral", "arakawa"))
    unroll: int = option(1, "steps through which gradients go", low=1, high=16)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_networks(NETWORKS)


@dataclass(frozen=True)
class VorticityData:
    """The problem, initial states, and test flows (sample, time, x, y) by the spectral solver; float32."""

    problem: NavierStokesProblem
    grid: Grid
    bank: Tensor
    flows: Tensor
    residual: Residual


def spectral_residual(problem: NavierStokesProblem, grid: Grid, dt: float, after: Tensor, before: Tensor) -> Tensor:
    """(w' - w)/dt - (L + N)((w + w')/2), with the solver's own symbol and products."""
    mean = fourier((after + before) / 2, grid)
    linear, nonlinear = problem.tendency(grid, torch.zeros_like(before[:1]))
    return (after - before) / dt - inverse_fourier(linear * mean + nonlinear(mean), grid)


def residual_of(settings: VorticitySettings, problem: NavierStokesProblem, grid: Grid) -> Residual:
    """The residual of the step on fields (batch, 1, x, y), in units of w/dt."""
    steps: Mapping[str, Residual] = {
        "spectral": partial(spectral_residual, problem, grid, settings.dt),
        "arakawa": partial(crank_nicolson_residual, grid=grid, dt=settings.dt, viscosity=settings.viscosity),
    }
    step = steps[settings.scheme]
    return lambda after, before: settings.dt * step(after[:, 0], before[:, 0])[:, None]


def prepare(settings: VorticitySettings, progress: ReportProgress = False) -> Prepared[VorticityData]:
    """Initial states for the pool, solved flows for the test alone; a trial for every network."""
    known = problems.get("navier_stokes")
    assert isinstance(known, NavierStokesProblem)
    problem = known.with_parameters(nu=settings.viscosity, amplitude=0.0)
    grid = problem.grid(settings.points)
    bank = initial_states(problem, grid, settings.bank, settings.seed, 0)
    times = settings.dt * np.arange(settings.rollout + 1)
    flows = problem.solve(initial_states(problem, grid, settings.test_samples, settings.seed, TEST), times=times)
    data = VorticityData(
        problem, grid, rearrange(bank.float(), "b x y -> b 1 x y"), flows.float(), residual_of(settings, problem, grid)
    )
    trials = tuple(trial(settings, data, network) for network in settings.networks)
    still = Trial({"network": "standing"}, lambda seed: Persistence())
    return Prepared((*trials, still), lambda model, fresh: measure(model, data), data)


def initial_states(
    problem: NavierStokesProblem, grid: Grid, count: int, seed: int, first: int
) -> Float[Tensor, "count x y"]:
    """Vorticities at rest in the mean, float64."""
    assert problem.initial is not None
    return problem.initial.sample(grid, count, seed, first, problem.values)


NETWORKS: Mapping[str, Callable[[VorticitySettings], nn.Module]] = {
    "lordnet": lambda settings: QuadraticLordNet((settings.points,) * 2, width=settings.width, periodic=True),
    "gelu": lambda settings: LordNet(
        1, 1, (settings.points,) * 2, width=2 * settings.width, layers=2, kernels=Kernels(periodic=True)
    ),
    "fno": lambda settings: FNO(1, 1, 16, 16, 2, dimension=2),
    "unet": lambda settings: UNet(1, 1, width=8, padding="periodic"),
}
"""lordnet is a linear and a quadratic map; the others add their layers in other ways."""


def trial(settings: VorticitySettings, data: VorticityData, network: str) -> Trial:
    """One network on a pool of its own."""
    scale = float(data.bank.square().mean().sqrt())

    def step() -> Step:
        return Step(NETWORKS[network](settings), scale)

    return pool_trial(settings, network, step, data.bank, data.residual, unroll=settings.unroll)


@torch.no_grad()
def measure(model: nn.Module, data: VorticityData) -> xr.Dataset:
    """Relative errors along rollouts from the test flows, the residual of every step, and the first flow."""
    device = next((tensor.device for tensor in model.parameters()), torch.device("cpu"))
    flows = data.flows.to(device)
    states = [flows[:, :1]]
    for _ in range(flows.shape[1] - 1):
        states.append(model(states[-1]))
    rolled = torch.cat(states, dim=1)
    errors = (rolled - flows).flatten(2).norm(dim=2) / flows.flatten(2).norm(dim=2)
    residuals = [data.residual(after, before).flatten(1).norm(dim=1) for before, after in pairwise(states)]
    moved = torch.stack(residuals, 1) / flows[:, :-1].flatten(2).norm(dim=2)
    return labelled(
        error=("sample time", errors[:, 1:].cpu(), "relative error"),
        residual=("sample time", moved.cpu(), "residual of a step, relative to the state"),
        flow=("x y", rolled[0, -1].cpu(), "vorticity at the end"),
        time=("time", list(range(1, flows.shape[1])), "steps"),
        parameters=("", count_parameters(model), "real parameters"),
    )


def draw(result: Result[VorticitySettings, VorticityData]) -> dict[str, go.Figure]:
    """The residual in training, the error along rollouts, and the first test flow at its end."""
    from limitlab import figures

    metrics = result.metrics.isel(seed=0)
    return {
        "training": figures.training_curves(result.curves, title="Residual on the pool"),
        "error": figures.lines(metrics["error"].mean("sample", keep_attrs=True), log="y", title="Error of a rollout"),
        "flow": figures.field_2d(metrics["flow"].isel(model=0).squeeze(drop=True), title="Vorticity at the end"),
    }


SIZES = sizes(
    VorticitySettings(seeds=1, steps=1000, batch_size=16, networks=("lordnet", "fno")),
    smoke={"points": 16, "steps": 4, "batch_size": 4, "slots": 8, "bank": 12, "test_samples": 3, "rollout": 3},
    paper={"points": 64, "steps": 50_000, "batch_size": 64, "slots": 1000, "bank": 4000, "width": 64, "seeds": 3},
)
EXPERIMENT = Experiment(
    "lordnet", "A step of a decaying flow by networks that have seen no solution", SIZES, prepare, draw
)
