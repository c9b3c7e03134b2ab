"""The per-sample gradient of a layer as a product, and the kernel of two such gradients.

A layer that applies the weights W to a_p at positions p (one position for a dense layer, the grid for a convolution)
has the gradient  dW = scale * sum_p delta_p (x) a_p,  and with its bias the kernel

    K_rs(x, x') = sum_{p,q} (scale^2 a_p . a'_q + bias_scale^2) (delta_rp . delta'_sq).

A Jacobian is the same with one position and no a: that of a parameter that no layer claims, and that of a convolution
with so many positions that their sum comes cheaper than their pairs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

Part = Callable[[], "list[Factor]"]


@dataclass(frozen=True)
class Factor:
    """inputs a (None: no weights), deltas for every row of the readout, and the scales of weights and bias."""

    inputs: Float[Tensor, "n features positions"] | None
    deltas: Float[Tensor, "n rows channels positions"]
    scale: float
    bias_scale: float

    def numel(self) -> int:
        """Numbers that it holds."""
        return self.deltas.numel() + (0 if self.inputs is None else self.inputs.numel())

    def pair_numel(self) -> int:
        """Numbers held for a pair of points while they are contracted."""
        return (self.deltas.shape[1] * self.deltas.shape[3]) ** 2 if self.deltas.shape[3] > 1 else 1

    def cheapest(self) -> Factor:
        """Itself, or where there are many positions the sum over them: the gradients of weights and bias."""
        _, rows, channels, positions = self.deltas.shape
        if self.inputs is None or positions == 1:
            return self
        features = self.inputs.shape[1]
        # pairs of positions against one sum over them: whichever takes fewer products
        if positions**2 * (features + rows * channels) <= rows * channels * features:
            return self
        weights = self.scale * torch.einsum("nrcp,nkp->nrck", self.deltas, self.inputs).flatten(2)
        bias = self.bias_scale * self.deltas.sum(-1)
        return Factor(None, torch.cat([weights, bias], -1).unsqueeze(-1), 0.0, 1.0)

    def folded(self) -> Factor:
        """One row whose kernel is the mean of the rows' own."""
        # channels of all rows in one product: its sum over rows is the trace, without the other pairs
        deltas = rearrange(self.deltas, "n rows channels p -> n 1 (rows channels) p") / math.sqrt(self.deltas.shape[1])
        return Factor(self.inputs, deltas, self.scale, self.bias_scale)

    def row(self, index: int) -> Factor:
        return Factor(self.inputs, self.deltas[:, index : index + 1], self.scale, self.bias_scale)


def contract(first: list[Factor], second: list[Factor], outputs: Literal["full", "trace", "diagonal"]) -> Tensor:
    """The kernel of two sets of points: (n, m, rows, rows), its diagonal over rows, or the mean of that."""
    if outputs == "full":
        return _total(first, second)
    if outputs == "trace":
        return _total([f.folded() for f in first], [f.folded() for f in second])[:, :, 0, 0]
    rows = first[0].deltas.shape[1]
    every = [_total([f.row(r) for f in first], [f.row(r) for f in second]) for r in range(rows)]
    return torch.cat([kernel[:, :, 0] for kernel in every], -1)


def assemble(
    rows: Sequence[Part], columns: Sequence[Part] | None, outputs: Literal["full", "trace", "diagonal"]
) -> Tensor:
    """The whole kernel from parts that make the factors of their points; columns None: symmetric, half of it made."""
    blocks: list[list[Tensor]] = []
    for i, part in enumerate(rows):
        ours = part()
        row = []
        for j, other in enumerate(rows if columns is None else columns):
            if columns is None and j < i:
                # a view of the block above the diagonal, not a second one
                mirrored = blocks[j][i].transpose(0, 1)
                row.append(mirrored.transpose(2, 3) if outputs == "full" else mirrored)
            else:
                row.append(contract(ours, ours if columns is None and i == j else other(), outputs))
        blocks.append(row)
    return torch.cat([torch.cat(row, 1) for row in blocks])


def _total(first: list[Factor], second: list[Factor]) -> Float[Tensor, "n m rows rows"]:
    total = None
    for ours, theirs in zip(first, second, strict=True):
        part = _kernel(ours, theirs)
        # in place: a kernel may be as large as all else
        total = part if total is None else total.add_(part)
    assert total is not None
    return total


def _kernel(first: Factor, second: Factor) -> Float[Tensor, "n m rows rows"]:
    if first.inputs is None or second.inputs is None:
        return _products(first.deltas[..., 0], second.deltas[..., 0])
    a, b = (rearrange(inputs, "n k p -> n p k") for inputs in (first.inputs, second.inputs))
    weights = first.scale * second.scale * _products(a, b) + first.bias_scale * second.bias_scale
    rows = first.deltas.shape[1]
    left, right = (rearrange(f.deltas, "n r c p -> n (r p) c") for f in (first, second))
    deltas = rearrange(_products(left, right), "n m (r p) (s q) -> n m r s p q", r=rows, s=rows)
    if weights.shape[-1] == weights.shape[-2] == 1:
        return weights * deltas[..., 0, 0]
    return torch.einsum("nmpq,nmrspq->nmrs", weights, deltas)


def _products(a: Float[Tensor, "n r c"], b: Float[Tensor, "m s c"]) -> Float[Tensor, "n m r s"]:
    return rearrange(a.flatten(0, 1) @ b.flatten(0, 1).T, "(n r) (m s) -> n m r s", n=len(a), m=len(b))


def jacobian_factors(
    network: nn.Module, readout: Float[Tensor, "rows outputs"], x: Float[Tensor, "n *inputs"], names: set[str]
) -> list[Factor]:
    """Jacobians of readout @ f in the named parameters, one factor for each."""
    parameters = {name: p.detach() for name, p in network.named_parameters()}
    moving = {name: parameters.pop(name) for name in sorted(names)}

    def rows(changed: dict[str, Tensor], point: Tensor) -> Tensor:
        return readout @ torch.func.functional_call(network, {**parameters, **changed}, (point[None],))[0]

    jacobians = torch.func.vmap(torch.func.jacrev(rows), in_dims=(None, 0))(moving, x)
    return [Factor(None, j.flatten(2).unsqueeze(-1), 0.0, 1.0) for j in jacobians.values()]


def looped_factors(
    network: nn.Module, readout: Float[Tensor, "rows outputs"], x: Float[Tensor, "n *inputs"], names: set[str]
) -> list[Factor]:
    """The same by a reverse pass for every row at every point, for networks that torch.func cannot follow."""
    trained = dict(network.named_parameters())
    moving = [trained[name] for name in sorted(names)]
    jacobians: list[list[Tensor]] = [[] for _ in moving]
    for point in x.split(1):
        with torch.enable_grad():
            outputs = (network(point.clone()) @ readout.T)[0]
        for output in outputs.unbind():
            gradients = torch.autograd.grad(
                output, moving, retain_graph=True, allow_unused=True, materialize_grads=True
            )
            for rows, gradient in zip(jacobians, gradients, strict=True):
                rows.append(gradient.flatten())
    return [Factor(None, rearrange(torch.stack(rows), "(n r) c -> n r c 1", n=len(x)), 0.0, 1.0) for rows in jacobians]
