"""A flow's density against the normal law that a linear field carries, and as a density."""

import pytest
import torch

from limitlab.errors import InvalidArgument, UnknownName
from limitlab.neural_des.ode import ContinuousFlow, MLPField
from limitlab.neural_des.ode.flow import divergence_of

FINE = {"rtol": 1e-9, "atol": 1e-9}


@pytest.fixture
def matrix():
    return torch.randn(3, 3, generator=torch.Generator().manual_seed(4)).double()


def normal_of(matrix):
    """The law of exp(A) z with z standard normal."""
    whole = torch.linalg.matrix_exp(matrix)
    return torch.distributions.MultivariateNormal(torch.zeros(len(matrix)).double(), whole @ whole.T)


def test_a_linear_field_carries_the_normal_law_to_a_normal_law(matrix):
    flow = ContinuousFlow(lambda t, y: y @ matrix.T, 3, **FINE)
    x = torch.randn(9, 3).double()
    assert torch.allclose(flow.log_density(x), normal_of(matrix).log_prob(x), rtol=1e-7)


def test_the_estimate_of_the_trace_is_right_on_average(matrix):
    """Of a linear field the estimate is s . A s: no solve is needed for its mean and its spread."""
    flow = ContinuousFlow(lambda t, y: y @ matrix.T, 3, trace="hutchinson", **FINE)
    x = torch.randn(1, 3).double().expand(2000, 3)
    estimates, exact = flow.log_density(x, seed=0), normal_of(matrix).log_prob(x[0])
    error = estimates.std() / len(x) ** 0.5
    assert error > 0
    assert (estimates.mean() - exact).abs() < 4 * error
    assert flow.log_density(x, seed=0).equal(estimates)
    assert not flow.log_density(x, seed=1).equal(estimates)


def test_the_trace_is_that_of_the_whole_jacobian():
    field, y = MLPField(4, width=8, with_time=True, seed=2).double(), torch.randn(5, 4).double()
    t = torch.rand(5, 1).double()
    slope, trace = divergence_of(field, t, y)
    jacobian = torch.stack(
        [torch.autograd.functional.jacobian(lambda one, i=i: field(t[i : i + 1], one[None])[0], y[i]) for i in range(5)]
    )
    assert slope.equal(field(t, y))
    assert torch.allclose(trace, jacobian.diagonal(dim1=1, dim2=2).sum(-1), rtol=1e-12)


def test_a_learned_density_has_mass_one():
    field = MLPField(1, width=16, seed=1).double()
    with torch.no_grad():
        field.scale.fill_(2.0)
    x = torch.linspace(-8, 8, 1601, dtype=torch.float64)[:, None]
    density = ContinuousFlow(field, 1, **FINE).log_density(x).exp().detach()
    assert float(torch.trapezoid(density, x[:, 0])) == pytest.approx(1.0, abs=1e-6)


def test_samples_follow_the_density(matrix):
    flow = ContinuousFlow(lambda t, y: y @ matrix.to(y).T, 3, rtol=1e-6)
    points, covariance = flow.sample(20_000, seed=3).double(), normal_of(matrix).covariance_matrix
    assert (torch.cov(points.T) - covariance).norm() < 0.05 * covariance.norm()
    assert flow.sample(5, seed=3).equal(flow.sample(5, seed=3))


def test_likelihood_is_learned_up_to_the_entropy_of_the_law():
    """Points from N(2, 0.5^2): the mean log density reaches minus the entropy."""
    x = 2 + 0.5 * torch.randn(256, 1, generator=torch.Generator().manual_seed(0))
    flow = ContinuousFlow(MLPField(1, width=16, depth=1, activation="tanh", bounded=False), 1)
    optimizer = torch.optim.Adam(flow.parameters(), lr=5e-2)
    for _ in range(50):
        optimizer.zero_grad()
        loss = -flow.log_density(x).mean()
        loss.backward()
        optimizer.step()
    fitted = torch.distributions.Normal(x.mean(), x.std(correction=0))
    assert float(loss.detach()) < float(-fitted.log_prob(x).mean()) + 0.05


def test_what_does_not_fit_is_refused_by_name():
    with pytest.raises(UnknownName, match="hutchinson"):
        ContinuousFlow(MLPField(2), 2, trace="hutchison")
    with pytest.raises(InvalidArgument, match=r"x must be \(batch, 2\); got \(3, 1\)"):
        ContinuousFlow(MLPField(2), 2).log_density(torch.ones(3, 1))
