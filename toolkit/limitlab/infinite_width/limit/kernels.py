"""Kernels of infinitely wide networks: the covariance at initialisation (NNGP) and the tangent kernel (NTK).

With a layer's values Gaussian of covariance S(x, x'), and T the tangent kernel up to it,

    Dense        S <- s_w^2 S + s_b^2,              T <- S_new + s_w^2 T
    activation   S <- E[s(u) s(v)],                 T <- T E[s'(u) s'(v)],      (u, v) ~ N(0, S at (x, x'))
    Conv         Dense, with S and T averaged over the taps of the kernel at both points of the grid
    LayerNorm    S, T <- S, T / (sd(x) sd(x')),     sd^2 = S(x, x) + epsilon
    Sum          the sums of S and T over branches; Flatten, GlobalPool: means over equal or over all pairs of points

from S = x . x'/d and T = 0. The variances S(x, x) of both arguments are carried beside the matrix: every entry needs
them. On a grid S has an entry for every pair of points where GlobalPool follows, else for equal points only. All of it
is in float64, in blocks, and differentiable.

Source: Jacot, Gabriel, Hongler, arXiv 1806.07572; Arora et al., arXiv 1904.11955 (convolutions).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import singledispatch
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from limitlab.cards import Card, Shown
from limitlab.errors import InvalidArgument, check_number, unknown_name
from limitlab.infinite_width.limit.activations import Activation
from limitlab.infinite_width.limit.architecture import (
    Chain,
    Conv,
    Dense,
    Flatten,
    GlobalPool,
    Layer,
    LayerNorm,
    Sum,
    every_layer,
)
from limitlab.memory import require_memory

# live tensors of one block's size in the middle of a layer: 8 for erf, 16 for gelu, 16.3 with convolutions, measured
_TEMPORARIES = 17


@dataclass(frozen=True)
class Kernels(Shown):
    """NNGP covariance and tangent kernel of one output, float64; the kernel of O outputs is ntk times the identity.

    >>> both = ll.infinite_width.kernels(ll.infinite_width.mlp(2, "relu", 2.0), torch.rand(5, 3))
    >>> bool((both.ntk >= both.nngp - 1e-12).all())
    True
    """

    nngp: Float[Tensor, "n m"]
    ntk: Float[Tensor, "n m"]

    def card(self) -> Card:
        """Numbers of points, and the ranges of both."""
        both = (("nngp", self.nngp), ("ntk", self.ntk))
        spans = tuple((name, f"{float(k.min()):.4g} to {float(k.max()):.4g}") for name, k in both)
        return Card("Kernels of {} x {} points".format(*self.nngp.shape), spans)


def kernels(
    architecture: Chain,
    x1: Float[Tensor, "n *features"],
    x2: Float[Tensor, "m *features"] | None = None,
    *,
    block: int | None = None,
    memory_limit: int | None = None,
) -> Kernels:
    """Both kernels between the points x1 and x2, or among the points x1: then symmetric, with exact diagonals.

    x: (points, features), or (points, channels, *grid) for a chain with Conv, Flatten or GlobalPool. block: rows and
    columns computed at once, fewer on a grid; by default 256 on a CPU, where they stay in its cache (2 to 3 times
    faster than 1024), and 4096 elsewhere. Computed on the device of x1.
    Raises InvalidArgument for a wrong shape, values that are not finite, or more memory than is free (`memory_limit`
    bytes, where given), which is estimated first.

    >>> x = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> ll.infinite_width.kernels(ll.infinite_width.mlp(0), x).ntk  # of a linear map: the inner products over 2
    tensor([[0.5000, 0.0000],
            [0.0000, 0.5000]], dtype=torch.float64)
    """
    same = x2 is None
    first, second = _points("x1", x1), _points("x1" if x2 is None else "x2", x1 if x2 is None else x2)
    if first.shape[1:] != second.shape[1:]:
        raise InvalidArgument(f"x1 {tuple(x1.shape)} and x2 {tuple(second.shape)} must have points of one shape")
    usual = 256 if first.device.type == "cpu" else 4096
    most = int(check_number("block", usual if block is None else block, low=1, integer=True))
    size = _block_size(architecture, first, second, most, memory_limit)
    nngp, ntk = (first.new_empty(len(first), len(second)) for _ in range(2))
    for i in range(0, len(first), size):
        rows = slice(i, i + size)
        for j in range(i if same else 0, len(second), size):
            columns = slice(j, j + size)
            part = _kernels(architecture, first[rows], second[columns], same=same and i == j)
            nngp[rows, columns], ntk[rows, columns] = part.nngp, part.ntk
            if same and i != j:
                nngp[columns, rows], ntk[columns, rows] = part.nngp.T, part.ntk.T
    # the sum of one kernel is one look; the tangent kernel holds the covariance as a summand
    if not bool(torch.isfinite(ntk.sum())):
        raise InvalidArgument("the kernel overflows float64: the variances of its layers grow too fast for its depth")
    return Kernels(nngp, ntk)


def kernel_function(architecture: Chain, kind: Literal["nngp", "ntk"] = "ntk") -> Callable[[Tensor, Tensor], Tensor]:
    """k(x, x') of two single points (features,) as a scalar that torch.func can differentiate in both.

    Raises InvalidArgument where an activation has kinks: the derivatives at x = x' do not exist.

    >>> kernel = ll.infinite_width.kernel_function(ll.infinite_width.mlp(1, "erf"))
    >>> slope = torch.func.grad(kernel)(torch.tensor([1.0, 0.0]).double(), torch.tensor([0.0, 1.0]).double())
    """
    if kind not in ("nngp", "ntk"):
        raise unknown_name("kind of kernel", kind, ("nngp", "ntk"))
    if not architecture.smooth:
        layers = every_layer(architecture)
        kinked = next(layer for layer in layers if isinstance(layer, Activation) and not layer.smooth)
        raise InvalidArgument(f"the kernel of {kinked.name} has no second derivatives; take erf, tanh, gelu or sin")
    return lambda x1, x2: getattr(_kernels(architecture, x1[None], x2[None], same=False), kind)[0, 0]


@dataclass(frozen=True)
class _State:
    """Kernels after some layers; `cells` stands for nothing, for *grid, or for *grid *grid where pairs are carried.

    first and second are S of every point with itself. same: both arguments are the same points, so the entries of a
    point with itself are known exactly.
    """

    nngp: Float[Tensor, "n m *cells"]
    ntk: Float[Tensor, "n m *cells"]
    first: Float[Tensor, "n *cells"]
    second: Float[Tensor, "m *cells"]
    grid: tuple[int, ...]
    pairs: bool
    same: bool


def _kernels(architecture: Chain, x1: Tensor, x2: Tensor, same: bool) -> Kernels:
    state = _initial(x1, x2, _needs_pairs(architecture), same)
    state = _through(architecture, state)
    if state.grid:
        raise InvalidArgument("the chain leaves the grid as it is: end it with Flatten or GlobalPool, and Dense")
    if same:
        # products in another order leave the two halves a last bit apart
        return Kernels((state.nngp + state.nngp.T) / 2, (state.ntk + state.ntk.T) / 2)
    return Kernels(state.nngp, state.ntk)


def _initial(x1: Tensor, x2: Tensor, pairs: bool, same: bool) -> _State:
    channels, grid = x1.shape[1], tuple(x1.shape[2:])
    a, b = x1.flatten(2) if grid else x1[..., None], x2.flatten(2) if grid else x2[..., None]
    pairs = pairs and bool(grid)
    cells = "pq" if pairs else "p"
    other = "q" if pairs else "p"
    shape = (*grid, *grid) if pairs else grid
    nngp = torch.einsum(f"ncp,mc{other}->nm{cells}", a, b).reshape(len(x1), len(x2), *shape) / channels
    first, second = (torch.einsum(f"ncp,nc{other}->n{cells}", x, x).reshape(len(x), *shape) / channels for x in (a, b))
    return _exact(_State(nngp, torch.zeros_like(nngp), first, second, grid, pairs, same))


def _through(layers: Iterable[Layer], state: _State) -> _State:
    for layer in layers:
        state = _exact(propagate(layer, state))
    return state


def _exact(state: _State) -> _State:
    """Entries of a point with itself set to the variance, which arccos near 1 would spoil in half of the digits."""
    if not state.same:
        return state
    return replace(state, nngp=torch.diagonal_scatter(state.nngp, state.first.movedim(0, -1), dim1=0, dim2=1))


@singledispatch
def propagate(layer: Layer, state: _State) -> _State:
    """The kernels after one layer."""
    raise InvalidArgument(f"no kernel is known for the layer {type(layer).__name__}")


@propagate.register
def _(layer: Dense, state: _State) -> _State:
    if state.grid:
        raise InvalidArgument("Dense on a grid needs Flatten or GlobalPool before it")
    return _affine(layer, state)


@propagate.register
def _(layer: Conv, state: _State) -> _State:
    if not state.grid:
        raise InvalidArgument("Conv needs points of shape (channels, *grid)")
    return _affine(layer, _over_cells(state, lambda s: _average(s, layer, state), state.grid, state.pairs))


@propagate.register
def _(layer: Activation, state: _State) -> _State:
    v1, v2 = (_variances(self_kernel, state) for self_kernel in (state.first, state.second))
    k1, k2 = v1.unsqueeze(1), v2.unsqueeze(0)
    if state.pairs:
        k1, k2 = k1.unsqueeze(-1), k2.unsqueeze(-2)
    shape = state.nngp.shape
    product, slopes = layer.moments(k1, k2, state.nngp.reshape(torch.broadcast_shapes(k1.shape, k2.shape)))
    first, second = (_self_moments(layer, s, v, state) for s, v in ((state.first, v1), (state.second, v2)))
    return replace(
        state, nngp=product.reshape(shape), ntk=state.ntk * slopes.reshape(shape), first=first, second=second
    )


@propagate.register
def _(layer: LayerNorm, state: _State) -> _State:
    d1, d2 = ((_variances(s, state) + layer.epsilon).rsqrt() for s in (state.first, state.second))

    def scaled(kernel: Tensor, left: Tensor, right: Tensor) -> Tensor:
        factor = left.unsqueeze(-1) * right.unsqueeze(-2) if state.pairs else left * right
        return kernel * factor.reshape(kernel.shape)

    between = d1.unsqueeze(1), d2.unsqueeze(0)
    return replace(
        state,
        nngp=scaled(state.nngp, *between),
        ntk=scaled(state.ntk, *between),
        first=scaled(state.first, d1, d1),
        second=scaled(state.second, d2, d2),
    )


@propagate.register
def _(layer: Flatten, state: _State) -> _State:
    return _over_cells(state, lambda s: _self_diagonal(s, state).mean(-1), (), False) if state.grid else state


@propagate.register
def _(layer: GlobalPool, state: _State) -> _State:
    axes = tuple(range(-len(state.grid) * (1 + state.pairs), 0))
    return _over_cells(state, lambda s: s.mean(axes), (), False) if state.grid else state


@propagate.register
def _(layer: Sum, state: _State) -> _State:
    ends = [_through(branch, state) for branch in layer.branches]
    nngp, ntk, first, second = (
        torch.stack([getattr(end, name) for end in ends]).sum(0) for name in ("nngp", "ntk", "first", "second")
    )
    return replace(ends[0], nngp=nngp, ntk=ntk, first=first, second=second)


def _affine(layer: Dense | Conv, state: _State) -> _State:
    def covariance(kernel: Tensor) -> Tensor:
        return layer.weight_variance * kernel + layer.bias_variance

    nngp = covariance(state.nngp)
    ntk = torch.add(nngp, state.ntk, alpha=layer.weight_variance)
    return replace(state, nngp=nngp, ntk=ntk, first=covariance(state.first), second=covariance(state.second))


def _over_cells(state: _State, change: Callable[[Tensor], Tensor], grid: tuple[int, ...], pairs: bool) -> _State:
    return replace(
        state,
        nngp=change(state.nngp),
        ntk=change(state.ntk),
        first=change(state.first),
        second=change(state.second),
        grid=grid,
        pairs=pairs,
    )


def _average(kernel: Tensor, layer: Conv, state: _State) -> Tensor:
    """Mean over the taps, at both points of the grid together: one axis of the grid (or pair of axes) after another."""
    dimension, reach = len(state.grid), layer.size // 2
    for axis in range(dimension):
        axes = [axis - dimension] + [axis - 2 * dimension] * state.pairs
        total = kernel
        for shift in range(1, reach + 1):
            total = total + _shifted(kernel, axes, shift, layer.padding) + _shifted(kernel, axes, -shift, layer.padding)
        kernel = total / layer.size
    return kernel


def _shifted(kernel: Tensor, axes: list[int], shift: int, padding: str) -> Tensor:
    for axis in axes:
        if padding == "periodic":
            kernel = kernel.roll(-shift, axis)
        else:
            size = kernel.shape[axis]
            length = max(0, size - abs(shift))
            inside = kernel.narrow(axis, max(0, shift) if length else 0, length)
            pad = [0, 0] * (-axis - 1) + [max(0, -shift), max(0, shift)]
            kernel = functional.pad(inside, pad).narrow(axis, 0, size)
    return kernel


def _self_diagonal(kernel: Tensor, state: _State) -> Float[Tensor, "*batch points"]:
    """Entries at equal points of the grid, the grid flattened."""
    points = math.prod(state.grid)
    lead = kernel.shape[: kernel.dim() - len(state.grid) * (1 + state.pairs)]
    if state.pairs:
        return kernel.reshape(*lead, points, points).diagonal(dim1=-2, dim2=-1)
    return kernel.reshape(*lead, points)


def _variances(self_kernel: Tensor, state: _State) -> Float[Tensor, "n points"]:
    return _self_diagonal(self_kernel, state)


def _self_moments(layer: Activation, self_kernel: Tensor, variance: Tensor, state: _State) -> Tensor:
    exact = layer.moments(variance, variance, variance)[0]
    if not state.pairs:
        return exact.reshape(self_kernel.shape)
    points = variance.shape[-1]
    matrix = self_kernel.reshape(-1, points, points)
    moments = layer.moments(variance.unsqueeze(-1), variance.unsqueeze(-2), matrix)[0]
    return torch.diagonal_scatter(moments, exact, dim1=-2, dim2=-1).reshape(self_kernel.shape)


def _needs_pairs(architecture: Chain) -> bool:
    return any(isinstance(layer, GlobalPool) for layer in every_layer(architecture))


def _points(name: str, x: Tensor) -> Tensor:
    if not isinstance(x, Tensor) or not 2 <= x.dim() <= 4 or not x.is_floating_point():
        got = f"{x.dtype} {tuple(x.shape)}" if isinstance(x, Tensor) else type(x).__name__
        raise InvalidArgument(
            f"{name} must be a real tensor (points, features) or (points, channels, *grid), got {got}"
        )
    if x.numel() == 0:
        raise InvalidArgument(f"{name} has no points or no features: shape {tuple(x.shape)}")
    if not bool(torch.isfinite(x).all()):
        raise InvalidArgument(f"{name} must be finite")
    return x.double()


def _block_size(architecture: Chain, x1: Tensor, x2: Tensor, block: int, limit: int | None) -> int:
    """Points to a block, such that a block with its grid holds no more than block^2 entries."""
    cells = math.prod(x1.shape[2:]) ** (2 if _needs_pairs(architecture) else 1)
    size = max(1, math.isqrt(block**2 // cells))
    rows, columns = min(size, len(x1)), min(size, len(x2))
    needed = 8 * (2 * len(x1) * len(x2) + _TEMPORARIES * rows * columns * cells)
    require_memory(needed, f"a kernel between {len(x1)} and {len(x2)} points", x1.device, limit)
    return size
