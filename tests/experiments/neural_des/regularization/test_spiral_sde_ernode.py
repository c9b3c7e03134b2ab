"""The noisy spiral at smoke size: moments without noise are the spiral's, twins see the same noise."""

import pytest
import torch

from limitlab import experiments
from limitlab.errors import InvalidArgument
from limitlab.experiments.neural_des.regularization import spiral_sde_ernode as spiral
from limitlab.solvers import solve_ode


def test_moments_without_noise_are_those_of_the_ordinary_equation(monkeypatch):
    monkeypatch.setattr(spiral, "NOISE", 0.0)
    data = spiral.moments_of(experiments.get("spiral_sde_ernode").configure("smoke"))
    matrix = torch.tensor(spiral.MATRIX, dtype=torch.float64)
    start = torch.tensor([spiral.START], dtype=torch.float64)
    y = solve_ode(lambda t, y: y.pow(3) @ matrix.T, start, data.times.double(), rtol=1e-9, atol=1e-9).y[0]
    assert torch.allclose(data.mean.double(), y, atol=1e-3)
    assert data.variance.abs().max() < 1e-10


def test_every_way_has_its_costs():
    experiment = experiments.get("spiral_sde_ernode")
    result = experiment.train(experiment.configure("smoke", seeds=1)).finish()
    grid = result.grid("way").isel(seed=0)
    assert grid["way"].values.tolist() == list(spiral.WAYS)
    assert (grid["nfe"] > 2).all()
    assert set(result.figures()) == {"mean", "training"}
    # the same noise before any weight has moved
    first = result.curves["misfit"].isel(seed=0, step=0)
    assert float(first.max()) == pytest.approx(float(first.min()), rel=1e-6)


def test_bad_ways_are_refused():
    with pytest.raises(InvalidArgument, match="different entries"):
        experiments.get("spiral_sde_ernode").configure("smoke", ways=("error", "error"))
