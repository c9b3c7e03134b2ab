"""The two predictors that know nothing: a learned operator that does not beat them has learned nothing.

Mean: the average target, whatever the input. Persistence: the state stays as it is.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.errors import InvalidArgument, check_number
from limitlab.layers.spectral_convolution import resample
from limitlab.operators.row import Operator
from limitlab.saved import Saved


class MeanPredictor(Saved):
    """Answers `mean_field` (channel, *grid), the training targets' mean, to every input of shape (batch, any, *grid).

    On another grid the mean field is interpolated trigonometrically. Raises InvalidArgument.

    >>> ll.operators.MeanPredictor(torch.ones(1, 8))(torch.zeros(3, 2, 16)).shape
    torch.Size([3, 1, 16])
    """

    mean_field: Tensor

    def __init__(self, mean_field: Float[Tensor, "channel *grid"]) -> None:
        super().__init__()
        if not isinstance(mean_field, Tensor) or not 2 <= mean_field.ndim <= 4:
            got = tuple(mean_field.shape) if isinstance(mean_field, Tensor) else type(mean_field).__name__
            raise InvalidArgument(f"mean_field must be a tensor (channel, *grid) with 1 to 3 grid axes; got {got}")
        # a clone: the caller's tensor may be a view of the training set, or change
        self.register_buffer("mean_field", mean_field.detach().clone())

    def forward(self, u: Float[Tensor, "batch in_channels *grid"]) -> Float[Tensor, "batch channel *grid"]:
        if u.ndim != self.mean_field.ndim + 1:
            raise InvalidArgument(f"u must have {self.mean_field.ndim - 1} grid axes; got shape {tuple(u.shape)}")
        mean = resample(self.mean_field[None], tuple(u.shape[2:])).to(u.dtype)
        return mean.expand(u.shape[0], *[-1] * (u.ndim - 1))


class Persistence(Saved):
    """Answers the last `out_channels` channels of the input: u(T) = u(0). Raises InvalidArgument.

    >>> ll.operators.Persistence()(torch.arange(4.0).reshape(1, 2, 2))
    tensor([[[2., 3.]]])
    """

    def __init__(self, out_channels: int = 1) -> None:
        super().__init__()
        self.out_channels = int(check_number("out_channels", out_channels, low=1, integer=True))

    def forward(self, u: Float[Tensor, "batch in_channels *grid"]) -> Float[Tensor, "batch out_channels *grid"]:
        if u.ndim < 3 or u.shape[1] < self.out_channels:
            raise InvalidArgument(f"u must have at least {self.out_channels} channels; got shape {tuple(u.shape)}")
        return torch.narrow(u, 1, u.shape[1] - self.out_channels, self.out_channels)


ROWS = (
    Operator(
        "mean",
        "mean of the training outputs",
        MeanPredictor,
        lambda task, settings: MeanPredictor(task.mean_target),
        trains=False,
    ),
    Operator(
        "persistence",
        "the input as it is",
        Persistence,
        lambda task, settings: Persistence(task.out_channels),
        trains=False,
    ),
)
