"""The nearest drawing in metrics that statistics set: rivals of a metric that is learned."""

import pytest
import torch

from limitlab.errors import InvalidArgument
from limitlab.infinite_width import TaskBatches, nearest_accuracy, within_class_whitening, without_components

CLASSES, DRAWINGS, D, CLUTTER = 40, 12, 8, 2
NUISANCE = torch.linalg.qr(torch.randn(D, D, generator=torch.Generator().manual_seed(0), dtype=torch.float64))[0]


def cluttered(seed=0, clutter=20.0):
    """Classes far apart in all directions, each drawing moved a little, and far along the first CLUTTER columns."""
    generator = torch.Generator().manual_seed(seed)
    draw = {"generator": generator, "dtype": torch.float64}
    centres = 3 * torch.randn(CLASSES, 1, D, **draw)
    moved = centres + 0.2 * torch.randn(CLASSES, DRAWINGS, D, **draw)
    return moved + clutter * torch.randn(CLASSES, DRAWINGS, CLUTTER, **draw) @ NUISANCE[:, :CLUTTER].T


def accuracy(metric, **options):
    tasks = TaskBatches(cluttered(seed=1, **options), tasks=50, ways=5).batch(0)
    return float(nearest_accuracy(tasks, metric).mean())


def test_dropped_components_are_those_of_the_clutter():
    kept = without_components(cluttered(), CLUTTER)
    assert torch.allclose(kept @ kept, kept)
    assert float(kept.trace()) == pytest.approx(D - CLUTTER)
    assert float((kept @ NUISANCE[:, :CLUTTER]).norm()) < 0.1


def test_whitened_drawings_of_a_class_have_the_identity_as_covariance():
    table = cluttered()
    whitened = table @ within_class_whitening(table, ridge=0.0).T
    within = (whitened - whitened.mean(1, keepdim=True)).flatten(0, 1)
    assert torch.allclose(within.T @ within / len(within), torch.eye(D, dtype=torch.float64), atol=1e-10)


def test_both_metrics_find_the_class_under_clutter_and_the_identity_does_not():
    table = cluttered()
    assert accuracy(None) < 0.6
    assert accuracy(without_components(table, CLUTTER)) > 0.95
    assert accuracy(within_class_whitening(table, ridge=0.001)) > 0.95
    assert accuracy(None, clutter=0.0) > 0.95


def test_nearest_is_that_of_a_loop_over_all_points():
    tasks = TaskBatches(cluttered(), tasks=3, ways=4, shots=2).batch(0)
    metric = torch.randn(5, D, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    measured = nearest_accuracy(tasks, metric)
    for task in range(3):
        support, query, label, truth = (
            tasks[name][task] for name in ("support", "query", "support_label", "query_label")
        )
        hits = [label[min(range(8), key=lambda k: float((metric @ (x - support[k])).norm()))] for x in query]
        assert float(measured[task]) == pytest.approx(float((torch.stack(hits) == truth).float().mean()))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: without_components(torch.zeros(4, 5), 1), r"table must have shape \(class, drawing, feature\)"),
        (lambda: without_components(torch.zeros(4, 5, 2), 3), "count must be"),
        (lambda: within_class_whitening(torch.zeros(4, 5, 2), ridge=-1.0), "ridge must be a number >= 0"),
        (lambda: within_class_whitening(torch.zeros(4, 5, 2)), "ridge must be > 0 here"),
        (lambda: accuracy(torch.eye(3)), r"metric must have shape \(image, 8\)"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(InvalidArgument, match=message):
        call()
