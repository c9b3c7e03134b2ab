"""Read-outs of a latent state: a linear one, and the one of the authors' benchmarks with batch normalisation."""

from __future__ import annotations

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor, nn

from limitlab.errors import InvalidArgument
from limitlab.saved import Saved

FEWEST = 8
DROPPED = 0.1


class NormalisedHead(Saved):
    """Linear, batch normalisation, ReLU, dropout of 0.1, linear; all but the last axis count as the batch.

    Raises InvalidArgument while it trains on fewer than eight states, whose mean and variance say nothing.

    >>> ll.neural_des.stable_sde.NormalisedHead(4, 2)(torch.zeros(8, 4)).shape
    torch.Size([8, 2])
    """

    def __init__(self, width: int, outputs: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(width, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Dropout(DROPPED), nn.Linear(width, outputs)
        )

    def forward(self, z: Float[Tensor, "*batch state"]) -> Float[Tensor, "*batch output"]:
        rows = z.reshape(-1, z.shape[-1])
        if self.training and len(rows) < FEWEST:
            raise InvalidArgument(
                f"head 'normalised' needs batches of {FEWEST} states or more to train on; got {len(rows)}: "
                "take larger batches, or head='linear'"
            )
        return self.layers(rows).reshape(*z.shape[:-1], -1)


HEADS: dict[str, Callable[[int, int], nn.Module]] = {"linear": nn.Linear, "normalised": NormalisedHead}
