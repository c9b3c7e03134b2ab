"""Elliptic equations on a square, solved by networks that have seen no solution: only how far they are from one.

    A u = -u_xx - ratio u_yy + shift u = f,   u = 0 on the walls,   at n x n interior nodes by differences

f is a random sine series, drawn anew at every step, of mean square one. A network gives lambda u, lambda the smallest
eigenvalue of A. `steps` are those of a Lord network; the others have as many as take about its time on one processor.
Errors are measured on test functions that are solved by sine series or, with a body in the square on which u = 0 too,
by a sparse factorisation.

Source: Huang et al., LordNet (2022), arXiv 2206.09418; the sizes, the start and the losses but the first are ours.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from limitlab.errors import InvalidArgument, one_of
from limitlab.experiments.contract.experiment import Experiment, Prepared, ReportProgress, Trial
from limitlab.experiments.contract.result import Result
from limitlab.experiments.contract.settings import Batched, Ensemble, option, sizes
from limitlab.labels import labelled
from limitlab.operators import FNO, Kernels, LordNet, Normalized, UNet, count_parameters
from limitlab.saved import Saved
from limitlab.solvers.linear import Stencil, box_eigenvalues, diffusion
from limitlab.training import Batches, Recipe, residual_loss
from limitlab.training.losses.residuals import KINDS

if TYPE_CHECKING:
    import plotly.graph_objects as go
    import xarray as xr

TAU = 3.0  # inverse length of the sources
EVALUATIONS = 12
EQUATIONS: Mapping[str, tuple[Any, ...]] = {
    "poisson": (1.0, 0.0),
    "reaction": (1.0, 100.0),
    "helmholtz": (1.0, -10.0),
    "anisotropic": (0.1, 0.0),
    "body": (1.0, 0.0, (0.3, 0.6, 0.4, 0.7)),
}
"""ratio, shift and the sides of a body; the first eigenvalue of the plain equation is 19.7."""


@dataclass(frozen=True)
class PoissonSettings(Ensemble, Batched):
    """Settings of networks that solve an elliptic equation without data."""

    equation: str = option("poisson", "what is solved", choices=tuple(EQUATIONS))
    points: int = option(31, "interior nodes per axis", low=7, high=255)
    networks: tuple[str, ...] = option(("lordnet",), "networks to compare", distinct=True)
    losses: tuple[str, ...] = option(("msr",), "what they minimise", choices=KINDS, distinct=True)
    width: int = option(16, "channels of a Lord network", low=1, high=256)
    layers: int = option(2, "its layers", low=1, high=12)
    rank: int = option(0, "columns of its factors; 0: full matrices", low=0, high=255)
    optimizer: str = option("soap", "optimiser of the Lord networks; the others have Adam", choices=("adam", "soap"))
    rate: float = option(1.0, "factor of every network's own learning rate", low=1e-3, high=1e3)
    test_samples: int = option(64, "test functions", low=1, high=10_000)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in self.networks:
            one_of("network", name, NETWORKS)


@dataclass(frozen=True)
class BoxEquation:
    """A at n x n interior nodes of the unit square, on fields (..., x, y). body: the sides of what is solid."""

    points: int
    ratio: float = 1.0
    shift: float = 0.0
    body: tuple[float, ...] = ()

    @cached_property
    def fluid(self) -> Float[Tensor, "x y"]:
        """0 on the nodes of the body, 1 elsewhere."""
        free = torch.ones(self.points, self.points)
        if self.body:
            sides = [round(side * (self.points + 1)) for side in self.body]
            free[sides[0] - 1 : sides[1], sides[2] - 1 : sides[3]] = 0.0
        return free

    @cached_property
    def sines(self) -> Float[Tensor, "mode node"]:
        """The eigenvectors along an axis, orthonormal."""
        k = torch.arange(1, self.points + 1, dtype=torch.float64)
        return math.sqrt(2 / (self.points + 1)) * torch.sin(math.pi * k[:, None] * k / (self.points + 1))

    @cached_property
    def eigenvalues(self) -> Float[Tensor, "mode mode"]:
        """Of A without a body, by the modes along both axes."""
        line = box_eigenvalues((self.points,), spacing=1 / (self.points + 1))
        return line[:, None] + self.ratio * line + self.shift

    @cached_property
    def amplitudes(self) -> Float[Tensor, "mode mode"]:
        """Deviations of the source's modes, 1/(pi^2 |k|^2 + tau^2), scaled to a mean square of one."""
        k = math.pi * torch.arange(1, self.points + 1, dtype=torch.float64)
        plain = 1 / (k[:, None] ** 2 + k**2 + TAU**2)
        return plain * self.points / plain.norm()

    def product(self, u: Float[Tensor, "batch 1 x y"]) -> Float[Tensor, "batch 1 x y"]:
        """A u; the rows of the body say that u is what f is there, which is nought."""
        return (self._differences(u)(u[:, 0]) + self.shift * u[:, 0])[:, None]

    def _differences(self, like: Tensor) -> Stencil:
        h = 1 / (self.points + 1)
        along = (h, h / math.sqrt(self.ratio))
        solid = self.fluid == 0 if self.body else None
        operator = diffusion((self.points,) * 2, solid=solid, spacing=along, dtype=like.dtype)
        return operator.to(device=like.device)

    def modes(self, u: Float[Tensor, "*batch x y"]) -> Float[Tensor, "*batch mode mode"]:
        """Coefficients of the orthonormal sines, and back: the transform is its own inverse."""
        sines = self.sines.to(u)
        return sines @ u @ sines

    def by_sines(self, f: Float[Tensor, "*batch x y"]) -> Float[Tensor, "*batch x y"]:
        """A^-1 f to rounding, as if there were no body."""
        return self.modes(self.modes(f) / self.eigenvalues.to(f))

    def solve(self, f: Float[Tensor, "*batch x y"]) -> Float[Tensor, "*batch x y"]:
        """A^-1 f to rounding."""
        if not self.body:
            return self.by_sines(f)
        loads = f.detach().cpu().double().reshape(-1, self.points**2)
        return torch.from_numpy(self._factored(loads.numpy().T).T.copy()).to(f).reshape(f.shape)

    @cached_property
    def _factored(self) -> Callable[[Any], Any]:
        from scipy.sparse import identity
        from scipy.sparse.linalg import splu

        matrix = self._differences(torch.zeros((), dtype=torch.float64)).to_scipy()
        solve: Callable[[Any], Any] = splu((matrix + self.shift * identity(self.points**2)).tocsc()).solve
        return solve

    def sources(self, count: int, seed: int) -> Float[Tensor, "count 1 x y"]:
        """Random sources, nought on the body, float32."""
        generator = torch.Generator().manual_seed(seed)
        noise = torch.randn(count, 1, self.points, self.points, generator=generator)
        return self.fluid * self.modes(self.amplitudes.float() * noise)

    def corner_source(self) -> Float[Tensor, "1 1 x y"]:
        """A source of integral one at a node near a corner, an eighth of an axis away; float32."""
        f = torch.zeros(1, 1, self.points, self.points)
        f[..., self.points // 8, self.points // 8] = float((self.points + 1) ** 2)
        return f


class Held(Saved):
    """A network's answer, nought on the body."""

    fluid: Tensor

    def __init__(self, network: nn.Module, fluid: Float[Tensor, "x y"]) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("fluid", fluid)

    def forward(self, f: Float[Tensor, "batch 1 x y"]) -> Float[Tensor, "batch 1 x y"]:
        held: Tensor = self.fluid * self.network(f)
        return held


@dataclass(frozen=True)
class Network:
    """How a network is built, its steps for one of a Lord network, the peak of its rate, and its optimiser.

    "" is that of the settings.
    """

    build: Callable[[PoissonSettings], nn.Module]
    share: float
    rate: float = 2e-3
    optimizer: str = "adam"


def lord(settings: PoissonSettings, *, smooth: bool = True, activation: bool = False) -> nn.Module:
    """The Lord network of the settings, linear if nothing else is said."""
    kernels = Kernels(settings.rank or None, smooth)
    points = (settings.points,) * 2
    return LordNet(1, 1, points, width=settings.width, layers=settings.layers, activation=activation, kernels=kernels)


def cnn(_settings: PoissonSettings, *, activation: bool = True, width: int = 24, layers: int = 10) -> nn.Module:
    """Ten convolutions of 3 x 3 points, so that a point sees ten neighbours on each side."""
    channels = [1, *[width] * (layers - 1), 1]
    parts: list[nn.Module] = []
    for before, after in pairwise(channels):
        parts += [nn.Conv2d(before, after, 3, padding=1, bias=activation), *([nn.GELU()] if activation else [])]
    return nn.Sequential(*(parts[:-1] if activation else parts))


def fno(settings: PoissonSettings) -> nn.Module:
    """Two Fourier layers with zeros around the square."""
    return FNO(1, 1, min(16, settings.points // 2), 16, 2, dimension=2, padding=0.25)


NETWORKS: Mapping[str, Network] = {
    "lordnet": Network(lord, 1.0, 3e-3, ""),
    "gelu": Network(lambda settings: lord(settings, activation=True), 1.0, 3e-3, ""),
    "random": Network(lambda settings: lord(settings, smooth=False), 1.0, 3e-3, ""),
    "cnn": Network(cnn, 0.2),
    "cnn_linear": Network(lambda settings: cnn(settings, activation=False), 0.2),
    "fno": Network(fno, 0.3, 5e-3),
    "unet": Network(lambda _settings: UNet(1, 1, width=8), 0.3),
}
"""lordnet is linear in f, as the equation is; gelu is not; random is the first from random matrices."""


@dataclass(frozen=True)
class PoissonData:
    """The equation and its test functions, solved, (sample, 1, x, y) float32."""

    equation: BoxEquation
    sources: Tensor
    solutions: Tensor

    def residual(self, u: Tensor, f: Tensor) -> Tensor:
        """A u - f."""
        return self.equation.product(u) - f


class Sources(Batches):
    """New sources at every step; with their solutions where a loss compares with them."""

    def __init__(self, equation: BoxEquation, size: int, seed: int, solved: bool) -> None:
        self.equation, self.size, self.seed, self.solved = equation, size, seed, solved

    def batch(self, step: int) -> Mapping[str, Tensor]:
        f = self.equation.sources(self.size, 1_000_003 * (self.seed + 1) + step)
        return {"input": f, "target": self.equation.solve(f)} if self.solved else {"input": f}

    def shard(self, rank: int, world: int) -> Batches:
        raise InvalidArgument("sources are drawn in one process")


def equation_of(settings: PoissonSettings) -> BoxEquation:
    """The equation of the settings."""
    return BoxEquation(settings.points, *EQUATIONS[settings.equation])


def prepare(settings: PoissonSettings, progress: ReportProgress = False) -> Prepared[PoissonData]:
    """A trial for every network and loss; nothing but the test functions is solved."""
    equation = equation_of(settings)
    # a seed of its own for the test, below those of the steps
    f = equation.sources(settings.test_samples, settings.seed)
    data = PoissonData(equation, f, equation.solve(f.double()).float())
    trials = tuple(trial(settings, data, network, loss) for network in settings.networks for loss in settings.losses)
    return Prepared(trials, lambda model, fresh: measure(model, data), data)


def trial(settings: PoissonSettings, data: PoissonData, network: str, loss: str) -> Trial:
    """One network with one loss."""
    row, equation = NETWORKS[network], data.equation
    unit, smallest = (torch.zeros(1), torch.ones(1)), float(equation.eigenvalues.min())

    def build(seed: int) -> nn.Module:
        torch.manual_seed(seed)
        network = row.build(settings)
        held = Held(network, equation.fluid) if equation.body else network
        return Normalized(held, unit, (torch.zeros(1), torch.ones(1) / smallest))

    def evaluate(model: nn.Module, _fresh: nn.Module) -> dict[str, float]:
        measured = measure(model, data)
        return {name: float(measured[name].mean()) for name in ("error", "residual")}

    steps = max(1, round(row.share * settings.steps))
    recipe = Recipe(
        residual_loss(loss, data.residual, inverse=equation.by_sines if loss == "preconditioned" else None),
        Sources(equation, settings.batch_size, settings.seed, loss == "supervised"),
        steps,
        settings.rate * row.rate,
        optimizer=row.optimizer or settings.optimizer,
        weight_decay=0.0,
        evaluate=evaluate,
        evaluate_every=max(1, steps // EVALUATIONS),
    )
    return Trial({"network": network, "loss": loss}, build, recipe)


@torch.no_grad()
def measure(model: nn.Module, data: PoissonData) -> xr.Dataset:
    """Relative errors and residuals of the test functions, the same by mode, and the answer to a source in a corner."""
    device = next(model.parameters()).device
    f, exact = data.sources.to(device), data.solutions.to(device)
    u = model(f)
    r, e = data.residual(u, f), u - exact
    corner = data.equation.corner_source().to(device)
    return labelled(
        error=("sample", _ratio(e, exact), "relative error"),
        residual=("sample", _ratio(r, f), "relative residual"),
        error_of_mode=("mode", _by_mode(data.equation, e, exact), "relative error of a mode"),
        residual_of_mode=("mode", _by_mode(data.equation, r, f), "relative residual of a mode"),
        green=("x y", (model(corner) - model(0 * corner))[0, 0].cpu(), "answer to a source in a corner"),
        mode=("mode", list(range(1, data.equation.points + 1)), "mode along both axes"),
        parameters=("", count_parameters(model), "real parameters"),
    )


def _ratio(part: Tensor, whole: Tensor) -> Tensor:
    return (part.flatten(1).norm(dim=1) / whole.flatten(1).norm(dim=1)).cpu()


def _by_mode(equation: BoxEquation, part: Tensor, whole: Tensor) -> Tensor:
    """Relative size of the modes (p, p), over all samples."""
    sizes = (equation.modes(field[:, 0]).square().mean(0).diagonal().sqrt() for field in (part, whole))
    return torch.div(*sizes).cpu()


def draw(result: Result[PoissonSettings, PoissonData]) -> dict[str, go.Figure]:
    """Error and residual as training goes on, both by mode, and the answer to a source in a corner."""
    from limitlab import figures

    metrics = result.metrics.isel(seed=0)
    first = metrics["green"].isel(model=0)
    return {
        "error": figures.training_curves(result.curves, "error", title="Error, which nobody minimises"),
        "residual": figures.training_curves(result.curves, "residual", title="Residual"),
        "error_of_mode": figures.lines(metrics["error_of_mode"], log="xy", title="Error by mode"),
        "residual_of_mode": figures.lines(metrics["residual_of_mode"], log="xy", title="Residual by mode"),
        "green": figures.field_2d(first.squeeze(drop=True), title="Answer to a source in a corner"),
    }


SIZES = sizes(
    PoissonSettings(seeds=1, steps=1000, batch_size=16, networks=("lordnet", "random", "cnn_linear", "fno")),
    smoke={"points": 15, "steps": 8, "batch_size": 4, "test_samples": 4, "width": 4},
    paper={"points": 127, "steps": 50_000, "batch_size": 64, "width": 64, "layers": 4, "seeds": 3},
)
EXPERIMENT = Experiment("lordnet", "Elliptic equations by networks that have seen no solution", SIZES, prepare, draw)
