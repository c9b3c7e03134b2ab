"""The Gram matrix of an energy: the Hessian of a linear model, Newton's step, and descent of a network."""

import math
from itertools import pairwise

import pytest
import torch
from torch import nn

from limitlab import training
from limitlab.discovery import variational as v
from limitlab.discovery.variational.terms import Term
from limitlab.errors import InvalidArgument, UnknownName

ENERGY = v.Energy((v.conduction(), v.reaction(math.pi**2)))


class Cosines(nn.Module):
    """sum_k c_k cos(k pi x_1): linear in its weights."""

    def __init__(self, count=4):
        super().__init__()
        self.coefficients = nn.Parameter(torch.linspace(-1, 1, count, dtype=torch.float64))

    def value_and_gradient(self, x):
        rate = math.pi * torch.arange(len(self.coefficients))
        phase = x[:, :1] * rate
        slope = -torch.sin(phase) * rate @ self.coefficients
        return torch.cos(phase) @ self.coefficients, torch.cat([slope[:, None], torch.zeros_like(x[:, 1:])], 1)


def hessian(loss, model, batch):
    def of(coefficients):
        return sum(torch.func.functional_call(_Loss(loss, model, batch), {"model.coefficients": coefficients}, ()))

    return torch.autograd.functional.hessian(of, model.coefficients.detach())


class _Loss(nn.Module):
    def __init__(self, loss, model, batch):
        super().__init__()
        self.loss, self.model, self.batch = loss, model, batch

    def forward(self):
        return list(self.loss(self.model, self.batch).values())


@pytest.mark.parametrize(
    ("name", "walls"), [("V1", "neumann"), ("V3", "neumann"), ("V4", "neumann"), ("V6", "penalty")]
)
def test_it_is_the_hessian_of_the_energy_for_a_model_that_is_linear_in_its_weights(name, walls):
    energy, model = v.instance(name), Cosines()
    batch = v.CubePoints(2, 40, faces=24, dtype=torch.float64).batch(0)
    loss = v.ritz_loss(energy, v.manufactured(energy, v.cosines(2)), walls=walls, strength=3.0)
    matrix = v.ritz_gram(energy, walls=walls, strength=3.0)(model, batch)
    torch.testing.assert_close(matrix, hessian(loss, model, batch), rtol=1e-9, atol=1e-9)


def test_one_step_ends_at_the_minimum_of_a_quadratic_energy():
    model, batch = Cosines(), v.CubePoints(2, 200, "fixed", dtype=torch.float64).batch(0)
    loss = v.ritz_loss(ENERGY, v.manufactured(ENERGY, v.cosines(2)))
    optimizer = training.natural_gradient.NaturalGradient(model.parameters(), damping=1e-12)

    def closure():
        optimizer.zero_grad()
        value = loss(model, batch)["energy"]
        value.backward()
        return value

    before = closure().detach()
    newton = torch.linalg.solve(hessian(loss, model, batch), model.coefficients.grad)
    expected = model.coefficients.detach() - newton
    after = optimizer.step(closure, lambda: v.ritz_gram(ENERGY)(model, batch))
    torch.testing.assert_close(model.coefficients.detach(), expected, rtol=0, atol=1e-8)
    assert after < before


def test_a_network_gets_further_than_by_as_many_gradients_of_lbfgs():
    """Width 32 in two dimensions after 100 steps of Adam: the energy falls at every step, below where L-BFGS ends."""
    target = v.cosines(2)
    loss = v.ritz_loss(ENERGY, v.manufactured(ENERGY, target))
    sample = training.fixed(**v.CubePoints(2, 2000, "sobol", dtype=torch.float64).batch(0))
    ended = {}
    for method, gram in (("natural_gradient", v.ritz_gram(ENERGY, points=150)), ("lbfgs", None)):
        network = v.TwoLayer(2, 32, seed=0, dtype=torch.float64)
        begun = v.ritz_recipe(loss, v.CubePoints(2, 200, dtype=torch.float64), 100)
        recipe = begun.then(15, optimizer=method, batches=sample, gram=gram)
        energies = [p.loss for p in training.fit(network, recipe, device="cpu") if p.phase == 1]
        assert all(after < before for before, after in pairwise(energies))
        ended[method] = float(v.ritz_errors(network, ENERGY, target)["gradient"])
    assert ended["natural_gradient"] < 0.5 * ended["lbfgs"]


def test_a_density_that_is_not_convex_counts_with_its_convex_part():
    energy = v.Energy((v.conduction(), Term(lambda x, y, z: -(y**2), v.reaction().reach, lambda x, y, z: -2 * y)))
    batch = v.CubePoints(2, 64, dtype=torch.float64).batch(0)
    matrix = v.ritz_gram(energy)(Cosines(), batch)
    torch.testing.assert_close(matrix, v.ritz_gram(v.Energy((v.conduction(),)))(Cosines(), batch))


def test_bad_arguments_are_refused():
    with pytest.raises(UnknownName, match="did you mean 'neumann'"):
        v.ritz_gram(ENERGY, walls="neuman")
    with pytest.raises(InvalidArgument, match="points must be a whole number >= 1"):
        v.ritz_gram(ENERGY, points=0)
