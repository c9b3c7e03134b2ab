"""How a physics-informed network is trained: Adam finds the basin, a quasi-Newton method its bottom.

Adam alone leaves a trajectory at per cents and a hidden term at tens of them; the same time with a quasi-Newton phase
gives a tenth of that. Weights and points move in the first phase only. For fewer than some 5000 weights "ssbfgs"
(self-scaled BFGS, dense) is the other good choice.

Sources: Urban, Stefanou, Pons (2025) and Kiyani et al. (2025) (quasi-Newton methods); Wu et al. (2023) (points).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from limitlab.discovery.pinn.points import Measurements, PointBatches, batches
from limitlab.discovery.pinn.solve import PINN, loss
from limitlab.errors import check_number
from limitlab.spaces.domains import adaptive
from limitlab.training import Recipe
from limitlab.training.recipe import Loss


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
    return begun.then(late, optimizer=optimizers[1], batches=later)


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
