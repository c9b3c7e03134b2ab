import pytest
import torch

from limitlab.solvers.linear.transfers import transfer

KINDS = [
    ("nodes", 9),
    ("nodes", 10),
    ("ring", 8),
    (("wall", "neumann"), 8),
    (("periodic", "periodic"), 8),
    ("blocks", 6),
]


@pytest.mark.parametrize(("kind", "n"), KINDS)
def test_restriction_is_the_transpose_over_two_a_dimension(kind, n):
    between = transfer((n, n), (kind, kind))
    u = torch.randn(1, *between.coarse, dtype=torch.float64)
    r = torch.randn(1, n, n, dtype=torch.float64)
    assert torch.allclose((between.prolonged(u) * r).sum(), 4 * (between.restricted(r) * u).sum(), rtol=1e-14)


@pytest.mark.parametrize(("kind", "n"), KINDS)
def test_constants_stay_constants_away_from_walls(kind, n):
    ones = transfer((n,), (kind,)).prolonged(torch.ones(1, n // 2, dtype=torch.float64))[0]
    inner = ones if "periodic" in kind or kind in ("ring", "blocks") else ones[1 : 2 * (n // 2) - 1]
    assert torch.allclose(inner, torch.ones_like(inner))


def test_full_weighting_and_linear_interpolation_of_nodes():
    between = transfer((7,), ("nodes",))
    assert between.prolonged(torch.tensor([[0.0, 2.0, 0.0]], dtype=torch.float64)).tolist() == [[0, 0, 1, 2, 1, 0, 0]]
    r = torch.tensor([[0.0, 0.0, 0.0, 4.0, 4.0, 0.0, 0.0]], dtype=torch.float64)
    assert between.restricted(r).tolist() == [[0.0, 3.0, 1.0]]


def test_ghost_cells_follow_their_end():
    u = torch.ones(1, 2, dtype=torch.float64)
    assert transfer((4,), (("wall", "neumann"),)).prolonged(u).tolist() == [[0.5, 1.0, 1.0, 1.0]]
