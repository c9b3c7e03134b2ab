"""Losses on function spaces: the relative L2 and H1 errors of an operator's output, as named terms for `fit`.

    L = mean over samples of ||model(input) - target|| / ||target||

The ratio is taken sample by sample, so that small fields count as much as large ones, and on decoded outputs: a model
that normalises does so inside, since a relative error of standardised fields is relative to the wrong thing.
Source: Kossaifi et al., Multi-Grid Tensorized Fourier Neural Operator (2023), Section 4; Li et al., FNO (2021).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

from limitlab.errors import InvalidArgument, unknown_name
from limitlab.spaces.grid import Grid
from limitlab.spaces.norms import relative_l2, relative_sobolev

__all__ = ["LOSSES", "operator_loss", "relative_l2", "relative_sobolev"]

Loss = Callable[[nn.Module, Mapping[str, Any]], dict[str, Tensor]]

LOSSES: dict[str, tuple[str, Callable[..., Tensor]]] = {
    "l2": ("relative_l2", relative_l2),
    "h1": ("relative_h1", relative_sobolev),
}


def operator_loss(kind: str, grid: Grid, *, inputs: str = "input", targets: str = "target") -> Loss:
    """loss(model, batch) -> {"relative_l2": mean relative error} for kind "l2", {"relative_h1": ...} for "h1".

    batch[inputs], batch[targets]: (batch, channel, *grid). A batch at another resolution is measured on `grid.at` it.
    H1 takes spectral derivatives where the grid is periodic, else finite differences of the grid's spacing.
    Raises UnknownName for another kind, InvalidArgument for a batch whose dimensions are not the grid's.

    >>> loss = ll.training.operator_loss("l2", ll.spaces.Grid.uniform((16,), dimension=1))
    >>> batch = {"input": torch.rand(4, 1, 16), "target": torch.rand(4, 1, 16)}
    >>> loss(torch.nn.Identity(), batch).keys()
    dict_keys(['relative_l2'])
    """
    if kind not in LOSSES:
        raise unknown_name("loss", kind, LOSSES)
    name, relative_error = LOSSES[kind]

    def loss(model: nn.Module, batch: Mapping[str, Any]) -> dict[str, Tensor]:
        target = batch[targets]
        resolution = tuple(target.shape[2:])
        if len(resolution) != grid.dimension:
            raise InvalidArgument(f"{targets} {tuple(target.shape)} must be (batch, channel, {', '.join(grid.names)})")
        here = grid if resolution == grid.shape else grid.at(resolution)
        return {name: relative_error(model(batch[inputs]), target, here).mean()}

    return loss
