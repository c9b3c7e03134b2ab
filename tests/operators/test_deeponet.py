import math
from itertools import pairwise

import pytest
import torch

from limitlab.errors import InvalidArgument, UnknownName
from limitlab.operators import DeepONet, count_parameters
from limitlab.operators.deeponet import SPLITS, positions, quadrature
from limitlab.spaces import Axis, Grid

LINE = Grid.uniform(20, kind="nodes")
BOX = Grid((Axis("x", 9, 2.0, -1.0, "periodic"), Axis("y", 7, 3.0, 0.5, "cells")))


def built(grid=LINE, in_channels=1, out_channels=1, **options):
    torch.manual_seed(0)
    return DeepONet(in_channels, out_channels, grid, **{"terms": 6, "width": 16, **options}).double()


def random(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def smooth(grid, seed=0):
    """Some waves on a grid of nodes, (2, 1, point)."""
    x = grid.points()[:, 0]
    waves = torch.stack([torch.sin(k * math.pi * x + k) for k in range(5)])
    return (random(2, 5, seed=seed) @ waves)[:, None]


@pytest.mark.parametrize("reading", ["sensors", "integrals"])
@pytest.mark.parametrize("outputs", SPLITS)
def test_it_is_the_sum_of_products_written_out(outputs, reading):
    net, u = built(BOX, 2, 3, outputs=outputs, reading=reading), random(4, 2, *BOX.shape)
    with torch.no_grad():
        net.trunk.constant.copy_(random(1, 3, seed=1))
        answer = net(u)
        points, weights = BOX.points().flatten(0, 1), BOX.weights().flatten()
        beta = net.branch(net.encoder(u.flatten(2), points, weights))
        tau = net.trunk.functions(positions(points, BOX))
        for sample, output, x, y in [(0, 0, 0, 0), (3, 2, 8, 6), (1, 1, 4, 2)]:
            numbers = beta[sample, min(output, beta.shape[1] - 1)]
            values = tau[7 * x + y, min(output, tau.shape[1] - 1)]
            expected = sum(b * t for b, t in zip(numbers, values, strict=True)) + net.trunk.constant[0, output]
            assert float(answer[sample, output, x, y]) == pytest.approx(float(expected), abs=1e-12)


def test_outputs_share_what_their_name_says():
    sizes = {outputs: count_parameters(built(out_channels=3, outputs=outputs)) for outputs in SPLITS}
    one = count_parameters(built()) - 1
    assert sizes["independent"] == 3 * one + 3
    last = 16 * 6 + 6
    assert sizes["split_branch"] == sizes["split_trunk"] == one + 3 + 2 * last
    assert sizes["split_both"] == one + 3 + 4 * last


@pytest.mark.parametrize("outputs", ["independent", "split_both"])
def test_terms_of_one_output_do_not_enter_another(outputs):
    net, u = built(out_channels=2, outputs=outputs), random(3, 1, 20).requires_grad_()
    with torch.no_grad():
        before = net(u)
        last = net.branch.networks[-1]
        # the last group: all of its own network, or the second half of the shared one's last map
        last[4].weight[-6:] += 1
        after = net(u)
    assert torch.equal(before[:, 0], after[:, 0])
    assert not torch.allclose(before[:, 1], after[:, 1])


def test_query_points_are_anywhere_and_those_of_the_grid_give_its_values():
    net, u = built(BOX, 2), random(3, 2, *BOX.shape)
    with torch.no_grad():
        whole = net(u)
        assert torch.allclose(net(u, query=BOX.points().flatten(0, 1)), whole.flatten(2), atol=1e-13)
        period = torch.tensor([2.0, 0.0], dtype=torch.float64)
        scattered = BOX.points().flatten(0, 1) + random(63, 2) * 0.1
        assert torch.allclose(net(u, query=scattered + period), net(u, query=scattered), atol=1e-12)


def test_integrals_have_the_order_of_their_quadrature():
    """Trapezoids on a closed interval: order 2, for an input of random weights and a smooth function."""
    net, query = built(reading="integrals"), torch.tensor([[0.3], [0.8]], dtype=torch.float64)
    with torch.no_grad():
        *coarse, fine = [net(smooth(LINE.at(points)), query=query) for points in (9, 17, 33, 65, 1025)]
    errors = [float((answer - fine).norm()) for answer in coarse]
    orders = [math.log2(a / b) for a, b in pairwise(errors)]
    assert all(order == pytest.approx(2, abs=0.2) for order in orders)


def test_a_cloud_in_another_order_is_the_same_input():
    net, u, points, weights = built(reading="integrals"), smooth(LINE), LINE.points(), LINE.weights()
    order = torch.randperm(20, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = net(u)
        shuffled = net.on_points(u[..., order], points[order], weights[order], points)
    assert torch.allclose(shuffled, expected, atol=1e-12)


def test_a_point_twice_with_half_its_weight_changes_nothing():
    net, u, points, weights = built(reading="integrals"), smooth(LINE), LINE.points(), LINE.weights().clone()
    twice, more = torch.cat([u, u[..., 4:5]], -1), torch.cat([points, points[4:5]])
    weights[4] /= 2
    halved = torch.cat([weights, weights[4:5]])
    with torch.no_grad():
        assert torch.allclose(net.on_points(twice, more, halved, points), net(u), atol=1e-12)
        plain = torch.full((21,), 1 / 21, dtype=torch.float64)
        assert not torch.allclose(net.on_points(twice, more, plain, points), net(u), atol=1e-4)


def test_sensors_are_one_grid_in_one_order():
    net, u, points, weights = built(), smooth(LINE), LINE.points(), LINE.weights()
    with torch.no_grad():
        assert torch.allclose(net.on_points(u, points, weights, points), net(u), atol=1e-13)
    with pytest.raises(InvalidArgument, match=r"\(20,\).*\(40,\)"):
        net(smooth(LINE.at(40)))
    with pytest.raises(InvalidArgument, match="in their order"):
        net.on_points(u.flip(-1), points.flip(0), weights, points)


def test_it_learns_an_integral():
    """u -> integral of u from 0 to x, of random cubic polynomials, which four terms span."""
    net, x = built(terms=8, width=32), LINE.points()[:, 0]
    powers = torch.stack([x**k for k in range(4)])
    raised = torch.stack([x ** (k + 1) / (k + 1) for k in range(4)])
    coefficients = random(64, 4)
    u, target = (coefficients @ powers)[:, None], (coefficients @ raised)[:, None]
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
    for _ in range(300):
        optimizer.zero_grad()
        loss = (net(u[:48]) - target[:48]).square().mean()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        assert (net(u[48:]) - target[48:]).norm() < 0.15 * target[48:].norm()


def test_weights_of_deepxde_give_its_numbers():
    deepxde = pytest.importorskip("deepxde")
    before = deepxde.config.default_float()
    deepxde.config.set_default_float("float64")
    peer = deepxde.nn.DeepONetCartesianProd([20, 16, 16, 6], [1, 16, 16, 6], "tanh", "Glorot normal")
    deepxde.config.set_default_float(before)
    net = built()
    with torch.no_grad():
        for ours, theirs in ((net.branch, peer.branch), (net.trunk.functions, peer.trunk)):
            (network,) = ours.networks
            for linear, other in zip(network[::2], theirs.linears, strict=False):
                linear.weight.copy_(other.weight)
                linear.bias.copy_(other.bias)
        peer.b[0].fill_(0.7)
        net.trunk.constant.fill_(0.7)
        u, x = smooth(LINE), LINE.points()
        assert torch.allclose(net(u)[:, 0], peer((u[:, 0], 2 * x - 1)), atol=1e-12)


def test_arguments_are_checked():
    for options in ({"terms": 0}, {"width": 0}, {"layers": 0}, {"out_channels": 0}):
        with pytest.raises(InvalidArgument, match=next(iter(options))):
            built(**options)
    for options in ({"reading": "points"}, {"outputs": "split"}):
        with pytest.raises(UnknownName, match=next(iter(options))):
            built(**options)
    with pytest.raises(InvalidArgument, match="query"):
        built()(random(1, 1, 20), query=torch.zeros(3, 2))
    net = built(reading="integrals")
    with pytest.raises(InvalidArgument, match="weights"):
        net.on_points(random(1, 1, 5), random(5, 1), random(4), random(3, 1))
    with pytest.raises(InvalidArgument, match="float64"):
        net(torch.zeros(1, 1, 20))


@pytest.mark.parametrize("kind", ["periodic", "cells", "nodes"])
@pytest.mark.parametrize("shape", [(7,), (4, 9), (3, 2, 5)])
def test_points_and_weights_by_torch_are_those_of_the_grid(kind, shape):
    lengths, starts = (2.0, 1.0, 3.0)[: len(shape)], (-1.0, 0.5, 0.0)[: len(shape)]
    coarse = Grid.uniform((8,) * len(shape), lengths=lengths, starts=starts, kind=kind)
    points, weights = quadrature(coarse, torch.zeros(1, 1, *shape, dtype=torch.float64))
    assert torch.equal(points, coarse.at(shape).points().flatten(0, -2))
    assert torch.equal(weights, coarse.at(shape).weights().flatten())
