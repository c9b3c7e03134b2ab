import math

import pytest
import torch

from limitlab.errors import InvalidArgument
from limitlab.operators import Cycle, MgNO, VCycle, count_parameters

FIVE = ((1, 0),) * 4 + ((2, 0),)
LAPLACE = torch.tensor([[0.0, -1.0, 0.0], [-1.0, 4.0, -1.0], [0.0, -1.0, 0.0]], dtype=torch.float64)
WEIGHTS = torch.tensor([1.0, 2.0, 1.0], dtype=torch.float64)


def random(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def cycle(in_channels, out_channels, smoothing, **options):
    torch.manual_seed(0)
    return VCycle(in_channels, out_channels, Cycle(smoothing, **options)).double()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"restriction": "source"},
        {"padding": "periodic"},
        {"padding": "reflect"},
        {"padding": "replicate", "alignment": "nodes"},
        {"growth": 1},
        {"again": 2},
    ],
)
def test_a_cycle_is_linear(options):
    network, a, b = cycle(2, 3, ((1, 1), (0, 1), (2, 0)), **options), random(2, 2, 17, 24), random(2, 2, 17, 24, seed=1)
    with torch.no_grad():
        assert (network(2 * a + b) - 2 * network(a) - network(b)).abs().max() <= 1e-12 * network(a).abs().max()


def test_in_single_precision_it_is_linear_to_rounding():
    network = cycle(2, 3, FIVE).float()
    a, b = random(2, 2, 32, 32).float(), random(2, 2, 32, 32, seed=1).float()
    with torch.no_grad():
        assert (network(2 * a + b) - 2 * network(a) - network(b)).abs().max() <= 1e-5 * network(a).abs().max()


def test_normalised_inside_it_is_not():
    network, a = cycle(2, 3, FIVE, norm=True), random(1, 2, 32, 32)
    with torch.no_grad():
        assert (network(2 * a) - 2 * network(a)).norm() > 0.1 * network(a).norm()


def textbook(n, steps, damping):
    """Damped Jacobi, full weighting and bilinear interpolation, the Laplacian on every grid down to one point."""
    levels = int(math.log2(n + 1))
    network = cycle(1, 1, (steps,) * levels, alignment="nodes")
    full = torch.outer(WEIGHTS, WEIGHTS)
    with torch.no_grad():
        for grid in range(levels):
            level, h = network.level(grid), 2.0**grid
            for operator in level.products:
                operator.weight.copy_(LAPLACE / h**2)
            for smoother in level.smoothers:
                smoother.weight.zero_()
                smoother.weight[..., 1, 1] = damping * h**2 / 4
            if grid + 1 < levels:
                level.restrict.weight.copy_(full / 16)
                level.prolong.weight.copy_(full / 4)
    return network.requires_grad_(False)


@pytest.mark.parametrize(
    ("steps", "damping", "expected"), [((1, 1), 0.8, 0.343), ((2, 1), 0.8, 0.231), ((1, 1), 2 / 3, 0.42)]
)
@pytest.mark.parametrize("n", [31, 63, 127])
def test_with_the_weights_of_textbooks_it_is_multigrid(n, steps, damping, expected):
    """Contraction a cycle: 0.340 to 0.345 for V(1,1), 0.224 to 0.236 for V(2,1), whatever the grid."""
    network = textbook(n, steps, damping)
    operator = network.level(0).products[0]
    u, norms, f = torch.zeros(1, 1, n, n, dtype=torch.float64), [], random(1, 1, n, n)
    for _ in range(14):
        rest = f - operator(u)
        norms.append(rest.norm())
        u = u + network(rest)
    assert float(norms[-1] / norms[-6]) ** 0.2 == pytest.approx(expected, abs=0.03)


def test_repeated_it_solves_what_algebraic_multigrid_solves():
    """Ruge and Stüben's cycle, which chooses its grids by the matrix, contracts no worse."""
    pyamg = pytest.importorskip("pyamg")
    n, f = 31, random(1, 1, 31, 31)
    network = textbook(n, (1, 1), 0.8)
    operator, u = network.level(0).products[0], torch.zeros_like(f)
    for _ in range(24):
        u = u + network(f - operator(u))
    norms = []
    hierarchy = pyamg.ruge_stuben_solver(pyamg.gallery.poisson((n, n), format="csr"))
    exact = torch.from_numpy(hierarchy.solve(f.numpy().ravel(), tol=1e-12, residuals=norms)).reshape(f.shape)
    assert (u - exact).norm() < 1e-9 * exact.norm()
    assert (norms[-1] / norms[1]) ** (1 / (len(norms) - 2)) < 0.343


def test_a_restriction_tied_to_the_prolongation_is_its_transpose():
    network = cycle(2, 2, ((1, 0), (1, 0)), alignment="nodes")
    with torch.no_grad():
        restrict, prolong = network.level(0).restrict, network.level(0).prolong
        restrict.weight.copy_(prolong.weight)
        f, g = random(1, 2, 15, 15), random(1, 2, 7, 7)
        assert torch.allclose((restrict(f) * g).sum(), (f * prolong(g)).sum(), rtol=1e-12)


def test_shifts_by_the_coarsest_spacing_commute_on_a_periodic_grid_and_others_do_not():
    network, f = cycle(1, 2, FIVE[-3:], padding="periodic"), random(1, 1, 32, 32)
    with torch.no_grad():
        for shift, same in ((4, True), (1, False)):
            moved = network(f.roll((shift, shift), (2, 3))) - network(f).roll((shift, shift), (2, 3))
            assert (moved.abs().max() < 1e-12) == same


@pytest.mark.parametrize(("levels", "whole"), [(5, True), (1, False)])
def test_coarse_grids_let_a_point_see_the_whole_domain(levels, whole):
    network, f = cycle(1, 1, ((1, 0),) * (levels - 1) + ((2, 0),)), random(1, 1, 32, 32).requires_grad_()
    (seen,) = torch.autograd.grad(network(f)[0, 0, 16, 16], f)
    assert bool((seen != 0).all()) == whole
    # two smoothings and the product between them look three points far
    near = (seen[0, 0, 13:20, 13:20] != 0).sum()
    assert whole or near == 49 == (seen != 0).sum()


@pytest.mark.parametrize(("padding", "constant"), [("reflect", True), ("replicate", True), ("zeros", False)])
def test_constants_stay_constants_where_nothing_flows(padding, constant):
    network = cycle(1, 1, ((1, 0), (1, 0)), padding=padding)
    with torch.no_grad():
        u = network(torch.ones(1, 1, 16, 16, dtype=torch.float64))
    # a transposed convolution of width 4 has two kinds of points along each axis
    kinds = [u[..., i::2, j::2] for i in range(2) for j in range(2)]
    assert all(bool((kind - kind[..., :1, :1]).abs().max() < 1e-12) for kind in kinds) == constant


@pytest.mark.parametrize("n", [31, 32, 33, 48, 101, 129, 211])
@pytest.mark.parametrize("alignment", ["cells", "nodes"])
def test_any_grid_comes_back_as_it_went_in(n, alignment):
    network = cycle(1, 2, ((1, 0),) * 4, alignment=alignment).float()
    with torch.no_grad():
        assert network(torch.zeros(1, 1, n, 32)).shape == (1, 2, n, 32)


@pytest.mark.parametrize("dimension", [1, 3])
def test_other_dimensions(dimension):
    model = MgNO(1, 1, Cycle(((1, 0), (1, 1))), dimension, width=4, layers=2)
    assert model(torch.zeros(2, 1, *(9,) * dimension)).shape == (2, 1, *(9,) * dimension)


def test_weights_are_counted_by_the_formula():
    """(2 sum nu - 1) 9 c_u c_f + (J - 1)(9 c_f^2 + 16 c_u^2), and (J - 1) 9 c_u^2 where u is carried down."""
    for restriction, carried in (("residual", 0), ("source", 5 * 9 * 24**2)):
        network = VCycle(3, 24, Cycle(((1, 0),) * 5 + ((2, 0),), restriction=restriction))
        assert count_parameters(network) == 13 * 9 * 24 * 3 + 5 * (9 * 9 + 16 * 24**2) + carried


def test_the_network_for_darcys_equation_is_as_large_as_the_published_one():
    network = MgNO(1, 1, Cycle(((1, 0),) * 5 + ((2, 0),), restriction="source"), width=24, layers=4)
    assert count_parameters(network) == 572_661


@pytest.mark.parametrize("smoothing", [((0, 1), (1, 0)), ((0, 0), (0, 2)), ((2, 2), (0, 1), (1, 1)), ((1, 0), (1, 0))])
@pytest.mark.parametrize("options", [{}, {"restriction": "source"}, {"again": 2}])
def test_every_weight_is_used(smoothing, options):
    network = cycle(2, 2, smoothing, **options)
    network(random(1, 2, 9, 9)).square().sum().backward()
    assert all(weight.grad is not None and bool((weight.grad != 0).any()) for weight in network.parameters())


def test_what_cannot_be_is_refused():
    with pytest.raises(InvalidArgument, match="at least 16 points"):
        MgNO(1, 1, Cycle(FIVE), width=4)(torch.zeros(1, 1, 8, 32))
    with pytest.raises(InvalidArgument, match="step on the coarsest"):
        Cycle(((1, 0), (0, 0)))
    with pytest.raises(InvalidArgument, match="pair"):
        Cycle((1, 2))
    with pytest.raises(InvalidArgument, match="did you mean 'zeros'"):
        Cycle(FIVE, padding="zeroes")
    with pytest.raises(InvalidArgument, match="again"):
        Cycle(FIVE, restriction="source", again=2)
