"""Neural SDEs as a module: exact moments of linear ones, one path whatever the steps, and failures with a name."""

import pytest
import torch

from limitlab.errors import InvalidArgument
from limitlab.neural_des.sde import NeuralSDE, TimeField
from limitlab.neural_des.sde.model import step_between
from limitlab.solvers import BrownianPath, SolutionBlewUp


def test_a_linear_drift_and_constant_noise_have_their_mean_and_variance():
    model = NeuralSDE(lambda t, z: 1 - z, lambda t, z: torch.full_like(z, 0.5), step_size=0.02)
    end = model(torch.full((4000, 1), -1.0), [0.0, 2.0], seed=0)[:, -1, 0]
    mean, variance = 1 - 2 * torch.exp(torch.tensor(-2.0)), 0.125 * (1 - torch.exp(torch.tensor(-4.0)))
    # three standard errors, and the step's own error of a hundredth
    assert abs(end.mean() - mean) < 3 * (variance / 4000) ** 0.5 + 0.01
    assert abs(end.var() - variance) < 3 * variance * (2 / 4000) ** 0.5 + 0.005


def test_gradients_are_those_of_differences():
    drift, diffusion = TimeField(2, (2,), width=4).double(), TimeField(2, (2, 3), width=4, seed=1).double()
    model = NeuralSDE(
        drift, diffusion, noise="general", calculus="stratonovich", method="reversible_heun", step_size=0.125
    )
    z0, weight = torch.ones(3, 2, dtype=torch.float64), diffusion.layers[0].weight

    def total():
        return model(z0, [0.0, 1.0], seed=2)[:, -1].square().sum()

    gradient = torch.autograd.grad(total(), weight)[0][1, 1]
    with torch.no_grad():
        ends = []
        for shift in (1e-5, -1e-5):
            weight[1, 1] += shift
            ends.append(total())
            weight[1, 1] -= shift
    assert torch.isclose(gradient, (ends[0] - ends[1]) / 2e-5, rtol=1e-6)


@pytest.mark.parametrize("gradient", ["checkpoint", "reversible"])
def test_every_gradient_is_that_of_the_tape(gradient):
    gradients = []
    for way in ("direct", gradient):
        drift, diffusion = TimeField(2, (2,), seed=1).double(), TimeField(2, (2, 3), seed=2).double()
        model = NeuralSDE(
            drift, diffusion, noise="general", calculus="stratonovich", method="reversible_heun", step_size=0.125,
            gradient=way,
        )  # fmt: skip
        model(torch.ones(3, 2, dtype=torch.float64), [0.0, 0.5, 1.0], seed=0).square().sum().backward()
        gradients.append(torch.cat([parameter.grad.flatten() for parameter in model.parameters()]))
    assert torch.allclose(*gradients, rtol=1e-9, atol=1e-10)


def test_a_path_that_is_passed_is_followed_at_any_step():
    drift, diffusion = TimeField(2, (2,)), TimeField(2, (2,), end="sigmoid", seed=1)
    path, ends = BrownianPath(0, (5, 2), (0.0, 1.0), dtype=torch.float32), []
    for step in (0.01, 0.005):
        model = NeuralSDE(drift, diffusion, calculus="stratonovich", method="heun", step_size=step)
        ends.append(model(torch.zeros(5, 2), [0.0, 1.0], brownian=path)[:, -1])
    assert (ends[0] - ends[1]).abs().max() < 0.01
    other = model(torch.zeros(5, 2), [0.0, 1.0], seed=1)[:, -1]
    assert (ends[0] - other).abs().max() > 0.1


def test_a_solution_that_blows_up_names_class_sample_time_and_remedy():
    class Cubic(torch.nn.Module):
        def forward(self, t, z):
            return z**3

    model = NeuralSDE(Cubic(), lambda t, z: 0.1 * torch.ones_like(z), step_size=0.1)
    with pytest.raises(SolutionBlewUp, match=r"Cubic as the drift .* sample 1 .*t = .*step_size") as raised:
        model(torch.tensor([[0.0], [9.0]]), [0.0, 5.0], seed=0)
    assert raised.value.failures[0].sample == 1


def test_what_is_no_function_and_what_was_not_called_is_refused():
    with pytest.raises(InvalidArgument, match="drift must be a function"):
        NeuralSDE(1.0, lambda t, z: z)
    with pytest.raises(InvalidArgument, match="not called yet"):
        NeuralSDE(lambda t, z: z, lambda t, z: z).last  # noqa: B018


@pytest.mark.parametrize("origin", [0.0, 100.0])
def test_steps_between_even_times_are_as_many_as_gaps(origin):
    times = torch.linspace(origin, origin + 2.0, 24)
    model = NeuralSDE(lambda t, z: -z, lambda t, z: torch.ones_like(z), step_size=step_between(times))
    assert int(model.solve(torch.zeros(1, 1), times, seed=0).log.steps) == 23


def test_steps_between_uneven_times_are_as_many_as_gaps():
    times = torch.tensor([0.0, 0.1, 0.5, 0.7, 2.0])
    model = NeuralSDE(lambda t, z: -z, lambda t, z: torch.ones_like(z), step_size=step_between(times))
    assert int(model.solve(torch.zeros(1, 1), times, seed=0).log.steps) == 4
