"""Networks for waves in a box: what they see beside the medium, and how large they are."""

import pytest
import torch
from torch import nn

from limitlab import experiments
from limitlab.experiments.operators.multigrid.helmholtz_mgno import Around
from limitlab.operators import count_parameters


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIMITLAB_HOME", str(tmp_path_factory.mktemp("home")))
        experiment = experiments.get("helmholtz_mgno")
        return experiment.train(experiment.configure("smoke", device="cpu")).finish()


def test_every_network_is_trained_and_tested_beside_the_fno_and_the_mean(result):
    assert list(result.metrics["model"].values) == ["fno", "mean", "growing", "even", "zeros", "alone", "fno_around"]
    assert bool(result.metrics["relative_l2"].notnull().all())
    assert {"training", "resolution", "distribution", "spectrum", "sample"} == set(result.figures())


def test_channels_grow_with_the_depth_of_a_grid(result):
    models = {trial.name: trial.build(0).model for trial in result.prepared.trials if trial.recipe is not None}
    cycles = {name: models[name].model.cycles[1] for name in ("growing", "even", "zeros")}
    for name, channels in (("growing", [4, 8, 12, 16]), ("even", [4] * 4), ("zeros", [4, 8, 12, 16])):
        assert [cycles[name].level(grid).smoothers[0].out_channels for grid in range(4)] == channels
    sizes = {name: count_parameters(model) for name, model in models.items()}
    assert sizes["even"] < sizes["growing"] == sizes["zeros"]
    assert models["alone"].in_channels == 1


@pytest.mark.parametrize("name", ["growing", "fno_around"])
def test_what_adds_nothing_is_the_mean_of_the_training_solutions(result, name):
    model = result.prepared.trial(operator=name).build(0)
    last = [part for part in model.model.model.modules() if isinstance(part, nn.Conv2d | nn.Conv1d | nn.Linear)][-1]
    for parameter in last.parameters():
        nn.init.zeros_(parameter)
    mean = torch.as_tensor(result.data.train["target"].values).mean(0)
    with torch.no_grad():
        u = model(torch.full((3, 1, 16, 16), 20.0))
        assert torch.allclose(u, mean.expand_as(u), atol=1e-6)
        # on a finer grid it is between its neighbours
        finer = model(torch.full((1, 1, 32, 32), 20.0))
    assert torch.allclose(finer.mean(), mean.mean(), atol=1e-3)


def test_the_mean_is_seen_beside_the_speed_of_sound():
    second, mean = nn.Conv2d(2, 1, 1, bias=False), torch.randn(1, 8, 8)
    with torch.no_grad():
        second.weight.copy_(torch.tensor([1.0, 2.0]).reshape(1, 2, 1, 1))
        c = torch.randn(3, 1, 8, 8)
        assert torch.allclose(Around(second, mean)(c), c + 3 * mean)
