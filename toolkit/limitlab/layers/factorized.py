"""Complex tensors held as factors: CP, Tucker and tensor train, as the weights R(k) of a spectral convolution.

    CP             T[i, o, k..] = sum_q w[q] A[i, q] B[o, q] C_1[k_1, q] ..
    Tucker         T[i, o, k..] = sum G[a, p, q..] A[i, a] B[o, p] C_1[k_1, q_1] ..
    tensor train   T[i, o, k..] = A[i] B[o] C_1[k_1] ..,   each a matrix for its index, of fitting sizes

All three separate what the channels do from what the wavenumber does: T at one k is L S(k) R with S(k) small (Tucker),
diagonal (CP), or without an R (train). So y(k) = sum_i x_i(k) T[i, :, k] is taken in three products without ever
writing T down, or T is written down first, whichever is the fewer multiplications. A block of wavenumbers is a block of
rows of the factors. A joint tensor has the layers as its first axis; a layer's weight is its slice.
Source: Kossaifi et al., Multi-Grid Tensorized Fourier Neural Operator (2023), Section 3.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from jaxtyping import Complex
from torch import Tensor, nn

from limitlab.errors import InvalidArgument, check_number, check_numbers, one_of
from limitlab.layers import ranks as rules
from limitlab.layers.ranks import Rank, Shapes

Implementation = Literal["auto", "factorized", "reconstructed"]
Block = Sequence[slice]
"""The rows of every axis of wavenumbers that are asked for."""


class Factorized(nn.Module):
    """A complex tensor of this shape as factors: `ranks` and the achieved `fraction` of its numbers are at hand.

    rank: as `limitlab.layers.ranks` reads it. std: deviation of the tensor's entries at the start. The factors are
    complex, kept as pairs of reals, as a dense weight is. Raises InvalidArgument.
    """

    axis = 0
    """Which axis of a factor belongs to the tensor's axis."""

    def __init__(self, shape: Sequence[int], rank: Rank, std: float = 1.0) -> None:
        super().__init__()
        self.shape = tuple(map(int, check_numbers("shape", shape, low=1, integer=True)))
        if len(self.shape) < 2:
            raise InvalidArgument(f"shape must have two axes or more; got {self.shape}")
        std = check_number("std", std, low=0.0)
        self.ranks = self.ranks_for(self.shape, rank)
        shapes = self.shapes_for(self.shape, self.ranks)
        # a complex normal of deviation d has parts of d / sqrt(2)
        scale = self.deviation(std, len(shapes)) / math.sqrt(2)
        self.parts = nn.ParameterList(nn.Parameter(torch.randn(*each, 2) * scale) for each in shapes)
        self.initialise()

    @staticmethod
    def ranks_for(shape: Sequence[int], rank: Rank) -> tuple[int, ...]:
        """The ranks that `rank` means for a tensor of this shape."""
        raise NotImplementedError

    @staticmethod
    def shapes_for(shape: Sequence[int], ranks: Sequence[int]) -> Shapes:
        """Shapes of the factors: one for each axis, after what the format has besides."""
        raise NotImplementedError

    def initialise(self) -> None:
        """Put what starts elsewhere than at random."""

    def deviation(self, std: float, count: int) -> float:
        """That of `count` factors whose products, added over the ranks, have deviation std."""
        return (std / math.sqrt(math.prod(self.ranks))) ** (1 / count)

    @staticmethod
    def slice_of(factors: Sequence[Tensor], index: int) -> list[Tensor]:
        """The factors of the tensor's slice at an index of its first axis."""
        raise NotImplementedError

    @staticmethod
    def assemble(factors: Sequence[Tensor]) -> Tensor:
        """The dense tensor of the factors."""
        raise NotImplementedError

    @staticmethod
    def separate(factors: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor | None]:
        """Of (in, out, *k): left (in, a), the core (a, p, *k) or its diagonal (a, *k), right (out, p) or None."""
        raise NotImplementedError

    @property
    def fraction(self) -> float:
        """The part of the dense tensor's numbers that the factors hold."""
        return rules.held(self.shapes_for(self.shape, self.ranks)) / math.prod(self.shape)

    def factors(self, block: Block | None = None) -> list[Tensor]:
        """The complex factors, with the rows of `block` alone along the last axes of the tensor."""
        complete = [torch.view_as_complex(part) for part in self.parts]
        for factor, rows in zip(range(len(complete) - len(block or ()), len(complete)), block or (), strict=True):
            complete[factor] = complete[factor][(slice(None),) * self.axis + (rows,)]
        return complete

    def dense(self) -> Complex[Tensor, "..."]:
        """The tensor itself."""
        return self.assemble(self.factors())

    def extra_repr(self) -> str:
        return f"shape={self.shape}, ranks={self.ranks}, fraction={self.fraction:.3g}"


class CP(Factorized):
    """A sum of r products of vectors, with weights that begin at one.

    >>> from limitlab.layers.factorized import CP
    >>> CP((8, 8, 6, 4), rank=0.1)
    CP(
      shape=(8, 8, 6, 4), ranks=(6,), fraction=0.105
      (parts): ParameterList(
          (0): Parameter containing: [torch.float32 of size 6x2]
          (1): Parameter containing: [torch.float32 of size 8x6x2]
          (2): Parameter containing: [torch.float32 of size 8x6x2]
          (3): Parameter containing: [torch.float32 of size 6x6x2]
          (4): Parameter containing: [torch.float32 of size 4x6x2]
      )
    )
    """

    ranks_for = staticmethod(rules.cp_rank)
    shapes_for = staticmethod(rules.cp_shapes)

    def deviation(self, std: float, count: int) -> float:
        # the weights are one
        return super().deviation(std, count - 1)

    def initialise(self) -> None:
        with torch.no_grad():
            self.parts[0].zero_()[:, 0] = 1

    @staticmethod
    def slice_of(factors: Sequence[Tensor], index: int) -> list[Tensor]:
        weights, first, *rest = factors
        return [weights * first[index], *rest]

    @staticmethod
    def assemble(factors: Sequence[Tensor]) -> Tensor:
        weights, *vectors = factors
        half = max(1, len(vectors) // 2)
        rows, columns = _products([weights * vectors[0], *vectors[1:half]]), _products(vectors[half:])
        return (rows @ columns.transpose(0, 1)).reshape([len(each) for each in vectors])

    @staticmethod
    def separate(factors: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor | None]:
        weights, left, right, *waves = factors
        diagonal = (weights * _products(waves)).transpose(0, 1)
        return left, diagonal.reshape(-1, *(len(wave) for wave in waves)), right


class Tucker(Factorized):
    """A core with a matrix along every axis; its ranks are those of the axes.

    >>> from limitlab.layers.factorized import Tucker
    >>> weight = Tucker((8, 8, 6, 4), rank=0.25)
    >>> weight.ranks, round(weight.fraction, 2), weight.dense().shape
    ((5, 5, 4, 2), 0.2, torch.Size([8, 8, 6, 4]))
    """

    ranks_for = staticmethod(rules.tucker_ranks)
    shapes_for = staticmethod(rules.tucker_shapes)

    @staticmethod
    def slice_of(factors: Sequence[Tensor], index: int) -> list[Tensor]:
        core, first, *rest = factors
        return [torch.tensordot(first[index], core, dims=1), *rest]

    @staticmethod
    def assemble(factors: Sequence[Tensor]) -> Tensor:
        return _along_last_axes(*factors)

    @staticmethod
    def separate(factors: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor | None]:
        core, left, right, *waves = factors
        return left, _along_last_axes(core, *waves), right


class TensorTrain(Factorized):
    """A product of matrices, one for each index; the ranks are those between neighbouring axes.

    >>> from limitlab.layers.factorized import TensorTrain
    >>> TensorTrain((8, 8, 6, 4), rank=3).ranks
    (3, 3, 3)
    """

    axis = 1
    ranks_for = staticmethod(rules.train_ranks)
    shapes_for = staticmethod(rules.train_shapes)

    @staticmethod
    def slice_of(factors: Sequence[Tensor], index: int) -> list[Tensor]:
        first, second, *rest = factors
        return [torch.tensordot(first[:, index], second, dims=1), *rest]

    @staticmethod
    def assemble(factors: Sequence[Tensor]) -> Tensor:
        # both halves first: from one end, what is between would be nearly as large as the tensor
        half = len(factors) // 2
        return torch.tensordot(_train(factors[:half]), _train(factors[half:]), dims=1)[0, ..., 0]

    @staticmethod
    def separate(factors: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor | None]:
        first, second, *waves = factors
        return first[0], torch.tensordot(second, _train(waves), dims=1)[..., 0], None


FORMATS: dict[str, type[Factorized]] = {"cp": CP, "tucker": Tucker, "tt": TensorTrain}


class FactorizedWeight(nn.Module):
    """R(k) of one spectral layer: (in, out, *kept) or (channel, *kept) held by a format, or a slice of a joint tensor.

    index: which slice of `tensor` along its first axis, None for all of it. implementation: "factorized" applies the
    factors in turn, "reconstructed" writes R down first, "auto" takes what multiplies less.
    """

    def __init__(self, tensor: Factorized, index: int | None = None, implementation: Implementation = "auto") -> None:
        super().__init__()
        self.tensor, self.index = tensor, index
        self.implementation = one_of("implementation", implementation, get_args(Implementation))

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of R."""
        return self.tensor.shape if self.index is None else self.tensor.shape[1:]

    def dense(self) -> Complex[Tensor, "..."]:
        """R itself."""
        return self.tensor.assemble(self._factors(None))

    def mix(
        self, coefficients: Complex[Tensor, "batch in_channels *kept"], block: Block
    ) -> Complex[Tensor, "batch out_channels *kept"]:
        """sum_i c_i(k) R[i, :, k] on a block of the kept wavenumbers."""
        factors = self._factors(block)
        if len(self.shape) == len(block) + 1:
            return coefficients * self.tensor.assemble(factors)
        left, core, right = self.tensor.separate(factors)
        diagonal = core.ndim == len(block) + 1
        core = core.flatten(1 if diagonal else 2)
        # wavenumbers first: one product for all of them with what does not depend on them, and one batched for the rest
        waves = coefficients.flatten(2).permute(2, 0, 1)
        core = core.permute(1, 0)[:, None] if diagonal else core.permute(2, 0, 1)
        if self._is_written_down(waves.shape[1], left, core, right, diagonal):
            scaled = left * core if diagonal else left @ core
            mixed = waves @ (scaled if right is None else scaled @ right.transpose(0, 1))
        else:
            mixed = waves @ left
            mixed = mixed * core if diagonal else mixed @ core
            mixed = mixed if right is None else mixed @ right.transpose(0, 1)
        return mixed.permute(1, 2, 0).unflatten(-1, coefficients.shape[2:])

    def _is_written_down(self, batch: int, left: Tensor, core: Tensor, right: Tensor | None, diagonal: bool) -> bool:
        """Whether R is written down; for "auto", where that takes fewer multiplications for a wavenumber."""
        # a batch that an exported program leaves open is no number
        if self.implementation != "auto" or type(batch) is not int:
            return self.implementation == "reconstructed"
        (fed, a), p = left.shape, core.shape[-1]
        given = p if right is None else len(right)
        last = 0 if right is None else p * given
        middle = a if diagonal else a * p
        return fed * middle + fed * last + batch * fed * given < batch * (fed * a + middle + last)

    def _factors(self, block: Block | None) -> list[Tensor]:
        factors = self.tensor.factors(block)
        return factors if self.index is None else self.tensor.slice_of(factors, self.index)


@dataclass(frozen=True)
class Compression:
    """How the weights of a network's spectral layers are held: a format and its rank.

    rank: as `limitlab.layers.ranks` reads it. joint: one tensor for all layers, with an axis for them. Raises
    UnknownName.

    >>> ll.operators.Compression("cp", rank=0.05, joint=True)
    Compression(format='cp', rank=0.05, joint=True, implementation='auto')
    """

    format: str = "tucker"
    rank: Rank = 0.1
    joint: bool = False
    implementation: Implementation = "auto"

    def __post_init__(self) -> None:
        one_of("format", self.format, FORMATS)
        one_of("implementation", self.implementation, get_args(Implementation))

    def weights(self, layers: int, shape: Sequence[int], std: float) -> list[FactorizedWeight]:
        """The weights of so many layers, each (in, out, *kept) or (channel, *kept), with entries of deviation std."""
        kind = FORMATS[self.format]
        if self.joint:
            shared = kind((layers, *shape), self.rank, std)
            return [FactorizedWeight(shared, layer, self.implementation) for layer in range(layers)]
        return [FactorizedWeight(kind(shape, self.rank, std), None, self.implementation) for _ in range(layers)]


def _products(vectors: Sequence[Tensor]) -> Tensor:
    """The products (I_1 I_2 .., r) of the entries of factors (I_n, r), column by column."""
    rows = vectors[0]
    for following in vectors[1:]:
        rows = (rows[:, None] * following).flatten(0, 1)
    return rows


def _along_last_axes(core: Tensor, *matrices: Tensor) -> Tensor:
    """The core with matrices (I, r) applied along as many of its last axes."""
    # the last axis first: what is large comes last
    for back, matrix in enumerate(reversed(matrices), start=1):
        core = torch.tensordot(core, matrix, dims=([-back], [1])).movedim(-1, -back)
    return core


def _train(cores: Sequence[Tensor]) -> Tensor:
    """The product (s, *I, s') of neighbouring cores."""
    product = cores[0]
    for following in cores[1:]:
        product = torch.tensordot(product, following, dims=1)
    return product
