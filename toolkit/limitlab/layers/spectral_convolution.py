"""Spectral convolution: multiply the kept Fourier coefficients of a function by learned matrices.

    (K v)(x) = Re sum_k w(k) R(k) c(k) exp(2 pi i k . x),   c = Fourier coefficients of v,   k in the kept set,

on grids x = i/n. Kept set for m = (m_1, .., m_d): k_j in {-floor(m_j/2), .., ceil(m_j/2)-1} for j < d and k_d in
{0, .., floor(m_d/2)}; w = 1 at k_d = 0 and 2 elsewhere (the conjugate half that a real function implies).

The layer acts on functions, so nothing depends on the resolution:
- Coefficients carry 1/N ("forward" normalisation). The input is read as its trigonometric interpolant: the coefficient
  at the Nyquist wavenumber of an even grid belongs half to +n/2 and half to -n/2.
- A wavenumber |k_j| > n_j/2 does not exist on the grid and is left out; the others are used unchanged.
- The mode -m_j/2 (m_j even) has no partner at k_d = 0. It acts alone and the real part is taken, so a real wave at that
  wavenumber keeps half of its amplitude: the same loss at every resolution.

Only few modes are kept, so the transform is a product with a small matrix, one axis at a time; where that costs more
than an FFT (`_fft_is_cheaper`, measured) the FFT computes the same numbers.
Source: Li et al., arXiv 2010.08895; one centred weight block: Kossaifi et al., arXiv 2310.00120.
"""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Sequence

import torch
from jaxtyping import Complex, Float
from torch import Tensor, nn
from torch.nn import functional

from limitlab.errors import InvalidArgument, check_number, check_numbers
from limitlab.layers.factorized import FactorizedWeight
from limitlab.layers.wavenumbers import Wavenumbers, centred, check_modes, existing_wavenumbers, weight_shape
from limitlab.saved import Saved


class SpectralConv(Saved):
    """Spectral convolution in 1, 2 or 3 dimensions.

    u: (batch, in_channels, *grid) -> (batch, out_channels, *grid), or (batch, out_channels, *size) with `size` given.
    `modes`: full counts, one per axis; the last axis stores modes // 2 + 1. `separable`: one factor per channel and
    mode, no mixing of channels (in_channels == out_channels). `weight_parts` holds real and imaginary parts as a real
    tensor (in, out, *kept, 2), so that `.double()`, `.to(dtype)`, optimisers and safetensors treat it as what it is;
    `weight` is its complex view. Initial weights: complex normal with standard deviation sqrt(2 / (in + out)), the bias
    alike. `factors`: what holds the weight instead, as factors of a tensor. `use(modes)` leaves the outer modes out.
    Raises InvalidArgument. Source: arXiv 2310.00120, section 3; defaults of neuraloperator 2.0.0.

    >>> ll.operators.SpectralConv(1, 2, modes=(8,))(torch.zeros(3, 1, 32)).shape
    torch.Size([3, 2, 32])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        modes: Sequence[int],
        *,
        bias: bool = True,
        separable: bool = False,
        factors: FactorizedWeight | None = None,
    ) -> None:
        super().__init__()
        in_channels = int(check_number("in_channels", in_channels, low=1, integer=True))
        out_channels = int(check_number("out_channels", out_channels, low=1, integer=True))
        self.modes = check_modes(modes)
        if separable and in_channels != out_channels:
            raise InvalidArgument(
                f"separable needs in_channels == out_channels; got {in_channels=} and {out_channels=}"
            )
        self.in_channels, self.out_channels, self.separable = in_channels, out_channels, separable
        self.wavenumbers = self.used = centred(self.modes)
        std = math.sqrt(2 / (in_channels + out_channels))
        shape = weight_shape(in_channels, out_channels, self.modes, separable)
        if factors is not None and factors.shape != shape:
            raise InvalidArgument(f"factors must be those of a tensor {shape}; got {factors.shape}")
        self.factors = factors
        # a complex normal of deviation std has parts of std / sqrt(2)
        scale = std / math.sqrt(2)
        self.weight_parts = None if factors is not None else nn.Parameter(torch.randn(*shape, 2) * scale)
        self.bias = nn.Parameter(torch.randn(out_channels) * std) if bias else None

    @property
    def weight(self) -> Complex[Tensor, "..."]:
        """R(k): complex (in_channels, out_channels, *kept), or (channels, *kept) when separable; a view if dense."""
        if self.factors is not None:
            return self.factors.dense()
        assert self.weight_parts is not None
        return torch.view_as_complex(self.weight_parts)

    def use(self, modes: Sequence[int]) -> None:
        """Use the block of so many modes in the centre of the weight, at most all of them; raises InvalidArgument."""
        counts = check_modes(modes)
        if len(counts) != len(self.modes) or any(m > most for m, most in zip(counts, self.modes, strict=True)):
            raise InvalidArgument(f"modes in use must be at most {self.modes}; got {counts}")
        self.used = centred(counts)

    def forward(
        self,
        u: Float[Tensor, "batch in_channels *grid"],
        size: Sequence[int] | None = None,
        add_to: Float[Tensor, "batch out_channels *size"] | None = None,
    ) -> Float[Tensor, "batch out_channels *size"]:
        """(batch, out_channels, *size), plus `add_to` where given (summed inside the last matrix product)."""
        check_field("u", u, self.in_channels, len(self.modes))
        dtype = next(self.parameters()).dtype
        if dtype not in (torch.float32, torch.float64):
            raise InvalidArgument(
                f"weights must be of float32 or float64, as {dtype} has no complex numbers: keep them in float32, and "
                "use torch.autocast for half precision"
            )
        size = tuple(u.shape[2:]) if size is None else check_size(size, len(self.modes))
        with _full_precision(u):
            u = u.to(dtype)
            wavenumbers = existing_wavenumbers(self.used, u.shape[2:], size)
            coefficients = self.contract(analyse(u, wavenumbers), wavenumbers)
            return synthesise(coefficients, wavenumbers, size, bias=self.bias, add_to=add_to)

    def contract(
        self, coefficients: Complex[Tensor, "batch in_channels *kept"], wavenumbers: Wavenumbers
    ) -> Complex[Tensor, "batch out_channels *kept"]:
        """R(k) c(k) on the block of `wavenumbers`."""
        block = [
            slice(a - first, b - first + 1) for (a, b), (first, _) in zip(wavenumbers, self.wavenumbers, strict=True)
        ]
        if self.factors is not None:
            return self.factors.mix(coefficients, block)
        weight = self.weight[(slice(None),) * (1 if self.separable else 2) + tuple(block)]
        if self.separable:
            return coefficients * weight
        kept = coefficients.shape[2:]
        mixed = torch.einsum("bik,iok->bok", coefficients.flatten(2), weight.flatten(2))
        return mixed.unflatten(-1, kept)

    def extra_repr(self) -> str:
        return f"{self.in_channels}, {self.out_channels}, modes={self.modes}, separable={self.separable}"


def check_size(size: Sequence[int], dimension: int) -> tuple[int, ...]:
    """`size` as a tuple of `dimension` positive whole numbers; raises InvalidArgument."""
    # sizes that come from a shape, symbols where the grid is left open in torch.export
    counted = isinstance(size, tuple) and all(type(n) in (int, torch.SymInt) and n >= 1 for n in size)
    if counted and len(size) == dimension:
        return tuple(size)
    return tuple(map(int, check_numbers("size", size, dimension, low=1, integer=True)))


def check_field(argument: str, u: Tensor, channels: int, dimension: int) -> None:
    """Raises InvalidArgument unless u is a real floating-point (batch, channels, *grid) with `dimension` grid axes."""
    if not isinstance(u, Tensor) or not u.is_floating_point():
        got = u.dtype if isinstance(u, Tensor) else type(u).__name__
        raise InvalidArgument(f"{argument} must be a real floating-point tensor; got {got}")
    if u.ndim != dimension + 2 or u.shape[1] != channels:
        axes = ", ".join(("batch", f"channel={channels}", "x", "y", "z")[: dimension + 2])
        raise InvalidArgument(f"{argument} must have shape ({axes}); got {tuple(u.shape)}")


def analyse(
    u: Float[Tensor, "batch channel *grid"], wavenumbers: Wavenumbers
) -> Complex[Tensor, "batch channel *kept"]:
    """Fourier coefficients of the trigonometric interpolant of u at `wavenumbers` (each |k_j| <= n_j / 2)."""
    grid = u.shape[2:]
    if _fft_is_cheaper(grid, wavenumbers):
        return _analyse_by_fft(u, wavenumbers)
    last = grid[-1]
    kept = wavenumbers[-1][1] + 1
    parts = u.reshape(-1, last) @ _basis(u, "analyse last", last, wavenumbers[-1])
    coefficients = torch.view_as_complex(parts[:, : 2 * kept].unflatten(-1, (kept, 2)).contiguous())
    coefficients = coefficients.view(*u.shape[:-1], kept)
    for axis in range(len(grid) - 2, -1, -1):
        matrix = _basis(u, "analyse", grid[axis], wavenumbers[axis])
        coefficients = _apply_along(matrix, coefficients, axis + 2)
    return coefficients


def synthesise(
    coefficients: Complex[Tensor, "batch channel *kept"],
    wavenumbers: Wavenumbers,
    size: Sequence[int],
    *,
    bias: Float[Tensor, "channel"] | None = None,
    add_to: Float[Tensor, "batch channel *size"] | None = None,
) -> Float[Tensor, "batch channel *size"]:
    """Samples on a grid of `size` points of Re sum_k w(k) c(k) exp(2 pi i k . x) + bias, plus `add_to` where given.

    The bias enters as the coefficient at k = 0, which costs no pass over the grid.
    """
    if bias is not None:
        constant = (*(-first for first, _ in wavenumbers[:-1]), 0)
        at_zero = coefficients.new_zeros(coefficients.shape[2:])
        at_zero[constant] = 1
        coefficients = coefficients + bias.reshape(-1, *[1] * len(size)) * at_zero
    if _fft_is_cheaper(size, wavenumbers):
        result = _synthesise_by_fft(coefficients, wavenumbers, size)
        return result if add_to is None else result + add_to
    reference = coefficients.real
    for axis in range(len(size) - 1):
        coefficients = _apply_along(
            _basis(reference, "synthesise", size[axis], wavenumbers[axis]), coefficients, axis + 2
        )
    parts = torch.view_as_real(coefficients).flatten(-2).flatten(0, -2)
    parts = functional.pad(parts, (0, _padding(coefficients.shape[-1])))
    matrix = _basis(reference, "synthesise last", size[-1], wavenumbers[-1])
    shape = (*coefficients.shape[:-1], size[-1])
    if add_to is None:
        return (parts @ matrix).view(shape)
    return torch.addmm(add_to.reshape(-1, size[-1]).to(parts.dtype), parts, matrix).view(shape)


def resample(u: Float[Tensor, "batch channel *grid"], size: Sequence[int]) -> Float[Tensor, "batch channel *size"]:
    """The trigonometric interpolant of u sampled at `size` points, without the wavenumbers that the new grid lacks."""
    if tuple(u.shape[2:]) == tuple(size):
        return u
    every = (*((-n, n) for n in u.shape[2:-1]), (0, u.shape[-1]))
    wavenumbers = existing_wavenumbers(every, u.shape[2:], size)
    with _full_precision(u):
        exact = u if u.dtype == torch.float64 else u.float()
        return synthesise(analyse(exact, wavenumbers), wavenumbers, size)


def _full_precision(u: Tensor) -> contextlib.AbstractContextManager[object]:
    """No autocast on u's device: half precision would spoil the coefficients, and has no complex numbers."""
    kind = u.device.type
    if torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind):
        return torch.autocast(kind, enabled=False)
    return contextlib.nullcontext()


def _apply_along(
    matrix: Float[Tensor, "twice_new old"], coefficients: Complex[Tensor, "..."], axis: int
) -> Complex[Tensor, "..."]:
    """The complex matrix A + iB, given as the rows of A above those of B, applied along `axis`.

    As one real batched product: a complex one is a loop over the batch on CPU (measured 2 to 3 times slower with its
    gradient).
    """
    before, after = coefficients.shape[:axis], coefficients.shape[axis + 1 :]
    stacked = torch.view_as_real(coefficients).reshape(math.prod(before), matrix.shape[1], 2 * math.prod(after))
    # shapes, as len() would tie an exported program to the sizes that it saw
    products = torch.bmm(matrix.expand(stacked.shape[0], -1, -1), stacked)
    parts = products.view(*before, 2, matrix.shape[0] // 2, *after, 2)
    real, imaginary = torch.view_as_complex(parts).unbind(axis)
    return torch.add(real, imaginary, alpha=1j)


def _basis(like: Tensor, kind: str, n: int, wavenumbers: tuple[int, int]) -> Tensor:
    """The matrix of one axis in the dtype and on the device of `like`; kept only for ordinary tensors.

    Tracing, fake tensors and functional transforms get a matrix of their own: one that outlived them would be stale.
    """
    if (
        type(like) is not Tensor
        or torch.compiler.is_compiling()
        or torch._C._functorch.peek_interpreter_stack() is not None
    ):
        return _build_basis(kind, n, wavenumbers, like.dtype, like.device)
    return _cached_basis(kind, n, wavenumbers, like.dtype, like.device)


@functools.lru_cache(maxsize=256)
def _cached_basis(kind: str, n: int, wavenumbers: tuple[int, int], dtype: torch.dtype, device: torch.device) -> Tensor:
    # a matrix made in inference mode could never be used in training
    with torch.inference_mode(False), torch.no_grad():
        return _build_basis(kind, n, wavenumbers, dtype, device)


def _build_basis(kind: str, n: int, wavenumbers: tuple[int, int], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Fourier matrix of one axis, from exactly reduced angles in float64.

    "analyse": exp(-2 pi i k j/n) / n, halved at |k| = n/2, as (2 kept, n): the real rows above the imaginary ones;
    "synthesise": exp(2 pi i k j/n), as (2 n, kept).
    "analyse last": (n, 2 kept + padding), real and imaginary columns interleaved;
    "synthesise last": (2 kept + padding, n), its transpose layout, with w(k).
    """
    k = torch.arange(wavenumbers[0], wavenumbers[1] + 1, device="cpu")
    # k j mod n in whole numbers: a cosine of large angles loses digits
    angle = (k[:, None] * torch.arange(n, device="cpu")).remainder(n).to(torch.float64) * (2 * math.pi / n)
    cosine, sine = angle.cos(), angle.sin()
    if kind.startswith("analyse"):
        scale = torch.where(2 * k.abs() == n, 0.5, 1.0).to(torch.float64)[:, None] / n
        real, imaginary = scale * cosine, -scale * sine
    else:
        real, imaginary = cosine.transpose(0, 1), sine.transpose(0, 1)
    if kind == "analyse last":
        columns = torch.stack([real, imaginary], dim=1).flatten(0, 1).transpose(0, 1)
        matrix = functional.pad(columns, (0, _padding(len(k))))
    elif kind == "synthesise last":
        count = torch.where(k == 0, 1.0, 2.0).to(torch.float64)
        rows = torch.stack([real * count, -imaginary * count], dim=-1).flatten(1).transpose(0, 1)
        matrix = functional.pad(rows, (0, 0, 0, _padding(len(k))))
    else:
        matrix = torch.cat([real, imaginary])
    return matrix.to(device=device, dtype=dtype).contiguous()


def _padding(kept: int) -> int:
    """Zeros after the 2 * kept numbers of the last axis: a width of 16 multiplies 1.5 times faster than one of 14."""
    return -2 * kept % 16


def _fft_is_cheaper(grid: Sequence[int], wavenumbers: Wavenumbers) -> bool:
    """True where the FFT beats the matrix products, forward and backward: above 48 modes in some axis.

    Measured on CPU in float32 (milliseconds, matrices / FFT): 1024 points, 16 modes 1.8/3.9, 64 modes 3.4/3.3, 256
    modes 8.7/3.7; 128 x 128, 32 modes 26/42, 64 modes 50/38; 64^3, 16 modes 42/95, 32 modes 114/106.
    """
    counts = [*(last - first + 1 for first, last in wavenumbers[:-1]), 2 * wavenumbers[-1][1]]
    return max(counts) > 48 and max(grid) > 32


def _analyse_by_fft(u: Float[Tensor, "batch channel *grid"], wavenumbers: Wavenumbers) -> Complex[Tensor, "..."]:
    grid = u.shape[2:]
    coefficients = torch.fft.rfftn(u, dim=tuple(range(2, u.ndim)), norm="forward")
    for axis, (n, (first, last)) in enumerate(zip(grid, wavenumbers, strict=True)):
        k = torch.arange(first, last + 1, device=u.device)
        coefficients = coefficients.index_select(axis + 2, k % n)
        # parity last, or an exported program would keep that of the grid that it saw
        if (-first == n // 2 or last == n // 2) and n % 2 == 0:
            half = torch.where(2 * k.abs() == n, 0.5, 1.0).to(u.dtype)
            coefficients = coefficients * half.reshape(-1, *[1] * (len(grid) - 1 - axis))
    return coefficients


def _synthesise_by_fft(
    coefficients: Complex[Tensor, "batch channel *kept"], wavenumbers: Wavenumbers, size: Sequence[int]
) -> Float[Tensor, "batch channel *size"]:
    for axis, (n, (first, last)) in enumerate(zip(size[:-1], wavenumbers[:-1], strict=True)):
        shape = list(coefficients.shape)
        shape[axis + 2] = n
        k = torch.arange(first, last + 1, device=coefficients.device)
        # added, not written: on an even grid +n/2 and -n/2 are one column
        spectrum = coefficients.new_zeros(shape).index_add(axis + 2, k % n, coefficients)
        coefficients = torch.fft.ifft(spectrum, dim=axis + 2, norm="forward")
    n, kept = size[-1], coefficients.shape[-1]
    weight = coefficients.new_ones(kept).real
    if kept == n // 2 + 1 and kept > 1 and n % 2 == 0:
        # w = 2 is the layer's own, which irfft does not put on its last column
        weight = torch.cat([weight[:-1], 2 * weight[-1:]])
    # A real FFT counts every column but the first and the Nyquist one twice, and needs a real first column.
    first_column = torch.complex(coefficients[..., :1].real, torch.zeros_like(coefficients[..., :1].real))
    coefficients = torch.cat([first_column, coefficients[..., 1:] * weight[1:]], dim=-1)
    return torch.fft.irfft(coefficients, n=n, dim=-1, norm="forward")
