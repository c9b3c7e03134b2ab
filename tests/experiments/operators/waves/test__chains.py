"""Flows between walls by chains of waves: histories, zeros beyond walls, fields that are at rest."""

import numpy as np
import pytest
import torch

from limitlab import experiments
from limitlab.experiments.operators._rollouts import deviations_of, frames_of
from limitlab.experiments.operators.waves._chains import CHAINS, rows
from limitlab.training import rollout_loss

FLOWS = {"smoke_sinenet": "suv", "water_sinenet": "hpq", "gas_sinenet": "rpqE"}
HISTORIES = {"smoke_sinenet": (4, 14, 10), "water_sinenet": (2, 11, 9), "gas_sinenet": (10, 21, 11)}


@pytest.fixture(scope="module", params=FLOWS)
def result(request, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIMITLAB_HOME", str(tmp_path_factory.mktemp("home")))
        experiment = experiments.get(request.param)
        yield experiment.train(experiment.configure("smoke", device="cpu", chains=("two_waves",))).finish()


def test_all_fields_go_in_with_their_history_and_come_out(result):
    names = FLOWS[result.experiment.name]
    assert list(result.data.train.data_vars) == list(names)
    task = result.data.task
    assert (task.in_channels, task.out_channels) == (result.settings.history * len(names), len(names))
    assert {"training", "rollout", "spectrum", "distribution", "sample"} == set(result.figures())


def test_beyond_walls_chains_see_zeros(result):
    assert not result.data.task.grid.is_periodic
    assert result.models["two_waves", 0].model.wave.padding == "zeros"


def test_errors_stay_in_bounds_where_a_field_is_at_rest(result):
    """Persistence at rest: its error is that against a tenth of the usual momentum, not against nothing."""
    errors = result.metrics["rollout_l2"]
    assert bool(np.isfinite(errors).all())
    assert float(errors.sel(model="persistence").max()) < 10
    batch = result.data.batches.batch(0)
    deviations = deviations_of(result.data.task)
    expected = rollout_loss("l2", result.data.task.grid, deviations=deviations)
    trial = next(trial for trial in result.prepared.trials if trial.recipe is not None)
    model = trial.build(0)
    assert trial.recipe.loss(model, batch) == expected(model, batch)
    assert torch.allclose(
        deviations, frames_of(result.data.train)[:, result.settings.history :].std((0, 1, 3, 4)), rtol=1e-2
    )


@pytest.mark.parametrize("name", FLOWS)
def test_the_papers_windows(name):
    paper = experiments.get(name).sizes["paper"]
    assert (paper.history, paper.frames, paper.rollout) == HISTORIES[name]
    assert {"one_wave", "eight_waves"} <= set(paper.chains) <= set(CHAINS)
    assert [row.name for row in rows(paper)] == list(paper.chains)
