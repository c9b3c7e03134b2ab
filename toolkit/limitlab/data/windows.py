"""Trajectories as pairs to learn a time step from: a history of frames, and the frames that follow it."""

from __future__ import annotations

from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from limitlab.data.batches import Batch
from limitlab.errors import InvalidArgument, check_number


def windows(trajectories: Float[Tensor, "sample time channel *grid"], *, history: int = 1, steps: int = 1) -> Batch:
    """Every window of trajectories: `input` (window, history * channel, *grid), `target` (window, steps, channel, ..).

    Windows of a trajectory follow each other in time; channels of the input go through the oldest frame first. A frame
    that is zero throughout is refused, since failed simulations leave such ones and no error is relative to them.
    Raises InvalidArgument.

    >>> pairs = ll.data.windows(torch.rand(5, 9, 3, 16, 16), history=4, steps=2)
    >>> pairs["input"].shape, pairs["target"].shape
    (torch.Size([20, 12, 16, 16]), torch.Size([20, 2, 3, 16, 16]))
    """
    if not isinstance(trajectories, Tensor) or trajectories.ndim < 4 or not trajectories.is_floating_point():
        got = tuple(trajectories.shape) if isinstance(trajectories, Tensor) else type(trajectories).__name__
        raise InvalidArgument(f"trajectories must be real (sample, time, channel, *grid); got {got}")
    history = int(check_number("history", history, low=1, integer=True))
    steps = int(check_number("steps", steps, low=1, integer=True))
    frames = trajectories.shape[1]
    if history + steps > frames:
        raise InvalidArgument(
            f"history + steps must be <= {frames}, the frames of a trajectory; got {history} + {steps}"
        )
    # not (== 0).all(), which would pass over NaN
    empty = ~(trajectories.flatten(2).abs().amax(2) > 0)
    if empty.any():
        sample, frame = empty.nonzero()[0].tolist()
        raise InvalidArgument(f"trajectories must have no empty frame; sample {sample} is zero or NaN at frame {frame}")
    cut = trajectories.unfold(1, history + steps, 1)
    inputs, targets = cut[..., :history], cut[..., history:]
    return {
        "input": rearrange(inputs, "sample start channel ... time -> (sample start) (time channel) ...").contiguous(),
        "target": rearrange(targets, "sample start channel ... time -> (sample start) time channel ...").contiguous(),
    }
