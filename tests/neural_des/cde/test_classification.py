"""Classes of series: the loss, the accuracy, and what stays of it when measurements are dropped."""

import pytest
import torch
from torch import nn

from limitlab import data
from limitlab.errors import InvalidArgument
from limitlab.neural_des.cde import accuracy, cross_entropy, dropped_accuracy


class Turning(nn.Module):
    """The true class of a spiral by the sign of the area it sweeps: the integral of x dy - y dx."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, times, values, lengths):
        values = values[:, ~values[0].isnan().any(-1)]
        x, y = values.unbind(-1)
        area = (x[:, :-1] * y[:, 1:] - y[:, :-1] * x[:, 1:]).sum(-1)
        return self.scale * torch.stack([-area, area], -1)


def test_the_swept_area_tells_the_classes_apart():
    spirals = data.spirals(samples=64)
    assert accuracy(Turning(), spirals) == 1.0
    assert spirals.labels.double().mean() == 0.5


def test_mirrored_labels_have_the_other_accuracy():
    spirals = data.spirals(samples=64)
    swapped = data.series(spirals.times, spirals.values, 1 - spirals.labels)
    assert accuracy(Turning(), swapped) == 0.0


def test_the_loss_is_the_mean_of_minus_the_log_of_the_class():
    batch = data.spirals(samples=8, times=20).batches(8).batch(0)
    outputs = Turning()(batch["times"], batch["values"], batch["lengths"])
    expected = -outputs.log_softmax(-1)[torch.arange(8), batch["label"]].mean()
    assert torch.allclose(cross_entropy(Turning(), batch)["cross_entropy"], expected)


def test_a_batch_may_lack_a_class():
    spirals = data.spirals(samples=8, times=20)
    one = spirals.take(torch.nonzero(spirals.labels == 1)[:, 0])
    loss = cross_entropy(Turning(), one.batches(4).batch(0))["cross_entropy"]
    assert torch.isfinite(loss)


def test_what_is_dropped_depends_on_the_seed():
    seen = []

    class Missing(Turning):
        def forward(self, times, values, lengths):
            seen.append(values.isnan())
            return torch.zeros(len(values), 2) * self.scale

    spirals = data.spirals(samples=8)
    for seed in (0, 0, 1):
        dropped_accuracy(Missing(), spirals, 0.5, seed)
    assert torch.equal(seen[0], seen[1])
    assert not torch.equal(seen[0], seen[2])
    # whole rows, about half of them
    assert torch.equal(seen[0][..., 0], seen[0][..., 1])
    assert abs(float(seen[0].double().mean()) - 0.5) < 0.1


def test_series_without_labels_are_refused():
    with pytest.raises(InvalidArgument, match="labels"):
        accuracy(Turning(), data.series([0.0, 1.0], torch.zeros(2, 2, 2)))
