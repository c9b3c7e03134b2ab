"""Networks that make the change of a flow: rollouts, and what the padding and the norm inside a cycle do."""

import pytest
import torch

from limitlab import experiments
from limitlab.experiments.operators.multigrid.navier_stokes_mgno import Change


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIMITLAB_HOME", str(tmp_path_factory.mktemp("home")))
        experiment = experiments.get("navier_stokes_mgno")
        return experiment.train(experiment.configure("smoke", device="cpu")).finish()


def model_of(result, name):
    return result.prepared.trial(operator=name).build(0).model.double()


def test_every_network_is_measured_over_a_step_and_in_rollouts(result):
    names = ["fno", "persistence", "multigrid", "linear_cycles", "zeros", "fno_changes"]
    assert list(result.metrics["model"].values) == names
    assert bool(result.metrics["rollout_l2"].notnull().all())
    assert result.metrics.sizes["step"] == 3
    assert {"training", "rollout", "distribution", "spectrum", "sample"} == set(result.figures())


def test_a_change_of_nothing_is_persistence(result):
    model = model_of(result, "multigrid")
    torch.nn.init.zeros_(model.model.exit.weight)
    w = torch.randn(2, 1, 16, 16, dtype=torch.float64)
    assert isinstance(model, Change)
    assert torch.equal(model(w), w)


@pytest.mark.parametrize(("name", "same"), [("multigrid", True), ("linear_cycles", True), ("zeros", False)])
def test_a_flow_that_is_moved_by_the_coarsest_spacing_is_answered_so_where_the_padding_is_the_torus(result, name, same):
    model, w = model_of(result, name), torch.randn(1, 1, 16, 16, dtype=torch.float64)
    with torch.no_grad():
        moved = model(w.roll((8, 8), (2, 3))) - model(w).roll((8, 8), (2, 3))
    assert (float(moved.abs().max()) < 1e-10) == same


@pytest.mark.parametrize(("name", "linear"), [("multigrid", False), ("linear_cycles", True)])
def test_the_norm_inside_a_cycle_is_what_makes_it_nonlinear(result, name, linear):
    cycle = model_of(result, name).model.cycles[1]
    a, b = torch.randn(2, 1, 4, 16, 16, dtype=torch.float64)
    with torch.no_grad():
        rest = cycle(2 * a + b) - 2 * cycle(a) - cycle(b)
        assert (float(rest.norm() / cycle(a).norm()) < 1e-12) == linear
