"""Norms over space, whose statistics are averages of functions and so mean the same at every resolution."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from limitlab.errors import InvalidArgument


class InstanceNorm(nn.Module):
    """Mean 0 and variance 1 over space, for every sample and channel; without parameters."""

    def forward(self, v: Float[Tensor, "batch channel *grid"]) -> Float[Tensor, "batch channel *grid"]:
        return functional.group_norm(v, v.shape[1])


class AdaptiveInstanceNorm(nn.Module):
    """Instance norm whose scale and shift are an MLP of an embedding: (features,) or (batch, features)."""

    def __init__(self, channels: int, features: int) -> None:
        super().__init__()
        self.features = features
        self.scale_and_shift = nn.Sequential(nn.Linear(features, 512), nn.GELU(), nn.Linear(512, 2 * channels))

    def forward(
        self, v: Float[Tensor, "batch channel *grid"], embedding: Float[Tensor, "batch features"] | None
    ) -> Float[Tensor, "batch channel *grid"]:
        if embedding is None or embedding.shape[-1] != self.features or embedding.ndim > 2:
            got = None if embedding is None else tuple(embedding.shape)
            raise InvalidArgument(f"embedding must have shape (batch, {self.features}); got {got}")
        rows = self.scale_and_shift(embedding.expand(v.shape[0], -1))
        scale, shift = rows.reshape(v.shape[0], -1, *[1] * (v.ndim - 2)).chunk(2, dim=1)
        return functional.group_norm(v, v.shape[1]) * scale + shift
