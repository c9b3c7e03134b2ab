"""An iterate as a growing sum of networks: one stage is the best fit of the linear problem, later ones contract."""

import pytest
import torch

from limitlab import training
from limitlab.discovery import variational as v


def test_a_sum_is_its_networks_times_their_weights():
    one, two = v.TwoLayer(2, 4, seed=0), v.TwoLayer(2, 4, seed=1)
    x = torch.rand(5, 2)
    total = v.Sum(2)
    total.add(one, 1.0)
    total.add(two, -0.5)
    value, gradient = total.value_and_gradient(x)
    assert torch.allclose(value, one(x) - 0.5 * two(x), atol=1e-6)
    assert torch.allclose(gradient, one.value_and_gradient(x)[1] - 0.5 * two.value_and_gradient(x)[1], atol=1e-6)
    assert not any(p.requires_grad for p in total.parameters())


def test_the_quadratic_of_the_first_stage_is_the_energy_of_the_linear_problem():
    """L = |z|^2/2 + y^2/2 from u = 0: the stage's loss is E itself, so one stage converges to the best fit."""
    energy, target = v.instance("V1"), v.cosines(3)
    f, network, batch = v.manufactured(energy, target), v.TwoLayer(3, 8), v.CubePoints(3, 100).batch(0)
    quadratic = v.stage_loss(energy, f, v.Sum(3))(network, batch)["quadratic"]
    assert float(quadratic) == pytest.approx(float(v.ritz_loss(energy, f)(network, batch)["energy"]), rel=1e-5)


def test_one_stage_of_the_linear_problem_has_the_error_of_the_network_alone():
    energy, target = v.instance("V1"), v.cosines(2)
    _, history = v.boosted(energy, target, stages=1, steps=150, width=32, batch_size=300)
    network = v.TwoLayer(2, 32, seed=0)
    recipe = v.ritz_recipe(v.ritz_loss(energy, v.manufactured(energy, target)), v.CubePoints(2, 300), 150)
    list(training.fit(network, recipe, device="cpu"))
    alone = float(v.ritz_errors(network, energy, target)["gradient"])
    assert history[0]["gradient"] == pytest.approx(alone, rel=1e-3)


def test_stages_of_the_semilinear_problem_contract():
    _, history = v.boosted(v.instance("V2"), v.cosines(2), stages=4, step=0.6, steps=150, batch_size=400)
    errors = [row["l2"] for row in history]
    assert errors[-1] < 0.4 * errors[0]
    assert [row["energy"] for row in history] == sorted((row["energy"] for row in history), reverse=True)
    assert [row["units"] for row in history] == [32, 64, 96, 128]


def test_a_step_that_is_too_large_is_named():
    with pytest.raises(v.StepTooLarge, match="makes the energy rise from"):
        v.boosted(v.instance("V2", beta=10.0), v.cosines(2), stages=3, step=2.0, steps=100, batch_size=200)
