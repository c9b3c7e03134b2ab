"""The cases are the formulas that they say, and an error is that of the wider box."""

import numpy as np
import pytest

from limitlab.discovery.symbolic import Expr
from limitlab.discovery.symbolic.testbed import CASES, case
from limitlab.errors import UnknownName


@pytest.mark.parametrize("name", CASES)
def test_a_case_has_its_points_and_no_error_against_itself(name):
    data = CASES[name].data(seed=1)
    assert data.X.shape == (CASES[name].points, len(CASES[name].ranges))
    assert np.isfinite(data.y).all()
    assert CASES[name].error(CASES[name].truth) == 0


def test_fourteen_cases_by_name():
    assert len(CASES) == 14
    with pytest.raises(UnknownName, match="did you mean 'lorenz'"):
        case("lorentz")


def test_noise_is_a_part_of_the_spread():
    clean, noisy = (CASES["lorenz"].data(noise=noise) for noise in (0.0, 0.05))
    assert np.isclose(np.std(noisy.y - clean.y) / np.std(clean.y), 0.05, rtol=0.2)
    assert np.isclose(noisy.sigma, 0.05 * np.std(clean.y))


def test_the_error_sees_beyond_the_data():
    # |x - 1| + x - 1 is zero below one, and grows above
    near = Expr.parse("x + x^2 + x^3 + abs(x - 1) + x - 1", ("x",))
    assert np.abs(near(CASES["nguyen1"].data().X) - CASES["nguyen1"].data().y).max() < 1e-12
    assert CASES["nguyen1"].error(near) > 1e-2
