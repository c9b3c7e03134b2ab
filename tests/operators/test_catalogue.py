"""Every operator of the table: what holds of all of them, by what its row says of it."""

from types import SimpleNamespace

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from limitlab import operators
from limitlab.data import ChannelStatistics
from limitlab.operators import OPERATORS, Task
from limitlab.spaces import Grid, spectral_resample
from limitlab.training import operator_loss

SETTINGS = SimpleNamespace(modes=8, width=8, layers=2, padding=0.0, norm="none", factorization="tucker", rank=0.1)
POINTS = 16
LEARN = [name for name, row in OPERATORS.items() if row.trains]
FREE = [name for name, row in OPERATORS.items() if not row.tied]


def smooth(samples, channels, points=POINTS, seed=0):
    """Trigonometric polynomials of degree 2 in two dimensions, (samples, channels, points, points)."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randn(samples, channels, 5, 5, generator=generator, dtype=torch.float64)
    return spectral_resample(coarse, Grid.uniform((5, 5)), points)


def built(name, dtype=torch.float64):
    torch.manual_seed(0)
    targets = smooth(6, 1, seed=1)
    statistics = ChannelStatistics.of(targets)
    task = Task(1, 1, Grid.uniform((POINTS, POINTS)), (statistics, statistics), targets.mean(0))
    return OPERATORS[name].build(task, SETTINGS).to(dtype).eval()


@pytest.mark.parametrize("name", OPERATORS)
def test_samples_do_not_depend_on_their_batch(name):
    model, u, order = built(name), smooth(5, 1), torch.tensor([3, 0, 4, 1, 2])
    with torch.no_grad():
        whole = model(u)
        assert torch.allclose(model(u[order]), whole[order], atol=1e-12)
        assert torch.allclose(model(u[2:3]), whole[2:3], atol=1e-12)


@pytest.mark.parametrize("name", FREE)
def test_an_operator_answers_with_the_same_function_on_a_finer_grid(name):
    model, errors = built(name), []
    with torch.no_grad():
        for points in (POINTS, 2 * POINTS, 4 * POINTS):
            coarse, fine = model(smooth(3, 1, points)), model(smooth(3, 1, 2 * points))
            errors.append(float((fine[..., ::2, ::2] - coarse).norm() / fine[..., ::2, ::2].norm()))
    assert errors[-1] < 2e-3  # aliasing of the nonlinearities, which falls with the grid
    assert errors[-1] <= errors[0] + 1e-12


@pytest.mark.parametrize("name", sorted(set(OPERATORS) - set(FREE)))
def test_a_tied_model_is_another_map_on_a_finer_grid(name):
    model = built(name)
    with torch.no_grad():
        coarse, fine = model(smooth(3, 1, 32)), model(smooth(3, 1, 64))[..., ::2, ::2]
    assert (fine - coarse).norm() > 0.05 * coarse.norm()


@pytest.mark.parametrize("name", OPERATORS)
def test_the_gradient_in_the_input_is_the_derivative(name):
    model, u, direction = built(name), smooth(2, 1), smooth(2, 1, seed=2)
    _, slope = torch.func.jvp(model, (u,), (direction,))
    with torch.no_grad():
        difference = (model(u + 1e-5 * direction) - model(u - 1e-5 * direction)) / 2e-5
    assert torch.allclose(slope, difference, atol=1e-6)


@pytest.mark.parametrize("name", LEARN)
def test_every_weight_gets_a_gradient(name):
    model = built(name).train()
    model(smooth(2, 1)).square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in model.parameters())


@pytest.mark.parametrize("name", OPERATORS)
def test_an_exported_operator_gives_the_same_numbers(name):
    model, u = built(name), smooth(3, 1)
    program = torch.export.export(model, (u,))
    with torch.no_grad():
        assert torch.allclose(program.module()(smooth(3, 1, seed=3)), model(smooth(3, 1, seed=3)), atol=1e-12)


@pytest.mark.parametrize("name", OPERATORS)
def test_only_what_learns_has_weights(name):
    assert (operators.count_parameters(built(name)) > 0) == OPERATORS[name].trains


@pytest.mark.parametrize("name", LEARN)
def test_the_settings_of_a_row_are_those_that_change_it(name):
    def shapes(**changed):
        torch.manual_seed(0)
        targets = smooth(2, 1)
        statistics = ChannelStatistics.of(targets)
        task = Task(1, 1, Grid.uniform((POINTS, POINTS)), (statistics, statistics), targets.mean(0))
        model = OPERATORS[name].build(task, SimpleNamespace(**{**vars(SETTINGS), **changed})).double().eval()
        with torch.no_grad():
            return model(smooth(1, 1))

    changed = {"modes": 4, "width": 12, "layers": 3, "padding": 0.25, "norm": "instance"}
    changed |= {"factorization": "cp", "rank": 0.5}
    different = [key for key, value in changed.items() if not torch.equal(shapes(**{key: value}), shapes())]
    assert tuple(different) == OPERATORS[name].settings


@pytest.mark.parametrize("name", LEARN)
def test_model_and_loss_run_on_one_device_only(name):
    with FakeTensorMode(), torch.device("cuda"):
        model = operators.build(name, 1, 1, 2)
        batch = {role: torch.empty(2, 1, 16, 16) for role in ("input", "target")}
        loss = operator_loss("h1", Grid.uniform((16, 16)))(model, batch)
    assert loss["relative_h1"].device.type == "cuda"
