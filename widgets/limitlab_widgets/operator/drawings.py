"""What a reader drew of an operator's input: a curve over an interval, or a plane painted in a few levels.

Values, as they are written into code; `on` takes them to a grid.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.spaces.grid import Grid
from limitlab.spaces.transforms import fourier, inverse_fourier, spectral_resample, wavenumbers
from limitlab_widgets.shared.drawing.curve_pad import on_points


@dataclass(frozen=True)
class Curve:
    """Values at equally spaced points, straight between them; the end of a periodic interval is its begin again."""

    values: tuple[float, ...]

    def on(self, grid: Grid) -> Float[Tensor, "1 x"]:
        """The curve at the points of a grid, float64.

        >>> from limitlab_widgets.operator.drawings import Curve
        >>> Curve((0.0, 1.0)).on(ll.spaces.Grid.uniform(4))
        tensor([[0.0000, 0.5000, 1.0000, 0.5000]], dtype=torch.float64)
        """
        (axis,) = grid.axes
        share = (axis.points() - axis.start) / axis.length
        curve = on_points(np.array(self.values), np.asarray(share), periodic=axis.kind == "periodic")
        return torch.from_numpy(curve)[None]


@dataclass(frozen=True)
class Painting:
    """A digit a cell, a text for each place along x; `levels` are the values that the digits mean."""

    rows: tuple[str, ...]
    levels: tuple[float, ...]

    def on(self, grid: Grid) -> Float[Tensor, "1 x y"]:
        """The painting on a grid, float64.

        In cells: the value of the painted cell that holds the centre. On a periodic plane, where a solver needs a
        smooth start: the average around a point, with a Gaussian weight whose deviation is a painted cell.

        >>> from limitlab_widgets.operator.drawings import Painting
        >>> grid = ll.spaces.Grid.uniform((2, 2), dimension=2, kind="cells")
        >>> Painting(("01", "11"), (3.0, 12.0)).on(grid).tolist()
        [[[3.0, 12.0], [12.0, 12.0]]]
        """
        digits = np.array([[int(digit) for digit in row] for row in self.rows])
        values = np.array(self.levels)[digits]
        if grid.is_periodic:
            return _smooth(torch.from_numpy(values), grid)[None]
        places = [(np.arange(size) * 2 + 1) * len(digits) // (2 * size) for size in grid.shape]
        return torch.from_numpy(values[np.ix_(*places)])[None]


def _smooth(painted: Float[Tensor, "cell cell"], grid: Grid) -> Float[Tensor, "x y"]:
    """On the grid, what is painted around its points."""
    coarse = grid.at(painted.shape)
    # a wave of m periods fades by exp(-(2 pi m/cells)^2/2)
    fading = torch.zeros(())
    for k, axis in zip(wavenumbers(coarse), coarse.axes, strict=True):
        fading = fading + (k * axis.length / axis.size) ** 2
    smooth = inverse_fourier(fourier(painted, coarse) * torch.exp(-fading / 2), coarse)
    return spectral_resample(smooth, coarse, grid.shape)
