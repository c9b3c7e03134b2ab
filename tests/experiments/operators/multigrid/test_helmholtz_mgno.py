"""Networks for waves in a box: what they are told of the source, and what the padding of their grids means."""

import pytest
import torch
from torch import nn

from limitlab import experiments
from limitlab.experiments.operators.multigrid.helmholtz_mgno import PROBLEM, Sourced, lifting
from limitlab.operators import count_parameters


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIMITLAB_HOME", str(tmp_path_factory.mktemp("home")))
        experiment = experiments.get("helmholtz_mgno")
        return experiment.train(experiment.configure("smoke", device="cpu")).finish()


def test_every_network_is_trained_and_tested_beside_the_fno_and_the_mean(result):
    assert list(result.metrics["model"].values) == ["fno", "mean", "growing", "even", "zeros", "unsourced"]
    assert bool(result.metrics["relative_l2"].notnull().all())
    assert {"training", "resolution", "distribution", "spectrum", "sample"} == set(result.figures())


def test_channels_grow_with_the_depth_of_a_grid(result):
    models = {trial.name: trial.build(0).model for trial in result.prepared.trials if trial.recipe is not None}
    cycles = {name: models[name].model.cycles[1] for name in ("growing", "even", "zeros")}
    for name, channels in (("growing", [4, 8, 12, 16]), ("even", [4] * 4), ("zeros", [4, 8, 12, 16])):
        assert [cycles[name].level(grid).smoothers[0].out_channels for grid in range(4)] == channels
    sizes = {name: count_parameters(model) for name, model in models.items()}
    assert sizes["even"] < sizes["growing"] == sizes["zeros"]
    assert models["unsourced"].in_channels == 1


def test_the_lifting_has_the_flux_of_the_walls():
    grid = PROBLEM.grid(40)
    w, h = lifting(grid), grid.spacing[1]
    # slopes of a parabola between cells, carried on to the walls half a cell beyond
    slopes = w.diff(dim=1) / h
    bottom, top = 2 * slopes[:, 0] - slopes[:, 1], 2 * slopes[:, -1] - slopes[:, -2]
    assert torch.allclose(bottom, torch.zeros_like(bottom), atol=1e-12)
    assert torch.allclose(top, PROBLEM.load(grid)[:, -1] * h, atol=1e-12)
    assert float(top.mean()) == pytest.approx(0.3, abs=1e-12)
    left, right = w[0], w[-1]
    assert bool((left == 0).all())
    assert bool((right == 0).all())


def test_a_sourced_network_sees_the_lifting_on_its_grid_as_a_second_channel():
    second = nn.Conv2d(2, 1, 1, bias=False)
    with torch.no_grad():
        second.weight.copy_(torch.tensor([0.0, 1.0]).reshape(1, 2, 1, 1))
        for n in (16, 32):
            assert torch.equal(
                Sourced(second, PROBLEM.grid(16))(torch.randn(3, 1, n, n))[2, 0].double(),
                lifting(PROBLEM.grid(n)).float().double(),
            )
