"""The cavity of the catalogue: data solve their equations, boxes are drawn one by one, faces are not averaged."""

import numpy as np
import pytest
import torch

from limitlab import problems
from limitlab.errors import InvalidArgument
from limitlab.problems.pde.flows.cavity import RectangleLaw

CAVITY = problems.get("lid_driven_cavity", span=0.4, frames=5)


def test_data_solve_their_equations():
    data = CAVITY.simulate(3, seed=1, resolution=16)
    grid = CAVITY.grid(16)
    time = torch.tensor(data["time"].values)
    fields = {name: torch.tensor(data[name].values, dtype=torch.float64) for name in ("b", "u", "v", "p")}
    residuals = CAVITY.residuals_of(grid, time=time, **fields)
    # what single precision leaves, by 1/dt and nu/h^2
    assert max(float(part.abs().max()) for part in residuals.values()) < 1e-5
    fields["v"] = fields["v"].flip(2)
    assert float(CAVITY.residuals_of(grid, time=time, **fields)["p"].abs().max()) > 0.1
    assert float(np.abs(CAVITY.residual(data)["residual"]).max()) < 1e-5


def test_data_are_drawn_one_by_one():
    data = CAVITY.simulate(3, seed=1, resolution=12)
    assert data.isel(sample=[1]).equals(CAVITY.simulate(1, seed=1, resolution=12, first=1))
    assert CAVITY.operator_view(data)["input"].dims == ("sample", "channel", "x", "y")


def test_the_lid_moves_what_is_below_it_and_nothing_crosses_a_wall():
    b = CAVITY.body.sample(CAVITY.grid(12), 4, 0, 0, CAVITY.values)
    u, v, p = CAVITY.solve(b)[:, -1].unbind(1)
    assert bool((u[:, 3:9, -1] > 0.1).all())
    assert float(u[:, -1].abs().max() + v[..., -1].abs().max()) == 0.0
    # in solid cells, and in the mean over all fluid ones
    assert float(((1 - b) * p).abs().max()) == 0.0
    assert float((b * p).sum((1, 2)).abs().max()) < 1e-12
    # as much goes back as is taken along
    assert float(u.sum(2).abs().max()) < 1e-12


def test_a_slow_lid_moves_everything_in_proportion():
    """Where convection is nothing, Stokes' equations are linear."""
    slow, slower = (CAVITY.with_parameters(nu=1.0, U=speed) for speed in (0.2, 0.1))
    b = torch.ones(1, 12, 12, dtype=torch.float64)
    one, half = (problem.solve(b)[:, -1, :2] for problem in (slow, slower))
    assert float((one - 2 * half).norm() / one.norm()) < 0.01


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_rectangles_are_there_at_their_share_and_away_from_the_walls(share):
    grid = CAVITY.grid(24)
    solid = 1 - RectangleLaw(share).sample(grid, 300, 0, 0, {})
    present = solid.flatten(1).amax(1)
    # binomial, three deviations
    assert abs(float(present.sum()) - 300 * share) <= 3 * (300 * share * (1 - share)) ** 0.5
    assert float(solid[:, :3].max() + solid[:, -3:].max() + solid[..., :3].max() + solid[..., -3:].max()) == 0.0
    sides = solid.amax(2).sum(1)[present > 0]
    assert bool(((sides >= 3) & (sides <= 8)).all())
    assert torch.equal(solid.flatten(1).sum(1), solid.amax(2).sum(1) * solid.amax(1).sum(1))


def test_what_cannot_be_is_refused():
    data = CAVITY.simulate(1, resolution=12)
    with pytest.raises(InvalidArgument, match="generate it at resolution 6"):
        CAVITY.restrict(data, 6)
    with pytest.raises(InvalidArgument, match="needs the times"):
        CAVITY.residual_of(CAVITY.grid(12), b=torch.ones(1, 12, 12))
