"""The chain of waves: published numbers of parameters, identities and symmetries, and how far it sees."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from limitlab.errors import InvalidArgument
from limitlab.operators import ContinuousSineNet, SineNet, Wave, count_parameters, sinenet_with_parameters
from limitlab.spaces import Grid, spectral_resample

SMALL = Wave(levels=2, padding="periodic")


def random(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def chain(waves=2, wave=SMALL, model=SineNet, **options):
    torch.manual_seed(0)
    return model(2, 1, width=4, waves=waves, wave=wave, **options).double().eval()


@pytest.mark.parametrize(
    ("options", "growth", "parameters"),
    [
        ({"waves": 8}, 1.425, 35_490_219),
        ({"waves": 6}, 1.5, 35_475_499),
        ({"waves": 4}, 1.611, 35_493_699),
        ({"waves": 2}, 1.8075, 35_499_989),
        ({"waves": 1}, 2.0, 33_788_099),
        ({"waves": 1, "width": 128}, 2.0, 135_094_659),
        ({"waves": 1, "wave": Wave(blocks=8)}, 1.425, 28_628_084),
        ({"waves": 8, "wave": Wave(disentangled=False)}, 1.425, 32_831_403),
    ],
)
def test_published_models_have_as_many_parameters(options, growth, parameters):
    """Counted by running the authors' code for three fields and a history of four."""
    with torch.device("meta"):
        model = SineNet(12, 3, **options | {"wave": replace(options.get("wave", Wave()), growth=growth)})
    assert count_parameters(model) == parameters


@pytest.mark.parametrize("waves", [1, 2, 4, 6, 8])
def test_chains_of_equal_size(waves):
    with torch.device("meta"):
        model = sinenet_with_parameters(35_490_219, 12, 3, width=64, waves=waves, wave=Wave())
    assert count_parameters(model) == pytest.approx(35_490_219, rel=0.005)


def test_waves_that_do_nothing_leave_the_field():
    """V = 0 where its last block and shortcut give nothing; without the residual nothing is left at all."""
    for residual in (True, False):
        model, u = chain(wave=replace(SMALL, residual=residual)), random(2, 2, 8, 8)
        with torch.no_grad():
            for wave in model.waves:
                last = wave.ups[-1]
                for part in (last.shortcut, last.blocks[-1].second_norm):
                    for parameter in part.parameters():
                        parameter.zero_()
            expected = model.decode(model.encode(u) if residual else torch.zeros(2, 4, 8, 8, dtype=torch.float64))
            assert torch.allclose(model(u), expected, atol=1e-12)


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_shifts_by_the_coarsest_cell_commute_on_a_periodic_grid_and_others_do_not(dimension):
    axes = tuple(range(2, 2 + dimension))
    torch.manual_seed(0)
    model = SineNet(1, 1, dimension, width=4, waves=2, wave=SMALL).eval()
    u = random(1, 1, *(8,) * dimension, dtype=torch.float32)
    with torch.no_grad():
        for shift, same in ((4, True), (1, False)):
            moved = model(u.roll((shift,) * dimension, axes)) - model(u).roll((shift,) * dimension, axes)
            assert (moved.abs().max() < 1e-5) == same


def test_padded_with_zeros_no_shift_commutes():
    model, u = chain(wave=replace(SMALL, padding="zeros")), random(1, 2, 8, 8)
    with torch.no_grad():
        assert (model(u.roll(4, 2)) - model(u).roll(4, 2)).abs().max() > 1e-2


@pytest.mark.parametrize("waves", [1, 2, 3])
def test_what_keeps_to_the_finest_level_moves_by_two_points_a_wave(waves):
    """Radius 2 K + 2: two convolutions on the skip of each wave, the first and the last. The path below is cut."""
    model, u = chain(waves), random(1, 2, 32, 32).requires_grad_()
    with torch.no_grad():
        for wave in model.waves:
            top = wave.ups[-1]
            top.shortcut.weight.zero_()
            top.blocks[0].first.weight[:, 4:].zero_()
            # means over the field see everything
            top.blocks[0].first_norm, top.blocks[0].second_norm = nn.Identity(), nn.Identity()
    (seen,) = torch.autograd.grad(model(u)[0, 0, 16, 16], u)
    rows = (seen != 0).any(1)[0].any(1).nonzero().flatten()
    assert rows.tolist() == list(range(16 - (2 * waves + 2), 16 + (2 * waves + 2) + 1))


@pytest.mark.parametrize("waves", [1, 3])
def test_steps_of_euler_in_the_limit_of_depth_are_a_chain_of_one_wave(waves):
    shared, u = chain(waves, replace(SMALL, shared=True)), random(2, 2, 8, 8)
    continuous = chain(waves, model=ContinuousSineNet, timed=False, method="euler", step_size=1 / waves)
    continuous.load_state_dict(shared.state_dict())
    with torch.no_grad():
        assert torch.allclose(continuous(u), shared(u), atol=1e-6)


def test_chains_that_share_a_wave_converge_to_the_differential_equation_as_euler_does():
    u, errors = random(1, 2, 8, 8), []
    exact = chain(1, model=ContinuousSineNet, timed=False, method="dopri8", rtol=1e-10, atol=1e-10)
    with torch.no_grad():
        for steps in (16, 32):
            euler = chain(1, model=ContinuousSineNet, timed=False, method="euler", step_size=1 / steps)
            errors.append(float((euler(u) - exact(u)).norm()))
    assert errors[0] / errors[1] == pytest.approx(2.0, abs=0.3)


def test_time_is_a_condition_and_the_solver_counts_its_calls():
    model, u = chain(1, model=ContinuousSineNet), random(2, 2, 8, 8)
    with torch.no_grad():
        first = model(u)
        calls = model.last.evaluations.function
        model.embed.layers[0].weight.zero_()
        assert not torch.allclose(model(u), first, atol=1e-6)
    assert bool((calls >= 7).all())


def test_a_condition_changes_the_step_sample_by_sample():
    model, u = chain(wave=replace(SMALL, conditions=2)), random(2, 2, 8, 8)
    condition, other = torch.tensor([[0.1, 0.5], [0.3, 0.2]]).double(), torch.tensor([[0.1, 0.5], [0.3, 0.4]]).double()
    with torch.no_grad():
        both = model(u, condition), model(u, other)
    assert torch.allclose(both[0][0], both[1][0], atol=1e-12)
    assert not torch.allclose(both[0][1], both[1][1], atol=1e-6)
    for wrong in (None, condition[:, :1]):
        with pytest.raises(InvalidArgument, match=r"condition must be \(2, 2\)"):
            model(u, wrong)


def test_waves_computed_again_have_the_same_gradient_in_less_memory():
    kept, again, u = chain(), chain(wave=replace(SMALL, recomputed=True)), random(1, 2, 8, 8)
    stored = []
    for model in (kept, again):
        saved = 0

        def count(tensor):
            nonlocal saved
            saved += tensor.numel()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
            loss = model(u).square().sum()
        stored.append(saved)
        loss.backward()
    for one, other in zip(kept.parameters(), again.parameters(), strict=True):
        assert torch.allclose(one.grad, other.grad, atol=1e-12)
    assert stored[1] < stored[0] / 4


def test_noise_is_for_training_alone():
    quiet, noisy, u = chain(), chain(noise=0.1), random(1, 2, 8, 8)
    assert torch.equal(noisy(u), quiet(u))
    noisy.train()
    torch.manual_seed(1)
    heard = noisy(u)
    torch.manual_seed(1)
    assert torch.allclose(heard, quiet(u + 0.1 * torch.randn_like(u)), atol=1e-12)


def test_dilation_that_grows_with_the_grid_reads_the_same_points():
    """What P makes of a function is the same on the coarse grid and on the fine one, at the points of both."""
    coarse = chain(dilation=2)
    fine, u = coarse.dilated(2), random(1, 2, 15, 15)
    on_coarse, on_fine = (spectral_resample(u, Grid.uniform((15, 15)), n) for n in (16, 32))
    with torch.no_grad():
        assert torch.allclose(fine.encode(on_fine)[..., ::2, ::2], coarse.encode(on_coarse), atol=1e-10)


def test_what_cannot_be_is_refused():
    with pytest.raises(InvalidArgument, match="multiples of 4 points"):
        chain()(random(1, 2, 8, 10))
    with pytest.raises(InvalidArgument, match="noise"):
        chain(noise=-1.0)
