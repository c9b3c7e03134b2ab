import math

import pytest
import torch
from torch.nn import functional

from limitlab.errors import InvalidArgument
from limitlab.operators import Wave
from limitlab.operators.waves import WaveUNet, doubled


def random(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def wave_of(width=4, dimension=2, **options):
    torch.manual_seed(0)
    return WaveUNet(width, Wave(**{"levels": 2, "padding": "periodic"} | options), dimension).double()


@pytest.mark.parametrize("n", [4, 7, 32])
def test_a_doubled_field_is_that_of_torch(n):
    """Without ends: torch's has clamped ones, four points of which are cut off from a field that was wrapped before."""
    u = random(2, 3, n, 2 * n)
    clamped = functional.interpolate(u, scale_factor=2, mode="bicubic")
    wrapped = functional.interpolate(functional.pad(u, (2, 2, 2, 2), mode="circular"), scale_factor=2, mode="bicubic")
    assert torch.allclose(doubled(u, periodic=False), clamped, atol=1e-12)
    assert torch.allclose(doubled(u, periodic=True), wrapped[..., 4:-4, 4:-4], atol=1e-12)


def wave_error(n):
    """The error of a doubled sine of one wave, on cells."""
    coarse, fine = ((torch.arange(m, dtype=torch.float64) + 0.5) / m for m in (n, 2 * n))
    return (doubled(torch.sin(2 * math.pi * coarse)[None, None], periodic=True) - torch.sin(2 * math.pi * fine)).abs()


def test_a_doubled_wave_is_half_as_wrong_on_twice_the_points_and_no_worse_at_the_seam():
    # slope -3/4 in place of -1/2: not even a line is reproduced between points, so that the order is one
    errors = {n: wave_error(n).max() for n in (16, 32, 64)}
    assert errors[32] < 1e-2
    assert errors[64] < 5e-3
    assert errors[16] / errors[32] == pytest.approx(2.0, abs=0.15)
    error = wave_error(32).flatten()
    seam, inside = torch.cat([error[:4], error[-4:]]).max(), error[4:-4].max()
    assert seam < 1.2 * inside


def test_ends_that_are_not_wrapped_leak_at_the_seam():
    u = torch.sin(2 * math.pi * (torch.arange(32, dtype=torch.float64) + 0.5) / 32)[None, None]
    difference = (doubled(u, periodic=False) - doubled(u, periodic=True)).abs().flatten()
    assert difference[4:-4].max() < 1e-12
    assert difference.max() > 0.01


@pytest.mark.parametrize("conditioning", ["shift", "scale"])
def test_conditions_that_say_nothing_change_nothing(conditioning):
    plain, told = wave_of(), wave_of(conditions=2, conditioning=conditioning)
    told.load_state_dict(plain.state_dict(), strict=False)
    for name, parameter in told.named_parameters():
        if "condition" in name:
            torch.nn.init.zeros_(parameter)
    x, embedding = random(2, 4, 8, 8), random(2, 16)
    assert torch.allclose(told(x, embedding), plain(x), atol=1e-12)


def test_a_scale_is_one_more_than_its_number():
    """Scale -1 takes the normalised features away, and with them all that the block's input says."""
    wave = wave_of(levels=1, conditions=1, conditioning="scale")
    for level in (*wave.downs, *wave.ups):
        (block,) = level.blocks
        channels = block.condition.out_features // 2
        with torch.no_grad():
            block.condition.weight.zero_()
            block.condition.bias[channels:] = -1
            level.shortcut.weight.zero_()
    embedding = random(1, 16)
    assert torch.allclose(wave(random(1, 4, 8, 8), embedding), wave(random(1, 4, 8, 8, seed=1), embedding), atol=1e-9)


def test_the_direct_path_brings_the_raw_field_to_every_level():
    """With everything that carries features down cut, the field's own means still reach the coarse level."""
    x = random(1, 4, 8, 8).requires_grad_()
    for disentangled, seen in ((True, True), (False, False)):
        wave = wave_of(disentangled=disentangled)
        first, second = wave.downs
        with torch.no_grad():
            for parameter in first.parameters():
                parameter.zero_()
            second.shortcut.weight.zero_()
            # nothing at the coarser skip either, nor at the finest
            wave.ups[1].blocks[0].first.weight[:, :4].zero_()
        (slope,) = torch.autograd.grad(wave(x).sum() + wave(x).square().sum(), x)
        assert bool(slope.abs().max() > 1e-6) == seen


def test_a_block_more_is_a_residual_of_its_own():
    wave = wave_of(blocks=2, levels=1)
    with torch.no_grad():
        for level in (*wave.downs, *wave.ups):
            for parameter in level.blocks[1].parameters():
                parameter.zero_()
    single = wave_of(levels=1)
    single.load_state_dict({k: v for k, v in wave.state_dict().items() if "blocks.1" not in k})
    x = random(1, 4, 8, 8)
    assert torch.allclose(wave(x), single(x), atol=1e-12)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"padding": "circular"}, "padding"),
        ({"growth": 0.5}, "growth"),
        ({"levels": 0}, "levels"),
        ({"conditioning": "scales"}, "did you mean 'scale'"),
    ],
)
def test_what_cannot_be_is_refused(options, message):
    with pytest.raises(InvalidArgument, match=message):
        Wave(**options)
