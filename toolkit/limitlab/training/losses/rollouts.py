"""Models of a time step: their rollouts, and losses after one step, after several, and on states of their own making.

    u_{t+1} = model(u_{t-h+1}, .., u_t),       L = mean over samples, frames and channels of ||u - v|| / ||v||

Of several fields some are nearly zero in some frames, such as the momentum of water at rest: given the deviations of
the fields, an error is relative to max(||v||, ||deviation||/10), which of all other frames is ||v||.

| loss | steps | pushed | the state at which the gradient begins |
|---|---|---|---|
| one step | 1 | 0 | the data's |
| unrolled | k | 0 | the data's; the gradient goes through all k steps |
| pushforward | 1 | 1 | what the model makes of the data, held fixed |

Sources: Brandstetter, Worrall & Welling, Message passing neural PDE solvers (2022), section 3.1 (pushforward); List,
Chen, Bali & Thuerey, How temporal unrolling supports neural physics simulators (2024).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from einops import rearrange, repeat
from jaxtyping import Float
from torch import Tensor, nn

from limitlab.errors import InvalidArgument, check_number, unknown_name
from limitlab.spaces.grid import Grid
from limitlab.training.losses.relative import LOSSES, Loss

SMALLEST = 0.1
"""Share of a channel's deviation below which a frame of it counts as no smaller."""


def rollout(
    model: nn.Module, u: Float[Tensor, "batch history_channels *grid"], steps: int
) -> Float[Tensor, "batch time channel *grid"]:
    """The frames that a model makes of a history, each from those before it; the newest frame is the last in u.

    >>> halved = torch.nn.Conv2d(1, 1, 1, bias=False)
    >>> torch.nn.init.constant_(halved.weight, 0.5).shape
    torch.Size([1, 1, 1, 1])
    >>> ll.training.rollout(halved, torch.ones(1, 1, 2, 2), 3)[0, :, 0, 0, 0].tolist()
    [0.5, 0.25, 0.125]
    """
    frames = []
    for _ in range(int(check_number("steps", steps, low=1, integer=True))):
        frame = model(u)
        frames.append(frame)
        u = torch.cat([u[:, frame.shape[1] :], frame], dim=1)
    return torch.stack(frames, dim=1)


def rollout_errors(
    kind: str,
    prediction: Float[Tensor, "batch time channel *grid"],
    target: Float[Tensor, "batch time channel *grid"],
    grid: Grid,
    *,
    deviations: Float[Tensor, " channel"] | None = None,
) -> Float[Tensor, "batch time channel"]:
    """The relative error of every frame and channel, "l2" or "h1". Raises UnknownName, InvalidArgument.

    deviations: of the channels, of which a frame's norm counts as a tenth at least; left out, it is what it is.

    >>> frames = torch.rand(2, 3, 1, 8)
    >>> ll.training.rollout_errors("l2", 1.5 * frames, frames, ll.spaces.Grid.uniform(8)).flatten()[0]
    tensor(0.5000)
    """
    if kind not in LOSSES:
        raise unknown_name("loss", kind, LOSSES)
    if prediction.shape != target.shape or target.ndim != grid.dimension + 3:
        raise InvalidArgument(
            f"prediction and target must be (batch, time, channel, {', '.join(grid.names)}); "
            f"got {tuple(prediction.shape)} and {tuple(target.shape)}"
        )
    batch, time, _ = target.shape[:3]
    resolution = tuple(target.shape[3:])
    here = grid if resolution == grid.shape else grid.at(resolution)
    made, true = (rearrange(frames, "b t c ... -> (b t c) 1 ...") for frames in (prediction, target))
    floor: float | Tensor = 0.0
    if deviations is not None:
        # the norm of a field that is as large everywhere
        floor = SMALLEST * math.sqrt(math.prod(grid.lengths)) * repeat(deviations, "c -> (b t c)", b=batch, t=time)
    return rearrange(LOSSES[kind][1](made, true, here, floor=floor), "(b t c) -> b t c", b=batch, t=time)


def rollout_loss(
    kind: str, grid: Grid, *, steps: int = 1, pushed: int = 0, deviations: Float[Tensor, " channel"] | None = None
) -> Loss:
    """loss(model, batch) -> {"relative_l2": mean relative error} ("l2"; {"relative_h1": ..} for "h1") of a rollout.

    batch: `input` and `target` of `data.windows` with steps + pushed frames. pushed: steps that the model makes first,
    without gradient. With one step and none pushed it is the loss of one step. deviations: of the channels, as
    `rollout_errors` takes them. Raises UnknownName, InvalidArgument.

    >>> loss = ll.training.rollout_loss("l2", ll.spaces.Grid.uniform((16,), dimension=1), steps=3, pushed=1)
    >>> batch = ll.data.windows(torch.rand(4, 6, 1, 16), steps=4)
    >>> loss(torch.nn.Identity(), batch).keys()
    dict_keys(['relative_l2'])
    """
    if kind not in LOSSES:
        raise unknown_name("loss", kind, LOSSES)
    steps = int(check_number("steps", steps, low=1, integer=True))
    pushed = int(check_number("pushed", pushed, low=0, integer=True))

    def loss(model: nn.Module, batch: Mapping[str, Any]) -> dict[str, Tensor]:
        u, target = batch["input"], batch["target"]
        if target.shape[1] != pushed + steps:
            raise InvalidArgument(f"target must have {pushed + steps} frames; got {target.shape[1]}")
        if pushed:
            with torch.no_grad():
                frames = rearrange(rollout(model, u, pushed), "b t c ... -> b (t c) ...")
            u = torch.cat([u, frames], dim=1)[:, -u.shape[1] :]
        made = rollout(model, u, steps)
        errors = rollout_errors(kind, made, target[:, pushed:], grid, deviations=deviations)
        return {LOSSES[kind][0]: errors.mean()}

    return loss
