"""Any operator on patches that see their surroundings, as an operator on whole fields.

    u -> windows of all patches -> model -> halos cropped -> patches stitched

Few patches at once keep the memory of a training small: what the model holds for the gradient of one part is dropped
and computed again when its turn comes. Several processes take a share of the patches each; the outputs are gathered, so
that every process has the whole field, the same loss and, after the averaging of Accelerate, the whole gradient.

Source: Kossaifi et al., MG-TFNO (2023), arXiv 2310.00120, section 3.3.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, distributed, nn
from torch.utils.checkpoint import checkpoint

from limitlab.errors import InvalidArgument, check_number
from limitlab.operators.patches import Patching
from limitlab.saved import Saved
from limitlab.spaces import Grid
from limitlab.training import Batches, operator_loss

Loss = Callable[[nn.Module, Mapping[str, Any]], dict[str, Tensor]]


class MultigridPatched(Saved):
    """`model` on the windows of patches: (batch, in_channels, *grid) -> (batch, out_channels, *grid).

    model: takes windows of `patching.channels(in_channels, dimension)` channels, of any number of points if the
    operator is to serve several grids, and answers on the same points. at_once: patches in memory at a time, all of
    them when left out. spread: in several processes, a share of the patches for each; they must see the same batch,
    which `SharedBatches` are. Raises InvalidArgument.

    >>> patching = ll.operators.Patching(levels=2, halo=1 / 16)
    >>> inner = ll.operators.FNO(patching.channels(1, 2), 1, modes=(8, 8), width=8, positional=False)
    >>> ll.operators.MultigridPatched(inner, patching)(torch.zeros(2, 1, 64, 64)).shape
    torch.Size([2, 1, 64, 64])
    """

    def __init__(
        self, model: nn.Module, patching: Patching, *, at_once: int | None = None, spread: bool = False
    ) -> None:
        super().__init__()
        self.model, self.patching, self.spread = model, patching, spread
        self.at_once = None if at_once is None else int(check_number("at_once", at_once, low=1, integer=True))

    def forward(self, u: Float[Tensor, "batch in_channels *grid"]) -> Float[Tensor, "batch out_channels *grid"]:
        grid, windows = tuple(u.shape[2:]), self.patching.cut(u)
        processes = distributed.get_world_size() if self.spread and distributed.is_initialized() else 1
        if processes > 1:
            if len(windows) % processes:
                raise InvalidArgument(f"{len(windows)} patches cannot be shared evenly by {processes} processes")
            windows = windows.chunk(processes)[distributed.get_rank()]
        parts = windows.split(self.at_once or len(windows))
        patches = torch.cat([self._answer(part, grid) for part in parts])
        if processes > 1:
            patches = _Gathered.apply(patches)
        return self.patching.stitch(patches, grid)

    def _answer(self, windows: Tensor, grid: tuple[int, ...]) -> Tensor:
        """The model's patches, without halo."""
        if self.at_once is not None and torch.is_grad_enabled():
            answer = checkpoint(self.model, windows, use_reentrant=False)
        else:
            answer = self.model(windows)
        return self.patching.crop(answer, grid)


def patch_loss(kind: str, grid: Grid, patching: Patching) -> Loss:
    """The loss of `operator_loss`, relative in every patch by itself: no patch waits for another.

    A patch where the target is small then counts as much as one where it is large. Raises UnknownName.

    >>> patching, line = ll.operators.Patching(levels=1), ll.spaces.Grid.uniform((8,))
    >>> batch = {"input": torch.ones(1, 1, 8), "target": torch.tensor([[[1.0] * 4 + [2.0] * 4]])}
    >>> ll.operators.patch_loss("l2", line, patching)(torch.nn.Identity(), batch)
    {'relative_l2': tensor(0.2500)}
    """
    alone = Patching(patching.levels, 0.0, coarse=False, outside=patching.outside, positional=False)
    # a patch has ends, whatever the domain has
    cells = Grid.uniform(
        alone.patch(grid.shape),
        lengths=tuple(length / 2**patching.levels for length in grid.lengths),
        kind="cells",
    )
    inner = operator_loss(kind, cells, inputs="prediction")

    def loss(model: nn.Module, batch: Mapping[str, Any]) -> dict[str, Tensor]:
        cut = {"prediction": alone.cut(model(batch["input"])), "target": alone.cut(batch["target"])}
        return inner(nn.Identity(), cut)

    return loss


class SharedBatches:
    """Batches of which every process sees the whole, as a model needs that spreads its patches.

    >>> line = ll.spaces.Grid.uniform((8,))
    >>> pairs = ll.data.Batches({"input": torch.rand(6, 1, 8), "target": torch.rand(6, 1, 8)}, line, size=2)
    >>> len(ll.operators.SharedBatches(pairs).shard(1, 2).batch(0)["input"])
    2
    """

    def __init__(self, batches: Batches) -> None:
        self.batches = batches

    def batch(self, step: int) -> Mapping[str, Any]:
        """The batch of a step."""
        return self.batches.batch(step)

    def shard(self, rank: int, world: int) -> SharedBatches:
        """The same batches."""
        return self


class _Gathered(torch.autograd.Function):
    """The patches of all processes, from those of each.

    Every process has the same loss, and their gradients are averaged afterwards: a process's own part of the gradient,
    which no other one has, is multiplied by their number.
    """

    @staticmethod
    def forward(ctx: Any, patches: Tensor) -> Tensor:
        parts = [torch.empty_like(patches) for _ in range(distributed.get_world_size())]
        distributed.all_gather(parts, patches.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (gradient,) = gradients
        processes = distributed.get_world_size()
        return processes * gradient.chunk(processes)[distributed.get_rank()]
