"""The deep Ritz method: a network that minimises an energy over random points, fresh at each step.

    loss = mean over the batch of L(x, u, grad u) - f u, and what its walls ask for

    penalty    b int_walls (u - g)^2
    Nitsche    - int_walls (L_z.n) (u - g) + b/2 int_walls (u - g)^2

On a fixed sample an energy has no minimum worth having: between the points a network may be as steep as it likes, and
the mean over them dives below the true minimum. An energy is no error either; what is reported are L2 and gradient
errors, and the energy above that of the solution at the same points, whose noise then cancels. Source: E, Yu, The deep
Ritz method (2018); Liao, Ming, Deep Nitsche method (2019).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from limitlab.discovery.variational.energies import Energy, Target, manufactured
from limitlab.errors import InvalidArgument, check_number, one_of
from limitlab.labels import labelled
from limitlab.training import Recipe, schedules
from limitlab.training.recipe import Evaluate

if TYPE_CHECKING:
    import xarray as xr

SAMPLINGS = ("fresh", "sobol", "fixed")
STEPS_APART = 1_000_003
TEST_SEED = 2**30


@dataclass(frozen=True)
class CubePoints:
    """Points of the unit cube, and of its faces where asked for: fresh ones at a step, Sobol ones, or the same always.

    The points of a step are a function of seed and step alone, so a resumed training sees the same.

    >>> points = ll.discovery.variational.CubePoints(3, 8, faces=4)
    >>> batch = points.batch(0)
    >>> batch["x"].shape, batch["wall"].shape
    (torch.Size([8, 3]), torch.Size([4, 3]))
    """

    dimension: int
    size: int
    sampling: str = "fresh"
    faces: int = 0
    seed: int = 0
    dtype: torch.dtype = torch.float32

    def __post_init__(self) -> None:
        one_of("sampling", self.sampling, SAMPLINGS)
        for name, low in (("dimension", 1), ("size", 1), ("faces", 0), ("seed", 0)):
            # a frozen dataclass; numbers of an array may be NumPy's
            object.__setattr__(self, name, check_number(name, getattr(self, name), low=low, integer=True))

    def batch(self, step: int) -> dict[str, Tensor]:
        number = self.seed * STEPS_APART + (0 if self.sampling == "fixed" else step)
        generator = torch.Generator().manual_seed(number)
        if self.sampling == "sobol":
            engine = torch.quasirandom.SobolEngine(self.dimension, scramble=True, seed=number)
            points = {"x": engine.draw(self.size, dtype=self.dtype)}
        else:
            points = {"x": torch.rand(self.size, self.dimension, generator=generator, dtype=self.dtype)}
        if self.faces:
            wall = torch.rand(self.faces, self.dimension, generator=generator, dtype=self.dtype)
            face = torch.randint(0, 2 * self.dimension, (self.faces, 1), generator=generator)
            # face 2 i is x_i = 0 and face 2 i + 1 is x_i = 1
            points["wall"] = wall.scatter(1, face // 2, (face % 2).to(self.dtype))
            normal = torch.zeros_like(wall).scatter(1, face // 2, 2.0 * (face % 2).to(self.dtype) - 1)
            points["normal"] = normal
        return points

    def shard(self, rank: int, world: int) -> CubePoints:
        if self.sampling == "fixed":
            raise InvalidArgument("a fixed sample is trained on in one process")
        # each process draws its part of the batch from a stream of its own
        return CubePoints(
            self.dimension, -(-self.size // world), self.sampling, self.faces, self.seed * world + rank, self.dtype
        )


def ritz_loss(
    energy: Energy,
    source: Callable[[Tensor], Tensor],
    *,
    walls: str = "neumann",
    strength: float = 500.0,
    values: Target | None = None,
    path: float = 0.0,
) -> Callable[[Any, Mapping[str, Any]], dict[str, Tensor]]:
    """loss(model, batch) of a model with value_and_gradient: the term "energy", and "walls" and "path" where asked for.

    strength: b of the penalty, or of Nitsche's method, for walls "penalty" and "nitsche". path: weight of a penalty on
    the path norm of a two-layer network.

    >>> v = ll.discovery.variational
    >>> energy, target = v.instance("V1"), v.cosines(2)
    >>> loss = v.ritz_loss(energy, v.manufactured(energy, target))
    >>> loss(v.TwoLayer(2, 8), v.CubePoints(2, 16).batch(0)).keys()
    dict_keys(['energy'])
    """
    strength, path = check_number("strength", strength, low=0), check_number("path", path, low=0)

    def loss(model: Any, batch: Mapping[str, Any]) -> dict[str, Tensor]:
        x = batch["x"]
        u, gradient = model.value_and_gradient(x)
        terms = {"energy": (energy.density(x, u, gradient) - source(x) * u).mean()}
        if walls in ("penalty", "nitsche"):
            terms["walls"] = _wall_term(model, batch)
        if path:
            terms["path"] = path * model.path_norm()
        return terms

    def _wall_term(model: Any, batch: Mapping[str, Any]) -> Tensor:
        x = batch["wall"]
        u, gradient = model.value_and_gradient(x)
        off = u - values.value(x) if values is not None else u
        # the faces are 2 d, each of area one
        area = 2 * x.shape[-1]
        if walls == "penalty":
            return area * strength * off.square().mean()
        outward = (energy.in_slope(x, u, gradient) * batch["normal"]).sum(-1)
        return area * (strength / 2 * off.square() - outward * off).mean()

    return loss


def ritz_recipe(
    loss: Callable[[Any, Mapping[str, Any]], dict[str, Tensor]],
    points: CubePoints,
    steps: int = 1500,
    learning_rate: float = 5e-3,
    *,
    evaluate: Evaluate | None = None,
    evaluate_every: int | None = None,
) -> Recipe:
    """Adam with a rate that falls to a hundredth along a cosine.

    >>> v = ll.discovery.variational
    >>> energy, target = v.instance("V1"), v.cosines(1)
    >>> loss = v.ritz_loss(energy, v.manufactured(energy, target))
    >>> network = v.TwoLayer(1, 32)
    >>> recipe = v.ritz_recipe(loss, v.CubePoints(1, 64), steps=200)
    >>> steps = list(ll.training.fit(network, recipe, device="cpu"))
    >>> v.ritz_errors(network, energy, target)["l2"].item() < 0.3
    True
    """
    return Recipe(
        loss,
        points,
        steps,
        learning_rate,
        "adam",
        weight_decay=0.0,
        schedule=schedules.cosine(steps, end=0.01),
        evaluate=evaluate,
        evaluate_every=evaluate_every,
    )


@torch.no_grad()
def ritz_errors(model: Any, energy: Energy, target: Target, *, points: int = 10_000) -> xr.Dataset:
    """Relative L2 and gradient errors at fixed points, the energy there, and its excess over that of the solution.

    >>> v = ll.discovery.variational
    >>> v.ritz_errors(v.TwoLayer(2, 8), v.instance("V1"), v.cosines(2))["excess"].item() > 0
    True
    """
    parameter = next(model.parameters())
    # float64 points keep the sums of small differences; the network sees its own precision
    x = CubePoints(target.dimension, points, seed=TEST_SEED, dtype=torch.float64).batch(0)["x"]
    u, gradient = (part.cpu().double() for part in model.value_and_gradient(x.to(parameter.device, parameter.dtype)))
    jet, f = target.jet(x), manufactured(energy, target)(x)
    density = energy.density(x, u, gradient) - f * u
    exact = energy.density(x, jet.value, jet.slope) - f * jet.value
    return labelled(
        l2=("", (u - jet.value).norm() / jet.value.norm(), "relative L2 error"),
        gradient=("", (gradient - jet.slope).norm() / jet.slope.norm(), "relative error of the gradient"),
        energy=("", density.mean(), "energy at fresh points"),
        exact_energy=("", exact.mean(), "energy of the solution"),
        # the same points: the noise of the two energies cancels
        excess=("", (density - exact).mean(), "energy above that of the solution"),
    )


def evaluation(energy: Energy, target: Target, *, points: int = 4000) -> Evaluate:
    """`ritz_errors` as a recipe's `evaluate` asks for them: numbers by name.

    >>> v = ll.discovery.variational
    >>> network = v.TwoLayer(1, 8)
    >>> sorted(v.evaluation(v.instance("V1"), v.cosines(1))(network, network))
    ['excess', 'gradient', 'l2', 'test_energy']
    """

    def evaluate(model: nn.Module, fresh: nn.Module) -> dict[str, float]:
        errors = ritz_errors(model, energy, target, points=points)
        names = {"l2": "l2", "gradient": "gradient", "excess": "excess", "test_energy": "energy"}
        return {name: float(errors[source]) for name, source in names.items()}

    return evaluate


@torch.no_grad()
def excess_energy(model: Any, energy: Energy, target: Target, x: Float[Tensor, "point d"]) -> float:
    """The mean of L - f u over the points, less that of the solution there: what of it is the network's doing.

    The energy of the solution on a small sample is off its own by much more than an error of the network makes.

    >>> v = ll.discovery.variational
    >>> v.excess_energy(v.TwoLayer(1, 4), v.instance("V1"), v.cosines(1), torch.rand(500, 1)) > 0
    True
    """
    u, gradient = model.value_and_gradient(x)
    jet, f = target.jet(x), manufactured(energy, target)(x)
    density = energy.density(x, u, gradient) - f * u
    return float((density - energy.density(x, jet.value, jet.slope) + f * jet.value).mean())
