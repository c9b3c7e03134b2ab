"""Smoke of the catalogue: its law, its data, and a residual that a wrong flow has."""

import dataclasses

import numpy as np
import pytest
import torch

from limitlab import problems
from limitlab.errors import InvalidArgument
from limitlab.solvers.pde.smoke import face_divergence, to_faces

SMOKE = problems.get("buoyant_smoke")
SHORT = dataclasses.replace(SMOKE.with_domain(span=6.0, frames=3), lead=3.0)


def test_it_hangs_in_still_air_as_the_size_of_a_gaussian_field():
    state = SMOKE.initial.sample(SMOKE.grid(16), 600, 0, 0, SMOKE.values)
    assert not state[:, 1:].any()
    assert state[:, 0].min() >= 0
    # the mean of |z| is (2/pi)^(1/2), in the middle, far from the walls that double the field's variance
    assert float(state[:, 0, 7:9, 7:9].mean()) == pytest.approx((2 / np.pi) ** 0.5, rel=0.1)
    assert torch.equal(SMOKE.initial.sample(SMOKE.grid(16), 1, 0, 599, SMOKE.values)[0], state[599])


def test_frames_begin_after_the_lead():
    grid = SHORT.grid(32)
    state = SHORT.initial.sample(grid, 1, 0, 0, SHORT.values)
    assert torch.equal(SHORT.first_frame(state, grid, 0), SHORT.integrate(state, grid, np.array([0.0, 3.0]))[:, -1])
    still = dataclasses.replace(SHORT, lead=0.0).simulate(1, resolution=16)
    assert not still["u"].isel(time=0).any()
    assert SHORT.simulate(1, resolution=16)["v"].isel(time=0).any()


def test_a_sample_is_the_same_alone_and_at_every_resolution_that_shares_the_solver():
    together, alone = (SHORT.simulate(n, seed=4, resolution=32, first=f) for n, f in ((2, 10), (1, 11)))
    fine = SHORT.restrict(SHORT.simulate(1, seed=4, resolution=64, first=11), 32)
    for name in SMOKE.names:
        assert np.array_equal(together[name].values[1], alone[name].values[0])
        assert abs(fine[name].values - alone[name].values).max() < 1e-5
    assert not SHORT.simulate(1, seed=5, resolution=32).equals(SHORT.simulate(1, seed=4, resolution=32))
    assert SHORT.operator_view(alone)["input"].sizes == {"sample": 1, "channel": 3, "x": 32, "y": 32}
    assert (alone.attrs["solver_resolution"], alone.attrs["dt"]) == (64, 1.5)


def test_means_in_cells_have_a_fifth_of_the_divergence_of_their_parts():
    """None on the staggered grid itself; what is left is that of a mean over two faces."""
    data = SHORT.simulate(1, resolution=64)
    grid, (u, v) = SMOKE.grid(64), (torch.tensor(data[name].values[0]).double() for name in "uv")
    whole = face_divergence(to_faces(u, v), grid)[:, 2:-2, 2:-2]
    part = face_divergence(to_faces(u, 0 * v), grid)[:, 2:-2, 2:-2]
    assert float(whole.norm()) < 0.2 * float(part.norm())


def test_the_residual_of_a_flow_is_small_and_that_of_a_wrong_one_is_not():
    problem = dataclasses.replace(SMOKE, dt=0.05).with_domain(span=0.4, frames=5)
    grid = problem.grid(64)
    # smooth enough for differences: without the kinks of |z|
    x, y = (np.pi * grid.points() / 32).unbind(-1)
    smoke = 1 + torch.cos(x) * torch.cos(2 * y) / 2
    state = torch.stack([smoke, 0 * smoke, 0 * smoke])[None]
    state = problem.integrate(state, grid, np.array([0.0, 3.0]))[:, -1]
    fields = dict(zip(problem.names, problem.integrate(state, grid, problem.times).unbind(2), strict=True))
    time = torch.from_numpy(problem.times)
    sizes = {name: float(problem.residuals_of(grid, time=time, **wrong)[name].abs().mean()) for name, wrong in {
        "s": {**fields, "u": 0 * fields["u"], "v": 0 * fields["v"]},
        "v": {**fields, "s": 0 * fields["s"]},
        "u": {**fields, "s": 0 * fields["s"]},
    }.items()}  # fmt: skip
    for name, residual in problem.residuals_of(grid, time=time, **fields).items():
        assert float(residual.abs().mean()) < 0.1 * sizes[name], name
    with pytest.raises(InvalidArgument, match="times of the frames"):
        problem.residual_of(grid, **fields)
