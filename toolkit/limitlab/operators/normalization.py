"""A model between an encoding and a decoding: u -> model((u - mean_u) / std_u) * std_y + mean_y.

Statistics are per channel, over samples and space: statistics per grid point would forbid every other resolution. The
output is in physical units, so losses and metrics see what a person would see.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from limitlab.data import ChannelStatistics
from limitlab.errors import InvalidArgument
from limitlab.numbers import tensor_of
from limitlab.saved import Saved

Statistics = ChannelStatistics | tuple[Tensor | float, Tensor | float]


class Normalized(Saved):
    """`model` on normalised fields: (batch, in_channels, *grid) -> (batch, out_channels, *grid), in physical units.

    input_statistics, target_statistics: `ChannelStatistics` or (mean, std), each with one entry per channel; kept as
    buffers, so they travel with the weights and from device to device. Raises InvalidArgument.

    >>> ll.operators.Normalized(torch.nn.Identity(), (0.0, 1.0), (2.0, 3.0))(torch.ones(1, 1, 2))
    tensor([[[5., 5.]]])
    """

    input_mean: Tensor
    input_std: Tensor
    target_mean: Tensor
    target_std: Tensor

    def __init__(self, model: nn.Module, input_statistics: Statistics, target_statistics: Statistics) -> None:
        super().__init__()
        self.model = model
        for name, statistics in (("input", input_statistics), ("target", target_statistics)):
            mean, std = _checked(f"{name}_statistics", statistics)
            self.register_buffer(f"{name}_mean", mean)
            self.register_buffer(f"{name}_std", std)
            if isinstance(statistics, ChannelStatistics):
                # a file names no class of `data`
                self.remember(**{f"{name}_statistics": (mean, std)})

    def forward(self, u: Float[Tensor, "batch in_channels *grid"]) -> Float[Tensor, "batch out_channels *grid"]:
        encoded = (u - _over_grid(self.input_mean, u)) / _over_grid(self.input_std, u)
        decoded = self.model(encoded)
        return decoded * _over_grid(self.target_std, decoded) + _over_grid(self.target_mean, decoded)


def _checked(argument: str, statistics: Statistics) -> tuple[Tensor, Tensor]:
    if isinstance(statistics, ChannelStatistics):
        statistics = (statistics.mean, statistics.std)
    if not isinstance(statistics, tuple | list) or len(statistics) != 2:
        raise InvalidArgument(f"{argument} must be a pair (mean, std); got {statistics!r:.80}")
    mean, std = (tensor_of(argument, part).detach().clone().flatten() for part in statistics)
    if mean.shape != std.shape:
        raise InvalidArgument(f"{argument} must hold as many means as deviations; got {len(mean)} and {len(std)}")
    if not mean.is_floating_point() or not std.is_floating_point():
        raise InvalidArgument(f"{argument} must hold floating-point numbers; got {mean.dtype} and {std.dtype}")
    if not bool((std > 0).all() & mean.isfinite().all() & std.isfinite().all()):
        raise InvalidArgument(f"{argument} must be finite with std > 0; got mean {mean.tolist()}, std {std.tolist()}")
    return mean, std


def _over_grid(statistic: Float[Tensor, "channel"], u: Float[Tensor, "batch channel *grid"]) -> Tensor:
    if len(statistic) not in (1, u.shape[1]):
        raise InvalidArgument(f"u must have {len(statistic)} channels; got shape {tuple(u.shape)}")
    # float64 statistics would promote a float32 field, and with it the whole model
    return statistic.to(u.dtype).reshape(-1, *[1] * (u.ndim - 2))
