"""A time step of the flow that a lid drives in a box around a body, in the plane or in space, from its residual alone.

The lid starts at once, at a random speed, over fluid at rest; half of the boxes hold a random block. A network
takes velocities, what is solid and the speed of the lid to those after `dt`, with the pressure. It is trained on a pool
of states that it makes itself, by

    alpha |dt r_m|^2 + beta |h r_d|^2,      r_m, r_d: momentum and divergence of the implicit step on a staggered grid

either for velocities as they come, or for those of a stream function or vector potential, for which r_d = 0. Errors are
those against a sparse solver of the same equations, for one step from its own states and along rollouts.

Source: Huang et al., LordNet (2022), arXiv 2206.09418; Wandel et al. (2021) for the pool. Sizes are ours.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from limitlab.experiments.contract.experiment import Experiment, Prepared, ReportProgress, Trial
from limitlab.experiments.contract.result import Result
from limitlab.experiments.contract.settings import option, sizes
from limitlab.experiments.operators.lordnet._pools import TEST, PoolSettings, pool_trial
from limitlab.labels import labelled
from limitlab.operators import FNO, LordNet, Persistence, QuadraticLordNet, UNet, count_parameters
from limitlab.problems.pde.flows.cavity import RectangleLaw
from limitlab.saved import Saved
from limitlab.solvers.pde.staggered import Enclosure, potential_velocity, solve_step, step_residual
from limitlab.spaces import Grid

if TYPE_CHECKING:
    import plotly.graph_objects as go
    import xarray as xr

POTENTIAL = 0.1  # size of a potential of velocities of size one
SLOWEST, FASTEST = 0.5, 1.5


@dataclass(frozen=True)
class CavitySettings(PoolSettings):
    """Settings of a time step in a box, learned without data."""

    points: int = option(32, "cells per axis", low=8, high=256)
    dimension: int = option(2, "axes: 2 for the plane, 3 for space", low=2, high=3)
    bodies: float = option(0.5, "share of the boxes with a body", low=0.0, high=1.0)
    unknown: str = option("potential", "what a network gives", choices=("potential", "velocity"))
    alpha: float = option(1.0, "weight of the momentum", low=1e-6, high=1e6)
    beta: float = option(1.0, "weight of the divergence", low=1e-6, high=1e6)
    layers: int = option(2, "layers of a Lord network", low=1, high=12)
    bank: int = option(400, "boxes", low=1, high=1_000_000)
    lifetime: float = option(8.0, "mean steps of a state before it begins anew", low=1.0, high=1e6)
    test_samples: int = option(16, "test flows", low=1, high=10_000)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_networks(NETWORKS)


@dataclass(frozen=True)
class CavityData:
    """States at rest in boxes (sample, channel, *cells) and test flows (sample, time, channel, *cells); float32."""

    bank: Tensor
    flows: Tensor
    settings: CavitySettings

    def residual(self, after: Tensor, before: Tensor) -> Float[Tensor, "batch channel *cells"]:
        """Of a step, in units of a velocity, weighted by the roots of alpha and beta: momenta, then divergence."""
        settings, box = self.settings, box_of(before)
        flow, past = (state[:, : box.dimension + 1] for state in (after, before))
        momentum, divergence = step_residual(flow, past, box, dt=settings.dt, viscosity=settings.viscosity)
        weighted = math.sqrt(settings.alpha) * settings.dt * momentum
        return torch.cat([weighted, math.sqrt(settings.beta) * box.spacing * divergence[:, None]], 1)


class CavityStep(Saved):
    """State to state: velocities and, anew, the pressure, from a network of velocities, solid cells and lid."""

    def __init__(self, network: nn.Module, unknown: str) -> None:
        super().__init__()
        self.network, self.unknown = network, unknown

    def forward(self, state: Float[Tensor, "batch channel *cells"]) -> Float[Tensor, "batch channel *cells"]:
        box = box_of(state)
        velocity, around = state[:, : box.dimension], state[:, box.dimension + 1 :]
        answer = self.network(torch.cat([velocity, around], 1))
        change, pressure = answer[:, :-1], answer[:, -1:]
        if self.unknown == "potential":
            change = potential_velocity(POTENTIAL * change, box)
        return torch.cat([box.imposed(torch.cat([velocity + change, pressure], 1)), around], 1)


def box_of(state: Float[Tensor, "batch channel *cells"]) -> Enclosure:
    """What is solid and what moves, from the channels behind the velocities and the pressure."""
    *_, fluid, lid = state.unbind(1)
    return Enclosure(fluid, lid.flatten(1)[:, 0], 1 / state.shape[-1])


def boxes(settings: CavitySettings, count: int, first: int) -> Float[Tensor, "count channel *cells"]:
    """Fluid at rest in random boxes, each of a number of its own; float32."""
    axes = settings.dimension
    grid = Grid.uniform((settings.points,) * axes, kind="cells")
    states = torch.zeros(count, axes + 3, *grid.shape)
    states[:, -2] = RectangleLaw(settings.bodies).sample(grid, count, settings.seed, first, {})
    # a stream of its own beside that of the body
    streams = (np.random.Generator(np.random.PCG64([settings.seed, first + sample, 1])) for sample in range(count))
    speeds = torch.tensor([stream.uniform(SLOWEST, FASTEST) for stream in streams])
    states[:, -1] = speeds.view(count, *[1] * axes)
    return states


def prepare(settings: CavitySettings, progress: ReportProgress = False) -> Prepared[CavityData]:
    """Boxes for the pool, solved flows for the test alone; a trial for every network."""
    states = [boxes(settings, settings.test_samples, TEST).double()]
    for _ in range(settings.rollout):
        box = box_of(states[-1])
        flow = solve_step(states[-1][:, :-2], box, dt=settings.dt, viscosity=settings.viscosity)
        states.append(torch.cat([flow, states[-1][:, -2:]], 1))
    data = CavityData(boxes(settings, settings.bank, 0), torch.stack(states, 1).float(), settings)
    trials = tuple(trial(settings, data, network) for network in settings.networks)
    still = Trial({"network": "standing"}, lambda seed: Persistence(settings.dimension + 3))
    return Prepared((*trials, still), lambda model, fresh: measure(model, data), data)


NETWORKS: Mapping[str, Callable[[CavitySettings, int, int], nn.Module]] = {
    "lordnet": lambda settings, into, out: QuadraticLordNet(
        (settings.points,) * settings.dimension, width=settings.width, in_channels=into, out_channels=out
    ),
    "gelu": lambda settings, into, out: LordNet(
        into, out, (settings.points,) * settings.dimension, width=settings.width, layers=settings.layers
    ),
    "fno": lambda settings, into, out: FNO(
        into, out, settings.points // 2, 16, 2, dimension=settings.dimension, padding=0.25
    ),
    "unet": lambda settings, into, out: UNet(into, out, width=8, dimension=settings.dimension),
}
"""lordnet is a linear and a quadratic map, for what the flow carries and a body holds; the others add layers."""


def trial(settings: CavitySettings, data: CavityData, network: str) -> Trial:
    """One network on a pool of its own."""
    axes = settings.dimension
    # a stream function has one component, a vector potential three
    components = {"potential": 2 * axes - 3, "velocity": axes}[settings.unknown]

    def step() -> CavityStep:
        return CavityStep(NETWORKS[network](settings, axes + 2, components + 1), settings.unknown)

    return pool_trial(settings, network, step, data.bank, data.residual)


@torch.no_grad()
def measure(model: nn.Module, data: CavityData) -> xr.Dataset:
    """Relative errors of velocities, a step from the solver's states and along rollouts, residuals and divergence."""
    device = next((tensor.device for tensor in model.parameters()), torch.device("cpu"))
    flows = data.flows.to(device)
    axes = flows.ndim - 3
    before, exact = flows[:, :-1], flows[:, 1:, :axes]
    steps = [model(state) for state in before.unbind(1)]
    rolled = [flows[:, 0]]
    for _ in range(before.shape[1]):
        rolled.append(model(rolled[-1]))
    size = exact.flatten(2).norm(dim=2)
    residuals = [data.residual(after, state) for after, state in zip(steps, before.unbind(1), strict=True)]
    one = torch.stack(steps, 1)[:, :, :axes] - exact
    long = torch.stack(rolled[1:], 1)[:, :, :axes] - exact
    speed = rolled[-1][0, :axes].norm(dim=0)
    return labelled(
        step_error=("sample time", (one.flatten(2).norm(dim=2) / size).cpu(), "relative error of a step"),
        error=("sample time", (long.flatten(2).norm(dim=2) / size).cpu(), "relative error of a rollout"),
        residual=("sample", _size([r[:, :-1] for r in residuals]), "mean residual of the momentum"),
        divergence=("sample", _size([r[:, -1:] for r in residuals]), "mean divergence, by the spacing"),
        speed=("x y", (speed if axes == 2 else speed[:, speed.shape[1] // 2]).cpu(), "speed at the end"),
        body=("sample", (1 - flows[:, 0, -2]).flatten(1).amax(1).cpu(), "1 in a box with a body"),
        time=("time", list(range(1, flows.shape[1])), "steps"),
        parameters=("", count_parameters(model), "real parameters"),
    )


def _size(residuals: list[Tensor]) -> Tensor:
    return torch.stack([r.flatten(1).norm(dim=1) for r in residuals], 1).mean(1).cpu()


def draw(result: Result[CavitySettings, CavityData]) -> dict[str, go.Figure]:
    """The residual in training, errors of single steps and along rollouts, and the speed in the first test box."""
    from limitlab import figures

    metrics = result.metrics.isel(seed=0)
    return {
        "training": figures.training_curves(result.curves, title="Residual on the pool"),
        "step_error": figures.lines(
            metrics["step_error"].mean("sample", keep_attrs=True), log="y", title="Error of a step"
        ),
        "error": figures.lines(metrics["error"].mean("sample", keep_attrs=True), log="y", title="Error of a rollout"),
        "speed": figures.field_2d(metrics["speed"].isel(model=0).squeeze(drop=True), title="Speed at the end"),
    }


SIZES = sizes(
    CavitySettings(seeds=1, steps=400, batch_size=16, networks=("lordnet", "fno")),
    smoke={"points": 12, "steps": 4, "batch_size": 4, "slots": 8, "bank": 12, "test_samples": 3, "rollout": 3},
    paper={"points": 64, "steps": 50_000, "batch_size": 64, "slots": 1000, "bank": 4000, "width": 64, "seeds": 3},
)
EXPERIMENT = Experiment(
    "lordnet", "A step of a flow around a body in a box, by networks that have seen no solution", SIZES, prepare, draw
)
