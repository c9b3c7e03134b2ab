import numpy as np
import pytest

pytest.importorskip("numba")
from limitlab.discovery.pinn.jets.products import COLUMNS, GROUPS, PANEL, ROWS, correlate, multiply


@pytest.mark.parametrize("depth", [1, 2, 33])
def test_four_rows_of_a_panel_are_the_product_with_the_bias(depth):
    draws = np.random.default_rng(depth)
    weights, bias = draws.standard_normal((depth, ROWS)), draws.standard_normal(ROWS)
    inputs = draws.standard_normal((depth, PANEL))
    out = np.full((ROWS + 1, PANEL), 7.0)
    flat = np.concatenate([weights.ravel(), bias])
    multiply((flat, 0, ROWS), (flat, weights.size), (inputs.ravel(), 0), depth, (out.ravel(), GROUPS))
    assert np.allclose(out[1:], weights.T @ inputs + bias[:, None], rtol=1e-14, atol=1e-14)
    assert (out[0] == 7).all()


@pytest.mark.parametrize("panels", [1, 3])
def test_sums_over_points_are_added_to_what_is_there(panels):
    draws = np.random.default_rng(panels)
    g, x = draws.standard_normal((panels, ROWS, PANEL)), draws.standard_normal((panels, COLUMNS, PANEL))
    sums = draws.standard_normal((COLUMNS, ROWS))
    expected = sums + np.einsum("kip, kjp -> ji", g, x)
    correlate(
        (g.ravel(), 0, ROWS * GROUPS), (x.ravel(), 0, COLUMNS * GROUPS), panels, np.zeros(8), (sums.ravel(), 0, 1)
    )
    assert np.allclose(sums, expected, rtol=1e-13, atol=1e-13)
