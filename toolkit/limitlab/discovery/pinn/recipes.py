"""How a physics-informed network is trained: Adam finds the basin, a quasi-Newton method its bottom.

Adam alone leaves a trajectory at per cents and a hidden term at tens of them; the same time with a quasi-Newton phase
gives a tenth of that. Weights and points move in the first phase only. For fewer than some 5000 weights "ssbfgs"
(self-scaled BFGS, dense) is the other good choice, and for fewer than some 2000 "natural_gradient": Gauss and Newton's
method, whose step is the most expensive of all.

Sources: Urban, Stefanou, Pons (2025) and Kiyani et al. (2025) (quasi-Newton methods); Mueller, Zeinhofer (2023)
(natural gradients); Wu et al. (2023) (points).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from limitlab.discovery.pinn.points import Measurements, PointBatches, batches
from limitlab.discovery.pinn.solve import PINN, loss
from limitlab.errors import check_number
from limitlab.spaces.domains import adaptive
from limitlab.training import Recipe, natural_gradient
from limitlab.training.recipe import Loss

BLOCK = 32
"""Points whose rows are differentiated together: each goes back through all of them."""


def two_phases(
    points: Float[Tensor, "point axis"],
    measurements: Measurements | None = None,
    *,
    steps: tuple[int, int] = (700, 1000),
    learning_rate: float = 1e-2,
    optimizers: tuple[str, str] = ("adam", "lbfgs"),
    candidates: Float[Tensor, "candidate axis"] | None = None,
    loss: Loss = loss,
    seed: int = 0,
) -> Recipe:
    """The recipe of a PINN or UPINN: Adam with a cosine, then a quasi-Newton method on fixed points and weights.

    steps, optimizers: of the two phases; the second may have 0 steps. candidates: as many points as before are drawn
    from them for the second phase, where the residual is large. seed: of that draw. More phases come with
    `Recipe.then`.

    >>> equations = ll.discovery.pinn.equations_of(ll.problems.get("logistic", span=2.0))
    >>> model = ll.discovery.pinn.PINN(equations, architecture=ll.discovery.pinn.Architecture(width=8), seed=0)
    >>> points = ll.discovery.pinn.collocation(equations.problem, 16)
    >>> recipe = ll.discovery.pinn.two_phases(points, steps=(20, 30))
    >>> recipe.steps, [progress.loss for progress in ll.training.fit(model, recipe, device="cpu")][-1] < 1e-2
    (50, True)
    """
    early, late = (int(check_number("steps", n, low=low, integer=True)) for n, low in zip(steps, (1, 0), strict=True))
    begun = Recipe(
        loss,
        batches(points, measurements, adapting=True),
        early,
        learning_rate,
        optimizers[0],
        weight_decay=0.0,
        schedule="cosine",
    )
    if not late:
        return begun
    later: Any = batches(points, measurements)
    if candidates is not None:
        later = redrawn(candidates, len(points), measurements, seed=seed)
    matrix = gram if optimizers[1] == "natural_gradient" else None
    return begun.then(late, optimizer=optimizers[1], batches=later, gram=matrix)


def gram(model: nn.Module, batch: Mapping[str, Any]) -> Float[Tensor, "weight weight"]:
    """The Gauss-Newton matrix of `loss`: of each term 2 lambda/n times the sum of J'J over its n rows.

    >>> equations = ll.discovery.pinn.equations_of(ll.problems.get("logistic", span=2.0))
    >>> model = ll.discovery.pinn.PINN(equations, architecture=ll.discovery.pinn.Architecture(width=4), seed=0)
    >>> points = ll.discovery.pinn.collocation(equations.problem, 16)
    >>> ll.discovery.pinn.gram(model, ll.discovery.pinn.batches(points).batch(0)).shape
    torch.Size([53, 53])
    """
    assert isinstance(model, PINN)
    return natural_gradient.gram([p for p in model.parameters() if p.requires_grad], _scaled_rows(model, batch))


def _scaled_rows(model: PINN, batch: Mapping[str, Any]) -> Iterator[Float[Tensor, " row"]]:
    """All rows of the loss, those of a few points at a time, such that their squares add up to twice the loss."""
    points, attention = batch["points"], model.weighting.attention
    residuals = points.shape[0] * points.shape[1] * len(model.equations.unknowns)
    for trajectory, whole in enumerate(points):
        for number, part in enumerate(whole.split(BLOCK)):
            rows = model.residuals(part, trajectory) / model.residual_scale(part)
            if attention.shape[1]:
                rows = rows * attention[trajectory].split(BLOCK)[number].sqrt()
            yield _root(model, "residual", residuals) * rows.flatten()
    if "data_values" in batch:
        seen = torch.isfinite(batch["data_values"])
        for trajectory, whole in enumerate(batch["data_points"]):
            for part, values, there in zip(
                *(tensor.split(BLOCK) for tensor in (whole, batch["data_values"][trajectory], seen[trajectory])),
                strict=True,
            ):
                rows = ((model(part, trajectory) - values) / model.scale)[there]
                yield _root(model, "data", int(seen.sum())) * rows
    if model.soft:
        rows = model.rows({"points": points[:, :1]})["condition"]
        yield _root(model, "condition", len(rows)) * rows


def _root(model: PINN, term: str, rows: int) -> Tensor:
    return (2 * model.weighting.weight(term) / rows).sqrt()


def redrawn(
    candidates: Float[Tensor, "candidate axis"],
    count: int,
    measurements: Measurements | None = None,
    *,
    adapting: bool = False,
    seed: int = 0,
) -> Callable[[nn.Module], PointBatches]:
    """Batches of a phase, made when it begins: `count` of the candidates, where the residual of the model is large.

    >>> line = torch.linspace(0, 2, 200, dtype=torch.float64)[:, None]
    >>> equations = ll.discovery.pinn.equations_of(ll.problems.get("logistic", span=2.0))
    >>> ll.discovery.pinn.redrawn(line, 10)(ll.discovery.pinn.PINN(equations)).batch(0)["points"].shape
    torch.Size([1, 10, 1])
    """

    @torch.no_grad()
    def made(model: nn.Module) -> PointBatches:
        assert isinstance(model, PINN)
        moved = candidates.to(model.scale)
        sets = []
        for trajectory in range(len(model.surrogates)):
            rows = model.residuals(moved, trajectory) / model.residual_scale(moved)
            sets.append(adaptive(moved, rows.T, count, seed=seed + trajectory).cpu())
        return batches(sets, measurements, adapting=adapting)

    return made
