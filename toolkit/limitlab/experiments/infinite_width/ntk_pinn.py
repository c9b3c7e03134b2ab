"""Physics-informed networks with and without the weights that their tangent kernel asks for.

u'' = -(a pi)^2 sin(a pi x) on (0, 1) with u(0) = u(1) = 0, for several waves a; the loss

    w_b/2 sum |u(b)|^2 + w_r/2 sum |u''(r) - f(r)|^2

has a kernel K whose interior block outweighs that of the boundary, so the equation is learned long before the boundary
values. The weights w_b = tr K/tr K_uu and w_r = tr K/tr K_rr even that out; they are found again every few hundred
steps from the kernel that the network then has, and are buffers of the model, so that a resumed training knows them.
Baseline: both weights one, the same networks, steps and rate.
Source: Wang, Yu, Perdikaris, When and why PINNs fail to train, arXiv 2007.14527.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from limitlab.errors import InvalidArgument
from limitlab.experiments.contract.experiment import Experiment, Prepared, ReportProgress, Result
from limitlab.experiments.contract.settings import Settings, option
from limitlab.infinite_width import Dense, Network, PinnKernel, chain, empirical_pinn_kernel, limit_pinn_kernel

if TYPE_CHECKING:
    import plotly.graph_objects as go
    import xarray as xr

WEIGHTINGS = ("plain", "weighted")
SMOOTH = ("erf", "tanh", "gelu", "sin")
TEST_POINTS = 201


@dataclass(frozen=True)
class PinnSettings(Settings):
    """The equation's waves, the network and its training."""

    frequencies: tuple[int, ...] = option((1, 2, 4), "waves a of the solution sin(a pi x)", low=1, high=64)
    interior: int = option(20, "points of the equation", low=2, high=10_000)
    width: int = option(256, "units of the hidden layer", low=1, high=65_536)
    activation: str = option("erf", "activation, a smooth one", choices=SMOOTH)
    weight_variance: float = option(4.0, "variance of the first layer's weights", low=0.01, high=1000.0)
    steps: int = option(2000, "training steps", low=1, high=10_000_000)
    learning_rate: float = option(1e-3, "rate of Adam", low=1e-7, high=1.0)
    refresh: int = option(200, "steps between two looks at the kernel", low=1, high=1_000_000)
    seeds: int = option(3, "networks", low=1, high=100)
    seed: int = option(0, "seed of the first network", low=0, high=2**31)
    device: str = option("auto", "where to train", choices=("auto", "cpu", "cuda", "mps"))

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.frequencies or len(set(self.frequencies)) < len(self.frequencies):
            raise InvalidArgument(f"frequencies must hold different numbers, one or more; got {self.frequencies}")


@dataclass(frozen=True)
class Choice:
    """One cell of the grid."""

    frequency: int
    weighted: bool


@dataclass(frozen=True)
class PinnData:
    """Points of the equation and of the boundary, the limit's kernel on them, and the grid of models."""

    interior: Float[Tensor, "r 1"]
    boundary: Float[Tensor, "2 1"]
    limit: PinnKernel
    choices: Mapping[str, Choice]


class Pinn(nn.Module):
    """u (batch, 1) -> (batch, 1), with the weights of its loss, `boundary_weight` and `interior_weight`, as buffers."""

    boundary_weight: Tensor
    interior_weight: Tensor

    def __init__(self, network: Network, choice: Choice) -> None:
        super().__init__()
        self.network, self.choice = network, choice
        one = torch.ones((), dtype=next(network.parameters()).dtype)
        self.register_buffer("boundary_weight", one)
        self.register_buffer("interior_weight", one.clone())

    def forward(self, x: Float[Tensor, "batch 1"]) -> Float[Tensor, "batch 1"]:
        return self.network(x)

    def second_derivative(self, x: Float[Tensor, "batch 1"]) -> Float[Tensor, "batch 1"]:
        """u''."""
        # reverse mode twice: for a handful of points ten times cheaper than nested forward mode
        with torch.enable_grad():
            points = x.detach().requires_grad_(True)
            (slope,) = torch.autograd.grad(self.network(points).sum(), points, create_graph=True)
            return torch.autograd.grad(slope.sum(), points, create_graph=True)[0]

    def balance(self, interior: Tensor, boundary: Tensor) -> None:
        """Take the weights that the present kernel asks for."""
        found = empirical_pinn_kernel(self.network, interior, boundary).weights()
        for buffer, value in zip((self.boundary_weight, self.interior_weight), found, strict=True):
            buffer.fill_(value)


class Conditions:
    """All points at every step, and whether it is time to look at the kernel."""

    def __init__(self, interior: Tensor, boundary: Tensor, refresh: int) -> None:
        self.points, self.refresh = {"interior": interior, "boundary": boundary}, refresh

    def batch(self, step: int) -> dict[str, Any]:
        return {**self.points, "refresh": step % self.refresh == 0}

    def shard(self, rank: int, world: int) -> "Conditions":
        raise InvalidArgument("a network on a few points is trained in one process")


def residuals(model: nn.Module, batch: Mapping[str, Any]) -> dict[str, Tensor]:
    """The two terms of the loss, weighted."""
    assert isinstance(model, Pinn)
    x = batch["interior"]
    if model.choice.weighted and batch["refresh"]:
        model.balance(x, batch["boundary"])
    wave = model.choice.frequency * math.pi
    equation = model.second_derivative(x) + wave**2 * torch.sin(wave * x)
    return {
        "boundary": model.boundary_weight / 2 * model(batch["boundary"]).square().sum(),
        "equation": model.interior_weight / 2 * equation.square().sum(),
    }


def prepare(settings: Settings, progress: ReportProgress = False) -> Prepared:
    """A network for every wave with and without weights, the same at the start."""
    assert isinstance(settings, PinnSettings)
    architecture = chain(Dense(settings.weight_variance, 1.0), settings.activation, Dense(1.0))
    interior = torch.linspace(0.02, 0.98, settings.interior, dtype=torch.float64)[:, None]
    boundary = torch.tensor([[0.0], [1.0]], dtype=torch.float64)
    choices = {
        f"a-{frequency}/{weighting}": Choice(frequency, weighting == "weighted")
        for frequency in settings.frequencies
        for weighting in WEIGHTINGS
    }
    data = PinnData(interior, boundary, limit_pinn_kernel(architecture, interior, boundary), choices)
    return Prepared(
        settings=settings,
        models=tuple(choices),
        seeds=tuple(range(settings.seed, settings.seed + settings.seeds)),
        batches=Conditions(interior, boundary, settings.refresh),
        loss=residuals,
        build=lambda model, seed: Pinn(Network(architecture, 1, settings.width, seed=seed), choices[model]),
        training=lambda model: {
            "steps": settings.steps,
            "learning_rate": settings.learning_rate,
            "weight_decay": 0.0,
            "schedule": "constant",
            "optimizer": "adam",
            "device": settings.device,
        },
        measure=lambda model: measure(model, data),
        data=data,
    )


@torch.no_grad()
def measure(model: nn.Module, data: PinnData) -> "xr.Dataset":
    """Relative L2 error, the solution found (x), and the traces per point of its kernel after training."""
    import xarray as xr

    assert isinstance(model, Pinn)
    device = next(model.parameters()).device
    x = torch.linspace(0, 1, TEST_POINTS, dtype=torch.float64)
    found = model(x[:, None].to(device))[:, 0].cpu()
    exact = torch.sin(model.choice.frequency * math.pi * x)
    kernel = empirical_pinn_kernel(model.network, data.interior.to(device), data.boundary.to(device))
    traces = {"boundary": kernel.boundary.diagonal().mean(), "interior": kernel.interior.diagonal().mean()}
    return xr.Dataset(
        {
            "relative_l2": ((), float((found - exact).norm() / exact.norm()), {"long_name": "relative L2 error"}),
            "solution": ("x", found.numpy(), {"long_name": "u", "units": "1"}),
            "exact": ("x", exact.numpy(), {"long_name": "exact solution", "units": "1"}),
            **{f"{name}_trace": ((), float(t), {"long_name": f"trace of K, {name}"}) for name, t in traces.items()},
        },
        coords={
            "x": ("x", x.numpy(), {"long_name": "x", "units": "1"}),
            "frequency": ((), model.choice.frequency, {"long_name": "waves a", "units": "1"}),
            "weighting": ((), WEIGHTINGS[model.choice.weighted]),
        },
    )


def improvement(result: Result) -> "xr.DataArray":
    """Error without weights over error with them, dims (frequency, seed)."""
    import xarray as xr

    errors = result.metrics["relative_l2"]
    frequencies = result.prepared.settings.as_dict()["frequencies"]
    ratios = [
        errors.sel(model=f"a-{a}/plain", drop=True) / errors.sel(model=f"a-{a}/weighted", drop=True)
        for a in frequencies
    ]
    return xr.concat(
        [ratio.drop_vars(["frequency", "weighting"], errors="ignore") for ratio in ratios],
        xr.IndexVariable("frequency", list(frequencies)),
    ).rename("improvement")


def spectra(kernel: PinnKernel) -> "xr.DataArray":
    """Eigenvalues of the blocks of K, descending, before and after the weights: dims (weighting, block, mode)."""
    import numpy as np
    import xarray as xr

    size = len(kernel.matrix())
    values = np.full((2, 3, size), np.nan)
    for place, weighted in enumerate((kernel, kernel.weighted(*kernel.weights()))):
        for row, block in enumerate((weighted.matrix(), weighted.boundary, weighted.interior)):
            values[place, row, : len(block)] = torch.linalg.eigvalsh(block).flip(0).clamp_min(0).numpy()
    return xr.DataArray(
        np.where(values > 1e-12 * np.nanmax(values), values, np.nan),
        dims=("weighting", "block", "mode"),
        coords={
            "weighting": list(WEIGHTINGS),
            "block": ["all of K", "boundary", "equation"],
            "mode": ("mode", np.arange(1, size + 1), {"long_name": "mode", "units": "1"}),
        },
        attrs={"long_name": "eigenvalue", "units": "1"},
    )


def draw(result: Result) -> dict[str, "go.Figure"]:
    """Training curves, the spectra of the limit's kernel, and the solutions of the highest wave."""
    import xarray as xr

    from limitlab import figures

    metrics, settings = result.metrics.isel(seed=0), result.prepared.settings
    assert isinstance(settings, PinnSettings)
    highest = max(settings.frequencies)
    lines = {"exact": metrics["exact"].sel(model=f"a-{highest}/plain")}
    lines |= {weighting: metrics["solution"].sel(model=f"a-{highest}/{weighting}") for weighting in WEIGHTINGS}
    solutions = xr.DataArray(
        [line.values for line in lines.values()],
        dims=("solution", "x"),
        coords={"solution": list(lines), "x": metrics["x"]},
        attrs={"long_name": f"u, a = {highest}", "units": "1"},
    )
    return {
        "training": figures.training_curves(result.curves),
        "spectra": figures.pinn_spectra(spectra(result.prepared.data.limit)),
        "solutions": figures.profiles(solutions),
    }


COURSE = PinnSettings()
SMOKE = replace(COURSE, frequencies=(1, 2), width=32, steps=40, refresh=20, seeds=1)
PAPER = replace(COURSE, interior=100, width=500, steps=40_000, seeds=10)

EXPERIMENT = Experiment(
    name="ntk_pinn",
    title="Physics-informed networks, balanced by their tangent kernel",
    system="ntk",
    sizes={"smoke": SMOKE, "course": COURSE, "paper": PAPER},
    prepare=prepare,
    draw=draw,
    check=lambda settings: None,
)
