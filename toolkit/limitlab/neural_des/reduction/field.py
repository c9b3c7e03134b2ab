"""Fields with units that act one by one: x' = B f(A x + b) + c - leak x + Z u, and the module around one.

The full block has B = 1, c = 0. Every way to make it small is a field of the same form with other maps, so that one
class runs them all, and what differs is what is compared: their sizes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from jaxtyping import Float
from torch import Tensor, nn

from limitlab.errors import InvalidArgument, check_number
from limitlab.neural_des.reduction.basis import Basis
from limitlab.saved import Saved


class ElementwiseField(Saved):
    """x' = outer(f(inner(x))) - leak x + Z u of states (batch, state) and an input u (batch, input) that is held.

    inner: affine, from the states to the units. activation: f, a module that acts unit by unit; another (softmax,
    a layer norm) raises InvalidArgument, since a few of its outputs need all its inputs. outer: affine, from the units
    to the states, the identity where it is None. inputs: Z, a linear map without a bias, or None.

    >>> field = ll.neural_des.reduction.ElementwiseField(torch.nn.Linear(4, 4), torch.nn.Tanh(), leak=1.0)
    >>> field(torch.ones(2, 4)).shape
    torch.Size([2, 4])
    """

    def __init__(
        self,
        inner: nn.Module,
        activation: Callable[[Tensor], Tensor],
        outer: nn.Module | None = None,
        *,
        leak: float = 0.0,
        inputs: nn.Linear | None = None,
    ) -> None:
        super().__init__()
        _require_elementwise(activation)
        if inputs is not None and inputs.bias is not None:
            raise InvalidArgument("inputs must be a linear map without a bias: inner has one")
        self.inner, self.activation, self.outer, self.inputs = inner, activation, outer, inputs
        self.leak = float(check_number("leak", leak, low=0.0))

    def units(self, x: Float[Tensor, "batch state"]) -> Float[Tensor, "batch unit"]:
        """f(inner(x)), the part that interpolation makes cheap."""
        return self.activation(self.inner(x))

    def forward(self, x: Float[Tensor, "batch state"]) -> Float[Tensor, "batch state"]:
        """The slope but for Z u, which does not change while an input is held."""
        slope = self.units(x)
        if self.outer is not None:
            slope = self.outer(slope)
        return slope - self.leak * x if self.leak else slope


class ElementwiseODE(Saved):
    """Logits of data through a block x' = field(x): encode -> solve by RK4 with steps of one size -> read_out.

    With inputs u (batch, segment, input), segment j of them is held for time j to j + 1; without, time is 0 to 1.
    basis: the modes that the states are coordinates of, in a reduced block.

    >>> field = ll.neural_des.reduction.ElementwiseField(torch.nn.Linear(4, 4), torch.nn.Tanh())
    >>> model = ll.neural_des.reduction.ElementwiseODE(torch.nn.Linear(3, 4), field, torch.nn.Linear(4, 2), steps=4)
    >>> model(torch.zeros(5, 3)).shape, model.states(torch.zeros(5, 3)).shape
    (torch.Size([5, 2]), torch.Size([5, 5, 4]))
    """

    def __init__(
        self,
        encode: nn.Module,
        field: ElementwiseField,
        read_out: nn.Module,
        *,
        steps: int = 10,
        basis: Basis | None = None,
    ) -> None:
        super().__init__()
        self.encode, self.field, self.read_out, self.basis = encode, field, read_out, basis
        self.steps = int(check_number("steps", steps, low=1, integer=True))

    def forward(self, data: Tensor, inputs: Float[Tensor, "batch segment input"] | None = None) -> Tensor:
        *_, last = self._path(self.encode(data), inputs)
        return self.read_out(last)

    def states(
        self, data: Tensor, inputs: Float[Tensor, "batch segment input"] | None = None
    ) -> Float[Tensor, "batch time state"]:
        """The state at the start and after every step."""
        start = self.encode(data)
        return torch.stack([start, *self._path(start, inputs)], dim=1)

    def lift(self, states: Float[Tensor, "*batch state"]) -> Float[Tensor, "*batch full"]:
        """States of the block that this one was made from, where it is a reduced one; else the states."""
        if self.basis is None:
            return states
        return self.basis.centre.to(states) + states @ self.basis.modes.to(states).T

    def _path(self, x: Tensor, inputs: Tensor | None) -> Iterator[Tensor]:
        """The state after every step, segment after segment.

        A plain loop in place of `solve_ode`, whose log nobody asks for here: so the block exports as a network, and
        what is timed is its arithmetic.
        """
        size = 1 / self.steps
        for drive in [None] if inputs is None else self._drives(inputs):
            for _ in range(self.steps):
                first = self._slope(x, drive)
                second = self._slope(torch.add(x, first, alpha=size / 2), drive)
                third = self._slope(torch.add(x, second, alpha=size / 2), drive)
                fourth = self._slope(torch.add(x, third, alpha=size), drive)
                x = torch.add(x, first + 2 * (second + third) + fourth, alpha=size / 6)
                yield x

    def _slope(self, x: Tensor, drive: Tensor | None) -> Tensor:
        slope = self.field(x)
        return slope if drive is None else slope + drive

    def _drives(self, inputs: Float[Tensor, "batch segment input"]) -> tuple[Tensor, ...]:
        if self.field.inputs is None:
            raise InvalidArgument("inputs are given, but the field has no map for them")
        if inputs.dim() != 3 or inputs.shape[-1] != self.field.inputs.in_features:
            raise InvalidArgument(
                f"inputs must be (batch, segment, {self.field.inputs.in_features}); got {tuple(inputs.shape)}"
            )
        return self.field.inputs(inputs).unbind(1)


def operations(field: ElementwiseField) -> int:
    """Floating-point operations of one call a sample: two for every weight of its linear maps, one for every unit.

    A convolution counts with the size of its kernel at every place. Raises InvalidArgument for other maps.

    >>> maps = torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 4, bias=False)
    >>> ll.neural_des.reduction.operations(ll.neural_des.reduction.ElementwiseField(*maps))
    136
    """
    maps = [part for top in (field.inner, field.outer) if top is not None for part in top.modules()]
    total, units = 0, 0
    for part in maps:
        if isinstance(part, nn.Linear):
            total += 2 * part.weight.numel()
            units = part.out_features if part is not field.outer else units
        elif isinstance(part, FlatConvolution):
            places = part.shape[1] * part.shape[2]
            total += 2 * part.kernel.weight.numel() * places
            units = part.kernel.out_channels * places
    if not total:
        raise InvalidArgument(f"operations of {type(field.inner).__name__} are not known")
    return total + units


class FlatConvolution(Saved):
    """A convolution of the same size, between flattened images (batch, channel * y * x).

    >>> ll.neural_des.reduction.FlatConvolution((2, 8, 8))(torch.zeros(3, 128)).shape
    torch.Size([3, 128])
    """

    def __init__(self, shape: tuple[int, int, int], kernel_size: int = 3) -> None:
        super().__init__()
        self.shape = shape
        self.kernel = nn.Conv2d(shape[0], shape[0], kernel_size, padding="same")

    def forward(self, x: Float[Tensor, "batch state"]) -> Float[Tensor, "batch state"]:
        return self.kernel(x.unflatten(1, self.shape)).flatten(1)


def _require_elementwise(activation: Callable[[Tensor], Tensor]) -> None:
    """Raises InvalidArgument where an output of the activation depends on more than its own input."""
    generator = torch.Generator().manual_seed(0)
    probe = torch.randn(3, 7, generator=generator)
    with torch.no_grad():
        try:
            value = activation(probe)
            alone = torch.stack([activation(column) for column in probe.split(1, dim=1)], dim=1).squeeze(-1)
        except (RuntimeError, ValueError, TypeError) as problem:
            raise InvalidArgument(f"activation must act element by element; it failed: {problem!s:.120}") from problem
    if value.shape != probe.shape or not torch.allclose(value, alone, atol=1e-6):
        name = type(activation).__name__
        raise InvalidArgument(
            f"activation must act element by element: a few outputs of {name} need all of its inputs, so that"
            " interpolation saves nothing"
        )
