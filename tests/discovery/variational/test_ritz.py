"""Deep Ritz: points and their faces, an unbiased loss, terms for walls, fixed samples that dive below the minimum."""

import math

import numpy as np
import pytest
import torch

from limitlab import training
from limitlab.discovery import variational as v
from limitlab.errors import InvalidArgument, UnknownName

ENERGY = v.Energy((v.conduction(), v.reaction(math.pi**2)))


def trained(dimension, energy=ENERGY, *, steps=600, width=64, size=500, sampling="fresh", **walls):
    target = v.cosines(dimension)
    loss = v.ritz_loss(energy, v.manufactured(energy, target), **walls)
    faces = 200 if walls.get("walls") in ("penalty", "nitsche") else 0
    network = v.TwoLayer(dimension, width, seed=1)
    recipe = v.ritz_recipe(loss, v.CubePoints(dimension, size, sampling, faces), steps)
    *_, last = training.fit(network, recipe, device="cpu")
    return network, v.ritz_errors(network, energy, target), last


def test_the_loss_estimates_the_energy_without_bias():
    """The mean of 200 batches lies within 3 standard errors of the value at a million points."""
    target, network = v.cosines(5), v.TwoLayer(5, 16, seed=0)
    f = v.manufactured(ENERGY, target)
    loss, points = v.ritz_loss(ENERGY, f), v.CubePoints(5, 1000)
    with torch.no_grad():
        energies = torch.stack([loss(network, points.batch(step))["energy"] for step in range(200)])
        exact = float(loss(network, v.CubePoints(5, 1_000_000, seed=77).batch(0))["energy"])
    assert abs(float(energies.mean()) - exact) < 3 * float(energies.std()) / math.sqrt(200)


def test_a_batch_is_a_function_of_its_step():
    points = v.CubePoints(4, 16, "fresh", faces=8, seed=3)
    for name, tensor in points.batch(7).items():
        assert torch.equal(tensor, points.batch(7)[name])
    assert not torch.equal(points.batch(7)["x"], points.batch(8)["x"])
    assert not torch.equal(points.batch(7)["x"], v.CubePoints(4, 16, "fresh", seed=4).batch(7)["x"])
    fixed = v.CubePoints(4, 16, "fixed")
    assert torch.equal(fixed.batch(1)["x"], fixed.batch(2)["x"])


def test_sobol_points_fill_the_cube_more_evenly():
    """The mean of sum x_i^2 over 64 batches of 256 points: its standard deviation is at most a fifth."""
    spread = [
        torch.stack([v.CubePoints(4, 256, kind).batch(s)["x"].square().sum(-1).mean() for s in range(64)]).std()
        for kind in ("fresh", "sobol")
    ]
    assert spread[1] < spread[0] / 5


def test_faces_are_met_equally_often_with_their_outward_normals():
    batch = v.CubePoints(3, 1, faces=60_000).batch(0)
    wall, normal = batch["wall"], batch["normal"]
    on = (wall == 0) | (wall == 1)
    assert (on.sum(1) >= 1).all()
    share = torch.cat([(normal == -1).float().mean(0), (normal == 1).float().mean(0)])
    assert torch.allclose(share, torch.full((6,), 1 / 6), atol=0.01)
    assert (wall[normal == -1] == 0).all()
    assert (wall[normal == 1] == 1).all()


def test_fresh_points_beat_a_fixed_sample_which_dives_below_the_minimum():
    """d = 5, 100 points: L2 three times worse, energy below the solution's there, above it elsewhere."""
    _, fresh, _ = trained(5, size=100, steps=800, width=128)
    network, fixed, _ = trained(5, size=100, steps=800, width=128, sampling="fixed")
    assert fixed["l2"] > 3 * fresh["l2"]
    sample = v.CubePoints(5, 100, "fixed").batch(0)["x"]
    assert v.excess_energy(network, ENERGY, v.cosines(5), sample) < -0.1 < 0.1 < float(fixed["excess"])


def test_two_dimensions_are_solved_to_a_few_percent_in_l2_and_less_well_in_the_gradient():
    _, errors, _ = trained(2)
    assert errors["l2"] < 0.05
    assert errors["l2"] < errors["gradient"] < 0.2
    assert 0 < errors["excess"] < 0.2


def test_the_network_is_near_the_descent_on_the_grid():
    """V2, Neumann, d = 2: relative L2 difference to the grid's solution below 1e-2, along natural gradients."""
    energy, network = v.instance("V2"), v.TwoLayer(2, 32, seed=1, dtype=torch.float64)
    loss = v.ritz_loss(energy, v.manufactured(energy, v.cosines(2)))
    sample = training.fixed(**v.CubePoints(2, 2000, "sobol", dtype=torch.float64).batch(0))
    recipe = v.ritz_recipe(loss, v.CubePoints(2, 200, dtype=torch.float64), 100)
    recipe = recipe.then(20, optimizer="natural_gradient", batches=sample, gram=v.ritz_gram(energy, points=150))
    list(training.fit(network, recipe, device="cpu"))
    problem = v.grid_problem(energy, v.cosines(2), v.Band(16, 2, walls="neumann"))
    values = v.descend(problem).values
    with torch.no_grad():
        ours = network(problem.band.points)
    assert float((ours - values).norm() / values.norm()) < 1e-2


@pytest.mark.parametrize(("walls", "strength"), [("penalty", 500.0), ("nitsche", 100.0)])
def test_dirichlet_values_are_reached_by_a_term_of_the_loss(walls, strength):
    _, errors, last = trained(2, steps=300, walls=walls, strength=strength, values=v.cosines(2))
    assert errors["l2"] < 0.2
    assert set(last.losses) == {"energy", "walls"}


def test_the_nitsche_term_is_that_of_a_hand_made_example():
    """u = x on [0, 1], g = 0: - int u' n u + b/2 int u^2 = -1 + b/2, the wall x = 0 giving nothing."""

    class Line(torch.nn.Module):
        def value_and_gradient(self, x):
            return x[..., 0], torch.ones_like(x)

    batch = {"x": torch.rand(4, 1), "wall": torch.tensor([[0.0], [1.0]]), "normal": torch.tensor([[-1.0], [1.0]])}
    loss = v.ritz_loss(v.instance("V1"), lambda x: 0 * x[..., 0], walls="nitsche", strength=10.0)
    assert float(loss(Line(), batch)["walls"]) == pytest.approx(4.0)
    loss = v.ritz_loss(v.instance("V1"), lambda x: 0 * x[..., 0], walls="penalty", strength=10.0)
    assert float(loss(Line(), batch)["walls"]) == pytest.approx(10.0)


def test_a_training_that_diverges_is_named():
    target = v.cosines(1)
    loss = v.ritz_loss(v.instance("V6"), v.manufactured(v.instance("V6"), target))
    recipe = v.ritz_recipe(loss, v.CubePoints(1, 50), 50, learning_rate=1e4)
    with pytest.raises(training.TrainingDiverged, match="training diverged at step"):
        list(training.fit(v.TwoLayer(1, 8), recipe, device="cpu"))


def test_bad_arguments_are_refused():
    with pytest.raises(UnknownName, match="did you mean 'sobol'"):
        v.CubePoints(2, 8, "sobel")
    with pytest.raises(InvalidArgument, match="size must be a whole number >= 1"):
        v.CubePoints(2, 0)
    with pytest.raises(InvalidArgument, match="one process"):
        v.CubePoints(2, 8, "fixed").shard(0, 2)
    assert np.isfinite(float(v.ritz_errors(v.TwoLayer(1, 4), ENERGY, v.cosines(1))["l2"]))
