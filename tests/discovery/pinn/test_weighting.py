"""Weights of the loss: what they even out, that they never move without the step, and what they warn of."""

import pytest
import torch

from limitlab.discovery import pinn
from limitlab.discovery.pinn import CausalWeightsPatented, Weighting, causal_weights
from limitlab.discovery.pinn.weighting import METHODS, POINTWISE
from limitlab.errors import InvalidArgument, UnknownName

POINTS = 24


def model(predators, seen, small, method="fixed", **options):
    count = POINTS if method in POINTWISE else 0
    weighting = Weighting(method, points=count, **options)
    forms = pinn.initial_value(predators, seen.scale.tolist())
    equations = pinn.equations_of(predators)
    return pinn.PINN(
        equations, forms, architecture=small, scale=seen.scale.tolist(), weighting=weighting, seed=0
    ), pinn.batches(pinn.collocation(predators, POINTS), seen, adapting=True)


@pytest.mark.filterwarnings("ignore::limitlab.discovery.pinn.weighting.CausalWeightsPatented")
@pytest.mark.parametrize("method", METHODS)
def test_weights_stay_without_the_step(method, predators, seen, small):
    network, batches = model(predators, seen, small, method)
    before = {name: value.clone() for name, value in network.weighting.state_dict().items()}
    still = {name: value for name, value in batches.batch(0).items() if name != "step"}
    network.losses(still)
    assert all(torch.equal(value, before[name]) for name, value in network.weighting.state_dict().items())
    network.losses(batches.batch(0))
    moved = any(not torch.equal(value, before[name]) for name, value in network.weighting.state_dict().items())
    assert moved == (method != "fixed")


@pytest.mark.parametrize("method", ["gradient_norm", "ntk"])
def test_update_does_not_change_when_a_term_is_a_thousand_times_larger(method, predators, seen, small):
    directions = []
    for factor in (1.0, 1000.0):
        network, batches = model(predators, seen, small, method, every=1)
        rows = network.rows(batches.batch(0))
        rows["data"] = rows["data"] * factor**0.5
        for _ in range(200 if method == "gradient_norm" else 2):
            network.weighting.adapt(network, rows, {"step": 0})
        total = sum(network.weighting.terms(rows, batches.batch(0)["points"]).values())
        gradients = torch.autograd.grad(total, list(network.parameters()), retain_graph=True)
        flat = torch.cat([g.flatten() for g in gradients])
        directions.append(flat / flat.norm())
    assert (directions[0] - directions[1]).norm() < 0.05
    plain = torch.autograd.grad(sum(r.square().mean() for r in rows.values()), list(network.parameters()))
    flat = torch.cat([g.flatten() for g in plain])
    assert (directions[0] - flat / flat.norm()).norm() > 0.2


def test_gradient_norms_are_even_once_the_weights_have_settled(predators, seen, small):
    network, batches = model(predators, seen, small, "gradient_norm", every=1)
    rows = network.rows(batches.batch(0))
    for _ in range(200):
        network.weighting.adapt(network, rows, {"step": 0})
    terms = network.weighting.terms(rows, batches.batch(0)["points"])
    norms = [
        torch.cat([g.flatten() for g in torch.autograd.grad(t, list(network.parameters()), retain_graph=True)]).norm()
        for t in terms.values()
    ]
    assert norms[0].item() == pytest.approx(norms[1].item(), rel=1e-6)


def test_kernel_weights_are_traces_of_the_jacobian(predators, seen, small):
    network, batches = model(predators, seen, small, "ntk", every=1)
    rows = network.rows(batches.batch(0))
    traces = {}
    for name, values in rows.items():
        flat = values.flatten()
        squares = []
        for row in flat:
            gradients = torch.autograd.grad(row, list(network.parameters()), retain_graph=True)
            squares.append(sum(g.square().sum() for g in gradients))
        traces[name] = torch.stack(squares).mean()
    network.losses(batches.batch(0))
    mean = sum(traces.values()) / 2
    for name, trace in traces.items():
        assert network.weighting.weight(name).item() == pytest.approx((mean / trace).item(), rel=1e-9)


def test_point_weights_grow_where_the_residual_is_large(predators, seen, small):
    for method in ("self_adaptive", "residual_attention"):
        network, batches = model(predators, seen, small, method)
        size = network.rows(batches.batch(0))["residual"].square().mean(1)[0]
        for step in range(20):
            network.losses(batches.batch(step))
        weights = network.weighting.attention[0]
        assert torch.equal(weights.argsort(), size.argsort()), method


def test_causal_weights_fall_with_time():
    losses = torch.tensor([0.3, 0.0, 2.0, 0.5], dtype=torch.float64)
    weights = causal_weights(losses, 1.0)
    assert weights[0] == 1
    assert (weights.diff() <= 0).all()
    assert weights.tolist() == pytest.approx([1.0, *torch.exp(-losses.cumsum(0)[:-1]).tolist()])
    assert (causal_weights(0 * losses, 100.0) == 1).all()


def test_causal_weights_come_with_their_notice_and_sharpen(predators, seen, small):
    with pytest.warns(CausalWeightsPatented, match="patented"):
        network, batches = model(predators, seen, small, "causal")
    network.losses(batches.batch(0))
    weights = network.weighting.attention[0]
    assert weights[0] == 1
    assert (weights.diff() <= 0).all()
    network.weighting.strictness.fill_(1e-9)
    network.losses(batches.batch(1))
    assert network.weighting.strictness.item() == pytest.approx(1e-8)


def test_weights_of_terms_multiply_them(predators, seen, small):
    plain, batches = model(predators, seen, small)
    heavy, _ = model(predators, seen, small, weights={"data": 10.0})
    first, second = plain.losses(batches.batch(0)), heavy.losses(batches.batch(0))
    assert second["data"].item() == pytest.approx(10 * first["data"].item())
    assert second["residual"].item() == pytest.approx(first["residual"].item())


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: Weighting("gradient"), UnknownName, "did you mean 'gradient_norm'"),
        (lambda: Weighting(weights={"datum": 1.0}), UnknownName, "did you mean 'data'"),
        (lambda: Weighting("self_adaptive"), InvalidArgument, "points"),
    ],
)
def test_bad_arguments_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_points_must_stay_as_many(predators, seen, small):
    network, _ = model(predators, seen, small, "self_adaptive")
    with pytest.raises(InvalidArgument, match="must stay"):
        network.losses(pinn.batches(pinn.collocation(predators, 7), seen).batch(0))
