"""One description of a network for both sides of the limit: its kernels at infinite width, its weights at a finite one.

    chain(Dense(2.0, 0.01), "relu", Dense(2.0, 0.01), "relu", Dense(2.0, 0.01))  ==  mlp(2, "relu", 2.0, 0.01)

A layer holds no width and no weights. In NTK parametrisation Dense is a -> sqrt(s_w^2/n) W a + s_b b, W and b ~ N(0, 1)
and n the number of its inputs; Conv the same with n = channels times the size of the kernel. `weight_variance` is s_w^2
and `bias_variance` s_b^2. A chain is checked when it is made: kernels exist where an activation meets Gaussian values,
that is after Dense or Conv.

Source: Jacot, Gabriel, Hongler, arXiv 1806.07572; Novak et al., arXiv 1912.02803 (layers beyond the dense ones).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

from limitlab.cards import Card, Shown
from limitlab.errors import InvalidArgument, check_number, unknown_name
from limitlab.infinite_width.limit.activations import Activation, activation

Values = Literal["data", "gaussian", "features", "pooled"]
PADDINGS = ("zeros", "periodic")


@dataclass(frozen=True)
class Dense:
    """Affine map of the features of one point. Raises InvalidArgument for a negative variance.

    >>> network = ll.infinite_width.chain(ll.infinite_width.Dense(2.0, 0.1), "relu", ll.infinite_width.Dense())
    >>> len(network)
    3
    """

    weight_variance: float = 1.0
    bias_variance: float = 0.0

    def __post_init__(self) -> None:
        _check_variances(self)


@dataclass(frozen=True)
class Conv:
    """Convolution over the grid of the data, in one dimension or two; stride 1, as many points out as in.

    size: odd number of taps along every axis. padding: "zeros" or "periodic".

    >>> ll.infinite_width.Conv(2.0, size=5).padding
    'zeros'
    """

    weight_variance: float = 1.0
    bias_variance: float = 0.0
    size: int = 3
    padding: str = "zeros"

    def __post_init__(self) -> None:
        _check_variances(self)
        # a frozen dataclass; numbers of an array may be NumPy's
        object.__setattr__(self, "size", check_number("size of a Conv", self.size, low=1, integer=True))
        if self.size % 2 == 0:
            raise InvalidArgument(f"size of a Conv must be odd; got {self.size}")
        if self.padding not in PADDINGS:
            raise unknown_name("padding", self.padding, PADDINGS)


@dataclass(frozen=True)
class Flatten:
    """All channels at all points of the grid as the features of a Dense layer."""


@dataclass(frozen=True)
class GlobalPool:
    """The mean over the grid, channel by channel."""


@dataclass(frozen=True)
class LayerNorm:
    """(h - mean h)/sqrt(var h + epsilon) over the channels of each point of the grid, without trained scale or shift.

    Its limit divides by a constant standard deviation; the mean of a Gaussian layer tends to zero.

    >>> wide = ll.infinite_width
    >>> normed = wide.chain(wide.Dense(9.0), wide.LayerNorm(), "relu", wide.Dense())
    >>> round(wide.kernels(normed, torch.tensor([[1.0, 0.0]])).nngp.item(), 3)  # the scale of the first layer is gone
    0.5
    """

    epsilon: float = 1e-6

    def __post_init__(self) -> None:
        object.__setattr__(self, "epsilon", check_number("epsilon", self.epsilon, low=0))


@dataclass(frozen=True)
class Sum:
    """The sum of several branches on one input; all but one must end in Dense or Conv, which makes them uncorrelated.

    `parallel` makes one, and `residual` the one with a branch that does nothing.
    """

    branches: tuple[tuple[Layer, ...], ...]


Layer = Dense | Conv | Activation | Flatten | GlobalPool | LayerNorm | Sum


@dataclass(frozen=True)
class Chain(Shown):
    """Layers one after the other. Iterates over them; `chain(...)` makes one.

    >>> len(ll.infinite_width.mlp(2, "relu"))
    5
    """

    layers: tuple[Layer, ...]

    def __post_init__(self) -> None:
        follow(self, "data")  # raises where no limit exists

    def __iter__(self) -> Iterator[Layer]:
        return iter(self.layers)

    def __len__(self) -> int:
        return len(self.layers)

    def card(self) -> Card:
        """The layers in their order, with what each says that is not usual."""
        smooth = "yes" if self.smooth else "no, an activation has a kink"
        return Card(f"Chain of {len(self)} layers", (("layers", _shown(self.layers)), ("smooth", smooth)))

    @property
    def smooth(self) -> bool:
        """Whether every activation is smooth, so that the kernel can be differentiated at equal points."""
        return all(layer.smooth for layer in every_layer(self) if isinstance(layer, Activation))


def _shown(layers: Sequence[Layer]) -> str:
    """Layers as text: Dense(weight_variance=2) -> relu -> Dense."""
    return " -> ".join(map(_shown_layer, layers)) or "identity"


def _shown_layer(layer: Layer) -> str:
    if isinstance(layer, Activation):
        return layer.name
    if isinstance(layer, Sum):
        return f"({' + '.join(map(_shown, layer.branches))})"
    changed = [f for f in fields(layer) if getattr(layer, f.name) != f.default]
    numbers = ", ".join(f"{f.name}={getattr(layer, f.name)}" for f in changed)
    return type(layer).__name__ + (f"({numbers})" if numbers else "")


def chain(*layers: Layer | str) -> Chain:
    """A chain of layers; a string is the activation of that name. Raises InvalidArgument, UnknownName.

    >>> wide = ll.infinite_width
    >>> wide.chain(wide.Dense(2.0), "erf", wide.Dense(2.0)) == wide.mlp(1, "erf", 2.0)
    True
    """
    return Chain(_layers(layers))


def mlp(
    hidden: int,
    nonlinearity: str | Activation = "relu",
    weight_variance: float = 1.0,
    bias_variance: float = 0.0,
    **options: Any,
) -> Chain:
    """`hidden` hidden layers and a linear readout, hidden + 1 Dense layers with the same variances.

    >>> [type(layer).__name__ for layer in ll.infinite_width.mlp(1, "tanh")]
    ['Dense', 'Activation', 'Dense']
    """
    count = int(check_number("hidden", hidden, low=0, integer=True))
    dense, between = Dense(weight_variance, bias_variance), activation(nonlinearity, **options)
    return chain(*(dense, between) * count, dense)


def residual(*layers: Layer | str) -> Sum:
    """x -> x + layers(x); the last of the layers must be Dense or Conv.

    >>> wide = ll.infinite_width
    >>> network = wide.chain(wide.Dense(), wide.residual("relu", wide.Dense()), wide.Dense())
    """
    return Sum(((), _layers(layers)))


def parallel(*branches: Sequence[Layer | str]) -> Sum:
    """x -> the sum of branch(x) over several sequences of layers.

    >>> wide = ll.infinite_width
    >>> branches = wide.parallel(["relu", wide.Dense()], ["sin", wide.Dense()])
    >>> network = wide.chain(wide.Dense(), branches, wide.Dense())
    """
    return Sum(tuple(_layers(branch) for branch in branches))


def every_layer(layers: Iterable[Layer]) -> Iterator[Layer]:
    """All layers, those inside of sums included."""
    for layer in layers:
        yield layer
        if isinstance(layer, Sum):
            for branch in layer.branches:
                yield from every_layer(branch)


def follow(layers: Iterable[Layer], values: Values) -> Values:
    """What the values are after the layers, given what they are before. Raises InvalidArgument where a limit fails."""
    for position, layer in enumerate(layers):
        values = _after(layer, values, f"layer {position + 1}, {_name(layer)},")
    return values


def _after(layer: Layer, values: Values, where: str) -> Values:
    if not isinstance(layer, Layer):
        raise InvalidArgument(
            f"a layer must be Dense, Conv ... or, in chain(...), an activation's name; got {layer!r:.60}"
        )
    if isinstance(layer, Dense):
        return "gaussian"
    if values == "pooled":
        raise InvalidArgument(f"{where} comes after Flatten or GlobalPool, where only Dense can")
    if isinstance(layer, Conv):
        return "gaussian"
    if isinstance(layer, Flatten | GlobalPool):
        return "pooled"
    if isinstance(layer, Activation | LayerNorm):
        if values != "gaussian":
            raise InvalidArgument(f"{where} must come after Dense or Conv: it needs Gaussian values")
        return "features" if isinstance(layer, Activation) else "gaussian"
    if values == "data":
        raise InvalidArgument(f"{where} must come after Dense or Conv, which give the data the width of its branches")
    if len(layer.branches) < 2 or sum(not _is_fresh(branch) for branch in layer.branches) > 1:
        raise InvalidArgument(f"{where} needs two branches or more, all but one ending in Dense or Conv")
    ends = {follow(branch, values) for branch in layer.branches}
    if "pooled" in ends:
        raise InvalidArgument(f"{where} has a branch that ends in Flatten or GlobalPool; let Dense follow there")
    return "gaussian" if ends == {"gaussian"} else "features"


def _is_fresh(branch: Sequence[Layer]) -> bool:
    return len(branch) > 0 and isinstance(branch[-1], Dense | Conv)


def _layers(layers: Sequence[Layer | str]) -> tuple[Layer, ...]:
    return tuple(activation(layer) if isinstance(layer, str) else layer for layer in layers)


def _check_variances(layer: Dense | Conv) -> None:
    for name in ("weight_variance", "bias_variance"):
        object.__setattr__(layer, name, check_number(f"{name} of {_name(layer)}", getattr(layer, name), low=0))


def _name(layer: Layer) -> str:
    return layer.name if isinstance(layer, Activation) else type(layer).__name__
