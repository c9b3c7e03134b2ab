"""Laws of initial values in R^d: data, not functions, so that a problem's hash covers them.

Each sample has a random stream of its own, so that it depends only on (seed, its number).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

if TYPE_CHECKING:
    from limitlab.problems.compiled.vector_field import Values

Stream = np.random.Generator


def streams(samples: int, seed: int, first: int, attempt: int = 0) -> list[Stream]:
    """Independent random streams of samples first, first + 1, ...; another attempt at a sample has another stream."""
    # nothing for the first attempt, so that its stream is that of (seed, sample)
    tail = [attempt] if attempt else []
    return [Stream(np.random.PCG64([seed, first + sample, *tail])) for sample in range(samples)]


class StateSpace(Protocol):
    """What a law knows of a problem: its states, its own initial value, and texts in its parameters."""

    @property
    def sites(self) -> int:
        """Number of sites, or 0."""

    @property
    def dimension(self) -> int:
        """Numbers of a state vector."""

    def start(self, values: Values) -> Float[Tensor, "*samples state"]:
        """The default initial value at these parameters."""

    def evaluate(
        self, texts: Sequence[str], values: Values, extras: Mapping[str, Tensor]
    ) -> Float[Tensor, "*samples state"]:
        """One text a state, in parameters and extra numbers."""


class StateLaw(Protocol):
    """Anything that draws initial values."""

    def draw(self, space: StateSpace, streams: Sequence[Stream], values: Values) -> Float[Tensor, "samples state"]:
        """One initial value a stream, float64; `values` are the parameters, numbers or one a sample."""


@dataclass(frozen=True)
class Nearby:
    """The problem's own initial value, each component times its own factor from U(1 - spread, 1 + spread).

    >>> near = ll.problems.parse("x' = -x", initial=ll.problems.Nearby(spread=0.5))
    >>> bool(((near.sample(9)[0] - 1).abs() <= 0.5).all())
    True
    """

    spread: float = 0.1

    def draw(self, space: StateSpace, streams: Sequence[Stream], values: Values) -> Tensor:
        center = space.start(values).expand(len(streams), -1)
        factors = [stream.uniform(1 - self.spread, 1 + self.spread, center.shape[1]) for stream in streams]
        return center * torch.from_numpy(np.stack(factors))


@dataclass(frozen=True)
class Box:
    """Independent uniform components: one interval for all, or one a component.

    >>> start, _ = ll.problems.parse("x' = -x", initial=ll.problems.Box(2.0, 3.0)).sample(9)
    >>> bool(((start >= 2) & (start <= 3)).all())
    True
    """

    low: float | tuple[float, ...]
    high: float | tuple[float, ...]

    def draw(self, space: StateSpace, streams: Sequence[Stream], values: Values) -> Tensor:
        size = space.dimension
        return torch.from_numpy(np.stack([stream.uniform(self.low, self.high, size) for stream in streams]))


@dataclass(frozen=True)
class Gaussian:
    """Independent normal components of one mean and one standard deviation.

    >>> start, _ = ll.problems.parse("x' = -x", initial=ll.problems.Gaussian(5.0, 0.1)).sample(100)
    >>> round(float(start.mean()))
    5
    """

    mean: float = 0.0
    deviation: float = 1.0

    def draw(self, space: StateSpace, streams: Sequence[Stream], values: Values) -> Tensor:
        size = space.dimension
        return torch.from_numpy(np.stack([stream.normal(self.mean, self.deviation, size) for stream in streams]))


@dataclass(frozen=True)
class Draw:
    """A random number of a `Drawn` law: uniform on [low, high], or normal with mean low and standard deviation high.

    >>> ll.problems.Draw("angle", 0.0, 6.28).kind
    'uniform'
    """

    name: str
    low: float
    high: float
    kind: Literal["uniform", "normal"] = "uniform"


@dataclass(frozen=True)
class Drawn:
    """Initial values as texts, one a state, in random numbers, parameters and, with sites, i, N and mean(...).

    per_site: with sites, one independent number a site.

    >>> circle = ll.problems.Drawn(("cos(angle)", "sin(angle)"), (ll.problems.Draw("angle", 0.0, 6.28),))
    >>> start, _ = ll.problems.parse("x' = y; y' = -x", initial=circle).sample(9)
    >>> torch.allclose(start.norm(dim=1), torch.ones(9).double())
    True
    """

    texts: tuple[str, ...]
    draws: tuple[Draw, ...]
    per_site: bool = True

    def draw(self, space: StateSpace, streams: Sequence[Stream], values: Values) -> Tensor:
        shape = (space.sites,) if space.sites and self.per_site else (1,) if space.sites else ()
        numbers = [
            [getattr(stream, draw.kind)(draw.low, draw.high, shape) for draw in self.draws] for stream in streams
        ]
        extras = torch.from_numpy(np.asarray(numbers)).unbind(1)
        return space.evaluate(self.texts, values, {d.name: e for d, e in zip(self.draws, extras, strict=True)})
