import numpy as np
import pytest
import torch
from torch import nn

from limitlab import problems
from limitlab.experiments.operators._drift import drift
from limitlab.experiments.operators._learning import predict
from limitlab.operators import SpectralConv


class Squared(nn.Module):
    """Doubles wavenumbers: what a grid does not resolve comes back as another wave."""

    def forward(self, u):
        return u**2


def predictions(model, name="burgers", sizes=(16, 32, 128)):
    problem = problems.get(name)
    data = problem.dataset(6, 0, max(sizes), split="test")
    views = {n: data if n == max(sizes) else problem.restrict(data, n) for n in sizes}
    return {n: predict(model, problem.operator_view(view)) for n, view in views.items()}, problem


def test_a_linear_operator_on_resolved_functions_does_not_drift():
    made, problem = predictions(SpectralConv(1, 1, (6,)))
    assert float(drift(made, problem).max()) < 1e-5


def test_aliasing_falls_with_the_grid_and_the_finest_is_at_no_distance():
    distances = drift(*predictions(Squared())).mean("sample")
    assert list(distances["resolution"].values) == [16, 32, 128]
    coarse, middle, fine = distances.values
    assert coarse > 0.01
    assert middle < coarse / 3
    assert fine == 0


def test_a_stencil_means_another_thing_on_every_grid():
    # a difference of neighbours, not divided by their distance: half of it on twice as many points
    stencil = nn.Conv1d(1, 1, 3, padding=1, padding_mode="circular", bias=False)
    with torch.no_grad():
        stencil.weight.copy_(torch.tensor([[[-1.0, 0.0, 1.0]]]))
    distances = drift(*predictions(stencil, sizes=(64, 128))).mean("sample")
    assert float(distances[0]) == pytest.approx(1.0, abs=0.1)


def test_cells_are_averaged():
    made, problem = predictions(nn.Identity(), "darcy", (16, 32))
    assert np.allclose(drift(made, problem), 0, atol=1e-6)
