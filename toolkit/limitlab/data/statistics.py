"""Mean and standard deviation of every channel, over samples and space: the same on every grid of the domain."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from einops import reduce
from jaxtyping import Float
from torch import Tensor

from limitlab.errors import InvalidArgument


@dataclass(frozen=True, eq=False)
class ChannelStatistics:
    """encode: (u - mean) / std, channel by channel; decode is its inverse.

    A channel that is constant to rounding gets std 1, so that encode gives 0 and decode gives the constant back.

    >>> values = 3 + 2 * torch.randn(50, 1, 16)
    >>> statistics = ll.data.ChannelStatistics.of(values)
    >>> torch.allclose(statistics.decode(statistics.encode(values)), values, atol=1e-5)
    True
    """

    mean: Float[Tensor, " channel"]
    std: Float[Tensor, " channel"]

    @classmethod
    def of(cls, values: Float[Tensor, "sample channel *grid"]) -> ChannelStatistics:
        """Statistics of a set: population mean and std in float64, returned in the dtype and on the device of `values`.

        Raises InvalidArgument for an empty set, other shapes, or values that are not finite.
        """
        if values.dim() < 2 or not values.is_floating_point() or values.numel() == 0:
            raise InvalidArgument(
                f"values must be real (sample, channel, *grid), not empty; got {values.dtype} {tuple(values.shape)}"
            )
        exact = values.double()
        mean = reduce(exact, "sample channel ... -> channel", "mean")
        # in two passes: E u^2 - (E u)^2 cancels where the mean is large
        deviation = exact - _along_channels(mean, exact)
        std = reduce(deviation.square(), "sample channel ... -> channel", "mean").sqrt()
        if not (mean.isfinite() & std.isfinite()).all():
            raise InvalidArgument("values must be finite; at least one channel holds NaN or infinity")
        # rounding gives a constant channel a tiny std, by which encode would divide
        constant = std <= 8 * torch.finfo(values.dtype).eps * mean.abs()
        return cls(mean.to(values.dtype), torch.where(constant, 1.0, std).to(values.dtype))

    def encode(self, values: Float[Tensor, "batch channel *grid"]) -> Float[Tensor, "batch channel *grid"]:
        """Values with mean 0 and std 1 over the set that made the statistics."""
        return (values - _along_channels(self.mean, values)) / _along_channels(self.std, values)

    def decode(self, values: Float[Tensor, "batch channel *grid"]) -> Float[Tensor, "batch channel *grid"]:
        """The inverse of `encode`."""
        return values * _along_channels(self.std, values) + _along_channels(self.mean, values)


def _along_channels(statistic: Tensor, values: Tensor) -> Tensor:
    """A number for each channel, shaped to broadcast over (batch, channel, *grid), with their dtype and device."""
    if values.dim() < 2 or values.shape[1] != len(statistic):
        raise InvalidArgument(f"expected (batch, {len(statistic)} channels, *grid); got {tuple(values.shape)}")
    return statistic.to(values).view(1, -1, *(1,) * (values.dim() - 2))
