"""Flow on faces and cells: a loop written out, a known cavity, potentials without divergence, powerless convection."""

import math

import numpy as np
import pytest
import torch

from limitlab.errors import InvalidArgument
from limitlab.solvers.pde.staggered import Enclosure, potential_velocity, solve_step, step_residual


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def enclosure(cells, *, body=None, lid=(1.0, -0.5)):
    fluid = torch.ones(len(lid), *cells, dtype=torch.float64)
    if body is not None:
        fluid[(slice(1, None), *body)] = 0.0
    return Enclosure(fluid, torch.tensor(lid, dtype=torch.float64), 1 / cells[0])


BOXES = {
    "plane": enclosure((7, 9), body=(slice(2, 4), slice(3, 6))),
    "space": enclosure((5, 4, 6), body=(slice(1, 3), slice(2, 3), slice(2, 4))),
}


def state_of(box, seed=0):
    return box.imposed(random(len(box.fluid), box.dimension + 1, *box.fluid.shape[1:], seed=seed))


@pytest.mark.parametrize("name", BOXES)
def test_a_solved_step_has_no_residual(name):
    box = BOXES[name]
    before = state_of(box)
    after = solve_step(before, box, dt=0.1, viscosity=0.01)
    momentum, divergence = step_residual(after, before, box, dt=0.1, viscosity=0.01)
    assert max(float(momentum.abs().max()), float(divergence.abs().max())) < 1e-10
    assert torch.equal(box.imposed(after)[:, :-1], after[:, :-1])
    off = box.imposed(after + 1e-3 * random(*after.shape, seed=1))
    assert float(step_residual(off, before, box, dt=0.1, viscosity=0.01)[1].abs().max()) > 1e-3


def by_loops(after, before, lid, h, dt, viscosity):
    """The equations of one sample in an empty box in the plane, face by face."""
    n, m = after.shape[1:]

    def value(field, i, j, wall=0.0):
        """u through the upper face of cell (i, j); beyond the walls along y a ghost."""
        if not 0 <= j < m:
            return 2 * (wall if j == m else 0.0) - field[i, min(max(j, 0), m - 1)]
        return field[i, j] if 0 <= i < n - 1 else 0.0

    def equation(u, p, new, flow, across, top, i, j):
        total = (new[i, j] - u[i, j]) / dt + (p[i + 1, j] - p[i, j]) / h
        east, west = (flow[i, j] + value(flow, i + 1, j)) / 2, (flow[i, j] + value(flow, i - 1, j)) / 2
        north = (across[i, j] + across[i + 1, j]) / 2
        south = (across[i, j - 1] + across[i + 1, j - 1]) / 2 if j else 0.0
        around = [value(new, i + 1, j), value(new, i - 1, j), value(new, i, j + 1, top), value(new, i, j - 1, top)]
        total += (east * around[0] - west * around[1] + north * around[2] - south * around[3]) / (2 * h)
        return total - viscosity * (sum(around) - 4 * new[i, j]) / h**2

    u, v, _ = before
    new_u, new_v, p = after
    first, second = np.zeros((n, m)), np.zeros((n, m))
    for i in range(n - 1):
        for j in range(m):
            first[i, j] = equation(u, p, new_u, u, v, lid, i, j)
    for i in range(n):
        for j in range(m - 1):
            # the plane turned over: y first
            second[i, j] = equation(v.T, p.T, new_v.T, v.T, u.T, 0.0, j, i)
    return first, second


def test_the_equations_are_those_of_a_loop_written_out():
    box = enclosure((6, 6), lid=(0.7,))
    before, after = state_of(box), state_of(box, seed=1)
    momentum, divergence = step_residual(after, before, box, dt=0.2, viscosity=0.03)
    expected = by_loops(after[0].numpy(), before[0].numpy(), 0.7, 1 / 6, 0.2, 0.03)
    assert np.allclose(momentum[0].numpy(), np.stack(expected), atol=1e-12)
    u, v = after[0, :2].numpy()
    assert np.allclose(divergence[0], (np.diff(u, axis=0, prepend=0) + np.diff(v, axis=1, prepend=0)) * 6, atol=1e-12)


GHIA_U = {  # height: velocity along the lid on the vertical centre line at Re 100
    **{0.9766: 0.84123, 0.9688: 0.78871, 0.9609: 0.73722, 0.9531: 0.68717, 0.8516: 0.23151, 0.7344: 0.00332},
    **{0.6172: -0.13641, 0.5: -0.20581, 0.4531: -0.21090, 0.2813: -0.15662, 0.1719: -0.10150, 0.1016: -0.06434},
    **{0.0703: -0.04775, 0.0625: -0.04192, 0.0547: -0.03717},
}
GHIA_V = {  # the other velocity on the horizontal centre line
    **{0.9688: -0.05906, 0.9609: -0.07391, 0.9531: -0.08864, 0.9453: -0.10313, 0.9063: -0.16914, 0.8594: -0.22445},
    **{0.8047: -0.24533, 0.5: 0.05454, 0.2344: 0.17527, 0.2266: 0.17507, 0.1563: 0.16077, 0.0938: 0.12317},
    **{0.0781: 0.10890, 0.0703: 0.10091, 0.0625: 0.09233},
}


def test_the_steady_cavity_is_that_of_ghia_within_three_per_cent():
    """Ghia, Ghia, Shin 1982, at Re 100, by 129 x 129 points; 32 x 32 cells here."""
    from scipy.interpolate import CubicSpline

    n = 32
    box = enclosure((n, n), lid=(1.0,))
    state = torch.zeros(1, 3, n, n, dtype=torch.float64)
    for _ in range(14):
        before, state = state, solve_step(state, box, dt=3.0, viscosity=0.01)
    assert float((state - before)[:, :2].abs().max()) < 1e-5
    places = np.concatenate([[0], (np.arange(n) + 0.5) / n, [1]])
    lines = {
        "u": (GHIA_U, [0, *state[0, 0, n // 2 - 1].tolist(), 1]),
        "v": (GHIA_V, [0, *state[0, 1, :, n // 2 - 1].tolist(), 0]),
    }
    for known, values in lines.values():
        exact = np.array([*known.values()])
        error = CubicSpline(places, values)(list(known)) - exact
        assert np.abs(error).max() < 0.01
        assert np.linalg.norm(error) < 0.03 * np.linalg.norm(exact)


@pytest.mark.parametrize("name", BOXES)
def test_a_potential_has_no_divergence_and_crosses_no_wall(name):
    box = BOXES[name]
    components = 1 if box.dimension == 2 else 3
    potential = random(len(box.fluid), components, *box.fluid.shape[1:], seed=3)
    u = potential_velocity(potential, box)
    state = torch.cat([u, 0 * u[:, :1]], 1)
    assert float(step_residual(state, state, box, dt=1.0, viscosity=1.0)[1].abs().max()) < 1e-12
    assert float((u * (1 - box.faces)).abs().max()) == 0.0
    assert float(u.abs().max()) > 1.0


def test_what_flows_between_a_body_and_a_wall_is_free():
    """The flux below the body of the second sample, from its stream function."""
    box = BOXES["plane"]
    u = potential_velocity(random(2, 1, 7, 9, seed=3), box)
    assert abs(float(u[1, 0, 2, :3].sum())) > 0.1
    assert abs(float(u[1, 0, 2].sum())) < 1e-12


@pytest.mark.parametrize("name", BOXES)
def test_any_velocity_without_divergence_in_a_box_comes_from_a_potential(name):
    """As many independent ones as faces less cells, with the one sum of divergences that is nought anyhow."""
    box = enclosure(tuple(BOXES[name].fluid.shape[1:]), lid=(0.0,))
    components, size = (1 if box.dimension == 2 else 3), box.fluid.numel()
    units = torch.eye(components * size, dtype=torch.float64).reshape(-1, components, *box.fluid.shape[1:])
    many = Enclosure(box.fluid.expand(len(units), *box.fluid.shape[1:]), torch.zeros(len(units)), box.spacing)
    rank = torch.linalg.matrix_rank(potential_velocity(units, many).flatten(1))
    assert int(rank) == int(box.faces.sum()) - (size - 1)


@pytest.mark.parametrize("name", BOXES)
def test_convection_makes_no_energy(name):
    """Without lid, viscosity and pressure, for any velocity that carries."""
    box = Enclosure(BOXES[name].fluid, torch.zeros(2, dtype=torch.float64), BOXES[name].spacing)
    before, after = state_of(box), state_of(box, seed=1)
    after[:, -1] = 0.0
    momentum, _ = step_residual(after, before, box, dt=1.0, viscosity=0.0)
    carried = momentum - (after - before)[:, :-1]
    power = after[:, :-1] * carried
    assert abs(float(power.sum())) < 1e-12 * float(power.abs().sum())


def taylor_green(n, viscosity):
    """The defect of the equations for a flow of three axes, in units of the largest term, away from the walls."""
    points = torch.arange(1, n + 1, dtype=torch.float64) / n
    upper = torch.meshgrid(points, points, points, indexing="ij")
    middle = [axis - 0.5 / n for axis in upper]
    k = math.pi

    def flow(x, y, z):
        return [
            (k * x).sin() * (k * y).cos() * (k * z).cos(),
            -(k * x).cos() * (k * y).sin() * (k * z).cos(),
            torch.zeros_like(x),
        ]

    faces = [[upper[b] if a == b else middle[b] for b in range(3)] for a in range(3)]
    pressure = (k * middle[0]).cos() * (k * middle[2]).sin()
    state = torch.stack([*(flow(*faces[axis])[axis] for axis in range(3)), pressure])[None]
    box = Enclosure(torch.ones(1, n, n, n, dtype=torch.float64), torch.zeros(1, dtype=torch.float64), 1 / n)
    momentum, divergence = step_residual(state, state, box, dt=1.0, viscosity=viscosity)
    x, y, z = faces[0]
    u, v, _ = flow(x, y, z)
    # u u_x + v u_y + p_x + 3 pi^2 nu u
    slopes = k * (k * x).cos() * (k * y).cos() * (k * z).cos(), -k * (k * x).sin() * (k * y).sin() * (k * z).cos()
    exact = u * slopes[0] + v * slopes[1] - k * (k * x).sin() * (k * z).sin() + 3 * k**2 * viscosity * u
    inside = (slice(n // 4, -(n // 4)),) * 3
    assert float(divergence[0][inside].abs().max()) < 1e-12
    return float((momentum[0, 0] - exact)[inside].norm() / exact[inside].norm())


def test_the_equations_have_order_two_in_space():
    errors = [taylor_green(n, 0.1) for n in (12, 24)]
    assert math.log2(errors[0] / errors[1]) == pytest.approx(2, abs=0.1)


def test_what_cannot_be_is_refused():
    box = enclosure((6, 6), lid=(1.0,))
    rest = torch.zeros(1, 3, 6, 6, dtype=torch.float64)
    with pytest.raises(InvalidArgument, match="velocities and pressure"):
        step_residual(rest[:, :2], rest, box, dt=0.1, viscosity=0.1)
    with pytest.raises(InvalidArgument, match="0 or 1"):
        Enclosure(box.fluid / 2, box.lid, 1.0)
    with pytest.raises(InvalidArgument, match="one finite speed"):
        Enclosure(box.fluid, torch.ones(2), 1.0)
    with pytest.raises(InvalidArgument, match=r"\(batch, x, y\)"):
        Enclosure(torch.ones(1, 6), torch.ones(1), 1.0)
    with pytest.raises(InvalidArgument, match="1 components"):
        potential_velocity(torch.zeros(1, 3, 6, 6), box)
    parted = enclosure((6, 6), lid=(1.0, 1.0), body=(slice(3, 4), slice(None)))
    with pytest.raises(InvalidArgument, match="sample 1 must be one piece; got 2"):
        solve_step(torch.zeros(2, 3, 6, 6), parted, dt=0.1, viscosity=0.1)
