"""Brownian paths: the law of W and H, one path for every query, and nothing that depends on batch, order or depth."""

import math

import numpy as np
import pytest
import torch
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from limitlab.errors import InvalidArgument
from limitlab.solvers.sde.brownian import BrownianPath
from limitlab.solvers.sde.solve import solve_sde

DOUBLE = torch.float64
GRID = np.linspace(0.0, 1.0, 51)
IRREGULAR = np.array([0.0, 0.013, 0.1, 0.1001, 0.37, 0.5, 0.555, 0.83, 0.999, 1.0])


def paths(batch=4000, noise=1, grid=None, seed=3, **options):
    return BrownianPath(seed, (batch, noise), (0.0, 1.0), grid=grid, **options)


def whitened(path, times):
    """W and H of all intervals, scaled to unit variance, (2 intervals, paths)."""
    width = torch.tensor(np.diff(times))[:, None, None]
    w, h = path.increments(times, area=True)
    return torch.cat([w / width.sqrt(), h / (width / 12).sqrt()]).flatten(1)


def test_first_increment_of_no_small_seed_is_an_outlier():
    first = torch.cat([paths(1, seed=seed).increment(0.0, 1.0) for seed in range(200)])
    assert float(first.abs().max()) < 4


@pytest.mark.parametrize("grid", [None, GRID], ids=["tree", "grid"])
def test_variances_of_increment_and_area_are_those_of_the_theory(grid):
    w, h = paths(grid=grid).increment_and_area(0.2, 0.7)
    assert float(w.var()) == pytest.approx(0.5, abs=0.03)
    assert float(h.var()) == pytest.approx(0.5 / 12, rel=0.06)
    # three standard errors of 4000 paths are 0.05
    assert abs(float(torch.corrcoef(torch.cat([w, h], 1).T)[0, 1])) < 0.05


@pytest.mark.parametrize("grid", [None, GRID], ids=["tree", "grid"])
def test_increments_and_areas_of_disjoint_intervals_are_independent(grid):
    covariance = torch.cov(whitened(paths(8000, grid=grid), IRREGULAR))
    # the largest of 171 entries of 8000 paths lies near four standard errors
    assert float((covariance - torch.eye(len(covariance))).abs().max()) < 5 / math.sqrt(4000)


@pytest.mark.parametrize("grid", [None, GRID], ids=["tree", "grid"])
def test_increments_and_areas_add_up_in_any_order_of_the_queries(grid):
    for order in (0, 1):
        path = paths(64, 2, grid=grid)
        queries = [(0.1, 0.456789), (0.456789, 0.9), (0.1, 0.9)]
        answers = {query: path.increment_and_area(*query) for query in (queries[::-1] if order else queries)}
        (w, h), (v, k), (whole, area) = (answers[query] for query in queries)
        assert float((w + v - whole).abs().max()) <= 1e-12
        first, second = 0.356789, 0.443211
        integral = first * (w / 2 + h) + second * (w + v / 2 + k)
        assert float((integral / 0.8 - whole / 2 - area).abs().max()) <= 1e-12


@pytest.mark.parametrize("grid", [None, GRID], ids=["tree", "grid"])
def test_a_query_asked_again_gives_identical_numbers_whatever_was_asked_between(grid):
    path = paths(16, 2, grid=grid)
    before = path.increment(0.31, 0.62), path.increment(0.02, 0.04)
    for start in np.random.default_rng(0).random(20) / 2:
        path.increment_and_area(start, start + 0.3)
    fresh = paths(16, 2, grid=grid)
    after = path.increment(0.31, 0.62), path.increment(0.02, 0.04)
    last = fresh.increment(0.02, 0.04), fresh.increment(0.31, 0.62)
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))
    assert all(torch.equal(one, other) for one, other in zip(before, last[::-1], strict=True))


@pytest.mark.parametrize("dtype", [torch.float32, DOUBLE])
def test_a_sample_does_not_depend_on_its_batch(dtype):
    samples = [5, 17, 200]
    for grid in (None, GRID):
        whole = paths(256, 3, grid=grid, dtype=dtype)
        part = paths(3, 3, grid=grid, dtype=dtype, samples=samples)
        starts = torch.linspace(0.0, 0.6, 256, dtype=DOUBLE)
        for one, other in zip(
            whole.increment_and_area(starts, starts + 0.25),
            part.increment_and_area(starts[samples], starts[samples] + 0.25),
            strict=True,
        ):
            assert torch.equal(one[samples], other)
        assert torch.equal(whole.increments(GRID)[0][:, samples], part.increments(GRID)[0])


def test_times_of_samples_and_times_of_all_ask_the_same_path():
    path = paths(8, 2, grid=GRID)
    starts, ends = torch.linspace(0.0, 0.5, 8, dtype=DOUBLE), torch.linspace(0.51, 1.0, 8, dtype=DOUBLE)
    w, h = path.increment_and_area(starts, ends)
    for sample in range(8):
        alone, area = path.increment_and_area(float(starts[sample]), float(ends[sample]))
        assert float((w[sample] - alone[sample]).abs().max()) <= 1e-14
        assert float((h[sample] - area[sample]).abs().max()) <= 1e-14


def test_backwards_in_time_the_increment_turns_and_the_area_stays():
    for path in (paths(8), paths(8, grid=GRID)):
        for start, end in ((0.02, 0.04), (0.1, 0.77), (torch.tensor(0.1), torch.tensor(0.77))):
            w, h = path.increment_and_area(start, end)
            turned, area = path.increment_and_area(end, start)
            assert torch.equal(turned, -w)
            assert torch.equal(area, h)


def test_cells_in_order_are_the_same_as_in_one_block_and_backwards():
    path = paths(16, 2, grid=GRID)
    block, areas = path.increments(GRID, area=True)
    cells = [*range(50), *reversed(range(50))]
    for cell in cells:
        w, h = path.increment_and_area(GRID[cell], GRID[cell + 1])
        assert torch.equal(w, block[cell])
        assert torch.equal(h, areas[cell])


def test_off_grid_times_refine_a_grid_without_changing_it():
    path = paths(16, 2, grid=GRID)
    whole, _ = path.increments(GRID)
    refined, _ = path.increments(np.union1d(GRID, [0.013]))
    assert torch.equal(refined[2:], whole[1:])
    assert float((refined[0] + refined[1] - whole[0]).abs().max()) <= 1e-15


def test_coarse_increments_and_areas_are_made_of_the_fine_ones():
    path = paths(16, 2, grid=GRID)
    w, h = path.increments(GRID, area=True)
    coarse, areas = path.increments(GRID[::25], area=True)
    w, h = w.unflatten(0, (2, 25)), h.unflatten(0, (2, 25))
    mean = (w.cumsum(1) - w / 2 + h).mean(1)
    assert float((coarse - w.sum(1)).abs().max()) <= 1e-14
    assert float((areas - (mean - coarse / 2)).abs().max()) <= 1e-14


def test_a_bridge_has_the_mean_and_variance_of_the_theory():
    path = paths(8000)
    s, whole = 0.3, path.increment(0.0, 1.0)
    rest = path.increment(0.0, s) - s * whole
    assert float(rest.var()) == pytest.approx(s * (1 - s), rel=0.05)
    assert abs(float((rest * whole).mean())) < 0.025


def test_long_spans_with_tiny_steps_need_no_recursion():
    cells = 2_000_000
    grid = np.arange(cells + 1) * 1e-3
    path = BrownianPath(1, (1, 1), (0.0, float(grid[-1])), grid=grid)
    near_the_end = path.increment(grid[-2], grid[-1])
    assert float(near_the_end.abs()) < 7 * math.sqrt(1e-3)
    deep = BrownianPath(1, (1, 1), (0.0, 1e4), finest=1e-9)
    assert math.isfinite(float(deep.increment(0.1, 0.1 + 1e-7)))


def test_one_time_beside_many_cells_leaves_their_increments_alone():
    path = paths(256, 4, grid=GRID)
    refined = path.increments(np.union1d(GRID, [0.013]), area=True)
    for many, whole in zip(refined, path.increments(GRID, area=True), strict=True):
        assert torch.equal(many[2:], whole[1:])


class LargestTensor(TorchDispatchMode):
    """Bytes of the largest tensor that any operation returns."""

    largest = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for tensor in pytree.tree_leaves(result):
            if isinstance(tensor, torch.Tensor):
                self.largest = max(self.largest, tensor.untyped_storage().nbytes())
        return result


@pytest.mark.parametrize("grid", [None, GRID], ids=["crossing", "inside cells"])
@pytest.mark.parametrize("area", [False, True])
def test_many_increments_off_the_grid_need_little_more_memory_than_their_result(grid, area):
    path = paths(64, 4, grid=grid)
    times = np.union1d(GRID, np.random.default_rng(0).random(950))
    alone = [path.increments(times[first : first + 2], area=area) for first in range(0, 1000, 97)]
    with LargestTensor() as memory:
        answers = path.increments(times, area=area)
    # the tree alone has 48 numbers for each of the result
    assert memory.largest < 1.5 * answers[0].nbytes
    for index, answer in enumerate(alone):
        assert all(
            torch.equal(one, many[97 * index : 97 * index + 1]) for one, many in zip(answer, answers, strict=True)
        )


def test_a_path_made_in_inference_mode_can_drive_a_solve_with_a_gradient():
    with torch.inference_mode():
        path = paths(3, 1, grid=GRID, dtype=DOUBLE)
        asked = [path.increment(0.0, 0.02), path.increment(0.013, 0.4), path.increments([0.0, 0.3, 0.7])[0]]
        asked += [path.value(0.3), *path.value_and_integral(torch.tensor(0.6))]
    assert not any(tensor.is_inference() for tensor in asked)
    scale = torch.tensor(0.5, dtype=DOUBLE, requires_grad=True)
    y0 = torch.zeros(3, 1, dtype=DOUBLE)
    for options in ({"step_size": 0.02, "method": "sri2w1"}, {"method": "milstein"}):
        y = solve_sde(
            lambda t, y: torch.zeros_like(y), lambda t, y: scale + 0 * y, y0, [0.0, 1.0], brownian=path, **options
        ).y
        (slope,) = torch.autograd.grad(y[:, -1].sum(), scale)
        assert float(slope - path.increment(0.0, 1.0).sum()) == pytest.approx(0, abs=1e-12)


def test_single_precision_agrees_with_double():
    double, single = paths(64, 2, grid=GRID), paths(64, 2, grid=GRID, dtype=torch.float32)
    w, v = double.increment(0.123, 0.8), single.increment(0.123, 0.8)
    assert v.dtype == torch.float32
    # the radius of Box & Muller loses half the digits where it is near zero
    assert float((w - v).abs().max()) < 1e-3


@pytest.mark.parametrize(
    ("ask", "named"),
    [
        (lambda: paths(4).increment(0.5, 1.5), "span"),
        (lambda: paths(4).increment(math.nan, 0.5), "span"),
        (lambda: paths(4).increment(torch.zeros(3), torch.ones(3)), "times"),
        (lambda: paths(4).increments([0.0, 0.5, 0.4]), "times"),
        (lambda: paths(4, grid=[0.0, 0.5, 0.4, 1.0]), "grid"),
        (lambda: paths(4, grid=[0.0, 0.5]), "grid"),
        (lambda: paths(4, samples=[1, 2]), "samples"),
        (lambda: paths(0), "shape"),
        (lambda: paths(4, seed=0.5), "seed"),
        (lambda: paths(4, finest=2.0), "finest"),
        (lambda: BrownianPath(0, (1, 1), (1.0, 0.0)), "span"),
    ],
)
def test_bad_input_is_named(ask, named):
    with pytest.raises(InvalidArgument, match=named):
        ask()


@pytest.mark.parametrize("grid", [None, [0.0, 0.25, 0.5, 1.0]])
def test_an_interval_without_length_has_no_increment(grid):
    path = BrownianPath(3, (4, 2), (0.0, 1.0), grid=grid)
    for time in (0.0, 0.3, 0.5, 1.0, torch.tensor(0.3), torch.full((4,), 0.5)):
        w, h = path.increment_and_area(time, time)
        assert not bool(w.any() | h.any())
    for times in ([], [0.3]):
        w, h = path.increments(times, area=True)
        assert w.shape == h.shape == (0, 4, 2)
    w, h = path.increments([0.0, 0.25, 0.25, 0.7, 0.7, 0.7, 1.0], area=True)
    plain, areas = path.increments([0.0, 0.25, 0.7, 1.0], area=True)
    assert torch.equal(w[[0, 2, 5]], plain)
    assert torch.equal(h[[0, 2, 5]], areas)
    assert not bool(w[[1, 3, 4]].any() | h[[1, 3, 4]].any())


def test_samples_and_times_are_read_from_arrays_that_run_backwards():
    path = BrownianPath(3, (3, 1), (0.0, 1.0))
    turned = BrownianPath(3, (3, 1), (0.0, 1.0), samples=np.arange(3)[::-1])
    assert torch.equal(turned.value(0.4), path.value(0.4).flip(0))
    times = np.array([0.9, 0.5, 0.1])
    assert torch.equal(path.value(times[::-1]), path.value(torch.tensor([0.1, 0.5, 0.9], dtype=torch.float64)))
    assert torch.equal(path.increments(times[::-1])[0], path.increments([0.1, 0.5, 0.9])[0])
