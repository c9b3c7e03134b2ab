"""The comparison of all operators on one equation, at its smoke size."""

import pytest

from limitlab import experiments
from limitlab.operators import OPERATORS


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIMITLAB_HOME", str(tmp_path_factory.mktemp("home")))
        experiment = experiments.get("darcy_operators")
        return experiment.train(experiment.configure("smoke", device="cpu")).finish()


def test_every_operator_that_learns_is_there(result):
    learn = {name for name, row in OPERATORS.items() if row.trains}
    assert learn < set(result.metrics["model"].values)
    assert set(result.curves["model"].values) == learn


def test_all_answer_on_the_training_grid_and_those_of_any_grid_on_the_finer_one(result):
    own, finer = result.settings.test_resolutions
    answered = result.metrics["relative_l2"].notnull().all(("seed", "sample"))
    assert bool(answered.sel(resolution=own).all())
    free = {name for name in result.metrics["model"].values if not OPERATORS[name].fixed}
    assert set(answered["model"].values[answered.sel(resolution=finer)]) == free
