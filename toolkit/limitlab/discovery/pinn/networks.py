"""Networks that hand on their derivatives: value, first and second derivatives along directions, in one pass.

With a = W z + b and derivatives a' and a'' along a direction, an activation f gives

    y = f(a),    y' = f'(a) a',    y'' = f'(a) a'' + f''(a) a'^2,

so u, u_t, u_x and u_xx leave the last layer together, and one reverse pass gives the gradient of any residual of them.
A mixed derivative comes by polarisation, u_xt = (D_{x+t}^2 u - D_x^2 u - D_t^2 u)/2, from a further direction.
Inputs are scaled to [-1, 1]. Float64: in single precision second derivatives stall a quasi-Newton method near a
relative loss of 1e-7.

Sources: Tancik et al. 2020 (random Fourier features); Wang, Teng, Perdikaris 2021 (gates); Wang et al. 2022 (random
weight factorisation); Dong, Ni 2021 (periodic features).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from limitlab.discovery.pinn.jets.layers import ACTIVATIONS, Jet, JetLinear, Streams, gated
from limitlab.discovery.pinn.jets.stack import stacked
from limitlab.errors import InvalidArgument, check_number, check_numbers, one_of
from limitlab.saved import Saved
from limitlab.solvers.derivatives import is_watched


@dataclass(frozen=True)
class Architecture:
    """Hidden layers of a network, and the switches of its inputs and layers.

    fourier: number of random frequencies ~ N(0, fourier_scale^2) of the scaled inputs, each as cosine and sine. waves:
    of an axis with a period, the highest k of sin and cos(2 pi k x/L). decays: times tau of further inputs
    exp(-t/tau) of the first axis. factorised: weights diag(exp(g)) V. gated: h -> h U + (1 - h) V between the layers,
    with two encoders U and V of the inputs.

    >>> ll.discovery.pinn.Architecture(width=16, gated=True).layers
    3
    """

    width: int = 32
    layers: int = 3
    activation: str = "tanh"
    fourier: int = 0
    fourier_scale: float = 1.0
    waves: int = 3
    decays: tuple[float, ...] = ()
    factorised: bool = False
    gated: bool = False

    def __post_init__(self) -> None:
        one_of("activation", self.activation, ACTIVATIONS)
        for name, low in (("width", 1), ("layers", 1), ("fourier", 0), ("waves", 1)):
            # a frozen dataclass; numbers of an array may be NumPy's
            object.__setattr__(self, name, check_number(name, getattr(self, name), low=low, high=10**5, integer=True))
        object.__setattr__(self, "fourier_scale", check_number("fourier_scale", self.fourier_scale, low=1e-6, high=1e6))
        object.__setattr__(self, "decays", check_numbers("decays", self.decays, low=1e-12))


class JetNetwork(Saved):
    """A network from (point, axis) to (point, output) whose `jet` gives derivatives in its raw inputs as well.

    low, high: ends of each axis, which are scaled to [-1, 1]. periods: of each axis its period, or None. Every draw
    comes from `seed`. Raises InvalidArgument.

    >>> network = ll.discovery.pinn.JetNetwork([0.0], [2.0], outputs=1, seed=0)
    >>> jet = network.jet(torch.zeros(5, 1, dtype=torch.float64), torch.eye(1, dtype=torch.float64), curved=1)
    >>> jet.value.shape, jet.second.shape
    (torch.Size([5, 1]), torch.Size([1, 5, 1]))
    """

    def __init__(
        self,
        low: Sequence[float],
        high: Sequence[float],
        outputs: int,
        architecture: Architecture | None = None,
        *,
        periods: Sequence[float | None] | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        low, high = check_numbers("low", low), check_numbers("high", high, len(low))
        if not low or any(a >= b for a, b in zip(low, high, strict=True)):
            raise InvalidArgument(f"low must lie below high on every axis; got {low} and {high}")
        self.architecture = architecture or Architecture()
        self.periods = tuple(periods) if periods is not None else (None,) * len(low)
        if len(self.periods) != len(low):
            raise InvalidArgument(f"periods must hold a number or None for each of {len(low)} axes; got {self.periods}")
        generator = torch.Generator().manual_seed(int(check_number("seed", seed, low=0, integer=True)))
        self.features = Features(low, high, self.periods, self.architecture, generator)
        widths = [self.features.count, *[self.architecture.width] * self.architecture.layers]
        factorised = self.architecture.factorised
        self.hidden = nn.ModuleList(JetLinear(a, b, factorised, generator) for a, b in pairwise(widths))
        encoders = 2 if self.architecture.gated else 0
        self.encoders = nn.ModuleList(JetLinear(widths[0], widths[1], factorised, generator) for _ in range(encoders))
        self.last = JetLinear(
            widths[-1], int(check_number("outputs", outputs, low=1, integer=True)), factorised, generator
        )

    def jet(self, points: Float[Tensor, "point axis"], directions: Float[Tensor, "direction axis"], curved: int) -> Jet:
        """Output with derivatives along all directions, and second ones along the first `curved` of them."""
        return Jet.of(self.streams(points, directions, curved), curved)

    def streams(
        self, points: Float[Tensor, "point axis"], directions: Float[Tensor, "direction axis"], curved: int
    ) -> Streams:
        """The same as one tensor (output, stream, point)."""
        return self.of_features(self.features(points, directions, curved), curved)

    def of_features(self, inputs: Streams, curved: int) -> Streams:
        """What the layers make of the features."""
        activation = ACTIVATIONS[self.architecture.activation]
        if not self.encoders:
            return stacked(self.hidden, inputs, activation, curved, self.last)
        first, second = (stacked([encoder], inputs, activation, curved) for encoder in self.encoders)
        streams = inputs
        for layer in self.hidden:
            streams = gated(stacked([layer], streams, activation, curved), first, second, curved)
        return self.last(streams)

    def forward(self, points: Float[Tensor, "point axis"]) -> Float[Tensor, "point output"]:
        """The output alone."""
        return self.jet(points, points.new_zeros(0, points.shape[-1]), 0).value


class Features(nn.Module):
    """Inputs of the first layer: every one is f(k z + c) with f the identity, the sine or the exponential function."""

    rates: Float[Tensor, "axis feature"]
    shifts: Float[Tensor, " feature"]

    def __init__(
        self,
        low: Sequence[float],
        high: Sequence[float],
        periods: Sequence[float | None],
        architecture: Architecture,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        axes = len(low)
        middle = [(a + b) / 2 for a, b in zip(low, high, strict=True)]
        half = [(b - a) / 2 for a, b in zip(low, high, strict=True)]
        open_axes = [axis for axis in range(axes) if periods[axis] is None]
        linear = [_column(axes, axis, 1 / half[axis], -middle[axis] / half[axis]) for axis in open_axes]
        sines = []
        for axis, period in enumerate(periods):
            for k in range(1, architecture.waves + 1) if period is not None else ():
                rate = 2 * math.pi * k / check_number("period", period, low=1e-12)
                sines += [_column(axes, axis, rate, -rate * low[axis] + quarter) for quarter in (0.0, math.pi / 2)]
        if architecture.fourier and not open_axes:
            raise InvalidArgument("fourier must be 0 where every axis has a period: raise waves instead")
        drawn = torch.randn(architecture.fourier, len(open_axes), generator=generator, dtype=torch.float64)
        for frequency in (architecture.fourier_scale * drawn).tolist():
            column = [0.0] * (axes + 1)
            for axis, rate in zip(open_axes, frequency, strict=True):
                column[axis] = rate / half[axis]
                column[-1] -= rate * middle[axis] / half[axis]
            sines += [column, [*column[:-1], column[-1] + math.pi / 2]]
        falling = [_column(axes, 0, -1 / tau, low[0] / tau) for tau in architecture.decays]
        columns = torch.tensor([*linear, *sines, *falling], dtype=torch.float64).T
        self.register_buffer("rates", columns[:-1].contiguous())
        self.register_buffer("shifts", columns[-1].contiguous())
        self.sizes = [len(linear), len(sines), len(falling)]
        self.count = sum(self.sizes)

    @property
    def fixed(self) -> bool:
        """Whether the features of the same points are numbers that can be kept, as long as `version` stays."""
        return not any(part.is_inference() or is_watched(part) for part in (self.rates, self.shifts))

    @property
    def version(self) -> tuple[tuple[Tensor, Tensor], tuple[int, int]]:
        """What the features are made with, and how often it was written to."""
        return (self.rates, self.shifts), (self.rates._version, self.shifts._version)

    def forward(self, points: Tensor, directions: Tensor, curved: int) -> Streams:
        """Features with their derivatives, whose arguments k z + c have none of second order."""
        arguments = torch.addmm(self.shifts[:, None], self.rates.T, points.T)[:, None]
        slopes = (directions @ self.rates).T[:, :, None]
        if self.sizes[0] == self.count:
            # the usual case spares the trigonometry
            first = slopes.expand(-1, -1, len(points))
            return torch.cat([arguments, first, torch.zeros_like(first[:, :curved])], 1)
        linear, phases, exponents = arguments.split(self.sizes)
        sine, cosine, falling = torch.sin(phases), torch.cos(phases), torch.exp(exponents)
        slope = torch.cat([torch.ones_like(linear), cosine, falling])
        curvature = torch.cat([torch.zeros_like(linear), -sine, falling])
        value = torch.cat([linear, sine, falling])
        return torch.cat([value, slope * slopes, curvature * slopes[:, :curved].square()], 1)


def _column(axes: int, axis: int, rate: float, shift: float) -> list[float]:
    """Rates of all axes, then the shift, of a feature of one axis."""
    return [*(rate if index == axis else 0.0 for index in range(axes)), shift]
