import pytest
import torch
from torch import nn

from limitlab import problems
from limitlab.data import windows
from limitlab.errors import InvalidArgument, UnknownName
from limitlab.spaces import Grid
from limitlab.training import operator_loss, rollout, rollout_errors, rollout_loss

GRID = Grid.uniform((8, 8))


class Gain(nn.Module):
    """The last of the channels, times a number."""

    def __init__(self, gain, channels=1):
        super().__init__()
        self.gain, self.channels = nn.Parameter(torch.tensor(gain, dtype=torch.float64)), channels

    def forward(self, u):
        return self.gain * u[:, -self.channels :]


class Translation(nn.Module):
    """The exact step of transport: every wave turned by its phase."""

    def __init__(self, distance):
        super().__init__()
        self.distance = distance

    def forward(self, u):
        k = torch.fft.rfftfreq(u.shape[-1], 1 / u.shape[-1], dtype=torch.float64)
        turned = torch.fft.rfft(u.double()) * torch.exp(-2j * torch.pi * k * self.distance)
        return torch.fft.irfft(turned, n=u.shape[-1])


def frames(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_each_frame_is_made_of_those_before_it():
    """With a history of two, u_{t+1} = u_t + u_{t-1} makes the numbers of Fibonacci."""

    class Sum(nn.Module):
        def forward(self, u):
            return u[:, :1] + u[:, 1:]

    assert rollout(Sum(), torch.ones(1, 2, 1), 6)[0, :, 0, 0].tolist() == [2, 3, 5, 8, 13, 21]


def test_channels_of_a_frame_stay_together():
    flow = rollout(Gain(2.0, channels=3), frames(2, 6, 8, 8), 2)
    assert torch.allclose(flow[:, 1], 4 * frames(2, 6, 8, 8)[:, 3:])


def test_the_error_of_a_multiple_is_its_distance_from_one():
    truth = frames(2, 3, 2, 8, 8)
    for kind in ("l2", "h1"):
        errors = rollout_errors(kind, 1.3 * truth, truth, GRID)
        assert errors.shape == (2, 3, 2)
        assert torch.allclose(errors, torch.tensor(0.3, dtype=torch.float64), atol=1e-12)


def test_channels_count_alike_whatever_their_size():
    truth = frames(1, 1, 2, 8, 8) * torch.tensor([1.0, 1e-6], dtype=torch.float64)[:, None, None]
    wrong = truth.clone()
    wrong[:, :, 1] = 0
    assert rollout_errors("l2", wrong, truth, GRID).mean() == pytest.approx(0.5)


@pytest.mark.parametrize("kind", ["l2", "h1"])
def test_a_rollout_of_one_step_has_the_loss_of_one_step(kind):
    pairs, model = windows(frames(4, 5, 1, 8, 8)), Gain(0.7)
    single = operator_loss(kind, GRID)(model, {"input": pairs["input"], "target": pairs["target"][:, 0]})
    rolled = rollout_loss(kind, GRID)(model, pairs)
    assert rolled.keys() == single.keys()
    for name, value in rolled.items():
        assert value.item() == pytest.approx(single[name].item(), rel=1e-12)


@pytest.mark.parametrize(
    ("steps", "pushed", "exponents"), [(1, 0, [1]), (3, 0, [1, 2, 3]), (1, 1, [1]), (2, 2, [1, 2])]
)
def test_pushed_steps_have_no_gradient_and_unrolled_ones_all_have(steps, pushed, exponents):
    """u_t = 0, 1, 2.. times one field, so that the error of g^n u against (1 + n) u is |g^n - (1 + n)| / (1 + n)."""
    u, gain = frames(1, 1, 1, 8, 8), 0.9
    truth = u * torch.arange(1.0, 7.0, dtype=torch.float64)[None, :, None, None, None]
    model = Gain(gain)
    pairs = {name: part[:1] for name, part in windows(truth, steps=steps + pushed).items()}
    (loss,) = rollout_loss("l2", GRID, steps=steps, pushed=pushed)(model, pairs).values()
    start, at = gain**pushed, [pushed + n for n in exponents]
    assert loss.item() == pytest.approx(sum((1 + n - gain**n) / (1 + n) for n in at) / steps)
    loss.backward()
    slope = sum(start * n * gain ** (n - 1) / (1 + pushed + n) for n in exponents) / steps
    assert model.gain.grad.item() == pytest.approx(-slope)


def test_a_pushed_history_is_made_of_data_and_of_the_models_own_frames():
    pairs, model = windows(frames(2, 7, 1, 8, 8), history=3, steps=2), Gain(0.5)
    (loss,) = rollout_loss("l2", GRID, pushed=1)(model, pairs).values()
    second = rollout(model, pairs["input"], 2)[:, 1:]
    assert loss.item() == pytest.approx(rollout_errors("l2", second, pairs["target"][:, 1:], GRID).mean().item())


def test_the_exact_step_of_transport_makes_no_error():
    problem = problems.get("advection").with_parameters(beta=0.7)
    data = problem.simulate(3, resolution=64)
    pairs = windows(torch.as_tensor(data["u"].values)[:, ::20, None], steps=5)
    grid = problem.grid(64)
    step = Translation(0.7 * float(data["time"][20]))
    (loss,) = rollout_loss("l2", grid, steps=5)(step, pairs).values()
    (standing,) = rollout_loss("l2", grid, steps=5)(Gain(1.0), pairs).values()
    assert loss.item() < 1e-6
    assert standing.item() > 0.5


def test_what_cannot_be_is_refused():
    pairs = windows(frames(2, 4, 1, 8, 8), steps=2)
    with pytest.raises(InvalidArgument, match="3 frames; got 2"):
        rollout_loss("l2", GRID, steps=2, pushed=1)(Gain(1.0), pairs)
    with pytest.raises(UnknownName, match="known: h1, l2"):
        rollout_loss("l3", GRID)
    with pytest.raises(InvalidArgument, match="batch, time, channel, x, y"):
        rollout_errors("l2", frames(2, 3, 8, 8), frames(2, 3, 8, 8), GRID)


@pytest.mark.parametrize("kind", ["l2", "h1"])
def test_a_field_at_rest_does_not_explode_and_the_others_are_measured_as_before(kind):
    """Water starts at rest: its momentum is nothing, and errors against it are errors against a tenth of the usual."""
    truth = frames(2, 3, 2, 8, 8)
    truth[0, 0, 1] = 0.0
    truth[1, 2, 1] *= 1e-9
    deviations = truth.std((0, 1, 3, 4))
    wrong = truth + 0.01 * deviations.reshape(2, 1, 1)
    plain = rollout_errors(kind, wrong, truth, GRID)
    errors = rollout_errors(kind, wrong, truth, GRID, deviations=deviations)
    still = torch.zeros(2, 3, 2, dtype=torch.bool)
    still[0, 0, 1] = still[1, 2, 1] = True
    assert plain[0, 0, 1] == torch.inf
    assert plain[1, 2, 1] > 1e5
    assert torch.equal(errors[~still], plain[~still])
    # a hundredth of the deviation, in a constant, over a tenth of it
    assert torch.allclose(errors[still], torch.full((2,), 0.1, dtype=torch.float64), rtol=1e-6)
    pairs = {"input": truth[:, 0], "target": truth[:, :1]}
    (loss,) = rollout_loss(kind, GRID, deviations=deviations)(Gain(1.1, channels=2), pairs).values()
    assert loss.item() == pytest.approx(0.1 * 3 / 4)


def test_the_size_of_the_box_does_not_change_what_counts_as_small():
    truth, deviations = torch.zeros(1, 1, 1, 8, 8).double(), torch.ones(1)
    for length in (1.0, 32.0):
        grid = Grid.uniform((8, 8), lengths=length)
        assert float(rollout_errors("l2", truth + 1, truth, grid, deviations=deviations)) == pytest.approx(10.0)
