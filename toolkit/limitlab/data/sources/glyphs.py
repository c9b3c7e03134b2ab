"""Generated handwriting for few-shot learning: classes of glyphs, each drawn many times, under strong clutter.

A class is three strokes, quadratic Bezier curves with control points uniform in [0.15, 0.85]^2. A drawing of it moves
the control points by N(0, 0.03^2), turns the glyph about the middle by N(0, 0.18^2) and shifts it by U(-0.05, 0.05);
a pixel at distance r of the nearest of 16 points a stroke is exp(-r^2/(2 0.05^2)). Then comes

    clutter sum_k N(0, 1) p_k,    p_k fixed random unit patterns, the same for all classes,

the mean over the training drawings is subtracted, and all is halved. The clutter has most of the variance and tells
nothing about a class: who learns features learns to ignore it, and a kernel cannot. A stand-in for Omniglot (Lake,
Salakhutdinov, Tenenbaum, Science 350, 2015), which has to be downloaded.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.errors import check_number

STROKES = 3
POINTS = 16
PEN = 0.05
DRAWN_AT_ONCE = 200


@dataclass(frozen=True)
class Glyphs:
    """Drawings of the classes to train on and of other classes to test on, ready for a network, float32.

    clean_train: the training drawings before clutter and centring, to look at; patterns: the clutter's p_k.

    >>> drawn = ll.infinite_width.glyphs(3, 2, drawings=4, size=8)
    >>> drawn.images(drawn.train).shape
    torch.Size([3, 4, 8, 8])
    """

    train: Float[Tensor, "class drawing pixel"]
    test: Float[Tensor, "class drawing pixel"]
    clean_train: Float[Tensor, "class drawing pixel"]
    patterns: Float[Tensor, "pattern pixel"]
    size: int

    def images(self, rows: Float[Tensor, "*batch pixel"]) -> Float[Tensor, "*batch y x"]:
        """Rows of pixels as images; the first index is y, upwards."""
        return rows.unflatten(-1, (self.size, self.size))


def glyphs(
    train_classes: int = 300,
    test_classes: int = 100,
    *,
    drawings: int = 20,
    size: int = 14,
    clutter: float = 2.5,
    patterns: int = 15,
    seed: int = 0,
) -> Glyphs:
    """Draw a set of glyphs of size x size pixels; a pure function of its arguments. Raises InvalidArgument.

    clutter: the standard deviation along each of the `patterns` directions; 0 for none.

    >>> ll.infinite_width.glyphs(3, 2, drawings=4, size=8).test.shape
    torch.Size([2, 4, 64])
    """
    counts = {"train_classes": train_classes, "test_classes": test_classes, "drawings": drawings}
    train_classes, test_classes, drawings, size, patterns = (
        int(check_number(name, count, low=1, integer=True))
        for name, count in {**counts, "size": size, "patterns": patterns}.items()
    )
    clutter = check_number("clutter", clutter, low=0)
    generator = torch.Generator().manual_seed(int(check_number("seed", seed, low=0, integer=True)))
    classes = train_classes + test_classes
    strokes = 0.15 + 0.7 * torch.rand(classes, 1, STROKES, 3, 2, generator=generator)
    moved = _moved(strokes.expand(-1, drawings, -1, -1, -1), generator)
    clean = _rendered(moved.flatten(0, 1), size).unflatten(0, (classes, drawings))

    directions = torch.nn.functional.normalize(torch.randn(patterns, size * size, generator=generator), dim=1)
    amplitudes = clutter * torch.randn(classes, drawings, patterns, generator=generator)
    cluttered = clean + amplitudes @ directions
    # the mean of the training drawings alone: test drawings must not leak into it
    centred = 0.5 * (cluttered - cluttered[:train_classes].mean((0, 1)))
    return Glyphs(centred[:train_classes], centred[train_classes:], clean[:train_classes], directions, size)


def _moved(
    strokes: Float[Tensor, "class drawing stroke 3 2"], generator: torch.Generator
) -> Float[Tensor, "class drawing stroke 3 2"]:
    """Every drawing with a hand of its own: control points moved, the whole turned and shifted."""
    lead = strokes.shape[:2]
    moved = strokes + 0.03 * torch.randn(strokes.shape, generator=generator)
    angle = 0.18 * torch.randn(lead, generator=generator)
    turn = torch.stack(
        [torch.stack([angle.cos(), -angle.sin()], -1), torch.stack([angle.sin(), angle.cos()], -1)], dim=-2
    )
    shift = 0.1 * torch.rand(*lead, 1, 1, 2, generator=generator) - 0.05
    return torch.einsum("cdxy,cdspy->cdspx", turn, moved - 0.5) + 0.5 + shift


def _rendered(strokes: Float[Tensor, "drawing stroke 3 2"], size: int) -> Float[Tensor, "drawing pixel"]:
    t = torch.linspace(0, 1, POINTS)
    bernstein = torch.stack([(1 - t) ** 2, 2 * t * (1 - t), t**2])
    points = torch.einsum("pt,dspx->dstx", bernstein, strokes).flatten(1, 2)
    middles = (torch.arange(size) + 0.5) / size
    # flipped: points are (x, y), the rows of an image are y
    pixels = torch.stack(torch.meshgrid(middles, middles, indexing="ij"), -1).flip(-1).flatten(0, 1)
    # in parts: the distances of all drawings at once would take hundreds of megabytes
    nearest = [torch.cdist(pixels, part).amin(-1) for part in points.split(DRAWN_AT_ONCE)]
    return torch.exp(-(torch.cat(nearest) ** 2) / (2 * PEN**2))
