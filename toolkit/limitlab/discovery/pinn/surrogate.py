"""One trajectory or field as a network: u = A + B N with its derivatives by name, at points.

The derivatives of A + B N are taken symbolically, by the product rule, and compiled once with the network's as inputs;
those of N come out of its one pass along as few directions as are needed.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.discovery.pinn.conditions import Ansatz
from limitlab.discovery.pinn.jets.layers import Jet
from limitlab.discovery.pinn.networks import JetNetwork
from limitlab.discovery.pinn.residual import Derivative
from limitlab.errors import InvalidArgument
from limitlab.problems.compiled.program import Program
from limitlab.saved import Saved

Axes = tuple[str, ...]


class Surrogate(Saved):
    """Unknowns of an equation on (point, axis), which keep the conditions of `ansatz`.

    >>> network = ll.discovery.pinn.JetNetwork([0.0], [1.0], outputs=1)
    >>> ansatz = ll.discovery.pinn.Ansatz(base=("2",), factor=("t",))
    >>> wanted = (ll.discovery.pinn.Derivative("u"), ll.discovery.pinn.Derivative("u", ("t",)))
    >>> surrogate = ll.discovery.pinn.Surrogate(network, ansatz, ("t",), ("u",), wanted)
    >>> surrogate.fields(torch.zeros(1, 1, dtype=torch.float64))["u"].item()
    2.0
    """

    def __init__(
        self,
        network: JetNetwork,
        ansatz: Ansatz,
        coordinates: Sequence[str],
        unknowns: Sequence[str],
        wanted: Sequence[Derivative],
    ) -> None:
        super().__init__()
        if len(ansatz.base) != len(unknowns):
            raise InvalidArgument(f"the ansatz must hold a text for each of {', '.join(unknowns)}; got {ansatz.base}")
        self.network, self.unknowns = network, tuple(unknowns)
        self._whole = _Form(ansatz, tuple(coordinates), self.unknowns, tuple(wanted))
        self._values = _Form(ansatz, tuple(coordinates), self.unknowns, tuple(Derivative(u) for u in unknowns))

    def fields(self, points: Float[Tensor, "point axis"]) -> dict[str, Float[Tensor, " point"]]:
        """The wanted derivatives by name."""
        return self._whole(self.network, points)

    def forward(self, points: Float[Tensor, "point axis"]) -> Float[Tensor, "point unknown"]:
        """The unknowns."""
        return torch.stack(list(self._values(self.network, points).values()), -1)


class _Form:
    """Derivatives of A + B N as a program of the coordinates and of derivatives of N."""

    def __init__(
        self, ansatz: Ansatz, coordinates: Axes, unknowns: tuple[str, ...], wanted: tuple[Derivative, ...]
    ) -> None:
        import sympy

        symbols = {name: sympy.Symbol(name, real=True) for name in coordinates}
        self._names = [d.name for d in wanted]
        inputs: dict[tuple[int, Axes], str] = {}
        expressions = []
        for derivative in wanted:
            row = unknowns.index(derivative.unknown)
            base, factor = ansatz.parsed(coordinates)[row]
            network = sympy.Function("N", real=True)(*symbols.values())
            whole = sympy.expand(base + factor * network)
            for axis in derivative.axes:
                whole = sympy.diff(whole, symbols[axis])
            replaced = {}
            for node in (network, *whole.atoms(sympy.Derivative)):
                axes = tuple(sorted((v.name for v in getattr(node, "variables", ())), key=coordinates.index))
                name = inputs.setdefault((row, axes), f"network {row} {' '.join(axes)}")
                replaced[node] = sympy.Symbol(name, real=True)
            # derivatives before the function that they hold
            whole = whole.xreplace({node: s for node, s in replaced.items() if node != network})
            expressions.append(whole.xreplace({network: replaced[network]}))
        self._inputs = list(inputs)
        self._run = Program(expressions, (*coordinates, *inputs.values()), ()).bind({})
        self._directions, self._curved, self._rows = _directions(coordinates, [axes for _, axes in inputs])

    def __call__(self, network: JetNetwork, points: Tensor) -> dict[str, Tensor]:
        directions = torch.tensor(self._directions, dtype=points.dtype, device=points.device)
        jet = network.jet(points, directions.reshape(-1, points.shape[-1]), self._curved)
        inputs = [self._derivative(jet, axes)[:, column] for column, axes in self._inputs]
        values = self._run(*points.unbind(-1), *inputs)
        return {
            name: torch.as_tensor(value, dtype=points.dtype, device=points.device).expand(len(points))
            for name, value in zip(self._names, values, strict=True)
        }

    def _derivative(self, jet: Jet, axes: Axes) -> Tensor:
        if not axes:
            return jet.value
        if len(axes) == 1:
            return jet.first[self._rows[axes]]
        if axes[0] == axes[1]:
            return jet.second[self._rows[axes[:1]]]
        # the second derivative along a + b holds the mixed one twice
        first, second = (jet.second[self._rows[(axis,)]] for axis in axes)
        return (jet.second[self._rows[axes]] - first - second) / 2


def _directions(coordinates: Axes, wanted: Sequence[Axes]) -> tuple[list[list[float]], int, dict[Axes, int]]:
    """Directions, how many of them need second derivatives (they come first), and the row of each."""
    curved: set[Axes] = {axes for axes in wanted if len(axes) == 2 and axes[0] != axes[1]}
    curved |= {(axis,) for axes in wanted if len(axes) == 2 for axis in axes}
    straight = {axes for axes in wanted if len(axes) == 1} - curved
    ordered = [*sorted(curved), *sorted(straight)]
    rows = {axes: row for row, axes in enumerate(ordered)}
    return [[float(name in axes) for name in coordinates] for axes in ordered], len(curved), rows
