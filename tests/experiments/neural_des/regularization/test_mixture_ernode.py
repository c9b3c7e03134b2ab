"""The mixture at smoke size: its law, densities that are those of the library's flow, and twins that begin alike."""

import math

import pytest
import torch

from limitlab import experiments
from limitlab.experiments.neural_des.regularization import mixture_ernode as mixture
from limitlab.neural_des.ode import ContinuousFlow
from limitlab.neural_des.regularization import Global, Unregularized


@pytest.fixture(scope="module")
def result():
    experiment = experiments.get("mixture_ernode")
    return experiment.train(experiment.configure("smoke")).finish()


def test_points_have_the_moments_of_the_mixture():
    """Mean 0 and, as all laws lie on a circle, covariance (radius^2 / 2 + deviation^2) times the identity."""
    x = mixture.points(20_000, 4, (0, 0))
    variance = mixture.RADIUS**2 / 2 + mixture.DEVIATION**2
    assert x.mean(0).abs().max() < 4 * (variance / len(x)) ** 0.5
    assert torch.allclose(torch.cov(x.T), variance * torch.eye(2).double(), atol=0.05)
    assert not torch.equal(mixture.points(5, 4, (0, 0)), mixture.points(5, 4, (0, 1)))


def test_the_mixture_has_mass_one_and_is_the_normal_law_where_there_is_one():
    axis = torch.linspace(-5, 5, 201, dtype=torch.float64)
    density = mixture.mixture_log_density(torch.cartesian_prod(axis, axis), 4).exp().view(201, 201)
    assert float(torch.trapezoid(torch.trapezoid(density, axis), axis)) == pytest.approx(1, abs=1e-8)
    x = mixture.points(9, 1, (0, 0))
    law = torch.distributions.MultivariateNormal(mixture.centres(1)[0], mixture.DEVIATION**2 * torch.eye(2).double())
    assert torch.allclose(mixture.mixture_log_density(x, 1), law.log_prob(x), rtol=1e-12)


@pytest.mark.parametrize("regularization", [Unregularized(), Global()])
def test_the_log_density_is_that_of_the_library_s_flow(regularization):
    """In training and in evaluation, with a term or without."""
    settings = experiments.get("mixture_ernode").configure("smoke", tolerance=1e-6)
    model, x = mixture.build(settings, regularization, seed=3), mixture.points(7, 4, (1, 0))
    flow = ContinuousFlow(model.flow.ode.field.network, 2, rtol=1e-6, atol=1e-6)
    for mode in (True, False):
        assert torch.allclose(model.train(mode)(x), flow.log_density(x), atol=1e-4)


def test_every_way_has_its_excess_and_its_costs(result):
    grid = result.grid("way").isel(seed=0)
    assert grid["way"].values.tolist() == ["plain", "ernode", "biased"]
    for name in ("nfe", "nfe_fresh", "nfe_dopri5", "nfe_bosh3", "training_calls"):
        assert (grid[name] > 7).all()
    # no law is nearer to the points than their own, but for what a small sample leaves open
    assert (grid["excess"] > -0.3).all()
    assert len(set(grid["normal_excess"].values.tolist())) == 1
    assert float(grid["density"].isel(way=0).sum() * (8 / 40) ** 2) == pytest.approx(1, abs=0.05)
    assert set(result.figures()) == {"density", "nfe", "training"}


def test_twins_begin_alike_and_are_parted_by_their_term(result):
    first = result.curves["negative_log_density"].isel(seed=0, step=0)
    assert float(first.max() - first.min()) == 0
    plain, ernode = (result.models[way, 0] for way in ("plain", "ernode"))
    assert not torch.equal(
        plain.flow.ode.field.network.layers[0].weight, ernode.flow.ode.field.network.layers[0].weight
    )


def test_the_normal_law_is_the_best_of_its_kind():
    """The mean log density of the fitted law at its own points is minus the entropy of that law, but for 1/(n - 1)."""
    x = mixture.points(500, 4, (0, 0))
    entropy = 1 + math.log(2 * math.pi) + 0.5 * float(torch.logdet(torch.cov(x.T)))
    assert float(mixture.normal_log_density(x, x).mean()) == pytest.approx(-entropy, abs=0.01)
