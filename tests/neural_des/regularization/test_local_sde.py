"""One step of a stochastic equation: Heun's estimate where there is no noise, the log's scale, a gradient."""

import pytest
import torch

from limitlab.neural_des.ode import MLPField, NeuralODE
from limitlab.neural_des.regularization.local import local_error, step_at
from limitlab.neural_des.regularization.local_sde import local_sde_error
from limitlab.solvers import solve_sde


def test_without_noise_the_estimate_is_that_of_heuns_pair():
    field = MLPField(2, width=8, with_time=True, seed=1).double()
    u = torch.randn(5, 2, generator=torch.Generator().manual_seed(0)).double()
    tau, size = torch.linspace(0, 1, 5).double(), torch.linspace(0.05, 0.4, 5).double()
    error = local_sde_error(field, lambda t, y: torch.zeros_like(y), (tau, u, size), seed=0)
    ordinary, _ = local_error(NeuralODE(field, method="heun", rtol=1e-2, atol=1e-3), tau, u, size)
    assert bool((error > 0).all())
    # heun's solution is scaled by its own end, Euler-Heun's by Euler's: equal scales here
    slope = field(tau[:, None], u)
    ahead = field((tau + size)[:, None], u + size[:, None] * slope)
    raw = 0.5 * size[:, None] * (ahead - slope)
    scale = 1e-3 + 1e-2 * torch.maximum(u.abs(), (u + size[:, None] * slope).abs())
    assert torch.allclose(error, (raw / scale).square().mean(1).sqrt(), rtol=1e-12, atol=0)
    own = 1e-3 + 1e-2 * torch.maximum(u.abs(), (u + 0.5 * size[:, None] * (slope + ahead)).abs())
    assert torch.allclose(ordinary, (raw / own).square().mean(1).sqrt(), rtol=1e-12, atol=0)


def test_noise_grows_with_the_root_of_the_step():
    """For dy = y dW the estimate is |1/2 dW^2| over the scale: its mean grows as h."""
    u, means = torch.ones(4000, 1).double(), []
    for h in (0.04, 0.01):
        step = torch.zeros(4000).double(), u, torch.full((4000,), h).double()
        error = local_sde_error(lambda t, y: torch.zeros_like(y), lambda t, y: y, step, seed=3, rtol=0.0)
        means.append(float(error.mean()))
    assert means[0] == pytest.approx(0.5 * 0.04 / 1e-3, rel=0.1)
    assert means[0] / means[1] == pytest.approx(4, rel=1e-6)


def test_a_step_of_a_logged_solve_has_a_gradient():
    drift, diffusion = MLPField(2, width=8, seed=1).double(), lambda t, y: 0.1 * y
    y0 = torch.ones(6, 2).double()
    options = {"method": "euler_heun", "calculus": "stratonovich"}
    log = solve_sde(drift, diffusion, y0, [0.0, 1.0], seed=0, log_states=True, **options).log
    tau, u, size = step_at(log, 0.4)
    value = (local_sde_error(drift, diffusion, (tau, u.detach(), size), seed=5) * size).mean()
    value.backward()
    assert float(drift.layers[0].weight.grad.abs().max()) > 0
