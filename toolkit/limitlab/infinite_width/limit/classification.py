"""Classification by a kernel: what an infinitely wide network would answer after training, and the nearest neighbour.

The targets are unit vectors less 1/classes; the class is the largest output. The ridge of a kernel, relative to the
mean of its diagonal, is chosen on the last fifth of the training points, the same way for all kernels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from limitlab.infinite_width.limit.architecture import Chain
from limitlab.infinite_width.limit.kernels import kernels
from limitlab.infinite_width.limit.prediction import kernel_regression

RIDGES = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)

Kernel = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Split:
    """Points (sample, features) and their classes, 0 .. classes - 1, to learn from and for the test."""

    train: Float[Tensor, "n features"]
    train_classes: Int64[Tensor, " n"]
    test: Float[Tensor, "m features"]
    test_classes: Int64[Tensor, " m"]
    classes: int


class KernelClassifier(nn.Module):
    """x -> K(x, X) (K + ridge)^-1 Y, fitted; `ridge` relative to the mean of the diagonal."""

    points: Tensor
    coefficients: Tensor

    def __init__(self, kernel: Kernel, split: Split) -> None:
        super().__init__()
        self.kernel, self.split = kernel, split
        # centred: a kernel without a constant would have to learn the mean first
        targets = functional.one_hot(split.train_classes, split.classes).double() - 1 / split.classes
        matrix = kernel(split.train, split.train)
        self.ridge = best_ridge(matrix, targets, split.train_classes)
        self.register_buffer("points", split.train)
        identity = torch.eye(len(matrix)).to(matrix)
        self.register_buffer("coefficients", kernel_regression(matrix, targets, identity, self.ridge))

    def forward(self, x: Float[Tensor, "batch features"]) -> Float[Tensor, "batch classes"]:
        return self.kernel(x, self.points) @ self.coefficients


class NearestNeighbour(nn.Module):
    """x -> minus the distance to the nearest training point of every class; it has no ridge."""

    ridge = float("nan")

    def __init__(self, split: Split) -> None:
        super().__init__()
        self.split = split

    def forward(self, x: Float[Tensor, "batch features"]) -> Float[Tensor, "batch classes"]:
        distances = torch.cdist(x, self.split.train)
        others = self.split.train_classes[None, :, None] != torch.arange(self.split.classes)
        return -distances[..., None].masked_fill(others, torch.inf).amin(1)


def linear_kernel(x1: Float[Tensor, "n features"], x2: Float[Tensor, "m features"]) -> Float[Tensor, "n m"]:
    """The kernel of ridge regression with an intercept."""
    return x1 @ x2.T / x1.shape[1] + 1


def wide_kernel(architecture: Chain, kind: str) -> Kernel:
    """The "ntk" or "nngp" of an architecture; among the same points with exact diagonals."""

    def kernel(x1: Tensor, x2: Tensor) -> Tensor:
        # identity, not equality: equal rows of two sets are points that meet by chance
        return getattr(kernels(architecture, x1, None if x1 is x2 else x2), kind)

    return kernel


def best_ridge(
    matrix: Float[Tensor, "n n"], targets: Float[Tensor, "n classes"], classes: Int64[Tensor, " n"]
) -> float:
    """The ridge that classifies the last fifth of the training points best from the others; the largest of equals."""
    size = len(matrix) - len(matrix) // 5
    hits = []
    for ridge in RIDGES:
        answers = kernel_regression(matrix[:size, :size], targets[:size], matrix[size:, :size], ridge)
        hits.append(int((answers.argmax(1) == classes[size:]).sum()))
    # pairs: of equal hits the larger ridge wins
    return max(zip(hits, RIDGES, strict=True))[1]
