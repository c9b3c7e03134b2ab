"""An acceleration and an energy are drawn from their seed, and give fields with the structure of their kind."""

import torch

import limitlab as ll
from limitlab.neural_des.ode import Acceleration, Energy, HamiltonianField, SecondOrderField


def test_a_seed_decides_the_weights_and_moves_nobodys_random_numbers():
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    one, other = Energy(2, 4, 1, seed=3), Energy(2, 4, 1, seed=3)
    assert torch.equal(torch.rand(1), expected)
    y = torch.randn(5, 2)
    assert torch.equal(one(y), other(y))
    assert not torch.equal(one(y), Energy(2, 4, 1, seed=4)(y))


def test_the_field_of_an_energy_runs_along_its_levels():
    energy = Energy(2, 8, 2, seed=0).double()
    field, y = HamiltonianField(energy), torch.randn(5, 2, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(energy(y).sum(), y)
    change = field(torch.zeros(5, 1, dtype=torch.float64), y)
    torch.testing.assert_close((slope * change).sum(1), torch.zeros(5, dtype=torch.float64))


def test_an_acceleration_moves_positions_by_their_velocities():
    field, y = SecondOrderField(Acceleration(2, 8, 1, seed=0)), torch.randn(5, 4)
    assert torch.equal(field(torch.zeros(5, 1), y)[:, :2], y[:, 2:])


def test_a_file_has_both_back(tmp_path):
    y = torch.randn(5, 2)
    for model, inputs in ((Energy(2, 4, 1), (y,)), (Acceleration(1, 4, 1), (torch.zeros(5, 1), y))):
        assert torch.equal(ll.load(model.save(tmp_path))(*inputs), model(*inputs))
