"""One solve for a batch whose samples are asked at times of their own.

| times | the solve | cost |
|---|---|---|
| "scaled" | each sample on s = (t - t_first) / (t_last - t_first), its field times its span | states at T times |
| "union" | all at the union of all times, of which each takes its own | states at up to batch x T times |

Both give the same states up to the tolerance. Source: Kidger, On Neural Differential Equations (2022), 3.1 and 5.5;
Rubanova, Chen & Duvenaud, Latent ODEs for irregularly-sampled time series (2019), appendix (the union).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, get_args

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from limitlab.errors import InvalidArgument, one_of
from limitlab.solvers import Solution, solve_ode

Times = Literal["scaled", "union"]
BEYOND = 1e-3
"""Share of its span in which the rows of a sample that do not count are passed over."""


def solve_at(
    field: Callable[[Tensor, Tensor], Tensor],
    y0: Float[Tensor, "batch state"],
    times: Float[Tensor, "batch time"],
    *,
    by: Times = "scaled",
    **options: Any,
) -> tuple[Float[Tensor, "batch time state"], Solution]:
    """The states of y' = field(t, y), y(times[:, 0]) = y0, at the times of each sample; and the solution behind them.

    options: of `limitlab.solvers.solve_ode`. By "union" all samples start at one time: times[:, 0] is the same.

    >>> times = torch.tensor([[0.0, 1.0], [0.0, 2.0]])
    >>> y, _ = ll.neural_des.latent.solve_at(lambda t, y: torch.ones_like(y), torch.zeros(2, 1), times)
    >>> [round(end, 3) for end in y[:, -1, 0].tolist()]
    [1.0, 2.0]
    """
    one_of("times", by, get_args(Times))
    if by == "union":
        return _on_union(field, y0, times, options)
    first = times[:, :1]
    span = (times[:, -1:] - first).to(y0.dtype)
    begun = first.to(y0.dtype)
    solution = solve_ode(lambda s, y: span * field(begun + s * span, y), y0, (times - first) / span, **options)
    return solution.y, solution


def _on_union(
    field: Callable[[Tensor, Tensor], Tensor], y0: Tensor, times: Tensor, options: dict[str, Any]
) -> tuple[Float[Tensor, "batch time state"], Solution]:
    if bool((times[:, 0] != times[0, 0]).any()):
        sample = int((times[:, 0] != times[0, 0]).int().argmax())
        raise InvalidArgument(
            f"times of a union must begin at one time; sample {sample} begins at {float(times[sample, 0]):g}, sample 0 "
            f"at {float(times[0, 0]):g}"
        )
    moments, rows = torch.unique(times, return_inverse=True)
    solution = solve_ode(field, y0, moments, **options)
    return solution.y.gather(1, rows[..., None].expand(-1, -1, y0.shape[1])), solution


def since_first(
    times: Float[Tensor, "batch time"], lengths: Int64[Tensor, " batch"] | None = None
) -> Float[Tensor, "batch time"]:
    """Times since each sample's first. Rows that do not count are moved close behind the last that does."""
    clock = times - times[:, :1]
    if lengths is None:
        return clock
    last = clock.gather(1, lengths[:, None] - 1)
    beyond = torch.arange(times.shape[1], device=times.device) - (lengths[:, None] - 1)
    # a solve's times increase: many rows that don't count must not make it long
    return torch.where(beyond > 0, last * (1 + BEYOND * beyond / times.shape[1]), clock)
