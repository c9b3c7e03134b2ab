"""A step in a box learned on a pool: boxes of every kind, states that keep them, and less error than standing still."""

import numpy as np
import pytest
import torch

from limitlab import experiments
from limitlab.errors import InvalidArgument, UnknownName
from limitlab.experiments.operators.lordnet.cavity_lordnet import NETWORKS, box_of, boxes

EXPERIMENT = experiments.get("cavity_lordnet")


@pytest.fixture(scope="module")
def result():
    settings = EXPERIMENT.configure("smoke", device="cpu", networks=tuple(NETWORKS))
    return EXPERIMENT.train(settings).finish()


def test_every_network_is_trained_measured_and_drawn(result):
    assert list(result.metrics["model"].values) == [*NETWORKS, "standing"]
    for variable in ("error", "step_error", "residual", "divergence"):
        assert bool(np.isfinite(result.metrics[variable]).all())
    assert set(result.figures()) == {"training", "step_error", "error", "speed"}


def test_the_test_flows_solve_the_equations_whose_residual_is_minimised(result):
    data = result.prepared.data
    residuals = [
        data.residual(after, before)
        for before, after in zip(data.flows[:, :-1].unbind(1), data.flows[:, 1:].unbind(1), strict=True)
    ]
    assert float(torch.stack(residuals).abs().max()) < 1e-5
    assert float(data.residual(data.flows[:, 0], data.flows[:, 0]).abs().max()) > 0.1


@pytest.mark.parametrize("dimension", [2, 3])
@pytest.mark.parametrize("unknown", ["potential", "velocity"])
def test_a_step_keeps_its_box_and_crosses_no_wall(unknown, dimension):
    settings = EXPERIMENT.configure("smoke", unknown=unknown, dimension=dimension, bodies=1.0, points=8, rollout=1)
    prepared = EXPERIMENT.prepare(settings)
    model, state = prepared.trials[0].build(0), prepared.data.bank[:4]
    with torch.no_grad():
        after = model(model(state))
    assert torch.equal(after[:, -2:], state[:, -2:])
    assert float((after[:, :dimension] * (1 - box_of(state).faces)).abs().max()) == 0.0
    assert float(after[:, :dimension].abs().max()) > 0.0
    divergence = float(prepared.data.residual(after, state)[:, -1].abs().max())
    assert (divergence < 1e-6) == (unknown == "potential")


def test_a_step_in_space_is_trained_and_drawn():
    settings = EXPERIMENT.configure(
        "smoke", dimension=3, points=8, test_samples=2, device="cpu", networks=tuple(NETWORKS)
    )
    result = EXPERIMENT.train(settings).finish()
    assert bool(np.isfinite(result.metrics["error"]).all())
    assert float(result.metrics["divergence"].max()) < 1e-5
    assert set(result.figures()) == {"training", "step_error", "error", "speed"}


def test_boxes_are_drawn_one_by_one_at_the_share_that_was_asked_for():
    settings = EXPERIMENT.configure("smoke", points=24)
    states = boxes(settings, 400, 0)
    assert torch.equal(states[7:9], boxes(settings, 2, 7))
    solid = (1 - states[:, -2]).flatten(1).sum(1)
    # binomial, three deviations
    assert abs(int((solid > 0).sum()) - 200) < 3 * 10
    assert 3**2 <= float(solid[solid > 0].min()) < float(solid.max()) <= 8**2
    assert float((1 - states[:, 3])[:, [0, 1, 2, -3, -2, -1]].max()) == 0.0
    assert bool(((states[:, 4] >= 0.5) & (states[:, 4] <= 1.5)).all())


def test_no_flow_is_solved_for_the_pool():
    prepared = EXPERIMENT.prepare(EXPERIMENT.configure("smoke"))
    assert float(prepared.trials[0].build(0).states[:, :3].abs().max()) == 0.0


def test_training_on_the_pool_beats_standing_still():
    settings = EXPERIMENT.configure(
        "smoke", networks=("lordnet",), steps=150, width=8, batch_size=8, bodies=0.0, viscosity=0.05
    )
    errors = EXPERIMENT.train(settings).finish().grid("network")["error"].mean(("seed", "sample")).isel(time=-1)
    assert float(errors.sel(network="lordnet")) < 0.7 * float(errors.sel(network="standing"))


def test_unknown_networks_are_named():
    with pytest.raises(UnknownName, match="did you mean 'lordnet'"):
        EXPERIMENT.configure("smoke", networks=("lordnett",))


def test_rates_of_single_networks_are_a_setting():
    settings = EXPERIMENT.configure("smoke", networks=("lordnet", "fno"), rates="fno=1e-3")
    rates = {t.name: t.recipe.learning_rate for t in EXPERIMENT.prepare(settings).trials if t.recipe}
    assert rates == {"lordnet": settings.learning_rate, "fno": 1e-3}
    for text, error in [("fno", InvalidArgument), ("fnoo=1e-3", UnknownName), ("fno=2", InvalidArgument)]:
        with pytest.raises(error):
            EXPERIMENT.configure("smoke", rates=text)
