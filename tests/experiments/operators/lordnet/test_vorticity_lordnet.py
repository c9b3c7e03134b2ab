"""A time step learned on a pool: the residual is that of the flow, and standing still is worse than the step."""

import math

import numpy as np
import pytest
import torch

from limitlab import experiments, problems
from limitlab.errors import UnknownName
from limitlab.experiments.operators.lordnet.vorticity_lordnet import NETWORKS, residual_of

EXPERIMENT = experiments.get("vorticity_lordnet")
PROBLEM = problems.get("navier_stokes").with_parameters(nu=0.01, amplitude=0.0)


def test_every_network_is_trained_measured_and_drawn():
    settings = EXPERIMENT.configure("smoke", device="cpu", networks=tuple(NETWORKS))
    result = EXPERIMENT.train(settings).finish()
    assert list(result.metrics["model"].values) == [*NETWORKS, "standing"]
    assert bool(np.isfinite(result.metrics["error"]).all())
    assert set(result.figures()) == {"training", "error", "flow"}


def residual(scheme, dt, points):
    """Of a solved step of a smooth flow, relative to the state and for a time of one."""
    settings = EXPERIMENT.configure("smoke", scheme=scheme, dt=dt)
    grid = PROBLEM.grid(points)
    x, y = (2 * math.pi * grid.points(torch.float64)).unbind(-1)
    w = (torch.sin(x + 2 * y) + torch.cos(3 * x - y))[None]
    before, after = PROBLEM.solve(w, times=np.array([0.0, dt]), dt=dt / 4).split(1, dim=1)
    return float(residual_of(settings, PROBLEM, grid)(after, before).norm() / before.norm() / dt)


def test_the_residual_of_a_flow_falls_fourfold_where_the_step_is_halved():
    assert residual("spectral", 0.02, 32) / residual("spectral", 0.01, 32) == pytest.approx(4, rel=0.1)


def test_that_of_differences_falls_fourfold_where_the_spacing_is_halved():
    assert residual("arakawa", 0.005, 32) / residual("arakawa", 0.005, 64) == pytest.approx(4, rel=0.1)


def test_no_flow_is_solved_for_the_pool():
    settings = EXPERIMENT.configure("smoke")
    prepared = EXPERIMENT.prepare(settings)
    assert prepared.data.bank.shape == (settings.bank, 1, settings.points, settings.points)
    model = prepared.trials[0].build(0)
    assert torch.equal(model.states, prepared.data.bank[: settings.slots])
    starts = prepared.data.flows[:, 0]
    assert not any(torch.allclose(start, state[0]) for start in starts for state in prepared.data.bank)


def test_a_step_keeps_the_mean_vorticity():
    prepared = EXPERIMENT.prepare(EXPERIMENT.configure("smoke", networks=("fno",)))
    model, w = prepared.trials[0].build(0), prepared.data.bank[:3]
    with torch.no_grad():
        assert torch.allclose(model(w).mean((-2, -1)), w.mean((-2, -1)), atol=1e-6)


def test_training_on_the_pool_beats_standing_still():
    settings = EXPERIMENT.configure(
        "smoke", networks=("lordnet",), steps=120, width=8, batch_size=8, slots=12, viscosity=0.03, learning_rate=5e-3
    )
    errors = EXPERIMENT.train(settings).finish().grid("network")["error"].mean(("seed", "sample")).isel(time=0)
    assert float(errors.sel(network="lordnet")) < 0.7 * float(errors.sel(network="standing"))


def test_unknown_networks_are_named():
    with pytest.raises(UnknownName, match="did you mean 'lordnet'"):
        EXPERIMENT.configure("smoke", networks=("lordnett",))
