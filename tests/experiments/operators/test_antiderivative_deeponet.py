"""What the experiment on antiderivatives compares, at its smoke size, and what needs no training to be seen."""

import numpy as np
import pytest
import torch

from limitlab import experiments
from limitlab.data import antiderivatives
from limitlab.experiments.operators.antiderivative_deeponet import LeastSquares, tail_of
from limitlab.operators.pod import target_modes
from limitlab.spaces import Grid, relative_l2

LINE = Grid.uniform(100, kind="nodes")


@pytest.fixture(scope="module")
def result():
    experiment = experiments.get("antiderivative_deeponet")
    return experiment.train(experiment.configure("smoke", device="cpu")).finish()


def test_each_is_trained_and_measured_where_it_has_an_answer(result):
    assert list(result.metrics["model"].values) == ["deeponet", "deeponet_integral", "pod_deeponet", "mean", "linear"]
    answered = result.metrics["relative_l2"].notnull().all(("seed", "sample"))
    assert bool(answered.sel(resolution=20).all())
    assert [str(name) for name in answered["model"].values[answered.sel(resolution=39)]] == [
        "deeponet_integral",
        "mean",
    ]
    assert {"training", "resolution", "integral"} == set(result.figures())


def test_a_stored_run_reads_back_the_same(tmp_path, result):
    experiment = result.experiment
    experiment.train(result.settings, tmp_path / "run").finish()
    loaded = experiment.load(tmp_path / "run")
    for name, model in loaded.models.items():
        measured = loaded.prepared.measure(model, model)["relative_l2"]
        stored = loaded.metrics["relative_l2"].sel(model=name[0], seed=name[1])
        assert np.allclose(measured, stored, equal_nan=True)


def test_least_squares_learns_the_integral_from_a_thousand_pairs():
    learned, unseen = antiderivatives(1000, seed=2), antiderivatives(50, seed=2, first=1000)
    u, s = (torch.as_tensor(learned[role].values) for role in ("input", "target"))
    model = LeastSquares(u, s)
    u, s = (torch.as_tensor(unseen[role].values) for role in ("input", "target"))
    assert relative_l2(model(u), s, LINE).mean() < 1e-5


def test_eight_modes_leave_a_thousandth_of_unseen_integrals():
    """The card of the paper says 6.5e-4 for its draw of the same law."""
    learned, unseen = (torch.as_tensor(antiderivatives(1000, seed=3, first=n)["target"].values) for n in (0, 1000))
    tails = [tail_of(target_modes(learned, LINE, count), LINE, unseen) for count in (4, 6, 8)]
    assert 3e-4 < tails[2] < 1.5e-3
    assert tails[0] > 5 * tails[1] > 25 * tails[2]
    assert tail_of(target_modes(learned, LINE, 8), LINE, learned) == pytest.approx(
        float(target_modes(learned.double(), LINE, 8).tail), rel=1e-2
    )
