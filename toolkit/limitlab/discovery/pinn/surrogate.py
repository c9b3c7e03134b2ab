"""One trajectory or field as a network: u = A + B N with its derivatives by name, at points.

The derivatives of A + B N are taken symbolically, by the product rule, and are linear in those of N, which come out of
its one pass along as few directions as are needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.discovery.pinn.conditions import Ansatz
from limitlab.discovery.pinn.networks import Features, JetNetwork
from limitlab.discovery.pinn.residual import Derivative
from limitlab.errors import InvalidArgument
from limitlab.problems.compiled.program import Program
from limitlab.saved import Saved
from limitlab.solvers.derivatives import is_watched

if TYPE_CHECKING:
    import sympy

MOST_KEPT = 2**16
"""Points of a form whose coefficients are kept from call to call."""
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
    """Derivatives of A + B N, each a + sum_s c_s N_s over the streams s of N, where a and c are of the points alone.

    In a training the points stay, so a and c, and what goes into the network, are kept with the points.
    """

    def __init__(
        self, ansatz: Ansatz, coordinates: Axes, unknowns: tuple[str, ...], wanted: tuple[Derivative, ...]
    ) -> None:
        import sympy

        symbols = {name: sympy.Symbol(name, real=True) for name in coordinates}
        network = sympy.Function("N", real=True)(*symbols.values())
        rows = [unknowns.index(derivative.unknown) for derivative in wanted]
        linear = []
        for row, derivative in zip(rows, wanted, strict=True):
            base, factor = ansatz.parsed(coordinates)[row]
            whole = sympy.expand(base + factor * network)
            for axis in derivative.axes:
                whole = sympy.diff(whole, symbols[axis])
            linear.append(_split(whole, network, coordinates))
        asked = sorted({axes for _, of in linear for axes in of})
        self._directions, self._curved, places = _directions(coordinates, asked)
        streams = 1 + len(places) + self._curved
        expressions = []
        for constant, of in linear:
            coefficients = [sympy.Integer(0)] * streams
            for axes, coefficient in of.items():
                for stream, share in _streams(axes, places).items():
                    coefficients[stream] += share * coefficient
            expressions += [constant, *coefficients]
        self._names = [d.name for d in wanted]
        self._members = [[k for k, row in enumerate(rows) if row == unknown] for unknown in range(len(unknowns))]
        self._run = Program(expressions, coordinates, ()).bind({})
        self._kept: _Kept | None = None

    def __call__(self, network: JetNetwork, points: Tensor) -> dict[str, Tensor]:
        constants, coefficients, inputs = self._parts(network, points)
        streams = network.of_features(inputs, self._curved)
        values: dict[str, Tensor] = {}
        for unknown, members in enumerate(self._members):
            if members:
                at = slice(members[0], members[-1] + 1) if _adjacent(members) else members
                sums = constants[at] + (coefficients[at] * streams[unknown]).sum(1)
                values |= zip([self._names[k] for k in members], sums, strict=True)
        return {name: values[name] for name in self._names}

    def _parts(self, network: JetNetwork, points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """a, the c of all streams, and what goes into the network."""
        features = network.features
        lasting = len(points) <= MOST_KEPT and not is_watched(points) and not torch.is_inference_mode_enabled()
        lasting = lasting and features.fixed
        if lasting and self._kept is not None and _same(self._kept.points, points) and self._kept.fits(features):
            return self._kept.parts
        columns = [
            torch.as_tensor(value, dtype=points.dtype, device=points.device).expand(len(points))
            for value in self._run(*points.unbind(-1))
        ]
        table = torch.stack(columns).unflatten(0, (len(self._names), -1))
        directions = torch.tensor(self._directions, dtype=points.dtype, device=points.device)
        inputs = features(points, directions.reshape(-1, points.shape[-1]), self._curved)
        parts = table[:, 0], table[:, 1:], inputs
        if lasting:
            self._kept = _Kept(points.detach().clone(), features.version, parts)
        return parts


class _Kept(NamedTuple):
    points: Tensor
    version: tuple[tuple[Tensor, Tensor], tuple[int, int]]
    parts: tuple[Tensor, Tensor, Tensor]

    def fits(self, features: Features) -> bool:
        """Whether the features are still made as they were."""
        (tensors, counts), (old, before) = features.version, self.version
        return counts == before and all(a is b for a, b in zip(tensors, old, strict=True))


def _same(kept: Tensor, points: Tensor) -> bool:
    same_kind = (kept.shape, kept.dtype, kept.device) == (points.shape, points.dtype, points.device)
    return same_kind and torch.equal(kept, points)


def _adjacent(members: Sequence[int]) -> bool:
    return members[-1] - members[0] == len(members) - 1


def _split(whole: sympy.Expr, network: sympy.Expr, coordinates: Axes) -> tuple[sympy.Expr, dict[Axes, sympy.Expr]]:
    """What is linear in N and its derivatives, as the rest and the coefficient of each of these by its axes."""
    import sympy

    symbols: dict[sympy.Expr, tuple[Axes, sympy.Symbol]] = {}
    for node in (*whole.atoms(sympy.Derivative), network):
        axes = tuple(sorted((v.name for v in getattr(node, "variables", ())), key=coordinates.index))
        symbols[node] = axes, sympy.Dummy()
    # derivatives before the function that they hold
    inner = whole.xreplace({node: s for node, (_, s) in symbols.items() if node != network})
    inner = inner.xreplace({network: symbols[network][1]})
    coefficients = {axes: sympy.diff(inner, symbol) for axes, symbol in symbols.values()}
    return inner.xreplace({s: sympy.Integer(0) for _, s in symbols.values()}), coefficients


def _streams(axes: Axes, places: dict[Axes, int]) -> dict[int, sympy.Rational]:
    """Which streams a derivative of N is made of, and how much of each."""
    import sympy

    one, half, first = sympy.Integer(1), sympy.Rational(1, 2), 1 + len(places)
    if not axes:
        return {0: one}
    if len(axes) == 1:
        return {1 + places[axes]: one}
    if axes[0] == axes[1]:
        return {first + places[axes[:1]]: one}
    # the second derivative along a + b holds the mixed one twice
    return {first + places[axes]: half, **{first + places[(axis,)]: -half for axis in axes}}


def _directions(coordinates: Axes, wanted: Sequence[Axes]) -> tuple[list[list[float]], int, dict[Axes, int]]:
    """Directions, how many of them need second derivatives (they come first), and the row of each."""
    curved: set[Axes] = {axes for axes in wanted if len(axes) == 2 and axes[0] != axes[1]}
    curved |= {(axis,) for axes in wanted if len(axes) == 2 for axis in axes}
    straight = {axes for axes in wanted if len(axes) == 1} - curved
    ordered = [*sorted(curved), *sorted(straight)]
    rows = {axes: row for row, axes in enumerate(ordered)}
    return [[float(name in axes) for name in coordinates] for axes in ordered], len(curved), rows
