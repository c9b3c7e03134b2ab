"""A few components of a field with sites, from the states that they need and no others.

What interpolation of a nonlinear function lives on: the slope at m of N sites costs m evaluations, as long as every
site has few neighbours. A mean or a sum over all sites needs them all, and is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from limitlab.errors import InvalidArgument
from limitlab.problems.compiled.program import Program
from limitlab.problems.compiled.vector_field import Layout, Values, separated
from limitlab.problems.text.systems import site_of

if TYPE_CHECKING:
    import sympy

Rows = Int64[Tensor, " row"]


@dataclass(frozen=True)
class Components:
    """Components `rows` of y', by `slope(t, needed)` of the components `needed` of y: (.., needed) to (.., row)."""

    rows: Rows
    needed: Rows
    slope: Callable[[Tensor, Float[Tensor, "*batch needed"]], Float[Tensor, "*batch row"]]


def components(expressions: tuple[sympy.Expr, ...], layout: Layout, values: Values, rows: Rows) -> Components:
    """The components of these numbers in y (state after state, site after site). Values: numbers, not one a sample.

    Raises InvalidArgument for a layout without sites, a mean or a sum over sites, rows that are not there.
    """
    if not layout.sites:
        raise InvalidArgument("components need a problem with sites: without them every component is an equation")
    whole, reductions = separated(expressions)
    if reductions:
        raise InvalidArgument("a mean or a sum over sites needs every site: its field has no cheap components")
    count = len(layout.states) * layout.sites
    if not len(rows) or bool(((rows < 0) | (rows >= count)).any()) or len(rows.unique()) < len(rows):
        raise InvalidArgument(f"rows must be different numbers from 0 to {count - 1}; got {rows.tolist()!s:.80}")
    owner = rows // layout.sites
    parts = [
        _Part(whole[state], layout, values, (owner == state).nonzero()[:, 0], rows) for state in owner.unique().tolist()
    ]
    needed = torch.cat([part.sources[part.inside] for part in parts]).unique()
    for part in parts:
        # what lies beyond the ends reads any number, and is zero
        part.positions = torch.searchsorted(needed, part.sources.clamp(needed[0], needed[-1]))
    order = torch.cat([part.places for part in parts]).argsort()

    def slope(t: Tensor, states: Tensor) -> Tensor:
        return torch.cat([part(t, states) for part in parts], -1)[..., order.to(states.device)]

    return Components(rows, needed, slope)


class _Part:
    """The rows of one state, which share an expression."""

    def __init__(self, expression: sympy.Expr, layout: Layout, values: Values, places: Rows, rows: Rows) -> None:
        self.places = places
        sites = rows[places] % layout.sites
        names = sorted(
            symbol.name
            for symbol in expression.free_symbols
            if (site := site_of(symbol.name)) and site[0] in layout.states
        )
        neighbours = [(layout.states.index(name), offset) for name, offset in map(site_of, names)]  # type: ignore[misc]
        where = torch.stack([sites + offset for _, offset in neighbours]) if neighbours else sites[None][:0]
        self.inside = (where >= 0) & (where < layout.sites) | (layout.ends == "cyclic")
        owner = torch.tensor([number for number, _ in neighbours], dtype=torch.int64)[:, None]
        self.sources = owner * layout.sites + where % layout.sites
        self.positions = self.sources
        self.numbers = sites + 1
        self.values = {**values, "N": float(layout.sites)}
        self.program = Program((expression,), ("t", *names), (*layout.parameters, "i", "N"))
        self.bound: dict[tuple[torch.dtype, torch.device], Any] = {}

    def __call__(self, t: Tensor, states: Float[Tensor, "*batch needed"]) -> Float[Tensor, "*batch row"]:
        gathered = states[..., self.positions.to(states.device)]
        gathered = torch.where(self.inside.to(states.device), gathered, 0)
        key = (states.dtype, states.device)
        if key not in self.bound:
            self.bound[key] = self.program.bind({**self.values, "i": self.numbers.to(states)})
        (value,) = self.bound[key](torch.as_tensor(t).to(states), *gathered.unbind(-2))
        like = (*states.shape[:-1], len(self.places))
        return torch.as_tensor(value).to(states).expand(like)
