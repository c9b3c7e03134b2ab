"""Finite volumes: exact shocks, order two where the flow is smooth, balances, symmetries, errors."""

import math

import numpy as np
import pytest
import torch
from scipy.optimize import brentq

from limitlab.errors import InvalidArgument, UnknownName
from limitlab.problems.pde.flows.conservation import Euler, ShallowWater
from limitlab.solvers.failures import SolutionBlewUp
from limitlab.solvers.pde.finite_volume import integrate_finite_volumes, rate_of_change
from limitlab.spaces.grid import Grid

WATER, GAS = ShallowWater(g=1.0), Euler(gamma=1.4)


class Line:
    """A law of the plane on an interval: the momentum across is left out."""

    def __init__(self, law):
        self.law = law

    def _wide(self, state):
        return torch.cat([state[:, :2], torch.zeros_like(state[:, :1]), state[:, 2:]], 1)

    def flux(self, state, axis):
        flux = self.law.flux(self._wide(state), axis)
        return torch.cat([flux[:, :2], flux[:, 3:]], 1)

    def speeds(self, state, axis):
        return self.law.speeds(self._wide(state), axis)

    def source(self, state):
        return None

    def normal(self, axis):
        return 1


def cells(*shape, length=1.0, start=0.0):
    return Grid.uniform(shape, lengths=length, starts=start, kind="cells")


def stoker(x, time, left, right):
    """Depth after a dam breaks over water that is `right` deep, g = 1: fan, middle state, shock (Stoker 1957)."""

    def jump(middle):
        shock = (middle - right) * math.sqrt((1 / middle + 1 / right) / 2)
        return shock - 2 * (math.sqrt(left) - math.sqrt(middle))

    middle = brentq(jump, right, left, xtol=1e-14)
    speed = 2 * (math.sqrt(left) - math.sqrt(middle))
    shock = middle * speed / (middle - right)
    fan = ((2 * math.sqrt(left) - x / time) / 3) ** 2
    inside = np.where(x / time < speed - math.sqrt(middle), fan, middle)
    return np.where(x / time < -math.sqrt(left), left, np.where(x / time < shock, inside, right))


def test_a_dam_breaks_as_stoker_says():
    errors = []
    for n in (50, 100, 200):
        grid = cells(n, length=2.0, start=-1.0)
        x = grid.points()[:, 0]
        start = torch.stack([torch.where(x < 0, 1.0, 0.25).double(), torch.zeros(n).double()])[None]
        h = integrate_finite_volumes(start, grid, Line(WATER), [0.0, 0.5], boundary="outflow")[0, -1, 0]
        errors.append(float((h - torch.from_numpy(stoker(x.numpy(), 0.5, 1.0, 0.25))).abs().mean()))
    assert errors[-1] < 3e-3
    assert np.log2(errors[0] / errors[-1]) / 2 >= 0.7


def test_the_shock_tube_of_sod_has_its_middle_states():
    """Pressure, velocity and both densities beside the contact, from Toro (2009), table 4.2."""
    grid = cells(400)
    x = grid.points()[:, 0]
    r, pressure = torch.where(x < 0.5, 1.0, 0.125).double(), torch.where(x < 0.5, 1.0, 0.1).double()
    start = torch.stack([r, 0 * r, pressure / 0.4])[None]
    r, p, e = integrate_finite_volumes(start, grid, Line(GAS), [0.0, 0.2], boundary="outflow")[0, -1]
    for place, density in ((0.6, 0.42632), (0.78, 0.26557)):
        cell = int(place * 400)
        assert float(r[cell]) == pytest.approx(density, rel=5e-3)
        assert float(p[cell] / r[cell]) == pytest.approx(0.92745, rel=5e-3)
        assert float(0.4 * (e[cell] - p[cell] ** 2 / (2 * r[cell]))) == pytest.approx(0.30313, rel=5e-3)


def test_a_smooth_wave_of_density_is_carried_with_order_two():
    errors = []
    for n in (32, 64, 128):
        grid = cells(n)
        x = grid.points()[:, 0]
        r = 1 + 0.2 * torch.sin(2 * math.pi * x)
        start = torch.stack([r, r, r / 2 + 1 / 0.4])[None]
        moved = integrate_finite_volumes(start, grid, Line(GAS), [0.0, 1.0], boundary="periodic")[0, -1, 0]
        errors.append(float((moved - r).abs().mean()))
    # limiters clip the two crests
    assert np.log2(errors[0] / errors[-1]) / 2 > 1.7


@pytest.mark.parametrize("boundary", ["periodic", "walls"])
@pytest.mark.parametrize("law", [WATER, ShallowWater(g=1.0, f=3.0), GAS], ids=["water", "rotating water", "gas"])
def test_nothing_is_lost_between_walls_or_on_a_torus(law, boundary):
    grid = cells(16, 20)
    generator = torch.Generator().manual_seed(0)
    height = 1 + 0.3 * torch.rand(2, 1, 16, 20, dtype=torch.float64, generator=generator)
    momentum = 0.3 * torch.rand(2, 2, 16, 20, dtype=torch.float64, generator=generator)
    state = torch.cat([height, momentum] + ([2 + height] if isinstance(law, Euler) else []), 1)
    moved = integrate_finite_volumes(state, grid, law, [0.0, 0.3], boundary=boundary)[:, -1]
    kept = [0] + ([3] if isinstance(law, Euler) else [])
    kept += [1, 2] if boundary == "periodic" and getattr(law, "f", 0.0) == 0 else []
    assert torch.allclose(moved[:, kept].mean((-2, -1)), state[:, kept].mean((-2, -1)), rtol=1e-13)


def test_a_lake_at_rest_stays_at_rest_exactly():
    state = torch.tensor([1.3, 0.0, 0.0]).double().reshape(1, 3, 1, 1).expand(1, 3, 8, 8).clone()
    for boundary in ("periodic", "outflow", "walls"):
        assert torch.equal(
            integrate_finite_volumes(state, cells(8, 8), WATER, [0.0, 1.0], boundary=boundary)[:, 1], state
        )


def test_the_energy_of_water_never_grows():
    grid = cells(32, 32)
    x, y = grid.points().unbind(-1)
    h = 1 + 0.3 * torch.cos(math.pi * x) * torch.cos(2 * math.pi * y)
    state = torch.stack([h, 0 * h, 0 * h])[None]
    h, p, q = integrate_finite_volumes(state, grid, WATER, np.linspace(0, 1, 11), boundary="walls").unbind(2)
    energy = ((p**2 + q**2) / (2 * h) + h**2 / 2).mean((-2, -1))[0]
    assert bool((energy.diff() < 0).all())
    assert float(energy[-1]) > 0.99 * float(energy[0])


def test_rotation_turns_a_uniform_current():
    state = torch.tensor([1.0, 0.2, 0.0]).double().reshape(1, 3, 1, 1).expand(1, 3, 6, 6).clone()
    moved = integrate_finite_volumes(
        state, cells(24, 24).at(6), ShallowWater(1.0, 2.0), [0.0, 0.5], boundary="periodic"
    )
    turned = torch.tensor([1.0, 0.2 * math.cos(1.0), -0.2 * math.sin(1.0)]).double()
    assert torch.allclose(moved[0, 1, :, 0, 0], turned, atol=2e-3)


def test_a_sample_does_not_depend_on_its_batch_nor_on_the_order_of_the_axes():
    grid = cells(12, 12)
    h = 1 + 0.5 * torch.rand(2, 12, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    state = torch.stack([h, 0.1 * h, -0.2 * h], 1)
    together = integrate_finite_volumes(state, grid, WATER, [0.0, 0.2], boundary="walls")[:, -1]
    alone = integrate_finite_volumes(state[1:], grid, WATER, [0.0, 0.2], boundary="walls")[:, -1]
    assert torch.equal(together[1:], alone)
    turned = integrate_finite_volumes(state[:, [0, 2, 1]].mT, grid, WATER, [0.0, 0.2], boundary="walls")[:, -1]
    assert torch.allclose(turned, together[:, [0, 2, 1]].mT, rtol=0, atol=1e-12)


def test_a_uniform_stream_has_no_rate_of_change():
    state = torch.tensor([1.0, 0.4, -0.3]).double().reshape(1, 3, 1, 1).expand(1, 3, 6, 8)
    assert float(rate_of_change(state, cells(6, 8), WATER, "periodic").abs().max()) < 1e-13


def test_bad_arguments_and_dry_beds_are_named():
    state = torch.ones(1, 3, 8, 8).double()
    with pytest.raises(UnknownName, match="did you mean 'walls'"):
        integrate_finite_volumes(state, cells(8, 8), WATER, [0.0, 1.0], boundary="wall")
    with pytest.raises(InvalidArgument, match="on cells"):
        integrate_finite_volumes(state, Grid.uniform((8, 8)), WATER, [0.0, 1.0], boundary="walls")
    with pytest.raises(InvalidArgument, match="increase"):
        integrate_finite_volumes(state, cells(8, 8), WATER, [1.0, 1.0], boundary="walls")
    with pytest.raises(SolutionBlewUp, match="sample 5 is not finite at t = 0"):
        integrate_finite_volumes(-state, cells(8, 8), WATER, [0.0, 1.0], boundary="walls", first=5)
