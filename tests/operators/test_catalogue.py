"""Every operator of the table: what holds of all of them, by what its row says of it."""

from types import SimpleNamespace

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from limitlab import operators
from limitlab.data import ChannelStatistics
from limitlab.errors import InvalidArgument
from limitlab.operators import OPERATORS, Task
from limitlab.spaces import Grid, spectral_resample
from limitlab.training import operator_loss, runs

SETTINGS = SimpleNamespace(modes=8, width=8, layers=2, padding=0.0, norm="none", factorization="tucker", rank=0.1)
POINTS = 16
PERIODIC = Grid.uniform((POINTS, POINTS))
LEARN = [name for name, row in OPERATORS.items() if row.trains]
TIED = [name for name, row in OPERATORS.items() if row.tied]
FIXED = [name for name, row in OPERATORS.items() if row.fixed]
HALVED = ["sinenet"]  # whose grids must be halved a number of times
FREE = [name for name in OPERATORS if name not in (*TIED, *FIXED)]


def smooth(samples, channels, points=POINTS, seed=0):
    """Trigonometric polynomials of degree 2 in two dimensions, on so many points along both axes or along each."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randn(samples, channels, 5, 5, generator=generator, dtype=torch.float64)
    return spectral_resample(coarse, Grid.uniform((5, 5)), points)


def task_of(grid=PERIODIC, samples=6):
    targets = smooth(samples, 1, grid.shape, seed=1)
    statistics = ChannelStatistics.of(targets)
    return Task(1, 1, grid, (statistics, statistics), targets.mean(0), targets)


def built(name, dtype=torch.float64, grid=PERIODIC, seed=0, **changed):
    torch.manual_seed(seed)
    settings = SimpleNamespace(**{**vars(SETTINGS), **changed})
    return OPERATORS[name].build(task_of(grid), settings).to(dtype).eval()


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


@pytest.mark.parametrize("name", TIED)
def test_a_tied_model_is_another_map_on_a_finer_grid(name):
    model = built(name)
    with torch.no_grad():
        coarse, fine = model(smooth(3, 1, 32)), model(smooth(3, 1, 64))[..., ::2, ::2]
    assert (fine - coarse).norm() > 0.05 * coarse.norm()


@pytest.mark.parametrize("name", FIXED)
def test_a_fixed_model_refuses_another_grid_and_says_which_it_takes(name):
    model = built(name)
    assert operators.points_of(torch.nn.Sequential(model)) == (POINTS, POINTS)
    with torch.no_grad(), pytest.raises(InvalidArgument, match=rf"{POINTS}.*{2 * POINTS}"):
        model(smooth(3, 1, 2 * POINTS))


@pytest.mark.parametrize("name", sorted({*FREE, *TIED}))
def test_any_other_model_takes_every_grid(name):
    assert operators.points_of(built(name)) is None


@pytest.mark.parametrize("name", FREE)
def test_odd_and_rectangular_grids_show_the_same_function(name):
    """Three times as many points along each axis: one in three is the coarse grid's."""
    grid, errors = Grid.uniform((15, 21)), []
    model = built(name, grid=grid)
    with torch.no_grad():
        for factor in (1, 3):
            shape = [factor * n for n in grid.shape]
            coarse, fine = model(smooth(2, 1, shape)), model(smooth(2, 1, [3 * n for n in shape]))[..., ::3, ::3]
            errors.append(float((fine - coarse).norm() / coarse.norm()))
    assert errors[-1] < 2e-3
    assert errors[-1] <= errors[0] + 1e-12


@pytest.mark.parametrize("kind", ["periodic", "cells", "nodes"])
@pytest.mark.parametrize("name", OPERATORS)
def test_every_kind_of_grid_with_any_numbers_of_points_is_answered(name, kind):
    grid = Grid.uniform((17, 10), lengths=(2.0, 1.0), kind=kind)
    model, u = built(name, grid=grid), smooth(3, 1, grid.shape)
    if name in HALVED:
        with pytest.raises(InvalidArgument, match="u must have multiples of"):
            model(u)
        return
    with torch.no_grad():
        answer = model(u)
        assert answer.shape == u.shape
        assert answer.isfinite().all()
        # the second sample of the first batch, and the only one of another
        assert torch.allclose(model(u[1:2]), answer[1:2], atol=1e-12)


@pytest.mark.parametrize("name", OPERATORS)
def test_single_precision_gives_the_same_to_its_digits(name):
    model, u = built(name), smooth(3, 1)
    with torch.no_grad():
        exact = model(u)
        single = model.float()(u.float())
    assert single.dtype == torch.float32
    assert (single - exact).norm() < 1e-5 * exact.norm()


@pytest.mark.parametrize("name", OPERATORS)
def test_a_stored_model_is_read_into_one_of_another_seed(name, tmp_path):
    """With its normalisation, through a run's folder; what is not a weight, such as modes, comes from there too."""
    stored = operators.Normalized(built(name), (0.5, 2.0), (1.0, 3.0))
    other = operators.Normalized(built(name, seed=1), (0.0, 1.0), (0.0, 1.0))
    for tensor in other.model.buffers():
        tensor.zero_()
    run = runs.create(tmp_path / "run", {}, "", 0)
    run.write_model(stored)
    u = smooth(3, 1)
    with torch.no_grad():
        assert not torch.allclose(other(u), stored(u))
        read = runs.open(tmp_path / "run").read_model(other)
        assert torch.equal(read(u), stored(u))


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
    def answer(**changed):
        with torch.no_grad():
            return built(name, **changed)(smooth(1, 1))

    changed = {"modes": 4, "width": 12, "layers": 3, "padding": 0.25, "norm": "instance"}
    changed |= {"factorization": "cp", "rank": 0.5}
    different = [key for key, value in changed.items() if not torch.equal(answer(**{key: value}), answer())]
    assert tuple(different) == OPERATORS[name].settings


@pytest.mark.parametrize("name", LEARN)
def test_model_and_loss_run_on_one_device_only(name):
    with FakeTensorMode(), torch.device("cuda"):
        targets, number = torch.empty(6, 1, POINTS, POINTS), torch.ones(1)
        statistics = ChannelStatistics(number, number)
        task = Task(1, 1, PERIODIC, (statistics, statistics), targets[0], targets)
        model = OPERATORS[name].build(task, SETTINGS)
        batch = {"input": targets[:2], "target": targets[2:4]}
        loss = operator_loss("h1", PERIODIC)(model, batch)
    assert loss["relative_h1"].device.type == "cuda"


@pytest.mark.parametrize("name", OPERATORS)
def test_a_row_says_on_which_grids_its_operator_is_itself(name):
    expected = {True: "the points it was built for alone", False: "any grid"}[name in FIXED]
    expected += ", but another map on another spacing" if name in TIED else ""
    assert f"resolution  {expected}" in repr(OPERATORS[name])
