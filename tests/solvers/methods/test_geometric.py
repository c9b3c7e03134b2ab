"""Methods that keep a structure: orders, the way back, and the energy."""

import math

import numpy as np
import pytest
import torch
from solvers.toys import DOUBLE, observed_orders, rotated, rotation

from limitlab.solvers import solve_ode
from limitlab.solvers.methods.geometric import LEAPFROG, REVERSIBLE_HEUN, YOSHIDA4

GEOMETRIC = {method.name: method.order for method in (LEAPFROG, YOSHIDA4, REVERSIBLE_HEUN)}


@pytest.mark.parametrize(("method", "order"), GEOMETRIC.items())
def test_geometric_methods_have_their_order(method, order):
    y0 = torch.tensor([[1.0, 0.0], [0.0, 2.0]], dtype=DOUBLE)
    times = torch.linspace(0, 10, 11, dtype=DOUBLE)
    found = observed_orders(method, (0.1, 0.05, 0.025), rotation, y0, rotated(y0, times), times)
    assert found == pytest.approx(np.full(2, order), abs=0.1)


def test_reversible_heun_runs_back_to_its_start():
    """10,000 steps there, and back by swapping the roles of state and shadow."""
    y = z = torch.tensor([[1.0, 0.3]], dtype=DOUBLE)
    h = 1e-3
    v = rotation(None, z)
    start = y
    for _ in range(10_000):
        ahead = 2 * y - z + h * v
        last = rotation(None, ahead)
        y, z, v = y + 0.5 * h * (v + last), ahead, last
    library = solve_ode(rotation, start, [0.0, 10.0], method="reversible_heun", step_size=h).y[:, -1]
    assert torch.allclose(library, y, atol=1e-12)
    for _ in range(10_000):
        behind = 2 * y - z - h * v
        first = rotation(None, behind)
        y, z, v = y - 0.5 * h * (v + first), behind, first
    assert float((y - start).abs().max()) < 1e-13


def test_symplectic_methods_keep_the_energy_where_others_drift():
    def kepler(t, y):
        r3 = (y[:, 0] ** 2 + y[:, 1] ** 2).pow(1.5)
        return torch.stack([y[:, 2], y[:, 3], -y[:, 0] / r3, -y[:, 1] / r3], 1)

    def energy(y):
        return 0.5 * (y[..., 2] ** 2 + y[..., 3] ** 2) - (y[..., 0] ** 2 + y[..., 1] ** 2).rsqrt()

    y0 = torch.tensor([[0.4, 0.0, 0.0, 2.0]], dtype=DOUBLE)
    span = torch.linspace(0, 40 * math.pi, 41, dtype=DOUBLE)
    drift = {}
    for method, step in (("leapfrog", 0.01), ("yoshida4", 0.03), ("bosh3", 0.03)):
        y = solve_ode(kepler, y0, span, method=method, step_size=step).y
        drift[method] = float((energy(y[:, -10:]) + 0.5).abs().max())
    assert drift["leapfrog"] < 5e-3
    assert drift["yoshida4"] < 5e-3
    assert drift["bosh3"] > 10 * drift["yoshida4"]
