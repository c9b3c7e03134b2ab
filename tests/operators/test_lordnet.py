"""Low-rank decomposition layers as sums of Kronecker products, and how few of them an inverse needs."""

import pytest
import torch

from limitlab.errors import InvalidArgument
from limitlab.operators import Kernels, LordLayer, LordNet, QuadraticLordNet, count_parameters
from limitlab.operators.lordnet import smoothing_kernels
from limitlab.solvers.linear import diffusion
from limitlab.solvers.pde.staggered import Enclosure, potential_velocity, step_residual

ROUGH = Kernels(smooth=False)


@pytest.fixture(autouse=True)
def double():
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(torch.float32)


def dense(network, points):
    """The matrix of a linear network, points in the order of a flattened grid."""
    size = int(torch.tensor(points).prod())
    units = torch.eye(size).reshape(size, 1, *points)
    with torch.no_grad():
        return network(units).flatten(1).T


def plain(channels, points, **options):
    """A layer that does not mix its channels."""
    layer = LordLayer(channels, points, bias=False, **options)
    with torch.no_grad():
        for mix in (layer.mix_in, layer.mix_out):
            mix.weight.copy_(torch.eye(channels))
    return layer


@pytest.mark.parametrize("options", [{}, {"kernels": ROUGH}, {"kernels": Kernels(3)}, {"out_points": (4, 9)}])
def test_a_layer_is_a_kronecker_product_a_channel(options):
    layer, u = plain(3, (6, 5), **options), torch.randn(2, 3, 6, 5)
    along_x, along_y = layer.matrices()
    expected = torch.stack([(torch.kron(along_x[k], along_y[k]) @ u[:, k].flatten(1).T).T for k in range(3)], 1)
    assert torch.allclose(layer(u).flatten(2), expected, atol=1e-12)


@pytest.mark.parametrize("points", [(7,), (4, 3, 5)])
def test_other_dimensions_have_one_matrix_an_axis(points):
    layer, u = plain(2, points, kernels=ROUGH), torch.randn(3, 2, *points)
    for channel in range(2):
        matrix = torch.ones(1, 1)
        for matrices in layer.matrices():
            matrix = torch.kron(matrix, matrices[channel])
        assert torch.allclose(layer(u)[:, channel].flatten(1), u[:, channel].flatten(1) @ matrix.T, atol=1e-12)


def test_one_layer_holds_any_sum_of_as_many_kronecker_products_as_channels():
    left, right, scales = torch.randn(4, 6, 6), torch.randn(4, 5, 5), torch.randn(4)
    network = LordNet(1, 1, (6, 5), width=4, layers=1, activation=False)
    (layer,) = network.layers
    with torch.no_grad():
        network.lift.weight.fill_(1.0)
        network.head.weight.copy_(scales[None])
        for mix in (layer.mix_in, layer.mix_out):
            mix.weight.copy_(torch.eye(4))
        for (target,), matrices in zip(layer.axes, (left, right), strict=True):
            target.copy_(matrices)
    expected = sum(s * torch.kron(a, b) for s, a, b in zip(scales, left, right, strict=True))
    assert torch.allclose(dense(network, (6, 5)), expected, atol=1e-12)


def rearranged_singular_values(n):
    """Van Loan and Pitsianis: the best sum of K Kronecker products of A^-1 is the best matrix of rank K, rearranged."""
    inverse = torch.linalg.inv(diffusion((n, n)).dense()[0]).reshape(n, n, n, n)
    return torch.linalg.svdvals(inverse.permute(0, 2, 1, 3).reshape(n * n, n * n))


def test_the_inverse_of_the_laplacian_is_a_short_sum_of_kronecker_products():
    """Relative Frobenius errors of one to six terms at 15 x 15 nodes, as the paper card measured them by other code."""
    values = rearranged_singular_values(15)
    errors = torch.tensor([float(values[k:].norm() / values.norm()) for k in range(1, 7)])
    assert torch.allclose(errors, torch.tensor([2.1e-1, 4.7e-2, 7.6e-3, 9.6e-4, 9.6e-5, 7.5e-6]), rtol=0.1)
    assert bool((errors[1:] < errors[:-1] / 3).all())


def test_the_inverse_that_random_kernels_of_3_by_3_points_make_is_no_such_sum():
    """Only the smooth tail makes the sum short: an orthogonal matrix needs them all."""
    n = 6
    matrix = torch.linalg.qr(torch.randn(n * n, n * n)).Q.reshape(n, n, n, n)
    values = torch.linalg.svdvals(matrix.permute(0, 2, 1, 3).reshape(n * n, n * n))
    assert float(values[6:].norm() / values.norm()) > 0.5


def test_rows_of_the_smooth_start_are_means():
    for options in ({}, {"periodic": True}):
        kernels = smoothing_kernels(5, 31, **options)
        assert torch.allclose(kernels.sum(-1), torch.ones(5, 31))
        assert bool((kernels > 0).all())
    wrapped = smoothing_kernels(5, 8, periodic=True)
    assert torch.allclose(wrapped.roll((1, 1), (1, 2)), wrapped)


def test_weights_are_counted_by_the_formula():
    """c (H' H + W' W) + 2 c^2 in a layer, and c s (H + H' + W + W') with rank s."""
    full = LordLayer(16, (31, 20), out_points=(15, 10), bias=False)
    assert count_parameters(full) == 16 * (15 * 31 + 10 * 20) + 2 * 16**2
    low = LordLayer(16, (31, 20), kernels=Kernels(3), bias=False)
    assert count_parameters(low) == 16 * 3 * (31 + 31 + 20 + 20) + 2 * 16**2
    # the network of the card, biases included
    assert count_parameters(LordNet(1, 1, (31, 31), width=16, layers=2)) == 62_641


def test_full_rank_factors_begin_where_full_matrices_do():
    full, factored = LordLayer(3, (9, 7)), LordLayer(3, (9, 7), kernels=Kernels(9))
    for one, other in zip(full.matrices(), factored.matrices(), strict=True):
        assert torch.allclose(one, other, atol=1e-12)


@pytest.mark.parametrize("options", [{}, {"residual": True, "layers": 3}, {"kernels": Kernels(4)}])
def test_a_network_without_activation_is_linear(options):
    network = LordNet(1, 2, (8, 9), width=4, activation=False, **options)
    u, v = torch.randn(2, 3, 1, 8, 9)
    with torch.no_grad():
        assert torch.allclose(network(2 * u - 3 * v), 2 * network(u) - 3 * network(v), atol=1e-12)
        curved = LordNet(1, 2, (8, 9), width=4, **options)
        assert not torch.allclose(curved(2 * u - 3 * v), 2 * curved(u) - 3 * curved(v), rtol=1e-2)


def test_one_layer_carries_a_corner_to_the_opposite_corner():
    """Of ten convolutions of 3 x 3 points none does, at 31 x 31."""
    u = torch.zeros(1, 1, 31, 31)
    u[..., 0, 0] = 1.0
    network = LordNet(1, 1, (31, 31), width=4, layers=1, activation=False)
    local = torch.nn.Sequential(*[torch.nn.Conv2d(1, 1, 3, padding=1, bias=False) for _ in range(10)])
    with torch.no_grad():
        assert float(network(u)[0, 0, -1, -1]) != 0.0
        assert float(local(u)[0, 0, -1, -1]) == 0.0


def test_what_cannot_be_is_refused():
    with pytest.raises(InvalidArgument, match=r"8 x 9 points .* got 9 x 8"):
        LordNet(1, 1, (8, 9))(torch.zeros(1, 1, 9, 8))
    with pytest.raises(InvalidArgument, match="out_points must have 2 axes"):
        LordLayer(2, (8, 8), out_points=(8,))
    with pytest.raises(InvalidArgument, match="rank"):
        Kernels(rank=0)
    with pytest.raises(InvalidArgument, match="points"):
        LordNet(1, 1, (8,) * 4)


def test_a_quadratic_network_scales_as_a_line_and_a_square():
    """N(w) = Q(w) + C w: of both signs they part, and twice the field is four times the square."""
    network = QuadraticLordNet((6, 7), width=3, in_channels=2, out_channels=3)
    w = torch.randn(4, 2, 6, 7)
    with torch.no_grad():
        up, down, twice = network(w), network(-w), network(2 * w)
        square, line = (up + down) / 2, (up - down) / 2
        assert up.shape == (4, 3, 6, 7)
        assert torch.allclose(line, network.linear(w), atol=1e-12)
        assert torch.allclose(twice, 4 * square + 2 * line, atol=1e-12)
        assert float(square.abs().max()) > 1e-6


def test_layers_of_three_axes_learn_a_step_of_a_flow_in_space():
    """The cavity of 12 x 12 x 12 cells from rest: a vector potential and a pressure, by the residual alone."""
    n, dt, viscosity = 12, 0.1, 0.05
    fluid = torch.ones(2, n, n, n)
    fluid[1, 4:8, 4:8, 3:6] = 0.0
    box, rest = Enclosure(fluid, torch.tensor([1.0, 0.7]), 1 / n), torch.zeros(2, 4, n, n, n)
    lid = box.lid.view(2, 1, 1, 1, 1).expand(2, 1, n, n, n)
    inputs = torch.cat([rest[:, :3], fluid[:, None], lid], 1)
    network = LordNet(5, 4, (n, n, n), width=4, layers=2)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    losses = []
    for _ in range(40):
        answer = network(inputs)
        velocity = potential_velocity(0.1 * answer[:, :3], box)
        after = box.imposed(torch.cat([velocity, answer[:, 3:]], 1))
        momentum, divergence = step_residual(after, rest, box, dt=dt, viscosity=viscosity)
        loss = (dt * momentum).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0]
    # whatever it has learned, and around the body too
    assert float(divergence.detach().abs().max()) < 1e-10
