"""Fields and Jacobians made from text: shared work, shapes, dtypes, parameters a sample, no look at the batch."""

import math

import pytest
import torch

from limitlab import problems
from limitlab.errors import UnknownName
from limitlab.problems.compiled.vector_field import Layout, jacobian, vector_field
from limitlab.problems.text.systems import parse_dynamics

SYSTEMS = problems.names("ode")
TIME = torch.full((5, 1), 0.3, dtype=torch.float64)


def states(problem, samples=5, seed=3):
    return problem.sample(samples, seed)[0]


@pytest.mark.parametrize("name", SYSTEMS)
def test_jacobian_is_the_derivative_of_the_field(name):
    """Against automatic differentiation of the same field, sample by sample."""
    problem = problems.get(
        name, **({"sites": 6} if name == "kuramoto" else {"sites": 8} if name == "heat_lines" else {})
    )
    y = states(problem)
    field = problem.field()
    expected = torch.func.vmap(torch.func.jacrev(lambda u, time: field(time[None], u[None])[0]))(y, TIME)
    found = problem.jacobian()(TIME, y)
    assert torch.allclose(found, expected, rtol=1e-12, atol=1e-13 * float(expected.abs().max()))


@pytest.mark.parametrize("ends", ["cyclic", "zero"])
def test_jacobian_with_neighbours_and_means_is_the_derivative_of_the_field(ends):
    text = "q[i]' = w*i + K*mean(sin(q[j] - q[i])); p[i]' = q[i+1]*p[i-2] - sum(p[j+1]^2*q[j])/N*p[i]"
    system = parse_dynamics(text, ("K", "w"))
    layout, values = Layout(system.states, ("K", "w"), 7, ends), {"K": 2.0, "w": 0.1}
    field = vector_field(system.drift, layout, values)
    y = torch.randn(5, 14, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    expected = torch.func.vmap(torch.func.jacrev(lambda u: field(TIME[:1], u[None])[0]))(y)
    assert torch.allclose(jacobian(system.drift, layout, values)(TIME, y), expected, atol=1e-13)


@pytest.mark.parametrize(
    "name", ["pendulum", "hodgkin_huxley", "double_pendulum", "lorenz", "toda", "kuramoto", "chua"]
)
def test_a_field_gives_the_same_bits_alone_and_in_a_batch(name):
    problem = problems.get(name)
    y = states(problem, 256)
    time = torch.zeros(256, 1, dtype=torch.float64)
    for function in (problem.field(), problem.jacobian()):
        together = function(time, y)
        for sample in (0, 100, 255):
            alone = function(time[:1], y[sample : sample + 1])
            assert torch.equal(alone[0], together[sample])


@pytest.mark.parametrize("name", ["robertson", "forced_duffing", "toda", "heat_lines", "hodgkin_huxley"])
def test_a_field_keeps_dtype_and_leading_dimensions(name):
    problem = problems.get(name)
    y = states(problem).float()
    field = problem.field()
    single = field(TIME.float(), y)
    assert single.dtype == torch.float32
    nested = field(TIME.float()[:, None], y[:, None].expand(-1, 2, -1))
    assert torch.allclose(nested[:, 1], single)


def test_parameters_may_differ_from_sample_to_sample_and_carry_gradients():
    problem = problems.get("lorenz")
    rho = torch.tensor([10.0, 28.0, 40.0], dtype=torch.float64, requires_grad=True)
    y = states(problem, 3)
    together = problem.field({"rho": rho})(TIME[:3], y)
    for sample, value in enumerate(rho.tolist()):
        alone = problem.with_parameters(rho=value).field()(TIME[:1], y[sample : sample + 1])
        assert torch.allclose(alone[0], together[sample], rtol=1e-14)
    (slope,) = torch.autograd.grad(together[:, 1].sum(), rho)
    assert torch.allclose(slope, y[:, 0])


def test_parameters_of_samples_reach_problems_with_sites():
    problem = problems.get("kuramoto", sites=5)
    coupling = torch.tensor([0.5, 3.0], dtype=torch.float64)
    y = states(problem, 2)
    together = problem.field({"K": coupling})(TIME[:2], y)
    alone = problem.with_parameters(K=3.0).field()(TIME[:1], y[1:])
    assert torch.allclose(alone[0], together[1], rtol=1e-13)


def test_a_misspelt_parameter_of_a_field_is_refused():
    with pytest.raises(UnknownName, match="did you mean 'rho'"):
        problems.get("lorenz").field({"roh": 3.0})


def test_a_mean_over_pairs_is_split_and_equals_the_sum_over_pairs():
    problem = problems.get("kuramoto", sites=50, gamma=0.5, K=1.7)
    theta = states(problem, 4)
    differences = theta[:, None, :] - theta[:, :, None]
    place = torch.arange(1, 51, dtype=torch.float64)
    frequencies = 0.5 * torch.tan(math.pi * (2 * place - 51) / 100)
    expected = frequencies + 1.7 * differences.sin().mean(-1)
    assert torch.allclose(problem.field()(TIME[:4], theta), expected, atol=1e-13)


@pytest.mark.parametrize("potential", [-40.0, -55.0])
def test_hodgkin_huxley_is_smooth_at_the_singular_potentials_of_its_rates(potential):
    problem = problems.get("hodgkin_huxley")
    y = torch.tensor([[potential, 0.1, 0.5, 0.4]], dtype=torch.float64)
    step = torch.tensor([[1e-4, 0.0, 0.0, 0.0]], dtype=torch.float64)
    field, slope = problem.field(), problem.jacobian()(TIME[:1], y)[..., 0]
    difference = (field(TIME[:1], y + step) - field(TIME[:1], y - step)) / 2e-4
    assert torch.allclose(slope, difference, rtol=1e-6)
