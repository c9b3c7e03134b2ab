"""Patches put together are the field; windows lie where they say, at every size; seams are told from the inside."""

import itertools

import pytest
import torch

from limitlab.errors import InvalidArgument, UnknownName
from limitlab.operators import Patching, seam_error


def random(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


GRIDS = [(8,), (24,), (4, 4), (8, 20), (16, 16), (12, 4), (4, 8, 12)]


@pytest.mark.parametrize("grid", GRIDS, ids=str)
@pytest.mark.parametrize("levels", [0, 1, 2])
@pytest.mark.parametrize("halo", [0.0, 1 / 16, 0.25])
def test_the_field_is_its_patches_put_together(grid, levels, halo):
    for coarse, outside in itertools.product((True, False), ("periodic", "zeros", "replicate")):
        patching, u = Patching(levels, halo, coarse=coarse, outside=outside, positional=False), random(3, 2, *grid)
        windows = patching.cut(u)
        assert windows.shape == (3 * 2 ** (levels * len(grid)), patching.channels(2, len(grid)), *patching.window(grid))
        assert torch.equal(patching.stitch(patching.crop(windows[:, :2], grid), grid), u)


def test_one_axis_may_have_a_halo_alone():
    patching, u = Patching(1, (0.0, 0.25)), random(2, 1, 8, 8)
    windows = patching.cut(u)
    assert windows.shape[2:] == (4, 8)
    assert torch.equal(patching.stitch(patching.crop(windows[:, :1], (8, 8)), (8, 8)), u)


@pytest.mark.parametrize("grid", [(16, 16), (64, 64), (12, 20), (4, 4)], ids=str)
@pytest.mark.parametrize("levels", [1, 2])
def test_every_level_shows_the_points_that_its_formula_names(grid, levels):
    """Small sizes too, n < 2 * 4^L, where neuraloperator 2.0.0 fails."""
    patching, u = Patching(levels, 1 / 8, positional=False), random(1, 1, *grid)
    windows, (n, m) = patching.cut(u), grid
    (p, q), (points, across) = patching.halos(grid), patching.patch(grid)
    for level in range(levels + 1):
        for number, (a, b) in enumerate(itertools.product(range(2**levels), repeat=2)):
            for i, j in ((0, 0), (p, q), (points + 2 * p - 1, across + q)):
                row = a * points + points // 2 + 2**level * (i - p - points // 2)
                column = b * across + across // 2 + 2**level * (j - q - across // 2)
                assert windows[number, level, i, j] == u[0, 0, row % n, column % m]


@pytest.mark.parametrize(("n", "levels", "halo"), [(64, 1, 1 / 16), (64, 2, 1 / 16), (128, 2, 1 / 16), (64, 1, 0.0)])
def test_windows_are_those_of_neuraloperator(n, levels, halo):
    peer = pytest.importorskip("neuralop.training.patching")
    u = random(1, 1, n, n)
    theirs, _ = peer.MultigridPatching2D(torch.nn.Linear(1, 1), levels=levels, padding_fraction=halo).patch(u, u)
    assert torch.equal(Patching(levels, halo, positional=False).cut(u), theirs)


@pytest.mark.parametrize("grid", [(64,), (24,), (12,)], ids=str)
@pytest.mark.parametrize("outside", ["periodic", "replicate"])
def test_the_middle_of_a_patch_is_the_same_point_at_every_level(grid, outside):
    patching = Patching(2, 1 / 12, outside=outside, positional=False)
    windows = patching.cut(torch.arange(float(grid[0]))[None, None])
    (points,), (p,) = patching.patch(grid), patching.halos(grid)
    middle = windows[:, :, p + points // 2]
    assert torch.equal(middle, middle[:, :1].expand_as(middle))
    assert torch.equal(middle[:, 0], torch.arange(float(grid[0]))[points // 2 :: points])


def test_the_last_level_without_a_halo_sees_every_patch_of_a_periodic_field():
    patching = Patching(2, 0.0, positional=False)
    windows = patching.cut(torch.arange(64.0)[None, None])
    widest = windows[:, 2].sort(dim=1).values
    assert torch.equal(widest // 16, torch.arange(4.0).repeat_interleave(4).expand(4, -1))


def test_beyond_the_ends_stands_what_was_said():
    def first_of(outside):
        return Patching(1, 0.25, outside=outside, positional=False).cut(1 + torch.arange(8.0)[None, None])[0]

    assert first_of("periodic")[0].tolist() == [7, 8, 1, 2, 3, 4, 5, 6]
    assert first_of("zeros").tolist() == [[0, 0, 1, 2, 3, 4, 5, 6], [0, 0, 0, 1, 3, 5, 7, 0]]
    assert first_of("replicate").tolist() == [[1, 1, 1, 2, 3, 4, 5, 6], [1, 1, 1, 1, 3, 5, 7, 8]]


def test_positions_are_those_in_the_whole_domain():
    u = random(1, 1, 8, 16)
    windows = Patching(1, 0.125, outside=("periodic", "zeros")).cut(u)
    rows, columns = windows[3, -2, :, 0], windows[3, -1, 0]
    assert torch.allclose(8 * rows, torch.tensor([3, 4, 5, 6, 7, 0.0], dtype=torch.float64))
    assert torch.allclose(16 * columns, torch.arange(6, 18, dtype=torch.float64)), "beyond an end they go on"
    cells = Patching(1, 0.0, positional="cells").cut(u)[0, -2:, 0, 0]
    assert torch.allclose(cells, torch.tensor([1 / 16, 1 / 32], dtype=torch.float64))
    circle = Patching(1, 0.0, positional="periodic").cut(u)
    assert circle.shape[1] == Patching(1, 0.0, positional="periodic").channels(1, 2) == 6
    assert torch.allclose(circle[:, -4].square() + circle[:, -2].square(), torch.ones(4, 4, 8, dtype=torch.float64))


def test_a_periodic_field_shifted_by_a_patch_has_the_same_windows():
    patching, u = Patching(2, 1 / 16, positional=False), random(1, 1, 16, 16)
    windows = patching.cut(u).reshape(4, 4, -1)
    shifted = patching.cut(u.roll((4, -8), (2, 3))).reshape(4, 4, -1)
    assert torch.equal(shifted, windows.roll((1, -2), (0, 1)))


def test_the_same_function_on_a_finer_grid_has_the_same_windows():
    """A halo is a fraction of the axis, so that every coarse point is a fine one."""
    x = torch.arange(64, dtype=torch.float64) / 64
    u, patching = torch.sin(2 * torch.pi * x)[None, None], Patching(2, 1 / 16)
    assert torch.allclose(patching.cut(u)[..., ::2], patching.cut(u[..., ::2]))


def test_the_error_beside_seams_is_told_from_that_inside():
    patching, target = Patching(1, 0.0), torch.ones(2, 1, 8, 12)
    prediction = target.clone()
    prediction[:, :, 3:5] += 0.5
    errors = seam_error(prediction, target, patching)["error"]
    distance = patching.distance((8, 12))
    share = (distance[3:5] == 0).sum() / (distance == 0).sum()
    assert float(errors.sel(distance=0)) == pytest.approx(0.5 * float(share) ** 0.5)
    assert errors.sizes["distance"] == 2
    assert float(errors.sel(distance=1)) == 0


def test_an_end_that_is_not_periodic_is_no_seam():
    assert Patching(1, outside="zeros").distance((8,)).tolist() == [3, 2, 1, 0, 0, 1, 2, 3]


@pytest.mark.parametrize(
    ("refused", "error", "message"),
    [
        (lambda: Patching(2).cut(random(1, 1, 8, 10)), InvalidArgument, r"multiple of 4 .* got a grid \(8, 10\)"),
        (lambda: Patching(1).cut(random(1, 1)), InvalidArgument, "1 to 3 axes"),
        (lambda: Patching(-1), InvalidArgument, "levels"),
        (lambda: Patching(1, 0.6), InvalidArgument, "halo"),
        (lambda: Patching(1, (0.1, 0.1)).cut(random(1, 1, 8)), InvalidArgument, "halo"),
        (lambda: Patching(outside="reflect"), UnknownName, "outside"),
        (lambda: Patching(outside=("zeros", "zeros")).cut(random(1, 1, 8)), InvalidArgument, "one an axis"),
        (lambda: Patching(positional="nodes"), UnknownName, "positional"),
        (lambda: Patching(1).stitch(random(3, 1, 4), (8,)), InvalidArgument, "2 patches"),
        (lambda: Patching(1, 0.25).crop(random(2, 1, 4), (8,)), InvalidArgument, r"\(8,\) points"),
        (lambda: Patching(0).distance((8,)), InvalidArgument, "levels"),
        (lambda: seam_error(random(1, 1, 8), random(1, 1, 4), Patching()), InvalidArgument, "shape"),
    ],
)
def test_what_cannot_be_cut_is_refused_by_name(refused, error, message):
    with pytest.raises(error, match=message):
        refused()
