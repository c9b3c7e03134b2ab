import numpy as np
import pytest

pytest.importorskip("numba")
from limitlab.discovery.pinn.jets.products import COLUMNS, PANEL, ROWS
from limitlab.discovery.pinn.jets.rows import columns_of, panels_of, put, rows_of, take


@pytest.mark.parametrize("units", range(1, 10))
def test_numbers_of_rows_are_rounded_up_and_no_further(units):
    for rounded, step in ((rows_of(units), ROWS), (columns_of(units), COLUMNS)):
        assert rounded % step == 0
        assert 0 <= rounded - units < step
    assert PANEL * (panels_of(units) - 1) < units <= PANEL * panels_of(units)


@pytest.mark.parametrize("units", [1, 4, 5])
@pytest.mark.parametrize("points", [1, PANEL, 2 * PANEL + 5])
@pytest.mark.parametrize("some", [(0, 3), (1, 3)])
def test_rows_hold_the_streams_with_zeros_behind_the_last_point_and_come_back(units, points, some):
    low, high = some
    streams = np.random.default_rng(points).standard_normal((units, 3, points))
    panels, stride = panels_of(points), (high - low) * rows_of(units) * PANEL + 8
    room = np.full(4 + panels * stride, np.nan)
    put(streams, some, (0, panels), (room, 4, stride))
    blocks = room[4:].reshape(panels, stride)[:, :-8].reshape(panels, high - low, rows_of(units), PANEL)
    padded = np.pad(streams[:, low:high], ((0, 0), (0, 0), (0, panels * PANEL - points)))
    expected = padded.reshape(units, high - low, panels, PANEL).transpose(2, 1, 0, 3)
    assert np.array_equal(blocks[:, :, :units], expected)
    back = np.full_like(streams, 7.0)
    take(back, some, (0, panels), (room, 4, stride))
    assert np.array_equal(back[:, low:high], streams[:, low:high])
    assert (back[:, :low] == 7).all()
