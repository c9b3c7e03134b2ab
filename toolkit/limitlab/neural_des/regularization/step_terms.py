"""What a solver has logged of its steps, as one differentiable number: how hard the equation was to solve.

| quantity | of a step |
|---|---|
| "error" | E h, the scaled error estimate times the size |
| "error_squared" | E^2 |
| "stiffness" | S h, the estimate of the largest \\|eigenvalue\\| of the Jacobian times the size |
| "spectral_radius" | S |
| "mixed" | E h + 0.1 S / 3.5068, where 3.5068 is the length of Tsit5's stability interval |

Only accepted steps count. With `shared_steps` E is one number for the batch, the root mean square over all samples, as
in the paper; else every sample has steps and an E of its own. S is a sample's own in both cases.
Its value says little: a controller holds E near 0.9^(1/0.06) = 0.17, whatever the equation. The gradient, at sizes
that are constants, says which field would have smaller errors on these steps.
Source: Pal, Ma, Shah & Rackauckas, Opening the blackbox (2021), section 3; Shampine 1977 (stiffness).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.errors import InvalidArgument, one_of
from limitlab.solvers import StepLog

Steps = Float[Tensor, "batch step"]
TSIT5_STABILITY = 3.5068

QUANTITIES: dict[str, Callable[[StepLog], Steps]] = {
    "error": lambda log: log.error * _lengths(log),
    "error_squared": lambda log: log.error.square(),
    "stiffness": lambda log: log.stiffness * _lengths(log),
    "spectral_radius": lambda log: log.stiffness,
    "mixed": lambda log: log.error * _lengths(log) + 0.1 / TSIT5_STABILITY * log.stiffness,
}
AGGREGATIONS: dict[str, Callable[[Steps, Tensor], Float[Tensor, " batch"]]] = {
    "sum": lambda values, accepted: torch.where(accepted, values, 0.0).sum(1),
    "mean": lambda values, accepted: torch.where(accepted, values, 0.0).sum(1) / accepted.sum(1),
    "max": lambda values, accepted: torch.where(accepted, values, -torch.inf).amax(1),
}


def step_term(log: StepLog, quantity: str = "error", aggregation: str = "sum") -> Float[Tensor, ""]:
    """A quantity of the module's table, aggregated over the accepted steps of each sample; the mean over the batch.

    aggregation: "sum", "mean" or "max". A mean over n steps needs n times the coefficient of a sum.
    Raises UnknownName, and InvalidArgument where the method has no such estimate.

    >>> log = ll.solvers.solve_ode(lambda t, y: -3.0 * y, torch.ones(1, 1), [0.0, 1.0], rtol=1e-4).log
    >>> round(float(ll.neural_des.regularization.step_term(log, "spectral_radius", "max")), 3)
    3.0
    """
    values = QUANTITIES[one_of("quantity", quantity, QUANTITIES)](log)
    aggregate = AGGREGATIONS[one_of("aggregation", aggregation, AGGREGATIONS)]
    if bool((log.accepted & values.detach().isnan()).any()):
        raise InvalidArgument(
            f"quantity {quantity!r} is not in the log: the method does not estimate it ('tsit5' has error and "
            "stiffness, 'bosh3' the error alone)"
        )
    return aggregate(values, log.accepted).mean()


def _lengths(log: StepLog) -> Steps:
    """|h|, in the precision of the estimates."""
    return log.size.abs().to(log.error.dtype)
