"""The model: noise that repeats and is shared, gradients, the limit without noise, bounds, and ends of its paths."""

import pytest
import torch

from limitlab.data import japanese_vowels
from limitlab.errors import InvalidArgument
from limitlab.neural_des.stable_sde import (
    CLASSES,
    Architecture,
    Diverged,
    Kind,
    StableSDE,
    classification,
    path_through,
)
from limitlab.neural_des.stable_sde.model import least_gap
from limitlab.solvers import BrownianPath

STEP = 1 / 11


def model(kind="lsde", path=None, **options):
    sizes = {name: options.pop(name) for name in ("width", "bound", "noise", "depth") if name in options}
    return StableSDE(kind, 3, 2, Architecture(**{"width": 6, **sizes}), **{"step_size": STEP, **options})


@pytest.mark.parametrize("kind", CLASSES)
def test_the_same_noise_gives_the_same_bits_and_torch_s_generator_gives_the_seed(kind, moving):
    net, path = model(kind), moving()
    assert net(path, noise=3).equal(net(path, noise=3))
    assert not net(path, noise=3).equal(net(path, noise=4))
    torch.manual_seed(0)
    first, second = net(path), net(path)
    torch.manual_seed(0)
    assert net(path).equal(first)
    assert not first.equal(second)


def test_two_classes_on_one_path_of_noise_get_the_same_increments(moving):
    """With drifts of zero and s = 1 both classes are W itself."""
    path, ends = moving(), []
    noise = BrownianPath(5, (4, 6), (0.0, 1.0), grid=[k * STEP for k in range(11)] + [1.0], dtype=torch.float32)
    for drift in ("state_control", "time_state_control"):
        net = model(Kind("walk", drift, "number"), bound="none")
        for parameter in net.dynamics.gamma[-1].parameters():
            parameter.data.zero_()
        states = net.solve(path, torch.tensor([0.0, 1.0]), noise=noise).states
        ends.append((states[:, -1] - states[:, 0]).detach())
    assert torch.allclose(*ends, atol=1e-6)
    assert torch.allclose(ends[0], noise.value(1.0), atol=1e-6)


def test_without_noise_it_is_the_ordinary_equation(moving):
    torchdiffeq = pytest.importorskip("torchdiffeq")
    net, path = model("lsde", noise=0.0), moving()
    grid = torch.linspace(0, 1, 12)
    z0 = net.dynamics.initial(path.evaluate(0.0))
    field = lambda t, z: net.dynamics.drift(t.reshape(1, 1).expand(4, 1), z, path.evaluate(t))  # noqa: E731
    expected = torchdiffeq.odeint(field, z0, grid, method="euler")
    assert (net.solve(path, grid, noise=1).y - expected.movedim(0, 1)).abs().max() <= 1e-6


@pytest.mark.parametrize("kind", CLASSES)
def test_gradients_are_those_of_differences_with_the_noise_frozen(kind, moving):
    net, path = model(kind, width=4).double(), moving(dtype=torch.float64)
    batch = {"knots": path.knots, "coefficients": path.coefficients, "label": torch.tensor([0, 1, 1, 0])}
    loss = lambda: classification(lambda p: net(p, noise=2), batch)["cross_entropy"]  # noqa: E731
    loss().backward()
    drawn = torch.Generator().manual_seed(1)
    used = [parameter for parameter in net.parameters() if parameter.grad is not None]
    for number in torch.randint(len(used), (5,), generator=drawn).tolist():
        flat, gradient = used[number].data.view(-1), used[number].grad.view(-1)
        place, step = int(gradient.abs().argmax()), 1e-5
        values = []
        for sign in (1, -1):
            flat[place] += sign * step
            values.append(float(loss().detach()))
            flat[place] -= sign * step
        difference = (values[0] - values[1]) / (2 * step)
        assert difference == pytest.approx(float(gradient[place]), rel=1e-4, abs=1e-9)


def test_a_bounded_geometric_equation_never_leaves_the_numbers(moving):
    """40 networks, 16 noises and 8 states each, weights ten times too large: |log z(T)/z(0)| <= T + s^2 T/2 + |W|."""
    path, largest = moving(batch=16), 0.0
    for seed in range(40):
        net = model("gsde", width=8, seed=seed, step_size=0.02)
        with torch.no_grad():
            for parameter in net.dynamics.parameters():
                parameter.mul_(10)
            visited = net.solve(path, torch.tensor([0.0, 1.0]), noise=seed)
        assert visited.states.min() > 0
        largest = max(largest, float((visited.states / visited.states[:, :1]).log().abs().max()))
    # five deviations of W(1): 5120 of them are drawn
    assert 1 < largest <= 1 + 0.5 + 5


def test_an_unbounded_geometric_equation_diverges_and_is_named(moving):
    net = model("gsde", bound="none", step_size=0.01)
    with torch.no_grad():
        for parameter in net.dynamics.gamma.parameters():
            parameter.mul_(30)
    with pytest.raises(Diverged, match=r"GSDE, unbounded diverged: sample \d in the step .*bound='coefficient'"):
        net(moving(), noise=0)
    assert net.activity(moving()).state == float("inf")
    bounded = model("gsde", step_size=0.01)
    bounded.load_state_dict(net.state_dict())
    assert bounded(moving(), noise=0).isfinite().all()


def test_a_series_is_read_at_its_own_last_time():
    train = japanese_vowels()[0]
    rows = torch.stack([train.lengths.argmin(), train.lengths.argmax()])
    some = train.take(rows).rescaled().standardised()
    net = StableSDE("lsde", 13, 2, Architecture(width=4), step_size=1 / 50)
    path = path_through(some)
    both = net(path, noise=3)
    every = net(path, torch.linspace(0, 1, 51, dtype=torch.float64) * float(path.end.max()), noise=3)
    row = int((path.end[0] / path.end.max() * 50).ceil())
    assert torch.allclose(both[0], every[0, row], atol=1e-5)
    assert torch.allclose(both[1], every[1, -1], atol=1e-5)


def test_the_step_left_out_is_the_least_gap(moving):
    assert least_gap(moving(knots=12)) == pytest.approx(1 / 11, rel=1e-5)
    assert least_gap(moving(knots=3000)) == pytest.approx(1e-3)
    net = model(step_size=None)
    net(moving(), noise=0)
    assert len(net.last.times) == 12


def test_milstein_is_refused_where_noise_is_coupled(moving):
    """s_i(t, z) of the naive equation sees all of z: order one would need iterated integrals."""
    with pytest.raises(InvalidArgument, match="diagonal"):
        model("naive_control", method="milstein")(moving(), noise=0)
    assert model("lnsde", method="milstein")(moving(), noise=0).isfinite().all()


def test_a_path_of_other_channels_is_refused(moving):
    with pytest.raises(InvalidArgument, match="path must have 3 channels, time among them; got 5"):
        model()(moving(channels=4))


def test_activity_is_that_of_constants(known, still):
    net = known("lsde", 2.0, 0.5)
    active = net.float().activity(still(4).__class__("hermite", torch.tensor([0.0, 1.0]), torch.zeros(4, 2, 4, 2)))
    assert (active.drift, active.diffusion) == (pytest.approx(2.0), pytest.approx(0.5))
