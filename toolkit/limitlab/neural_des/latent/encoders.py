"""From a series with gaps to one vector: recurrent networks that run backwards in time, to where the latent state is.

A row in which nothing was measured changes nothing, so that a series and the same series on a finer grid with gaps
have one encoding. Source: Rubanova, Chen & Duvenaud, Latent ODEs for irregularly-sampled time series (2019), 3.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from limitlab.data.series import require_measured
from limitlab.errors import InvalidArgument, check_number
from limitlab.neural_des.ode.fields import MLPField
from limitlab.saved import Saved
from limitlab.solvers import solve_ode
from limitlab.training.streams import seeded


class GRUEncoder(Saved):
    """A GRU along [t - t_first, x, mask] from the last row to the first: (batch, time, channel) to (batch, hidden).

    x is zero and its mask is zero where a value is missing.

    >>> encoder = ll.neural_des.latent.GRUEncoder(channels=2, hidden=8)
    >>> encoder(torch.tensor([[0.0, 0.5, 1.0]]), torch.ones(1, 3, 2)).shape
    torch.Size([1, 8])
    """

    def __init__(self, channels: int, hidden: int = 16, *, seed: int = 0) -> None:
        super().__init__()
        self.channels = int(check_number("channels", channels, low=1, integer=True))
        self.hidden = int(check_number("hidden", hidden, low=1, integer=True))
        with seeded(seed):
            self.cell = nn.GRUCell(1 + 2 * self.channels, self.hidden)

    def forward(
        self, times: Float[Tensor, "batch time"], values: Float[Tensor, "batch time channel"]
    ) -> Float[Tensor, "batch hidden"]:
        filled, observed = read_values(times, values, self.channels)
        clock = (times - times[:, :1]).to(filled.dtype)
        rows = torch.cat([clock[..., None], filled, observed.to(filled.dtype)], dim=-1)
        hidden, seen = filled.new_zeros(len(filled), self.hidden), observed.any(-1)
        for row in reversed(range(times.shape[1])):
            hidden = torch.where(seen[:, row, None], self.cell(rows[:, row], hidden), hidden)
        return hidden


class ODERNNEncoder(Saved):
    """The same with an ODE between the rows: h' = f(t, h) from each measurement to the one before, a GRU at each.

    field: of (t, h) with h (batch, hidden), a network when left out; t runs from 0 to 1 in each gap, by whose length
    f is multiplied. options: of `limitlab.solvers.solve_ode`, two steps of "midpoint" a gap when left out.

    >>> encoder = ll.neural_des.latent.ODERNNEncoder(channels=2, hidden=8)
    >>> encoder(torch.tensor([[0.0, 0.5, 1.0]]), torch.ones(1, 3, 2)).shape
    torch.Size([1, 8])
    """

    def __init__(
        self,
        channels: int,
        hidden: int = 16,
        *,
        field: Callable[[Tensor, Tensor], Tensor] | None = None,
        seed: int = 0,
        **options: Any,
    ) -> None:
        super().__init__()
        self.channels = int(check_number("channels", channels, low=1, integer=True))
        self.hidden = int(check_number("hidden", hidden, low=1, integer=True))
        with seeded(seed):
            self.cell = nn.GRUCell(2 * self.channels, self.hidden)
        self.field = MLPField(self.hidden, self.hidden, 1, activation="tanh", seed=seed) if field is None else field
        self.options = options or {"method": "midpoint", "step_size": 0.5}

    def forward(
        self, times: Float[Tensor, "batch time"], values: Float[Tensor, "batch time channel"]
    ) -> Float[Tensor, "batch hidden"]:
        filled, observed = read_values(times, values, self.channels)
        rows = torch.cat([filled, observed.to(filled.dtype)], dim=-1)
        hidden, seen = filled.new_zeros(len(filled), self.hidden), observed.any(-1)
        begun = torch.zeros_like(seen[:, 0])
        gaps = times.diff(dim=1).to(filled.dtype)
        for row in reversed(range(times.shape[1])):
            if row + 1 < times.shape[1]:
                # rows behind the last measurement, those that only fill a batch among them, have no state yet
                hidden = torch.where(begun[:, None], self._between(hidden, gaps[:, row, None]), hidden)
            hidden = torch.where(seen[:, row, None], self.cell(rows[:, row], hidden), hidden)
            begun = begun | seen[:, row]
        return hidden

    def _between(self, hidden: Float[Tensor, "batch hidden"], gap: Float[Tensor, "batch 1"]) -> Tensor:
        return solve_ode(lambda s, h: gap * self.field(s, h), hidden, [0.0, 1.0], **self.options).y[:, -1]


def read_values(
    times: Tensor, values: Tensor, channels: int
) -> tuple[Float[Tensor, "batch time channel"], Bool[Tensor, "batch time channel"]]:
    """Values with zeros for what is missing, and where something was measured.

    Raises InvalidArgument for other shapes, and naming a sample of which nothing was measured.
    """
    if values.dim() != 3 or values.shape[-1] != channels or times.shape != values.shape[:2]:
        raise InvalidArgument(
            f"times and values must be (batch, time) and (batch, time, {channels}); got {tuple(times.shape)} and "
            f"{tuple(values.shape)}"
        )
    require_measured(values)
    return values.nan_to_num(), ~values.isnan()
