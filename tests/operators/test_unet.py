"""The U-Net baseline: any grid, as many parameters as asked, and boundaries as stated."""

from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch._subclasses.fake_tensor import FakeTensorMode

from limitlab.data import ChannelStatistics
from limitlab.errors import InvalidArgument
from limitlab.operators import FNO, OPERATORS, Task, UNet, count_parameters, unet_with_parameters
from limitlab.spaces import Grid


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_any_grid_gives_a_field_on_that_grid(data: st.DataObject) -> None:
    dimension = data.draw(st.integers(1, 3))
    grid = data.draw(st.tuples(*[st.integers(1, 19 if dimension < 3 else 9)] * dimension))
    padding = data.draw(st.sampled_from(["zeros", "periodic"]))
    model = UNet(2, 3, dimension, width=4, levels=data.draw(st.integers(1, 3)), padding=padding)
    result = model(torch.randn(2, 2, *grid))
    assert result.shape == (2, 3, *grid)
    assert result.isfinite().all()


def test_periodic_network_commutes_with_translations_by_its_coarsest_cell() -> None:
    torch.manual_seed(0)
    u = torch.randn(1, 1, 16, 16, dtype=torch.float64)
    for padding, commutes in (("periodic", True), ("zeros", False)):
        model = UNet(1, 1, 2, width=4, levels=2, padding=padding).double()
        difference = (model(u.roll((4, -8), (2, 3))) - model(u).roll((4, -8), (2, 3))).abs().max()
        assert (difference < 1e-12) == commutes


def built_for(grid: Grid) -> torch.nn.Module:
    """The U-Net of an experiment on this grid, in double precision."""
    statistics = ChannelStatistics(torch.zeros(1), torch.ones(1))
    task = Task(1, 1, grid, (statistics, statistics), torch.zeros(1, *grid.shape))
    sizes = SimpleNamespace(modes=4, width=8, layers=2, padding=0.0, norm="none")
    return OPERATORS["unet"].build(task, sizes).double()


def test_baseline_of_a_periodic_problem_has_no_ends() -> None:
    u = torch.randn(1, 1, 32, dtype=torch.float64)
    model = built_for(Grid.uniform(32))
    assert torch.allclose(model(u.roll(8, 2)), model(u).roll(8, 2), atol=1e-12)


@pytest.mark.parametrize("kind", ["cells", "nodes"])
def test_baseline_of_a_problem_with_walls_is_padded_with_zeros(kind: str) -> None:
    u = torch.randn(1, 1, 16, 16, dtype=torch.float64)
    model = built_for(Grid.uniform((16, 16), kind=kind))
    zeros = UNet(1, 1, 2, model.width, padding="zeros").double()
    zeros.load_state_dict(model.state_dict())
    assert torch.equal(model(u), zeros(u))


@pytest.mark.parametrize(("dimension", "width"), [(1, 32), (2, 16), (2, 24), (3, 12)])
def test_width_gives_the_nearest_number_of_parameters(dimension: int, width: int) -> None:
    target = count_parameters(FNO(1, 1, (8,) * dimension, width=width))
    model = unet_with_parameters(target, 1, 1, dimension)
    distance = abs(count_parameters(model) - target)
    for other in (model.width - 1, model.width + 1):
        assert abs(count_parameters(UNet(1, 1, dimension, other)) - target) >= distance


def test_smallest_network_answers_an_impossible_target() -> None:
    assert unet_with_parameters(1, 1, 1, 2).width == 1


def test_counting_draws_no_random_numbers() -> None:
    torch.manual_seed(0)
    model = unet_with_parameters(20_000, 1, 1, 2)
    torch.manual_seed(0)
    again = UNet(1, 1, 2, model.width)
    assert torch.equal(model.entry.weight, again.entry.weight)


def test_learns_a_local_operator() -> None:
    torch.manual_seed(0)
    u = torch.randn(8, 1, 16, 16)
    target = u.roll(1, 2) - u
    model = UNet(1, 1, 2, width=8, levels=2, padding="periodic")
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for _ in range(60):
        optimizer.zero_grad()
        error = (model(u) - target).square().mean() / target.square().mean()
        error.backward()
        optimizer.step()
    assert error < 0.1


def test_whole_model_runs_on_a_device_of_its_own() -> None:
    with FakeTensorMode():
        torch.set_default_device("cuda")
        try:
            result = unet_with_parameters(10_000, 1, 1, 2)(torch.randn(2, 1, 17, 16))
        finally:
            torch.set_default_device(None)
    assert (result.device.type, result.shape) == ("cuda", (2, 1, 17, 16))


@pytest.mark.parametrize(
    ("options", "named"),
    [({"padding": "periodik"}, "did you mean 'periodic'"), ({"dimension": 4}, "dimension"), ({"levels": 0}, "levels")],
)
def test_bad_settings_are_named(options: dict[str, object], named: str) -> None:
    with pytest.raises(InvalidArgument, match=named):
        UNet(1, 1, **options)


def test_bad_fields_are_named() -> None:
    with pytest.raises(InvalidArgument, match=r"^u must have shape"):
        UNet(1, 1, 2, width=2)(torch.zeros(1, 2, 8, 8))
