"""Classification by kernels and by neighbours, on points whose classes are clear."""

import pytest
import torch

from limitlab.infinite_width import mlp
from limitlab.infinite_width.limit.classification import (
    RIDGES,
    KernelClassifier,
    NearestNeighbour,
    Split,
    best_ridge,
    linear_kernel,
    wide_kernel,
)


@pytest.fixture(scope="module")
def split():
    """Three clouds in the plane, forty points to learn from and twenty for the test."""
    generator = torch.Generator().manual_seed(0)
    classes = torch.arange(60) % 3
    centres = torch.tensor([[2.0, 0.0], [-1.0, 1.7], [-1.0, -1.7]], dtype=torch.float64)
    points = centres[classes] + 0.3 * torch.randn(60, 2, generator=generator, dtype=torch.float64)
    return Split(points[:40], classes[:40], points[40:], classes[40:], 3)


@pytest.mark.parametrize("kind", ["ntk", "nngp"])
def test_clouds_apart_are_told_apart(split, kind):
    for model in (KernelClassifier(wide_kernel(mlp(1, "relu", 2.0, 0.1), kind), split), NearestNeighbour(split)):
        assert torch.equal(model(split.test).argmax(1), split.test_classes)


def test_the_nearest_neighbour_is_found_by_looking_at_all(split):
    distances = [[float((x - other).norm()) for other in split.train] for x in split.test]
    nearest = torch.tensor([split.train_classes[row.index(min(row))] for row in distances])
    model = NearestNeighbour(split)
    assert torch.equal(model(split.test).argmax(1), nearest)
    assert -float(model(split.test).amax(1).min()) == pytest.approx(max(min(row) for row in distances), rel=1e-6)


def test_a_linear_kernel_is_ridge_regression_with_an_intercept(split):
    """Weights of the normal equations (X'X + ridge) w = X'y, X with a column of ones."""
    model = KernelClassifier(linear_kernel, split)
    design, test = (torch.cat([x / 2**0.5, torch.ones(len(x), 1).double()], 1) for x in (split.train, split.test))
    shift = model.ridge * float(linear_kernel(split.train, split.train).diagonal().mean())
    targets = torch.nn.functional.one_hot(split.train_classes, 3).double() - 1 / 3
    weights = torch.linalg.solve(design.T @ design + shift * torch.eye(3), design.T @ targets)
    assert torch.allclose(model(split.test), test @ weights, atol=1e-6)


def test_of_equally_good_ridges_the_largest_is_taken(split):
    """All tell clouds apart; classes that alternate along an arc need a kernel that is not smoothed away."""
    kernel = wide_kernel(mlp(1, "relu", 2.0, 0.1), "ntk")
    targets = torch.nn.functional.one_hot(split.train_classes, 3).double() - 1 / 3
    assert best_ridge(kernel(split.train, split.train), targets, split.train_classes) == RIDGES[-1]
    angles = 6.28 / 60 * torch.randperm(60, generator=torch.Generator().manual_seed(1)).double()
    arc, classes = torch.stack([angles.cos(), angles.sin()], 1), (torch.sin(6 * angles) > 0).long()
    targets = torch.nn.functional.one_hot(classes, 2).double() - 0.5
    assert best_ridge(kernel(arc, arc), targets, classes) < RIDGES[-1]
