"""SineNet: a chain of small U-Nets ("waves"), each of which moves the latent field by a part of the time step.

    x_0 = P u,    x_k = x_{k-1} + V_k(x_{k-1}),  k = 1 .. K,    output Q x_K        P, Q convolutions, V_k a U-Net

A U-Net's skip connection carries features of now to where those of the next step are made. What has moved further than
a few convolutions reach cannot be put in its place there; with K waves each skip has a K-th of the way to bridge. In a
wave the field itself, pooled, enters every level beside the processed features: the disentangled path.

Kernels count points: trained on one spacing, it is another map on another. Source: Zhang, Helwig, Lin, Xie, Fu,
Wojtowytsch & Ji, SineNet: learning temporal dynamics in time-dependent PDEs (2024), arXiv 2403.19507.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from limitlab.errors import check_number
from limitlab.layers.precision import require_dtype
from limitlab.layers.spectral_convolution import check_field
from limitlab.operators.row import Operator, Sizes, Task, count_parameters
from limitlab.operators.waves import Embedding, Wave, WaveUNet, convolution, embedded, require_divisible
from limitlab.saved import Saved
from limitlab.solvers import Solution, solve_ode


class SineNet(Saved):
    """(batch, in_channels, *grid) -> (batch, out_channels, *grid), for grids whose sizes 2^levels divides.

    For a history of h frames in_channels is h times the fields. width: channels between the waves. waves: how many.
    dilation: of the first and last convolution. noise: deviation of what is added to the input in training.
    Raises InvalidArgument. Source: arXiv 2403.19507, section 3.

    >>> model = ll.operators.SineNet(4 * 3, 3)
    >>> model(torch.zeros(1, 12, 32, 32)).shape, ll.operators.count_parameters(model)
    (torch.Size([1, 3, 32, 32]), 35490219)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        dimension: int = 2,
        *,
        width: int = 64,
        waves: int = 8,
        wave: Wave | None = None,
        dilation: int = 1,
        noise: float = 0.0,
    ) -> None:
        super().__init__()
        self.in_channels = int(check_number("in_channels", in_channels, low=1, integer=True))
        out_channels = int(check_number("out_channels", out_channels, low=1, integer=True))
        self.dimension = int(check_number("dimension", dimension, low=1, high=3, integer=True))
        self.width = int(check_number("width", width, low=1, integer=True))
        self.count = int(check_number("waves", waves, low=1, high=1000, integer=True))
        dilation = int(check_number("dilation", dilation, low=1, integer=True))
        self.noise = check_number("noise", noise, low=0.0)
        self.wave = Wave() if wave is None else wave
        self.encode = convolution(self.dimension, self.in_channels, self.width, self.wave, dilation)
        self.waves = nn.ModuleList(
            WaveUNet(self.width, self.wave, self.dimension) for _ in range(1 if self.wave.shared else self.count)
        )
        self.decode = convolution(self.dimension, self.width, out_channels, self.wave, dilation)
        self.embed = Embedding(self.wave.conditions, self.width) if self.wave.conditions else None

    def forward(
        self,
        u: Float[Tensor, "batch in_channels *grid"],
        condition: Float[Tensor, "batch conditions"] | None = None,
    ) -> Float[Tensor, "batch out_channels *grid"]:
        x = u
        # the last alone is needed, and the others may be freed
        for latent in self.latents(u, condition):
            x = latent
        return self.decode(x)

    def latents(
        self,
        u: Float[Tensor, "batch in_channels *grid"],
        condition: Float[Tensor, "batch conditions"] | None = None,
    ) -> Iterator[Float[Tensor, "batch width *grid"]]:
        """x_0, x_1, .., x_K: what enters each wave, and what leaves the last."""
        x = self.encoded(u)
        embedding = embedded(self.embed, condition, self.wave.conditions, len(u))
        yield x
        for number in range(self.count):
            wave = self.waves[number % len(self.waves)]
            again = self.wave.recomputed and torch.is_grad_enabled()
            moved = checkpoint(wave, x, embedding, use_reentrant=False) if again else wave(x, embedding)
            x = x + moved if self.wave.residual else moved
            yield x

    def encoded(self, u: Float[Tensor, "batch in_channels *grid"]) -> Float[Tensor, "batch width *grid"]:
        """x_0 = P u, with noise on u in training where there is any."""
        check_field("u", u, self.in_channels, self.dimension)
        require_dtype("u", u, next(self.encode.parameters()))
        require_divisible(u, self.wave.levels)
        return self.encode(u + self.noise * torch.randn_like(u) if self.training and self.noise else u)

    def dilated(self, factor: int) -> SineNet:
        """The same weights with the first and last convolution's points `factor` times as far apart: for a finer grid.

        >>> coarse = ll.operators.SineNet(1, 1, waves=1, width=4, wave=ll.operators.Wave(levels=1), dilation=4)
        >>> coarse.dilated(2).encode.dilation
        (8, 8)
        """
        factor = int(check_number("factor", factor, low=1, integer=True))
        finer = copy.deepcopy(self)
        for name in ("encode", "decode"):
            old = getattr(self, name)
            apart = old.dilation[0] * factor
            new = convolution(self.dimension, old.in_channels, old.out_channels, self.wave, apart).to(old.weight)
            new.load_state_dict(old.state_dict())
            setattr(finer, name, new)
        first: Any = finer.encode
        finer.remember(dilation=first.dilation[0])
        return finer


class ContinuousSineNet(SineNet):
    """A SineNet of infinitely many waves: dx/ds = K V(x, s) from x(0) = P u; output Q x(1).

    waves: K, how far V alone would go. timed: V depends on s, as on a condition more. method, rtol, atol and step_size:
    of `limitlab.solvers.solve_ode`; dilation: of a SineNet. Without `timed`, K steps of Euler's method are the K waves
    of a chain that shares one, with the same weights by the same names. `last` is the solution of the last call, with
    its field calls.
    Raises InvalidArgument. Source: arXiv 2403.19507, appendix, whose published code has x + V in place of V.

    >>> wave = ll.operators.Wave(levels=2)
    >>> model = ll.operators.ContinuousSineNet(1, 1, width=4, waves=4, wave=wave, method="euler", step_size=0.25)
    >>> model(torch.zeros(2, 1, 8, 8)).shape, model.last.evaluations.function.tolist()
    (torch.Size([2, 1, 8, 8]), [5, 5])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        dimension: int = 2,
        *,
        width: int = 64,
        waves: int = 8,
        wave: Wave | None = None,
        timed: bool = True,
        **options: Any,
    ) -> None:
        wave = Wave() if wave is None else wave
        conditions = wave.conditions + timed
        shape = replace(wave, shared=True, conditions=conditions)
        dilation = options.pop("dilation", 1)
        super().__init__(in_channels, out_channels, dimension, width=width, waves=waves, wave=shape, dilation=dilation)
        self.timed = timed
        tolerances = {} if "step_size" in options else {"rtol": 1e-2, "atol": 1e-2}
        self.options: dict[str, Any] = {"method": "dopri5", **tolerances, **options}
        self.last: Solution | None = None

    def latents(
        self,
        u: Float[Tensor, "batch in_channels *grid"],
        condition: Float[Tensor, "batch conditions"] | None = None,
    ) -> Iterator[Float[Tensor, "batch width *grid"]]:
        """x(0) and x(1)."""
        x = self.encoded(u)
        yield x
        beside = () if condition is None else (condition,)
        conditions = self.wave.conditions

        def field(s: Tensor, x: Tensor) -> Tensor:
            numbers = (*beside, s.reshape(-1, 1).to(x.dtype).expand(len(x), 1)) if self.timed else beside
            joined = torch.cat(numbers, dim=1) if numbers else None
            return self.count * self.waves[0](x, embedded(self.embed, joined, conditions, len(x)))

        self.last = solve_ode(field, x, [0.0, 1.0], **self.options)
        yield self.last.y[:, -1]


def sinenet_with_parameters(
    target: int, in_channels: int, out_channels: int, dimension: int = 2, *, width: int, waves: int, wave: Wave
) -> SineNet:
    """The SineNet whose growth makes its number of parameters nearest to `target`, all other things given.

    So are one U-Net and a chain of many compared. Raises InvalidArgument.

    >>> chain = ll.operators.sinenet_with_parameters(
    ...     100_000, 1, 1, width=16, waves=2, wave=ll.operators.Wave(levels=2)
    ... )
    >>> 95_000 < ll.operators.count_parameters(chain) < 105_000
    True
    """
    target = int(check_number("target", target, low=1, integer=True))

    def chain(growth: float, waves: int) -> SineNet:
        shape = replace(wave, growth=growth)
        return SineNet(in_channels, out_channels, dimension, width=width, waves=waves, wave=shape)

    def count(growth: float) -> int:
        # counts without memory, and without a draw from the generator that seeds the model to come
        with torch.device("meta"):
            one = chain(growth, 1)
        return count_parameters(one) + (0 if wave.shared else waves - 1) * count_parameters(one.waves)

    low, high = 1.0, 16.0
    # the count is a staircase: below a millionth every step has been seen
    while high - low > 1e-6:
        middle = (low + high) / 2
        low, high = (middle, high) if count(middle) < target else (low, middle)
    return chain(min((low, high), key=lambda growth: abs(count(growth) - target)), waves)


def sinenet(task: Task, settings: Sizes) -> SineNet:
    """As many waves as layers, with up to four halvings, padded as the task's grid goes on at its ends."""
    halvings = min(4, *((size & -size).bit_length() - 1 for size in task.grid.shape))
    wave = Wave(levels=max(1, halvings), padding="periodic" if task.grid.is_periodic else "zeros")
    channels = task.in_channels, task.out_channels
    return SineNet(*channels, task.dimension, width=settings.width, waves=settings.layers, wave=wave)


ROWS = (Operator("sinenet", "waves of U-Nets", SineNet, sinenet, ("width", "layers"), tied=True),)
