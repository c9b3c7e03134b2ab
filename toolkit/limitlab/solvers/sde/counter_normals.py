"""Normal numbers that are functions of a counter: the same whatever is drawn before, beside, or on which device.

A 64-bit counter is mixed as in SplitMix64 (Steele, Lea & Flood 2014, constants of Stafford's variant 13),

    z = (z ^ (z >> 30)) * A,    z = (z ^ (z >> 27)) * B,    z = z ^ (z >> 31),

with arithmetic shifts of signed integers, which save three of eleven operations and leave the sign bit zero. The upper
half i of z is then uniform on 31 bits and the lower half j on 32; they become two normals by Box & Muller 1958,

    r = sqrt(-2 log(i 2^-31)),    (r cos(2 pi j 2^-32), r sin(2 pi j 2^-32)).

The integers are the same on every device; the normals differ between devices by the rounding of log, cos and sin only.
They reach 6.7 standard deviations. All operations are elementwise, so that a number does not depend on its neighbours.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from limitlab.errors import InvalidArgument

# torch multiplies signed integers of 64 bits only
FACTORS = 0xBF58476D1CE4E5B9 - 2**64, 0x94D049BB133111EB - 2**64
SHIFTS = 30, 27, 31
# odd multiples of the golden ratio keep neighbouring integers far apart before they are mixed
_GOLDEN = 0x9E3779B97F4A7C15 - 2**64
_SILVER = 0xD1B54A32D192ED03 - 2**64
_STREAM = 0x2545F4914F6CDD1D


def mixed(counters: Int[Tensor, "*shape"]) -> Int[Tensor, "*shape"]:
    """The counters, each scrambled as in the module's formula; in place."""
    shifted = torch.bitwise_right_shift(counters, SHIFTS[0])
    for factor, shift in zip(FACTORS, SHIFTS[1:], strict=True):
        counters.bitwise_xor_(shifted).mul_(factor)
        torch.bitwise_right_shift(counters, shift, out=shifted)
    return counters.bitwise_xor_(shifted)


def lane_keys(seed: int, samples: Int[Tensor, " batch"], channels: int) -> Int[Tensor, "batch channels"]:
    """A key for every sample and channel; a function of the seed, the sample's number and the channel's alone."""
    # zero mixes to zero, and then to the largest normal there is: seed 0 starts elsewhere
    signed = (seed + 2**63) % 2**64 - 2**63 or _GOLDEN
    root = mixed(torch.full((1,), signed, dtype=torch.int64, device=samples.device))
    rows = mixed(samples.to(torch.int64) * _GOLDEN + root)
    return mixed(torch.arange(channels, device=samples.device) * _SILVER + rows[:, None])


def index_keys(indices: Int[Tensor, "*shape"], stream: int) -> Int[Tensor, "*shape"]:
    """A key for every index (of a cell, a node) within a stream; add them to lane keys to get counters."""
    return mixed(indices * _GOLDEN + stream * _STREAM)


def normal_pairs(counters: Int[Tensor, "count *lanes"], dtype: torch.dtype) -> Float[Tensor, "count 2 *lanes"]:
    """Two independent normals for every counter, which is overwritten. Raises InvalidArgument for half precision."""
    if dtype not in (torch.float32, torch.float64):
        raise InvalidArgument(f"dtype of noise must be float32 or float64, where 2^-31 is more than zero; got {dtype}")
    halves = mixed(counters).view(torch.int32)
    # little-endian: the upper half of a counter comes second
    radius, angle = halves[..., 1::2].to(dtype), halves[..., 0::2].to(dtype)
    # a half stands for zero, whose logarithm is infinite
    radius.clamp_min_(0.5).mul_(2.0**-31).log_().mul_(-2.0).sqrt_()
    # the lower half is signed: angles from -pi to pi
    angle.mul_(math.pi * 2.0**-31)
    normals = torch.empty(counters.shape[0], 2, *counters.shape[1:], dtype=dtype, device=counters.device)
    torch.cos(angle, out=normals[:, 0])
    torch.mul(angle.sin_(), radius, out=normals[:, 1])
    normals[:, 0].mul_(radius)
    return normals
