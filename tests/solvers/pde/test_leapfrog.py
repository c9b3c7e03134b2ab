"""Leap-frog waves: exact modes, the energy that is kept, time reversal, errors."""

import math

import numpy as np
import pytest
import torch

from limitlab.errors import InvalidArgument
from limitlab.solvers.pde.elliptic import darcy_operator
from limitlab.solvers.pde.leapfrog import integrate_leapfrog
from limitlab.spaces.grid import Grid


def cells(*shape, lengths=1.0):
    return Grid.uniform(shape, lengths=lengths, kind="cells")


def medium(*shape):
    return 0.5 + torch.rand(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def test_the_modes_of_a_drum_swing_with_order_two():
    errors = []
    for n in (16, 32, 64):
        grid = cells(n, 2 * n, lengths=(1.0, 2.0))
        x, y = grid.points().unbind(-1)
        mode = (torch.sin(2 * math.pi * x) * torch.sin(math.pi * y))[None]
        u, v = integrate_leapfrog(mode, 0 * mode, torch.full_like(mode, 4.0), grid, np.linspace(0, 0.5, 3))
        frequency = 2 * math.pi * math.sqrt(5)
        errors.append(float((u[:, 2] - math.cos(frequency * 0.5) * mode).abs().max()))
        speed = -frequency * math.sin(frequency * 0.5) * mode
        assert float((v[:, 2] - speed).abs().max()) < 300 / n**2 * frequency
    assert all(1.9 < order < 2.1 for order in -np.diff(np.log2(errors)))


def test_the_modified_energy_is_kept_for_a_thousand_steps():
    grid = cells(12, 16)
    a, u, v = medium(2, 12, 16), medium(2, 12, 16) - 1, torch.zeros(2, 12, 16).double()
    dt = 0.01
    us, vs = integrate_leapfrog(u, v, a, grid, dt * np.arange(1025), courant=1.0)
    forces = -darcy_operator(us, a[:, None], grid)
    energies = vs**2 / 2 - us * forces / 2 - dt**2 * forces**2 / 8
    total = energies.mean((-2, -1))
    assert float((total / total[:, :1] - 1).abs().max()) < 1e-10
    # the steps were single ones, and the energy proper does waver
    plain = (vs**2 / 2 - us * forces / 2).mean((-2, -1))
    assert 1e-6 < float((plain / plain[:, :1] - 1).abs().max()) < 0.3


def test_a_wave_returns_when_its_velocity_is_turned_round():
    grid = cells(16, 16)
    a, u = medium(1, 16, 16), medium(1, 16, 16) - 1
    there, velocity = integrate_leapfrog(u, 0 * u, a, grid, [0.0, 2.0])
    back, _ = integrate_leapfrog(there[:, 1], -velocity[:, 1], a, grid, [0.0, 2.0])
    assert float((there[:, 1] - u).abs().max()) > 0.1
    assert torch.allclose(back[:, 1], u, rtol=0, atol=1e-11)


def test_a_sample_has_steps_of_its_own():
    grid = cells(8, 8)
    a, u = medium(2, 8, 8) * torch.tensor([1.0, 30.0]).double()[:, None, None], medium(2, 8, 8)
    together, _ = integrate_leapfrog(u, 0 * u, a, grid, [0.0, 0.7])
    alone, _ = integrate_leapfrog(u[:1], 0 * u[:1], a[:1], grid, [0.0, 0.7])
    assert torch.equal(together[:1], alone)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"a": -1.0}, "positive"),
        ({"u": math.nan}, "finite"),
        ({"courant": 1.5}, "courant"),
        ({"times": [1.0, 0.0]}, "increase"),
    ],
)
def test_bad_arguments_are_named(change, message):
    fields = {name: torch.full((1, 4, 4), change.get(name, 1.0)) for name in "uva"}
    times, courant = change.get("times", [0.0, 1.0]), change.get("courant", 0.5)
    with pytest.raises(InvalidArgument, match=message):
        integrate_leapfrog(**fields, grid=cells(4, 4), times=times, courant=courant)
