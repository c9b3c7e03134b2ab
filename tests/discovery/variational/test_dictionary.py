"""Sparse networks: sums and products against FFTs, rows proved unique, descent against the grid, exact error bars."""

import math

import numpy as np
import pytest
import torch

from limitlab.discovery import variational as v
from limitlab.discovery.variational import dictionary
from limitlab.discovery.variational.dictionary import Dictionary
from limitlab.errors import InvalidArgument
from limitlab.spaces import Grid


def random_dictionary(seed, dimension=2, modes=12, reach=4):
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randint(-reach, reach + 1, (modes, dimension), generator=generator)
    return v.merged(rows, torch.randn(modes, generator=generator, dtype=torch.complex128))


def test_a_product_is_that_of_the_values():
    """On a grid that resolves it, in d = 2: coefficients to 1e-12."""
    a, b = random_dictionary(0), random_dictionary(1)
    points = Grid.uniform(32, dimension=2).points().reshape(-1, 2)
    values = (a(points) * b(points)).reshape(32, 32)
    transform = torch.fft.fft2(values, norm="forward")
    product = a * b
    assert torch.allclose(transform[product.rows[:, 0], product.rows[:, 1]], product_coefficients(product), atol=1e-12)
    rest = float((product.multiplicity * product.coefficients.abs().square()).sum())
    assert rest == pytest.approx(float(values.square().mean()), rel=1e-12)


def product_coefficients(u):
    """The constant is its own mirror image, and real."""
    return torch.where((u.rows == 0).all(1), u.coefficients.real.to(torch.complex128), u.coefficients)


def test_a_sum_and_a_difference_are_those_of_the_values():
    a, b = random_dictionary(2, 5), random_dictionary(3, 5)
    x = torch.rand(20, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert torch.allclose((a + b)(x), a(x) + b(x), atol=1e-12)
    assert torch.allclose((a - b)(x), a(x) - b(x), atol=1e-12)
    assert (a - a).units == 0


def test_rows_of_a_merge_are_unique():
    """100 000 random frequencies, against NumPy's unique rows up to sign."""
    rows = torch.randint(-2, 3, (100_000, 8), generator=torch.Generator().manual_seed(0))
    merged = v.merged(rows, torch.ones(len(rows), dtype=torch.complex128))
    leading = rows[torch.arange(len(rows)), (rows != 0).int().argmax(1)]
    expected = np.unique(torch.where(leading[:, None] < 0, -rows, rows).numpy(), axis=0)
    assert merged.units == len(expected)
    assert (np.unique(merged.rows.numpy(), axis=0) == expected).all()
    assert merged.coefficients.real.sum() == 100_000


def test_a_hash_with_collisions_is_drawn_anew(monkeypatch):
    """With weights of zero or one at the first draw all kinds of rows collide; the sum is right all the same."""
    a, b = random_dictionary(4, 3), random_dictionary(5, 3)
    expected = a * b
    honest, draws = torch.randint, []

    def poor(low, high, size, **rest):
        draws.append(size)
        return torch.ones(size, dtype=torch.int64) if len(draws) == 1 else honest(low, high, size, **rest)

    monkeypatch.setattr(dictionary.torch, "randint", poor)
    assert (a * b - expected).norm() < 1e-12
    assert len(draws) >= 2


def test_a_wave_and_its_mirror_image_are_one_unit():
    rows = torch.tensor([[0, 2], [0, -2]])
    u = v.merged(rows, torch.tensor([1 + 2j, 3 - 1j], dtype=torch.complex128))
    assert u.rows.tolist() == [[0, 2]]
    assert u.coefficients.tolist() == [4 + 3j]


@pytest.mark.parametrize("dimension", [2, 5, 10])
def test_barron_norm_of_a_sum_of_waves(dimension):
    assert v.wave_sum(dimension).barron() == pytest.approx(math.sqrt(dimension) * (1 + 2 * math.pi), abs=1e-10)


def test_norms_are_those_of_the_values():
    u = random_dictionary(6)
    band = v.Band(24, 2)
    values = u(band.grid.points().reshape(-1, 2)).reshape(band.grid.shape)
    real = Dictionary(u.rows, product_coefficients(u))
    assert real.norm() == pytest.approx(band.norm(values), rel=1e-12)
    assert real.barron() == pytest.approx(v.barron_norm(values, band.grid), rel=1e-12)


def test_without_truncation_the_iterates_are_those_of_the_grid():
    """d = 2, the same step, all modes kept: values of the third iterate to 1e-7."""
    u = v.wave_sum(2)
    sparse = v.sparse_descent(v.semilinear(u, 1.0), keep=100_000, threshold=0.0, iterations=3, tolerance=0, exact=u)
    problem = v.grid_problem(v.instance("V2"), v.cosines(2, half_waves=2), v.Band(64, 2))
    grid = v.descend(problem, step=1.0, iterations=3, tolerance=1e-15)
    points = problem.band.grid.points()
    assert torch.allclose(sparse.iterate(points.reshape(-1, 2)).reshape(points.shape[:-1]), grid.values, atol=1e-7)


def test_ten_dimensions_take_six_or_seven_iterations():
    """Relative H1 error below 1e-5 in at most 7 iterations with 400 frequencies, errors as the linearisation says."""
    u = v.wave_sum(10)
    run = v.sparse_descent(v.semilinear(u, 1.0), exact=u, tolerance=1e-5)
    error = run.history["error"].values
    assert run.converged
    assert len(error) - 1 <= 7
    assert error[1:4] == pytest.approx([3.6e-2, 4.4e-3, 5.1e-4], rel=0.1)
    assert run.history["barron"][-1] == pytest.approx(math.sqrt(10) * (1 + 2 * math.pi), rel=1e-4)
    assert run.history["units"].max() <= 200


def test_the_bar_bounds_what_truncation_changed():
    """Five dimensions, 40 frequencies: the distance of the truncated to the whole iterates in H1 is below the bar."""
    u = v.wave_sum(3)
    f = v.semilinear(u, 1.0)
    few = v.sparse_descent(f, keep=16, iterations=3, tolerance=0, exact=u)
    whole = v.sparse_descent(f, keep=20_000, threshold=0, iterations=3, tolerance=0, exact=u)
    apart = (few.iterate - whole.iterate).norm() / u.norm()
    assert 0 < apart <= float(few.history["bar"][-1])
    assert float(whole.history["bar"][-1]) < 1e-12


def test_a_step_that_is_too_large_is_named():
    u = v.wave_sum(2).scaled(3.0)
    with pytest.raises(v.StepTooLarge, match="take a step below 2/M"):
        v.sparse_descent(v.semilinear(u, 5.0), beta=5.0, exact=u)


def test_an_unknown_solution_is_stopped_by_the_step():
    u = v.wave_sum(2)
    run = v.sparse_descent(v.semilinear(u, 1.0))
    assert run.converged
    assert (run.iterate - u).norm() < 1e-5 * u.norm()


def test_rows_that_are_no_whole_numbers_are_refused():
    with pytest.raises(InvalidArgument, match="int64"):
        Dictionary(torch.ones(2, 2), torch.ones(2, dtype=torch.complex128))
