"""The path inside a cell: its ends, and the nodes that hold a time."""

import torch

from limitlab.solvers.sde.bridge import bridged, node_at

DOUBLE = torch.float64
COUNT = torch.exp2(torch.arange(6, dtype=DOUBLE))


def path_at(x, w, h, normals, width=2.0):
    x = torch.as_tensor(x, dtype=DOUBLE)[:, None]
    _, y, right = node_at(x, COUNT)
    return bridged(w, h, normals, x=x, width=torch.full_like(x, width), node=(y, right, COUNT), area=True)


def test_path_of_a_cell_ends_with_its_increment_and_the_integral_of_its_area():
    """Whatever the nodes add: int_0^h W = h (W/2 + H)."""
    generator = torch.Generator().manual_seed(0)
    w, h = torch.randn(2, 1, 4, 3, dtype=DOUBLE, generator=generator)
    normals = torch.randn(2, 2, 4, 3, len(COUNT), dtype=DOUBLE, generator=generator)
    value, integral = path_at([0.0, 1.0], w, h, normals)
    assert float(value[0].abs().max()) == float(integral[0].abs().max()) == 0.0
    torch.testing.assert_close(value[1:], w)
    torch.testing.assert_close(integral[1:], 2.0 * (w / 2 + h))


def test_without_its_nodes_a_path_is_its_polynomial():
    w, h = torch.ones(1, 1, 1, dtype=DOUBLE), torch.full((1, 1, 1), 0.5, dtype=DOUBLE)
    value, _ = path_at([0.25, 0.5], w, h, torch.zeros(2, 2, 1, 1, len(COUNT), dtype=DOUBLE))
    assert value.flatten().tolist() == [0.25 + 3.0 * 0.25 * 0.75, 0.5 + 3.0 * 0.25]


def test_every_level_has_one_node_at_a_time_and_the_end_belongs_to_the_last():
    index, y, right = node_at(torch.tensor([[0.3], [1.0]], dtype=DOUBLE), COUNT)
    assert index[0, 0].tolist() == [0, 0, 1, 2, 4, 9]
    assert index[1, 0].tolist() == (COUNT - 1).tolist()
    assert bool(right[1].all())
    torch.testing.assert_close(
        (index + (y + right) / 2) / COUNT, torch.tensor([0.3, 1.0], dtype=DOUBLE)[:, None, None].expand(2, 1, 6)
    )
