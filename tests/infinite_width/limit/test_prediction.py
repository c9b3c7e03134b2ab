"""Closed-form training: its differential equations, its limits, another library's numbers, gradient descent itself."""

import math
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from limitlab.errors import InvalidArgument
from limitlab.infinite_width import (
    IllConditioned,
    KernelDynamics,
    Network,
    empirical_ntk,
    gaussian_process_posterior,
    kernel_regression,
    kernels,
    max_learning_rate,
    mlp,
)
from limitlab.infinite_width.limit.prediction import DivergentRate

N, M = 8, 5
GENERATOR = torch.Generator().manual_seed(0)
POINTS = torch.randn(N + M, 3, dtype=torch.float64, generator=GENERATOR)
KERNEL = kernels(mlp(2, "erf", 2.0, 0.1), POINTS).ntk
TRAIN, CROSS = KERNEL[:N, :N], KERNEL[N:, :N]
TARGETS, START, START_THERE = (torch.randn(n, 2, dtype=torch.float64, generator=GENERATOR) for n in (N, N, M))
LARGEST = float(torch.linalg.eigvalsh(TRAIN)[-1])
LAWS = {"flow": {}, "discrete": {"rate": 0.5 / LARGEST}, "momentum": {"friction": 0.7}}


@pytest.mark.parametrize("law", LAWS)
def test_training_begins_where_the_network_is_and_ends_at_the_targets(law):
    """To 1e-8 without regularisation."""
    dynamics = KernelDynamics(TRAIN, TARGETS, law=law, **LAWS[law])
    outputs, there = dynamics.trained(START), dynamics.elsewhere(CROSS, START, START_THERE)
    assert (outputs(0.0) - START).abs().max() < 1e-12
    assert torch.equal(there(0.0), START_THERE)
    assert (outputs(math.inf) - TARGETS).abs().max() < 1e-8
    end = START_THERE - CROSS @ torch.linalg.solve(TRAIN, START - TARGETS)
    assert (there(math.inf) - end).abs().max() < 1e-8
    assert (there(1e9) - end).abs().max() < 1e-8


def test_flow_obeys_its_equation():
    """f' = -eta K (f - y) on the training points, and with K(x, X) elsewhere; a fourth-order difference, to 1e-6."""
    dynamics = KernelDynamics(TRAIN, TARGETS, rate=0.3)
    outputs, there = dynamics.trained(START), dynamics.elsewhere(CROSS, START, START_THERE)
    t, h = 0.7, 1e-3
    for curve, kernel in ((outputs, TRAIN), (there, CROSS)):
        slope = (8 * (curve(t + h) - curve(t - h)) - (curve(t + 2 * h) - curve(t - 2 * h))) / (12 * h)
        assert (slope + 0.3 * kernel @ (outputs(t) - TARGETS)).abs().max() < 1e-6


def test_momentum_obeys_its_equation():
    """q'' + friction q' + eta K q = 0, oscillating, decaying and at equal roots."""
    eigenvalues = torch.tensor([0.01, 0.25, 4.0], dtype=torch.float64)
    rotation, _ = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64, generator=GENERATOR))
    kernel = rotation @ torch.diag(eigenvalues) @ rotation.T
    dynamics = KernelDynamics(kernel, torch.zeros(3).double(), law="momentum", friction=1.0)
    t, h = 1.7, 1e-3
    before, now, after = (dynamics.decay(s) for s in (t - h, t, t + h))
    second, first = (after - 2 * now + before) / h**2, (after - before) / (2 * h)
    assert (second + first + dynamics.eigenvalues * now).abs().max() < 1e-5
    assert (dynamics.decay(1e-6) - 1).abs().max() < 1e-10


def test_momentum_is_the_limit_of_heavy_ball():
    """theta += beta (theta - previous) - eta gradient with beta = 1 - friction; the difference halves with the step."""
    eta, friction = 1.0, 0.8
    errors = []
    for scale in (0.02, 0.01):
        now = previous = START - TARGETS
        steps = round(4.0 / scale)
        for _ in range(steps):
            now, previous = now + (1 - friction * scale) * (now - previous) - eta * scale**2 * TRAIN @ now, now
        law = KernelDynamics(TRAIN, TARGETS, law="momentum", rate=eta, friction=friction)
        errors.append(float((law.trained(START)(4.0) - TARGETS - now).norm()))
    assert errors[0] / errors[1] == pytest.approx(2, rel=0.2)


def test_discrete_law_is_gradient_descent_on_the_outputs():
    """To 1e-12 after 30 steps, at a rate that decays, one that oscillates and one that diverges."""
    for rate in (0.1 / LARGEST, 1.7 / LARGEST, 2.3 / LARGEST):
        outputs, there = START, START_THERE
        for _ in range(30):
            residual = outputs - TARGETS
            outputs, there = outputs - rate * TRAIN @ residual, there - rate * CROSS @ residual
        dynamics = KernelDynamics(TRAIN, TARGETS, law="discrete", rate=rate)
        scale = outputs.abs().max()
        assert (dynamics.trained(START)(30.0) - outputs).abs().max() < 1e-12 * scale
        assert (dynamics.elsewhere(CROSS, START, START_THERE)(30.0) - there).abs().max() < 1e-12 * scale


def test_flow_is_the_limit_of_small_steps():
    flow = KernelDynamics(TRAIN, TARGETS, rate=1e-6).trained(START)
    steps = KernelDynamics(TRAIN, TARGETS, law="discrete", rate=1e-6).trained(START)
    assert (flow(100_000) - steps(100_000)).abs().max() < 1e-5


def test_many_times_are_the_single_ones():
    times = torch.tensor([0.0, 0.5, 3.0])
    for targets, start in ((TARGETS, START), (TARGETS[:, 0], START[:, 0])):
        curve = KernelDynamics(TRAIN, targets).elsewhere(CROSS, start)
        assert curve(times).shape == (3, M, *targets.shape[1:])
        assert torch.allclose(curve(times), torch.stack([curve(float(t)) for t in times]), atol=1e-13)


def test_mean_loss_divides_the_rate_by_points_and_outputs():
    summed = KernelDynamics(TRAIN, TARGETS, rate=0.3).trained(START)
    mean = KernelDynamics(TRAIN, TARGETS, rate=0.3, loss="mean")
    assert torch.allclose(mean.trained(START)(2.0 * N * 2), summed(2.0), atol=1e-13)
    assert mean.max_rate == pytest.approx(2 * N * 2 / LARGEST)


def test_kernel_that_couples_outputs_is_a_matrix_on_points_and_outputs():
    """A network's own kernel, against exp(-K t) of the flattened matrix."""
    network = Network(mlp(1, "erf"), 3, 16, 2)
    own = empirical_ntk(network, POINTS, POINTS[:N])
    matrix = own.permute(0, 2, 1, 3).reshape(2 * (N + M), 2 * N)
    outputs = KernelDynamics(own[:N], TARGETS).trained(START)(0.8)
    expected = torch.linalg.matrix_exp(-0.8 * matrix[: 2 * N]) @ (START - TARGETS).flatten()
    assert ((outputs - TARGETS).flatten() - expected).abs().max() < 1e-10
    there = KernelDynamics(own[:N], TARGETS).elsewhere(own[N:], START, START_THERE)(math.inf)
    solved = matrix[2 * N :] @ torch.linalg.solve(matrix[: 2 * N], (START - TARGETS).flatten())
    assert (there.flatten() - START_THERE.flatten() + solved).abs().max() < 1e-8


def test_ensemble_and_posterior_are_those_of_neural_tangents():
    """Mean and covariance at three times and at the end, with the mean loss; the posterior of the last layer."""
    with np.load(Path(__file__).parent / "neural_tangents.npz") as arrays:
        theirs = {name: torch.from_numpy(arrays[name]) for name in arrays.files}
    both = kernels(mlp(2, "erf", 2.0, 0.01), theirs["x"])
    blocks = [k for kind in (both.ntk, both.nngp) for k in (kind[:12, :12], kind[12:, :12], kind[12:, 12:])]
    train, cross, _, covariance, covariance_cross, covariance_there = blocks
    targets = theirs["ensemble_targets"]
    law = KernelDynamics(train, targets, loss="mean").ensemble(cross, covariance, covariance_cross, covariance_there)
    cases = [(*law(float(t)), "ntk_finite", i) for i, t in enumerate(theirs["ensemble_times"])]
    posterior = gaussian_process_posterior(covariance, targets, covariance_cross, covariance_there, diag_reg=0.0)
    cases += [(*law(math.inf), "ntk_infinite", ...), (*posterior, "nngp_infinite", ...)]
    for mean, spread, name, index in cases:
        assert (mean - theirs[f"ensemble_{name}_mean"][index]).abs().max() < 1e-12
        assert (spread - theirs[f"ensemble_{name}_covariance"][index]).abs().max() < 1e-12


def test_regression_is_where_the_flow_ends():
    end = KernelDynamics(TRAIN, TARGETS, diag_reg=1e-3).elsewhere(CROSS)(math.inf)
    assert (kernel_regression(TRAIN, TARGETS, CROSS, diag_reg=1e-3) - end).abs().max() < 1e-10
    assert (kernel_regression(TRAIN, TARGETS, TRAIN, diag_reg=0.0) - TARGETS).abs().max() < 1e-8


def test_regularised_training_does_not_reach_the_targets():
    dynamics = KernelDynamics(TRAIN, TARGETS, diag_reg=0.1)
    shifted = TRAIN + 0.1 * TRAIN.diagonal().mean() * torch.eye(N, dtype=torch.float64)
    assert (dynamics.trained()(math.inf) - TRAIN @ torch.linalg.solve(shifted, TARGETS)).abs().max() < 1e-12


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_largest_rate_is_the_edge_of_stability(momentum):
    """Heavy ball on the outputs: 1.9/2 of it converges, 2.1/2 of it diverges."""
    edge = max_learning_rate(TRAIN, momentum=momentum)
    norms = []
    for rate in (0.95 * edge, 1.05 * edge):
        now = previous = START - TARGETS
        for _ in range(400):
            now, previous = now + momentum * (now - previous) - rate * TRAIN @ now, now
        norms.append(float(now.norm()))
    assert norms[0] < float((START - TARGETS).norm()) < norms[1]
    assert KernelDynamics(TRAIN, TARGETS).max_rate == pytest.approx(max_learning_rate(TRAIN))


@pytest.mark.filterwarnings("ignore::limitlab.infinite_width.limit.prediction.IllConditioned")
@pytest.mark.parametrize("law", [{}, {"law": "discrete", "rate": 0.3}, {"law": "momentum", "friction": 0.5}])
def test_contradicting_targets_at_equal_points_end_at_their_mean(law):
    """The kernel is singular: training ends at the pseudo-inverse, computed here from the two points as one."""
    points = torch.tensor([[1.0, 0.2], [1.0, 0.2], [-0.3, 1.0]], dtype=torch.float64)
    new = torch.tensor([[0.4, 0.9]], dtype=torch.float64)
    features, new_features = (torch.cat([x, x.square()], 1) for x in (points, new))
    kernel, cross = features @ features.T, new_features @ features.T
    targets = torch.tensor([1.0, -2.0, 3.0], dtype=torch.float64)
    merged = torch.tensor([-0.5, 3.0], dtype=torch.float64)
    dynamics = KernelDynamics(kernel, targets, **law)
    assert (dynamics.trained()(math.inf) - torch.tensor([-0.5, -0.5, 3.0])).abs().max() < 1e-9
    expected = cross[:, 1:] @ torch.linalg.solve(kernel[1:, 1:], merged)
    assert (dynamics.elsewhere(cross)(math.inf) - expected).abs().max() < 1e-9


@pytest.mark.parametrize(("law", "edge"), [({"law": "discrete"}, 1.0), ({"law": "momentum", "friction": 0.1}, 1.9)])
def test_rate_beyond_the_edge_is_called_divergent(law, edge):
    """2 (1 + momentum) / 2 for a kernel whose only eigenvalue is 2; outputs stay finite for a long time beyond it."""
    kernel, targets = torch.tensor([[2.0]], dtype=torch.float64), torch.ones(1, dtype=torch.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        KernelDynamics(kernel, targets, rate=0.999 * edge, **law)
        KernelDynamics(kernel, targets, rate=10 * edge)
    with pytest.warns(DivergentRate, match="is beyond"):
        dynamics = KernelDynamics(kernel, targets, rate=1.1 * edge, **law)
    assert torch.isfinite(dynamics.trained()(300.0)).all()


def test_equal_points_are_warned_of():
    twice = kernels(mlp(1, "relu"), POINTS[[0, 1, 1]]).ntk
    with pytest.warns(IllConditioned, match="equal or opposite points"):
        KernelDynamics(twice, TARGETS[:3])
    with pytest.warns(IllConditioned):
        kernel_regression(twice + 1e-14 * torch.eye(3), TARGETS[:3], twice, diag_reg=0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        KernelDynamics(twice, TARGETS[:3], diag_reg=1e-6)
        kernel_regression(twice, TARGETS[:3], twice)


BAD_CALLS = {
    "unknown law of training 'flwo'; did you mean 'flow'": lambda: KernelDynamics(TRAIN, TARGETS, law="flwo"),
    "unknown loss 'summ'; did you mean 'sum'": lambda: KernelDynamics(TRAIN, TARGETS, loss="summ"),
    "friction belongs to the momentum law, which needs it": lambda: KernelDynamics(TRAIN, TARGETS, law="momentum"),
    "friction belongs": lambda: KernelDynamics(TRAIN, TARGETS, friction=0.5),
    r"kernel must have shape \(8, 8\) or \(8, 8, 2, 2\) .* got \(5, 8\)": lambda: KernelDynamics(CROSS, TARGETS),
    r"cross must have shape \(8, 8\)": lambda: KernelDynamics(TRAIN, TARGETS).elsewhere(TRAIN[:, :5]),
    "kernel must be finite": lambda: KernelDynamics(TRAIN * math.nan, TARGETS),
    r"targets must have shape \(points,\)": lambda: KernelDynamics(TRAIN, TARGETS[..., None]),
    "rate must be a number >= 0": lambda: KernelDynamics(TRAIN, TARGETS, rate=-1.0),
    "diag_reg must be a number >= 0": lambda: kernel_regression(TRAIN, TARGETS, CROSS, diag_reg=-1.0),
    "t must be >= 0": lambda: KernelDynamics(TRAIN, TARGETS).decay(-1.0),
    "t must be a whole number of steps": lambda: KernelDynamics(TRAIN, TARGETS, law="discrete").decay(0.5),
    "not positive definite with diag_reg = 0; raise diag_reg": lambda: kernel_regression(-TRAIN, TARGETS, CROSS, 0.0),
}


@pytest.mark.parametrize("message", BAD_CALLS)
def test_bad_input_is_named(message):
    with pytest.raises(InvalidArgument, match=message):
        BAD_CALLS[message]()
