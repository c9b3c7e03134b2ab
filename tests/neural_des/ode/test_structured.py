"""Structure that holds whatever the weights: order two, energy, and a known part."""

import pytest
import torch
from torch import nn

from limitlab import problems
from limitlab.errors import InvalidArgument
from limitlab.neural_des.ode import HamiltonianField, HybridField, MLPField, NeuralODE, SecondOrderField
from limitlab.solvers import solve_ode


def energy_network(size, seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(size, 16), nn.Tanh(), nn.Linear(16, 1)).double()


def test_the_velocity_of_a_second_order_field_is_the_slope_of_its_positions():
    force = MLPField(4, width=8, seed=3).double()
    field = SecondOrderField(lambda t, y: force(t, y)[:, :2])
    y0, moments = torch.randn(5, 4).double(), torch.linspace(0, 1, 201, dtype=torch.float64)
    y = solve_ode(field, y0, moments, rtol=1e-10, atol=1e-10).y
    slope = (y[:, 2:, :2] - y[:, :-2, :2]) / (2 * moments[1])
    # a central difference is wrong by h^2 q'''/6
    assert torch.allclose(slope, y[:, 1:-1, 2:], atol=1e-4)


@pytest.mark.parametrize("tolerance", [1e-5, 1e-8])
def test_a_learned_energy_is_conserved_to_the_tolerance(tolerance):
    energy = energy_network(4)
    y0 = torch.randn(6, 4).double()
    y = solve_ode(HamiltonianField(energy), y0, torch.linspace(0, 20, 41), rtol=tolerance, atol=tolerance).y
    values = energy(y)[..., 0].detach()
    assert (values - values[:, :1]).abs().max() < 20 * tolerance
    assert (y - y[:, :1]).abs().max() > 0.5


def test_the_hamiltonian_field_is_that_of_a_known_energy_and_has_no_divergence():
    kepler = HamiltonianField(lambda y: 0.5 * y[:, 2:].square().sum(-1) - 1 / y[:, :2].norm(dim=-1))
    problem = problems.get("kepler")
    y0, _ = problem.sample(7)
    clock = torch.zeros(7, 1, dtype=torch.float64)
    assert torch.allclose(kepler(clock, y0), problem.field()(clock, y0), rtol=1e-12)
    learned = HamiltonianField(energy_network(4, seed=1))
    jacobian = torch.func.vmap(torch.func.jacrev(lambda y: learned(None, y[None])[0]))(y0)
    assert jacobian.diagonal(dim1=1, dim2=2).sum(-1).abs().max() < 1e-12


def test_an_energy_is_learned_from_trajectories_up_to_a_constant():
    """The pendulum's energy, from its own field: differences of H are those of the truth."""
    problem = problems.get("pendulum", ratio=1.0)
    y0, clock = problem.sample(128)[0], torch.zeros(128, 1, dtype=torch.float64)
    field = HamiltonianField(energy_network(2, seed=2))
    optimizer = torch.optim.Adam(field.parameters(), lr=1e-2)
    for _ in range(400):
        optimizer.zero_grad()
        loss = (field(clock, y0) - problem.field()(clock, y0)).square().mean()
        loss.backward()
        optimizer.step()
    truth = y0[:, 1] ** 2 / 2 - torch.cos(y0[:, 0])
    learned = field.energy(y0)[:, 0].detach()
    assert (learned - learned.mean() - truth + truth.mean()).abs().max() < 0.1 * truth.std()


def test_every_gradient_of_a_hamiltonian_solve_is_that_of_the_tape():
    y0, gradients = torch.randn(3, 2).double(), []
    for way in ("direct", "checkpoint", "adjoint"):
        field = HamiltonianField(energy_network(2))
        NeuralODE(field, rtol=1e-9, atol=1e-9, gradient=way)(y0).square().sum().backward()
        gradients.append(field.energy[0].weight.grad)
    assert torch.allclose(gradients[1], gradients[0], rtol=1e-12)
    assert torch.allclose(gradients[2], gradients[0], rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("known", ["pendulum", problems.get("pendulum"), problems.get("pendulum").field()])
def test_a_hybrid_field_without_correction_is_the_known_part(known):
    y, clock = torch.randn(5, 2).double(), torch.zeros(5, 1).double()
    field = HybridField(known, lambda t, y: torch.zeros_like(y))
    assert field(clock, y).equal(problems.get("pendulum").field()(clock, y))


def test_a_correction_learns_the_damping_that_the_known_pendulum_lacks():
    """Trained on the damped pendulum's trajectories, c v is what is left over, and nothing else."""
    damped = problems.get("pendulum", ratio=1.0, c=0.5)
    known = problems.get("pendulum", ratio=1.0)
    y0, moments = damped.sample(64, seed=1)[0], torch.linspace(0, 2, 9, dtype=torch.float64)
    target = damped.solve(y0, moments).y
    correction = nn.Linear(2, 2, bias=False).double()
    model = NeuralODE(HybridField(known, lambda t, y: correction(y)), rtol=1e-6)
    optimizer = torch.optim.Adam(correction.parameters(), lr=5e-2)
    for _ in range(150):
        optimizer.zero_grad()
        loss = (model.solve(y0, moments).y - target).square().mean()
        loss.backward()
        optimizer.step()
    truth = torch.tensor([[0.0, 0.0], [0.0, -0.5]], dtype=torch.float64)
    assert (correction.weight.detach() - truth).abs().max() < 1e-3


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: HamiltonianField(lambda y: y.sum(-1))(None, torch.ones(2, 3)), "two halves of one size; got 3"),
        (lambda: SecondOrderField(lambda t, y: y)(None, torch.ones(2, 4)), r"return \(2, 2\), half.*got \(2, 4\)"),
        (lambda: HybridField(3.0, MLPField(2)), "known must be a function"),
        (lambda: HybridField("pendulumm", MLPField(2)), "did you mean 'pendulum'"),
        (
            lambda: HybridField("pendulum", lambda t, y: y[:, :1])(torch.zeros(4, 1), torch.ones(4, 2)),
            r"shape of the state, \(4, 2\); got \(4, 2\) and \(4, 1\)",
        ),
    ],
)
def test_what_does_not_fit_is_refused_by_name(call, message):
    with pytest.raises(InvalidArgument, match=message):
        call()
