"""Drift and diffusion of a latent stochastic equation as networks, for any row of the menus.

    gamma = N(zeta),   zeta = A [a(t, z); b(X)]  or  a(t, z)  or  b(X),   a, b, A affine,

N: activation, `depth - 1` hidden layers, an affine one. s(t) and s(t, z) have one hidden layer. Time enters through
a clock: t itself; 1 - exp(-softplus(r) t), r learned, which saturates on a long horizon; or (sin t, cos t).
The path's value X is an argument of the drift: nothing here remembers a path, so that copies, adjoints and several
devices see the same function.
Source: Oh, Lim, Kim (2024), section 3 and appendix; the three clocks are those of its code.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from limitlab.errors import InvalidArgument, check_number, one_of
from limitlab.layers.perceptron import ACTIVATIONS
from limitlab.neural_des.stable_sde.menus import BOUNDS, CLASSES, DIFFUSIONS, DRIFTS, Kind
from limitlab.saved import Saved
from limitlab.solvers.sde.fields import Noise
from limitlab.training.streams import seeded

Times = Float[Tensor, "batch 1"]
State = Float[Tensor, "batch state"]
Control = Float[Tensor, "batch channel"]
LEAST = 1e-4
"""Above zero by at least this a geometric equation begins."""


class Clock(nn.Module):
    """t itself."""

    features = 1

    def forward(self, t: Times) -> Float[Tensor, "batch feature"]:
        return t


class SaturatingClock(Clock):
    """1 - exp(-softplus(r) t), r learned."""

    def __init__(self) -> None:
        super().__init__()
        self.rate = nn.Parameter(torch.ones(()))

    def forward(self, t: Times) -> Float[Tensor, "batch feature"]:
        return -torch.expm1(-functional.softplus(self.rate) * t)


class PeriodicClock(Clock):
    """(sin t, cos t)."""

    features = 2

    def forward(self, t: Times) -> Float[Tensor, "batch feature"]:
        return torch.cat([t.sin(), t.cos()], -1)


CLOCKS: dict[str, type[Clock]] = {"time": Clock, "saturating": SaturatingClock, "periodic": PeriodicClock}


@dataclass(frozen=True)
class Architecture:
    """Sizes of the networks: state and hidden units, hidden layers of gamma, activation, and a bound of BOUNDS.

    noise: multiplies the diffusion; 0 leaves an ordinary differential equation.

    >>> ll.neural_des.stable_sde.Architecture(width=16, bound="outer").depth
    1
    """

    width: int = 32
    depth: int = 1
    activation: str = "silu"
    bound: str = "coefficient"
    noise: float = 1.0

    def __post_init__(self) -> None:
        for name, low, whole in (("width", 1, True), ("depth", 1, True), ("noise", 0, False)):
            object.__setattr__(self, name, check_number(name, getattr(self, name), low=low, integer=whole))
        one_of("activation", self.activation, ACTIVATIONS)
        one_of("bound", self.bound, BOUNDS)


class Dynamics(Saved):
    """Initial value, drift and diffusion of one class on paths of `channels`, time among them.

    kind: a name of CLASSES, or a Kind of any two rows of the menus. Raises InvalidArgument, UnknownName.

    >>> small = ll.neural_des.stable_sde.Architecture(width=4)
    >>> lsde = ll.neural_des.stable_sde.Dynamics("lsde", channels=3, architecture=small)
    >>> lsde.drift(torch.zeros(2, 1), torch.zeros(2, 4), torch.ones(2, 3)).shape
    torch.Size([2, 4])
    """

    def __init__(
        self, kind: str | Kind, channels: int, architecture: Architecture | None = None, *, seed: int = 0
    ) -> None:
        super().__init__()
        architecture = architecture or Architecture()
        self.kind = kind if isinstance(kind, Kind) else CLASSES[one_of("class", kind, CLASSES)]
        channels = int(check_number("channels", channels, low=1, integer=True))
        self.form = DRIFTS[one_of("drift", self.kind.drift, DRIFTS)]
        self.menu = DIFFUSIONS[one_of("diffusion", self.kind.diffusion, DIFFUSIONS)]
        self.bound = BOUNDS[architecture.bound]
        self.title = self.bound.title.format(self.kind.title)
        self.width, self.noise = architecture.width, architecture.noise
        with seeded(seed):
            self._make_networks(channels, architecture)

    @property
    def noise_type(self) -> Noise:
        """What `solve_sde` may rest on: "additive" where the diffusion does not depend on the state."""
        return self.menu.noise

    def initial(self, control: Control) -> State:
        """z(0) from the path's first value: affine, and above zero where the equation is geometric and stays so."""
        start = self.start(control)
        positive = self.form.geometric and self.bound.positive
        return functional.softplus(start) + LEAST if positive else start

    def drift(self, t: Times, z: State, control: Control) -> State:
        """f(t, z, X)."""
        parts = []
        if self.form.state:
            clock = (self.drift_clock(t).expand(len(z), -1),) if self.form.time else ()
            parts.append(self.from_state(torch.cat([*clock, z], -1)))
        if self.form.control:
            parts.append(self.from_control(control))
        mixed = self.mix(torch.cat(parts, -1)) if len(parts) == 2 else parts[0]
        gamma = self.bound.drift(self.gamma(mixed))
        return self.bound.whole(gamma * self.bound.state(z) if self.form.geometric else gamma)

    def diffusion(self, t: Times, z: State) -> State:
        """g(t, z)."""
        # all samples at one time, as with uniform steps: the network of the time is asked once
        shared = t[:1] if t.stride(0) == 0 else t
        s = self._coefficient(shared, z)
        g = self.menu.shape(s, shared, z)
        if self.gate is not None:
            g = self.gate.sigmoid() * g
        return self.noise * self.bound.whole(g)

    def _coefficient(self, t: Times, z: State) -> Tensor:
        kind = self.menu.coefficient
        if kind == "none":
            return z.new_ones(())
        if kind in ("number", "vector"):
            return self.bound.noise(self.scale)
        clock = self.noise_clock(t)
        return self.bound.noise(self.s(clock if kind == "t" else torch.cat([clock.expand(len(z), -1), z], -1)))

    def _make_networks(self, channels: int, sizes: Architecture) -> None:
        width, activation = self.width, ACTIVATIONS[sizes.activation]
        form, kind = self.form, self.menu.coefficient
        if not (form.state or form.control):
            raise InvalidArgument(f"drift {self.kind.drift!r} depends on neither the state nor the path")
        # a drift keeps the plain clock: only the noise has to stay bounded on a long horizon
        self.drift_clock = CLOCKS[self.bound.clock or "time"]()
        self.noise_clock = CLOCKS[one_of("clock", self.bound.clock or self.kind.clock, CLOCKS)]()
        self.start = nn.Linear(channels, width)
        if form.state:
            self.from_state = nn.Linear(width + form.time * self.drift_clock.features, width)
        if form.control:
            self.from_control = nn.Linear(channels, width)
        if form.state and form.control:
            self.mix = nn.Linear(2 * width, width)
        hidden = [layer for _ in range(sizes.depth - 1) for layer in (activation(), nn.Linear(width, width))]
        self.gamma = nn.Sequential(*hidden, activation(), nn.Linear(width, width))
        if kind in ("t", "tz"):
            inputs = self.noise_clock.features + (width if kind == "tz" else 0)
            self.s = nn.Sequential(nn.Linear(inputs, width), activation(), nn.Linear(width, width))
        elif kind != "none":
            self.scale = nn.Parameter(torch.ones(width if kind == "vector" else ()))
        self.gate = nn.Parameter(torch.ones(())) if self.bound.gate else None
