"""Twins on patches see what their names say, are measured as whole fields, and learn from what was asked."""

import pytest
import torch

from limitlab import experiments
from limitlab.errors import UnknownName


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIMITLAB_HOME", str(tmp_path_factory.mktemp("home")))
        yield experiments.get("navier_stokes_patches")


@pytest.fixture(scope="module")
def result(experiment):
    return experiment.train(experiment.configure("smoke", device="cpu")).finish()


def test_every_twin_is_measured_on_whole_fields_and_by_its_seams(result):
    assert list(result.metrics["model"].values) == ["mean", *result.settings.twins]
    assert result.metrics["relative_l2"].dims == ("model", "seed", "resolution", "sample")
    assert bool(result.metrics["seam"].notnull().all())
    assert result.metrics["seam"].sizes["distance"] == 4
    assert "seams" in result.figures()


def test_what_lies_far_away_is_seen_through_coarse_windows_and_by_the_whole_alone(result):
    """The slope of the first point in points half the square away."""
    seen = {}
    for trial in result.prepared.trials[1:]:
        u = torch.zeros(1, 1, 16, 16, requires_grad=True)
        trial.build(0).eval()(u)[0, 0, 0, 0].backward()
        seen[trial.name] = bool(u.grad[0, 0, 9:14, 9:14].any())
    assert seen == {name: not name.startswith(("isolated", "zeros", "halo")) for name in result.settings.twins}


def test_patches_may_be_learned_from_by_themselves(experiment, result):
    settings = experiment.configure("smoke", device="cpu", learn_from="patches", twins=("both_2",))
    prepared = experiment.prepare(settings)
    model, batch = prepared.trial(operator="both_2").build(0), prepared.data.batches.batch(0)
    loss = prepared.trial(operator="both_2").recipe.loss(model, batch)["relative_l2"]
    whole = result.prepared.trial(operator="both_2").recipe.loss(model, batch)["relative_l2"]
    with torch.no_grad():
        target, error = batch["target"], model(batch["input"]) - batch["target"]
    corners = [(..., slice(i, i + 8), slice(j, j + 8)) for i in (0, 8) for j in (0, 8)]
    ratios = [error[corner].flatten(1).norm(dim=1) / target[corner].flatten(1).norm(dim=1) for corner in corners]
    assert torch.allclose(loss, torch.stack(ratios).mean(), rtol=1e-5)
    assert float((loss - whole).abs().detach()) > 1e-4


def test_rates_of_twins_are_a_setting(experiment):
    settings = experiment.configure("smoke", rates="both_2=1e-4")
    rates = {t.name: t.recipe.learning_rate for t in experiment.prepare(settings).trials if t.recipe}
    assert rates["both_2"] == 1e-4 < rates["both_4"]
    with pytest.raises(UnknownName):
        experiment.configure("smoke", rates="both_3=1e-4")
