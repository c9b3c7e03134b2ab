"""Drifts, diffusions and bounds of latent stochastic equations dz = f(t, z, X) dt + g(t, z) dW, as rows to choose from.

X is the path through the data, which enters by its value. gamma is a network of what the row says, s a network or a
number, z in R^d, and all products are componentwise:

| class | drift f | diffusion g |
|---|---|---|
| naive | gamma(t, z) | s(t, z) |
| naive_control | gamma(t, z, X) | s(t, z) |
| lsde (Langevin-type) | gamma(z, X) | s(t) |
| lnsde (linear noise) | gamma(t, z, X) | s(t) z |
| gsde (geometric) | gamma(t, z, X) z | s(t) z |

All are Ito equations with diagonal noise. The class `naive` sees the data at the first time only, so that what it lacks
against the others is the input, not stability: compare with `naive_control`.
Source: Oh, Lim, Kim, Stable neural stochastic differential equations (2024), arXiv 2402.14989, section 3.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.errors import one_of

State = Float[Tensor, "batch state"]
Coefficient = Literal["none", "number", "vector", "t", "tz"]
ROOT_FLOOR = 1e-6


@dataclass(frozen=True)
class Drift:
    """What gamma is a network of; geometric: f = gamma z instead of f = gamma."""

    formula: str
    time: bool = False
    state: bool = False
    control: bool = False
    geometric: bool = False


@dataclass(frozen=True)
class Diffusion:
    """g = shape(s, t, z), where s is one, a number, a vector, a network of t, or a network of (t, z).

    noise: what `solve_sde` may rest on; "additive" where g does not depend on z.
    """

    formula: str
    coefficient: Coefficient
    shape: Callable[[Tensor, Tensor, State], State]
    noise: Literal["additive", "diagonal"] = "diagonal"


@dataclass(frozen=True)
class Bound:
    """What is put around the networks. `whole` is around all of f and of g, the others around parts of them.

    state: around the factor z of a geometric drift. gate: g is multiplied by sigmoid(theta), theta learned, 1 at first.
    positive: a geometric equation begins above zero. clock: replaces the class's own, see `limitlab.neural_des.
    stable_sde.dynamics`. title: of a class under this bound.
    """

    title: str
    drift: Callable[[Tensor], Tensor]
    noise: Callable[[Tensor], Tensor]
    state: Callable[[Tensor], Tensor]
    whole: Callable[[Tensor], Tensor]
    gate: bool = False
    positive: bool = True
    clock: str | None = None


@dataclass(frozen=True)
class Kind:
    """A class of equations: names of a drift and a diffusion, its title, and the clock that s(t) reads.

    scheme: the method of `solve_sde` that fits it best.

    >>> ll.neural_des.stable_sde.CLASSES["gsde"].drift
    'geometric'
    """

    title: str
    drift: str
    diffusion: str
    clock: str = "time"
    scheme: str = "euler_maruyama"


def same(x: Tensor) -> Tensor:
    """x."""
    return x


def root(z: State) -> State:
    """sqrt(z) where z > 0, else 0; the slope ends at z = 1e-6, where it would be infinite."""
    return torch.where(z > ROOT_FLOOR, z.clamp_min(ROOT_FLOOR).sqrt(), 0.0)


DRIFTS: dict[str, Drift] = {
    "control": Drift("gamma(X)", control=True),
    "state": Drift("gamma(z)", state=True),
    "state_control": Drift("gamma(z, X)", state=True, control=True),
    "time_state": Drift("gamma(t, z)", time=True, state=True),
    "time_state_control": Drift("gamma(t, z, X)", time=True, state=True, control=True),
    "geometric": Drift("gamma(t, z, X) z", time=True, state=True, control=True, geometric=True),
}

DIFFUSIONS: dict[str, Diffusion] = {
    "zero": Diffusion("0", "none", lambda s, t, z: torch.zeros_like(z), "additive"),
    "number": Diffusion("s", "number", lambda s, t, z: s.expand_as(z), "additive"),
    "number_time": Diffusion("s t", "number", lambda s, t, z: (s * t).expand_as(z), "additive"),
    "number_state": Diffusion("s z", "number", lambda s, t, z: s * z),
    "vector": Diffusion("diag(s)", "vector", lambda s, t, z: s.expand_as(z), "additive"),
    "root": Diffusion("sqrt(z)", "none", lambda s, t, z: root(z)),
    "cube": Diffusion("z^3", "none", lambda s, t, z: z**3),
    "sigmoid": Diffusion("sigmoid(z)", "none", lambda s, t, z: z.sigmoid()),
    "relu": Diffusion("relu(z)", "none", lambda s, t, z: z.relu()),
    "time_state": Diffusion("t z", "none", lambda s, t, z: t * z),
    "net_time": Diffusion("NN(t)", "t", lambda s, t, z: s.expand_as(z), "additive"),
    "net_time_scaled": Diffusion("NN(t) z", "t", lambda s, t, z: s * z),
    "net_time_state": Diffusion("NN(t, z)", "tz", lambda s, t, z: s),
    "net_time_state_scaled": Diffusion("NN(t, z) z", "tz", lambda s, t, z: s * z),
}

BOUNDS: dict[str, Bound] = {
    "none": Bound("{}, unbounded", same, same, same, same),
    "coefficient": Bound("{}", torch.tanh, torch.tanh, same, same),
    "outer": Bound(
        "{}, clipped", same, torch.relu, torch.tanh, torch.tanh, gate=True, positive=False, clock="periodic"
    ),
}
"""`coefficient`: gamma and s bounded by tanh, which leaves a class what it is and is what the existence theorem asks of
the geometric one (gamma(z) z is quadratic where gamma grows linearly, and explodes in finite time). `outer`: the
authors' benchmark code; its equations are bounded whatever the networks are, but they are not of the theorem's classes:
a clipped geometric equation does not keep its sign."""

CLASSES: dict[str, Kind] = {
    "naive": Kind("naive", "time_state", "net_time_state"),
    "naive_control": Kind("naive with control", "time_state_control", "net_time_state"),
    "lsde": Kind("LSDE", "state_control", "net_time"),
    "lnsde": Kind("LNSDE", "time_state_control", "net_time_scaled", clock="saturating"),
    "gsde": Kind("GSDE", "geometric", "net_time_scaled", scheme="log_euler"),
}


def title_of(kind: str, bound: str) -> str:
    """What a class under a bound is called.

    >>> ll.neural_des.stable_sde.title_of("gsde", "outer")
    'GSDE, clipped'
    """
    return BOUNDS[one_of("bound", bound, BOUNDS)].title.format(CLASSES[one_of("class", kind, CLASSES)].title)
