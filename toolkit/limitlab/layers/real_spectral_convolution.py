"""A spectral convolution in real numbers alone, for graphs of formats that have no complex ones.

    c = A u,  (c_r, c_i) -> (R_r c_r - R_i c_i, R_r c_i + R_i c_r),  v = B_r c_r - B_i c_i

A and B are the Fourier matrices of every axis, so that no FFT is needed and any size of the grid may stay open.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from limitlab.layers.spectral_convolution import SpectralConv


class RealSpectralConv(nn.Module):
    """The map of a `SpectralConv` as it is now, with real weights of its own.

    >>> conv, u = ll.operators.SpectralConv(2, 3, (6, 6)), torch.randn(1, 2, 16, 12)
    >>> real = ll.layers.real_spectral_convolution.RealSpectralConv(conv)
    >>> torch.allclose(real(u), conv(u), atol=1e-5)
    True
    """

    real: Tensor
    imaginary: Tensor
    bias: Tensor | None

    def __init__(self, conv: SpectralConv) -> None:
        super().__init__()
        self.used, self.separable = conv.used, conv.separable
        pairs = zip(conv.used, conv.wavenumbers, strict=True)
        block: tuple[Any, ...] = (..., *(slice(a - first, b - first + 1) for (a, b), (first, _) in pairs))
        weight = torch.view_as_real(conv.weight.detach().resolve_conj()[block]).clone()
        self.register_buffer("real", weight[..., 0].contiguous())
        self.register_buffer("imaginary", weight[..., 1].contiguous())
        self.register_buffer("bias", None if conv.bias is None else conv.bias.detach().clone())

    def forward(
        self,
        u: Float[Tensor, "batch in_channels *grid"],
        size: Sequence[int] | None = None,
        add_to: Float[Tensor, "batch out_channels *size"] | None = None,
    ) -> Float[Tensor, "batch out_channels *size"]:
        """(batch, out_channels, *size), plus `add_to` where given."""
        grid = u.shape[2:]
        size = grid if size is None else size
        real, imaginary = u, torch.zeros_like(u)
        for axis in reversed(range(len(grid))):
            cosine, sine = _waves(grid[axis], self.used[axis])
            weights = _analysed(self.used[axis], grid[axis], size[axis])
            real, imaginary = _along(weights * cosine, -weights * sine, real, imaginary, axis + 2)
        real, imaginary = self._mixed(real, imaginary)
        for axis in range(len(grid) - 1):
            cosine, sine = _waves(size[axis], self.used[axis])
            real, imaginary = _along(cosine.transpose(0, 1), sine.transpose(0, 1), real, imaginary, axis + 2)
        # of a real function the other half of the wavenumbers gives as much again
        twice = torch.where(torch.arange(self.used[-1][1] + 1) == 0, 1.0, 2.0)[:, None]
        cosine, sine = ((twice * part).to(u) for part in _waves(size[-1], self.used[-1]))
        v = real @ cosine - imaginary @ sine
        v = v if self.bias is None else v + self.bias.reshape(-1, *[1] * len(grid))
        return v if add_to is None else v + add_to

    def _mixed(self, real: Tensor, imaginary: Tensor) -> tuple[Tensor, Tensor]:
        """The weights times these coefficients, at every wavenumber."""
        a, b = self.real, self.imaginary
        if self.separable:
            return a * real - b * imaginary, a * imaginary + b * real
        a, b, x, y = (part.flatten(2) for part in (a, b, real, imaginary))
        product = "bik,iok->bok"
        first = torch.einsum(product, x, a) - torch.einsum(product, y, b)
        second = torch.einsum(product, y, a) + torch.einsum(product, x, b)
        kept = real.shape[2:]
        return first.unflatten(-1, kept), second.unflatten(-1, kept)


def _along(
    a: Float[Tensor, "new old"], b: Float[Tensor, "new old"], real: Tensor, imaginary: Tensor, axis: int
) -> tuple[Tensor, Tensor]:
    """The complex matrix a + ib applied along `axis`."""
    a, b = a.to(real).transpose(0, 1), b.to(real).transpose(0, 1)
    x, y = real.transpose(axis, -1), imaginary.transpose(axis, -1)
    return (x @ a - y @ b).transpose(axis, -1), (x @ b + y @ a).transpose(axis, -1)


def _waves(n: int, wavenumbers: tuple[int, int]) -> tuple[Float[Tensor, "k n"], Float[Tensor, "k n"]]:
    """cos and sin of 2 pi k j / n, in float64."""
    k = torch.arange(wavenumbers[0], wavenumbers[1] + 1)
    # tensors, as a graph may not hold a remainder by a size that is left open
    points = torch.full((), n, dtype=torch.int64)
    # k j mod n in whole numbers: a cosine of large angles loses digits
    turns = (k[:, None] * torch.arange(n)).remainder(points).double() / points.double()
    # the cosine too as a sine, which every runtime has in double precision
    return torch.sin(2 * math.pi * (turns + 0.25)), torch.sin(2 * math.pi * turns)


def _analysed(wavenumbers: tuple[int, int], n: int, size: int) -> Float[Tensor, "k 1"]:
    """What a coefficient of n points counts: 1 / n, half of it at |k| = n / 2, and nothing where it does not exist.

    Nothing is left out, which would make the sizes of the graph depend on those of the grid.
    """
    k = 2 * torch.arange(wavenumbers[0], wavenumbers[1] + 1).abs()
    share = torch.where(k == n, 0.5, 1.0) * torch.where(k <= n, 1.0, 0.0) * torch.where(k <= size, 1.0, 0.0)
    return share.double()[:, None] / n
