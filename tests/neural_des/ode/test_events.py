"""A ball on a floor of unknown height: bounce times in closed form, their gradients, and what they teach."""

import pytest
import torch
from torch import nn

from limitlab.errors import InvalidArgument
from limitlab.neural_des.ode import EventODE

G = 9.81


class Floor(nn.Module):
    """Height of a ball above a floor that may be moved."""

    def __init__(self, level):
        super().__init__()
        self.level = nn.Parameter(torch.tensor(level, dtype=torch.float64))

    def forward(self, t, y):
        return y[:, 0] - self.level


class Bounce(nn.Module):
    """The velocity turned round, times the restitution."""

    def __init__(self, restitution):
        super().__init__()
        self.restitution = nn.Parameter(torch.tensor(restitution, dtype=torch.float64))

    def forward(self, t, y):
        return torch.stack([y[:, 0], -self.restitution * y[:, 1]], dim=-1)


def fall(t, y):
    return torch.stack([y[:, 1], torch.full_like(y[:, 0], -G)], dim=-1)


def ball(level, restitution):
    return EventODE(fall, Floor(level), Bounce(restitution), rtol=1e-9, atol=1e-9)


def bounce_times(y0, level, restitution, count):
    """First fall from height and speed, then 2 e^k v / g between bounces."""
    speed = (y0[:, 1] ** 2 + 2 * G * (y0[:, 0] - level)).sqrt()
    waits = [(y0[:, 1] + speed) / G] + [2 * restitution**k * speed / G for k in range(1, count)]
    return torch.stack(waits, -1).cumsum(-1)


@pytest.fixture
def y0():
    heights = torch.linspace(1, 3, 4, dtype=torch.float64)
    return torch.stack([heights, 0.5 * heights - 1], dim=-1)


def test_bounces_are_those_of_the_closed_form_with_their_gradients(y0):
    model = ball(0.3, 0.8)
    level, restitution = (torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (0.3, 0.8))
    times, truth = model(y0, count=4).time, bounce_times(y0, level, restitution, 4)
    assert torch.allclose(times, truth, rtol=1e-7)
    weights = torch.randn_like(truth)
    ours = torch.autograd.grad((weights * times).sum(), [model.event.level, model.reset.restitution])
    exact = torch.autograd.grad((weights * truth).sum(), [level, restitution])
    assert torch.allclose(torch.stack(ours), torch.stack(exact), rtol=1e-6)


def test_height_and_restitution_are_learned_from_bounce_times_alone(y0):
    seen = bounce_times(y0, 0.4, 0.7, 3)
    model = EventODE(fall, Floor(0.0), Bounce(0.9), horizon=5.0, rtol=1e-6)
    # two parameters and a smooth loss
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=15, line_search_fn="strong_wolfe")

    def misfit():
        optimizer.zero_grad()
        loss = (model(y0, count=3).time - seen).square().mean()
        loss.backward()
        return loss

    optimizer.step(misfit)
    assert float(model.event.level.detach()) == pytest.approx(0.4, abs=1e-4)
    assert float(model.reset.restitution.detach()) == pytest.approx(0.7, abs=1e-4)


def test_field_and_event_see_the_time_since_the_start_of_all(y0):
    """A floor that rises: each bounce is on the floor as it is then."""
    model = EventODE(fall, lambda t, y: y[:, 0] - 0.1 * t[:, 0], Bounce(0.5), rtol=1e-9, atol=1e-9)
    log = model(y0, count=3)
    assert torch.allclose(log.state[..., 0], 0.1 * log.time, atol=1e-7)
    assert (log.time.diff(dim=1) > 1e-3).all()


def test_the_sample_without_an_event_is_named(y0):
    still = torch.cat([y0, torch.tensor([[1e6, 0.0]]).double()])
    with pytest.raises(InvalidArgument, match="sample 4 has no event number 1 within 2"):
        EventODE(fall, Floor(0.0), Bounce(0.5), horizon=2.0)(still)
