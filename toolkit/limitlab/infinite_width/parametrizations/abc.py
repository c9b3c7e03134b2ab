"""How a network depends on its width before a step is taken, and which limit that choice has: abc-parametrisations.

L hidden layers of width n, h^1 = W^1 x, h^l = W^l phi(h^(l-1)), f = W^(L+1) phi(h^L), with

    W^l = n^(-a_l) w^l,    w^l ~ N(0, n^(-2 b_l)) trained by SGD of rate eta n^(-c).

Training changes the last features by n^(-r),

    r = min(a_(L+1) + b_(L+1), 2 a_(L+1) + c) + c - 1 + min_(l <= L) (2 a_l + [l = 1]),

and the outputs by n^(1 - min(2 a_(L+1) + c, a_(L+1) + b_(L+1) + r)). Nothing grows with n (stable) if and only if
a_1 + b_1 = 0, a_l + b_l = 1/2 in between, a_(L+1) + b_(L+1) >= 1/2, r >= 0, 2 a_(L+1) + c >= 1 and
a_(L+1) + b_(L+1) + r >= 1. The outputs move at all (non-trivial) where one of the last two is an equality. A stable,
non-trivial limit learns features if r = 0; else r > 0 and it trains as a fixed kernel: never both.

Source: Yang, Hu, Feature learning in infinite-width neural networks, arXiv 2011.14522.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from limitlab.errors import InvalidArgument, check_number, one_of
from limitlab.labels import labelled

if TYPE_CHECKING:
    import xarray

REGIMES = ("unstable", "trivial", "kernel", "feature")
_EQUAL = 1e-9  # exponents are halves by meaning, and sums of floats by arithmetic


@dataclass(frozen=True)
class ABC:
    """The exponents of one parametrisation: a and b of the L hidden layers and of the readout, c of the rate.

    >>> ll.infinite_width.ABC(a=(0.0, 0.5, 0.5), b=(0.0, 0.0, 0.0), c=0.0).regime
    'kernel'
    """

    a: tuple[float, ...]
    b: tuple[float, ...]
    c: float

    def __post_init__(self) -> None:
        for name in ("a", "b"):
            exponents = getattr(self, name)
            if not isinstance(exponents, tuple | list) or len(exponents) < 2:
                raise InvalidArgument(f"{name} must hold two numbers or more, one a layer; got {exponents!r:.80}")
            object.__setattr__(self, name, tuple(float(check_number(f"an entry of {name}", e)) for e in exponents))
        if len(self.a) != len(self.b):
            raise InvalidArgument(f"a and b must be of one length; got {len(self.a)} and {len(self.b)} entries")
        object.__setattr__(self, "c", float(check_number("c", self.c)))

    @property
    def hidden(self) -> int:
        """L, the number of hidden layers."""
        return len(self.a) - 1

    @property
    def r(self) -> float:
        """Training changes the last features by n^(-r)."""
        return float(self._limit.r)

    @property
    def stable(self) -> bool:
        """Whether nothing grows with the width."""
        return bool(self._limit.stable)

    @property
    def nontrivial(self) -> bool:
        """Whether the outputs move in the limit, or without bound."""
        return bool(self._limit.nontrivial)

    @property
    def regime(self) -> str:
        """One of REGIMES."""
        return REGIMES[int(self._limit.code)]

    def exponents(self, *, first_step: bool = False) -> tuple[float, ...]:
        """Powers of n by which training changes h^1 .. h^L and f; after one step, or once the readout has moved too.

        The two agree where the readout's update is not larger than the readout, as in every stable preset. Layers above
        an unstable one grow faster still, step by step.
        """
        drawn, moved = self.a[-1] + self.b[-1], 2 * self.a[-1] + self.c
        # a layer moves by its own update or by what comes from below, whichever is larger
        reaching = np.minimum.accumulate(_update(np.asarray(self.a)))
        features = (drawn if first_step else min(drawn, moved)) + self.c - 1 + reaching
        # not -features, which makes -0.0 of zero
        return (*(0.0 - features).tolist(), float(1 - min(moved, drawn + features[-1])))

    def shift(self, theta: float) -> ABC:
        """(a + theta, b - theta, c - 2 theta): other numbers, the same training."""
        t = check_number("theta", theta)
        return ABC(tuple(a + t for a in self.a), tuple(b - t for b in self.b), self.c - 2 * t)

    def with_layer(self, layer: int, a: float) -> ABC:
        """a of that layer (1 .. L + 1) set, its b moved against it: the layer starts as before and trains otherwise."""
        index = int(check_number("layer", layer, low=1, high=len(self.a), integer=True)) - 1
        start = self.a[index] + self.b[index]
        value = check_number("a", a)
        return ABC(
            (*self.a[:index], value, *self.a[index + 1 :]),
            (*self.b[:index], start - value, *self.b[index + 1 :]),
            self.c,
        )

    def with_rate(self, c: float) -> ABC:
        """The same with another c."""
        return ABC(self.a, self.b, c)

    @property
    def _limit(self) -> _Limit:
        return _Limit.of(np.asarray(self.a), np.asarray(self.b), np.asarray(self.c))


def standard(hidden: int = 2) -> ABC:
    """SP: weights of variance 1/fan_in, one rate for all. It explodes; with c = 1 it is a kernel."""
    layers = _hidden(hidden)
    return ABC((0.0,) * (layers + 1), (0.0, *(0.5,) * layers), 0.0)


def ntk(hidden: int = 2) -> ABC:
    """NTP: weights N(0, 1), divided by the root of the width in the forward pass."""
    layers = _hidden(hidden)
    return ABC((0.0, *(0.5,) * layers), (0.0,) * (layers + 1), 0.0)


def mean_field(hidden: int = 1) -> ABC:
    """MFP: an average over the units of the one hidden layer."""
    if hidden != 1:
        raise InvalidArgument(f"the mean-field parametrisation has one hidden layer; got hidden={hidden!r:.80}")
    return ABC((0.0, 1.0), (0.0, 0.0), -1.0)


def maximal_update(hidden: int = 2) -> ABC:
    """muP: every layer moves its features as far as stability allows."""
    layers = _hidden(hidden)
    return ABC((-0.5, *(0.0,) * (layers - 1), 0.5), (0.5,) * (layers + 1), 0.0)


PARAMETRIZATIONS: dict[str, Callable[[int], ABC]] = {
    "sp": standard,
    "sp-lazy": lambda hidden: standard(hidden).with_rate(1.0),
    "ntp": ntk,
    "mfp": mean_field,
    "mup": maximal_update,
}


def parametrization(name: str, hidden: int = 2) -> ABC:
    """The parametrisation of that name. Raises UnknownName with the nearest name.

    >>> ll.infinite_width.parametrization("mup", hidden=2).a
    (-0.5, 0.0, 0.5)
    """
    return PARAMETRIZATIONS[one_of("parametrization", name, PARAMETRIZATIONS)](hidden)


def regime_map(
    abc: ABC,
    x: str = "readout",
    y: str = "c",
    *,
    x_range: tuple[float, float] = (-0.5, 1.5),
    y_range: tuple[float, float] = (-2.0, 2.0),
    points: int = 65,
) -> xarray.Dataset:
    """`regime` (a code: the position in REGIMES) and `r` on the plane through abc along two of its exponents.

    x, y: "c", "readout" or the number of a layer, "1" .. "L+1", for its a with a + b held as `with_layer` does. Dims
    (y, x) are called c, a_readout, a_1 ... The feature and kernel regimes are lines in the plane: choose ranges and
    points whose grid meets them, as the defaults do.

    >>> plane = ll.infinite_width.regime_map(ll.infinite_width.parametrization("mup"), points=9)
    >>> ll.infinite_width.REGIMES[int(plane["regime"].sel(c=0.0, a_readout=0.5))]
    'feature'
    """
    count = int(check_number("points", points, low=2, high=2001, integer=True))
    axes = [_Axis.of(name, abc, span, argument) for argument, name, span in (("x", x, x_range), ("y", y, y_range))]
    if axes[0].name == axes[1].name:
        raise InvalidArgument(f"x and y must be two exponents; got {x!r} twice")
    # copies: a broadcast array is one number seen many times, and cannot be written to
    a, b = (np.broadcast_to(exponents, (count, count, abc.hidden + 1)).copy() for exponents in (abc.a, abc.b))
    c = np.full((count, count), abc.c)
    grids = [np.linspace(*axis.span, count) for axis in axes]
    for axis, values in zip(axes, np.meshgrid(*grids), strict=True):
        if axis.layer is None:
            c[:] = values
        else:
            a[..., axis.layer], b[..., axis.layer] = values, a[..., axis.layer] + b[..., axis.layer] - values
    limit = _Limit.of(a, b, c)
    dims = f"{axes[1].name} {axes[0].name}"
    coordinates = {axis.name: (axis.name, values, axis.meaning) for axis, values in zip(axes, grids, strict=True)}
    regimes = labelled(regime=(dims, limit.code, "regime"), r=(dims, limit.r, "r"), **coordinates)
    regimes["regime"].attrs["flag_meanings"] = " ".join(REGIMES)
    return regimes


@dataclass(frozen=True)
class _Limit:
    """What the exponents mean, for arrays of parametrisations at once: a and b (..., L + 1), c (...)."""

    r: np.ndarray
    stable: np.ndarray
    nontrivial: np.ndarray

    @classmethod
    def of(cls, a: Float[np.ndarray, "... layers"], b: Float[np.ndarray, "... layers"], c: np.ndarray) -> _Limit:
        start, readout_moves = a + b, 2 * a[..., -1] + c
        r = np.minimum(start[..., -1], readout_moves) + c - 1 + _update(a).min(-1)
        margins = np.stack([start[..., -1] - 0.5, r, readout_moves - 1, start[..., -1] + r - 1])
        needed = np.zeros(a.shape[-1] - 1)
        needed[1:] = 0.5
        stable = (abs(start[..., :-1] - needed) < _EQUAL).all(-1) & (margins > -_EQUAL).all(0)
        return cls(r, stable, np.asarray((margins[2:] < _EQUAL).any(0)))

    @property
    def code(self) -> np.ndarray:
        """Position in REGIMES."""
        learning = np.where(self.r < _EQUAL, REGIMES.index("feature"), REGIMES.index("kernel"))
        return np.where(self.stable, np.where(self.nontrivial, learning, REGIMES.index("trivial")), 0)


def _update(a: Float[np.ndarray, "... layers"]) -> Float[np.ndarray, "... hidden"]:
    """2 a_l + [l = 1]: the input of the first layer does not grow with n, so its gradient sums no n terms."""
    # a new array: the line below must not change a
    exponents = 2 * a[..., :-1]
    exponents[..., 0] += 1
    return exponents


@dataclass(frozen=True)
class _Axis:
    name: str
    meaning: str
    layer: int | None
    span: tuple[float, float]

    @classmethod
    def of(cls, name: str, abc: ABC, span: tuple[float, float], argument: str) -> _Axis:
        low, high = (check_number(f"{argument}_range", bound) for bound in span)
        if not low < high:
            raise InvalidArgument(f"{argument}_range must be (low, high) with low < high; got {span!r:.80}")
        known = ["c", "readout", *(str(layer + 1) for layer in range(abc.hidden + 1))]
        one_of(f"exponent of {argument}", name, known)
        if name == "c":
            return cls("c", "c of the learning rate", None, (low, high))
        if name in ("readout", known[-1]):
            return cls("a_readout", "a of the readout", abc.hidden, (low, high))
        return cls(f"a_{name}", f"a of layer {name}", int(name) - 1, (low, high))


def _hidden(hidden: int) -> int:
    return int(check_number("hidden", hidden, low=1, high=1000, integer=True))
