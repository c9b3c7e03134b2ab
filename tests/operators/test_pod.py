import math

import pytest
import torch

from limitlab.errors import InvalidArgument
from limitlab.layers.spectral_convolution import resample
from limitlab.operators import PODDeepONet, Task
from limitlab.operators.pod import interpolation, pod_deeponet, target_modes
from limitlab.spaces import Axis, Grid

NODES = Grid.uniform((9, 12), lengths=(1.0, 2.0), kind="nodes")


def random(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def targets(samples=30, seed=0):
    """Two channels of six functions each sample, with coefficients that fall off."""
    x, y = NODES.points().unbind(-1)
    functions = torch.stack([torch.stack([torch.sin(k * x + y), torch.cos(k * y) * x]) for k in range(1, 7)])
    sizes = 0.5 ** torch.arange(6, dtype=torch.float64)
    return 2 + torch.einsum("sk,kcxy->scxy", random(samples, 6, seed=seed) * sizes, functions)


def net_of(modes, **options):
    torch.manual_seed(0)
    return PODDeepONet(1, modes, NODES, **{"width": 16, **options}).double()


def test_modes_are_orthonormal_in_the_quadrature_of_the_grid():
    modes = target_modes(targets(), NODES, 4)
    flat = (modes.functions * NODES.weights().sqrt()).flatten(1)
    assert torch.allclose(flat @ flat.mT, torch.diag(modes.deviations.square()), atol=1e-10)


def test_exact_coefficients_reach_the_tail():
    """The best coefficients in L2, by normal equations with the trunk's own functions, leave the tail and no less."""
    u = targets()
    for count in (1, 2, 4):
        modes = target_modes(u, NODES, count)
        tau, constant = net_of(modes).trunk(NODES.points().flatten(0, 1))
        root = NODES.weights().flatten().sqrt()
        basis = (tau * root[:, None, None]).flatten(0, 1)
        deviations = ((u.flatten(2).transpose(1, 2) - constant) * root[:, None]).flatten(1)
        best = torch.linalg.lstsq(basis, deviations.mT).solution
        left = (basis @ best - deviations.mT).norm() / deviations.norm()
        assert float(left) == pytest.approx(float(modes.tail), rel=1e-8)
        assert modes.tail > 1e-4


def test_six_functions_have_six_modes():
    assert target_modes(targets(), NODES, 6).tail < 1e-10
    assert len(target_modes(targets(5), NODES, 20).functions) == 4


def test_it_answers_mean_and_modes_with_the_numbers_of_the_branch():
    modes = target_modes(targets(), NODES, 3)
    net, u = net_of(modes), random(4, 1, *NODES.shape)
    with torch.no_grad():
        coefficients = net.branch(u.flatten(1))[:, 0]
        expected = modes.mean + torch.einsum("bm,mcxy->bcxy", coefficients, modes.functions)
        assert torch.allclose(net(u), expected, atol=1e-10)


def test_between_the_points_it_is_bilinear():
    u = 1 + NODES.points().unbind(-1)[0] * (3 - NODES.points().unbind(-1)[1])
    modes = target_modes(u * torch.tensor([1.0, 2.0, 4.0])[:, None, None, None], NODES, 1)
    net = net_of(modes)
    query = torch.rand(20, 2, dtype=torch.float64) * torch.tensor([1.0, 2.0], dtype=torch.float64)
    with torch.no_grad():
        tau, constant = net.trunk(query)
        expected = 1 + query[:, 0] * (3 - query[:, 1])
        assert torch.allclose(constant[:, 0], 7 / 3 * expected, atol=1e-10)
        assert torch.allclose((tau[:, 0, 0] / tau[0, 0, 0]), expected / expected[0], atol=1e-10)


@pytest.mark.parametrize("size", [8, 9])
def test_along_a_periodic_axis_it_is_trigonometric(size):
    axis, u = Axis("x", size, 2.0, -1.0), random(3, size)
    fine = Axis("x", 4 * size, 2.0, -1.0)
    weights = interpolation(axis, torch.from_numpy(fine.points()))
    assert torch.allclose(u @ weights.mT, resample(u[None], (4 * size,))[0], atol=1e-12)
    x = torch.linspace(0, 1, 7, dtype=torch.float64)
    assert torch.allclose(interpolation(axis, x + 2), interpolation(axis, x), atol=1e-12)


@pytest.mark.parametrize("kind", ["cells", "nodes", "periodic"])
def test_interpolation_has_the_order_of_its_kind(kind):
    x, errors = torch.linspace(0.1, 0.9, 200, dtype=torch.float64), []
    for size in (16, 32):
        axis = Axis("x", size, kind=kind)
        values = torch.exp(torch.sin(2 * math.pi * torch.from_numpy(axis.points())))
        errors.append(float((interpolation(axis, x) @ values - torch.exp(torch.sin(2 * math.pi * x))).abs().max()))
    assert errors[1] < 1e-9 if kind == "periodic" else math.log2(errors[0] / errors[1]) == pytest.approx(2, abs=0.3)


def test_a_task_without_targets_is_refused():
    u = targets().float()
    task = Task(1, 2, NODES, (None, None), u.mean(0))
    with pytest.raises(InvalidArgument, match="targets"):
        pod_deeponet(task, None)
    for wrong in (u[:1], u[0], u[..., 1:]):
        with pytest.raises(InvalidArgument, match="targets"):
            target_modes(wrong, NODES, 2)
