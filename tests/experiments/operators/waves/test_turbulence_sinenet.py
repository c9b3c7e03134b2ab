"""Chains of one size that differ in what their names say."""

import pytest
import torch

from limitlab import experiments, operators
from limitlab.errors import InvalidArgument
from limitlab.experiments.operators.waves._chains import CHAINS


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIMITLAB_HOME", str(tmp_path_factory.mktemp("home")))
        experiment = experiments.get("turbulence_sinenet")
        return experiment.train(experiment.configure("smoke", device="cpu")).finish()


def test_chains_are_compared_with_persistence(result):
    assert list(result.metrics["model"].values) == ["persistence", *result.settings.chains]
    assert bool(result.metrics["rollout_l2"].notnull().all())
    assert {"training", "rollout", "spectrum", "distribution", "sample"} == set(result.figures())


def test_the_flow_starts_with_deviation_three_and_decays(result):
    w = result.data.train["w"]
    deviation = w.std(("x", "y")).mean("sample").values
    assert deviation[0] == pytest.approx(3.0, rel=0.3)
    assert bool((deviation[1:] < deviation[:-1]).all())


def test_all_chains_have_one_size(tmp_path, monkeypatch):
    monkeypatch.setenv("LIMITLAB_HOME", str(tmp_path))
    experiment = experiments.get("turbulence_sinenet")
    settings = experiment.configure("smoke", chains=tuple(CHAINS), weights=100_000, width=8)
    trials = [trial for trial in experiment.prepare(settings).trials if trial.recipe is not None]
    models = {trial.name: trial.build(0).model for trial in trials}
    for model in models.values():
        assert operators.count_parameters(model) == pytest.approx(100_000, rel=0.1)
    assert [models[name].count for name in ("one_wave", "two_waves", "four_waves", "eight_waves")] == [1, 2, 4, 8]
    assert models["four_zeros"].wave.padding == "zeros"
    assert not models["four_tangled"].wave.disentangled
    u = torch.randn(1, 1, 16, 16)
    outputs = [models[name].eval()(u) for name in ("four_waves", "four_zeros", "four_plain")]
    assert not torch.allclose(outputs[0], outputs[1], atol=1e-3)
    assert not torch.allclose(outputs[0], outputs[2], atol=1e-3)


def test_a_grid_that_cannot_be_halved_is_refused():
    with pytest.raises(InvalidArgument, match=r"multiples of 2\^3"):
        experiments.get("turbulence_sinenet").configure("course", resolution=36, test_resolutions=(36,))
