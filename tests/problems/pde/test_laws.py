"""Laws of initial values on an interval: bounded, without mean, one function at every resolution."""

import torch

from limitlab.problems.pde.laws import FourierLaw, TextLaw
from limitlab.spaces.grid import Grid


def test_initial_laws_are_bounded_zero_mean_and_distinct():
    u = FourierLaw(modes=5, amplitude=0.9).sample(Grid.uniform(256), 50, 0, 0, {})
    assert float(u.abs().amax(1).max()) < 0.905
    assert float(u.mean(1).abs().max()) < 1e-14
    assert float(u[0].sub(u[1]).abs().max()) > 0.1
    assert torch.allclose(
        TextLaw("2*x").sample(Grid.uniform(4), 2, 0, 0, {}), torch.tensor([0, 0.5, 1, 1.5]).double().expand(2, 4)
    )
