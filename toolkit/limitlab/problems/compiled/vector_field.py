"""A system's expressions as torch functions of (t, y): right-hand sides, their Jacobians, invariants, solutions.

y is (..., state): one number a state, or N sites of each state, state after state. Sites are cyclic, or have zeros
beyond their ends. A mean over sites of sin(q[j] - q[i]) is split by the addition theorems into products of a function
of site i and a mean of a function of site j: N evaluations where the pairs are N^2.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import torch
from torch import Tensor

from limitlab.errors import InvalidArgument
from limitlab.problems.compiled.program import Program
from limitlab.problems.text.systems import REDUCTIONS, site_of, site_symbol
from limitlab.solvers.native.listing import Listed

if TYPE_CHECKING:
    import sympy

Ends = Literal["cyclic", "zero"]
Values = Mapping[str, float | Tensor]
VectorField = Callable[[Tensor, Tensor], Tensor]
MatrixField = Callable[[Tensor, Tensor], Tensor]
INTEGRAL = "integral"


class Layout(NamedTuple):
    """How y holds the states: one number each (sites 0), or `sites` numbers each."""

    states: tuple[str, ...]
    parameters: tuple[str, ...]
    sites: int = 0
    ends: Ends = "cyclic"
    extras: tuple[str, ...] = ()

    def parts(self, y: Tensor) -> tuple[Tensor, ...]:
        """The states of y, each (...) or (..., site)."""
        if not self.states:
            return ()
        return y.unflatten(-1, (-1, self.sites)).unbind(-2) if self.sites else y.unbind(-1)

    def joined(self, parts: Sequence[Any], like: Tensor) -> Tensor:
        """The inverse of `parts`."""
        full = [part if _fits(part, like) else _filled(part, like) for part in parts]
        return torch.stack(full, -2).flatten(-2) if self.sites else torch.stack(full, -1)

    def shifted(self, part: Tensor, offset: int) -> Tensor:
        """The values at site i + offset."""
        if offset == 0 or self.ends == "cyclic":
            return torch.roll(part, -offset, -1) if offset else part
        zeros = part.new_zeros(*part.shape[:-1], abs(offset))
        pieces = (part[..., offset:], zeros) if offset > 0 else (zeros, part[..., :offset])
        return torch.cat(pieces, -1)


class Evaluator:
    """Expressions in t, the states of a layout, its parameters and extra inputs, as one function."""

    def __init__(self, expressions: Sequence[sympy.Expr], layout: Layout) -> None:
        self._layout = layout
        expressions, self._reductions = separated(expressions)
        inner = [expression for _, _, expression in self._reductions]
        symbols = {symbol.name for e in (*expressions, *inner) for symbol in e.free_symbols}
        self._sites = sorted(name for name in symbols if (site := site_of(name)) and site[0] in layout.states)
        self._neighbours = [(layout.states.index(name), k) for name, k in map(site_of, self._sites)]  # type: ignore[misc]
        states = tuple(self._sites) if layout.sites else layout.states
        inputs = ("t", *states, *layout.extras)
        constants = (*layout.parameters, *(("i", "N") if layout.sites else ()))
        self._before = Program(inner, inputs, constants) if inner else None
        self._program = Program(expressions, (*inputs, *(s.name for s, _, _ in self._reductions)), constants)
        self.has_time = "t" in symbols
        self._needs_site = "i" in symbols

    def listed(self, values: Values) -> Listed | None:
        """The expressions as operations on (t, *states, *extras); None with sites, whose neighbours are rows of y."""
        if self._layout.sites or self._before is not None:
            return None
        return Listed(self._program.listing, self._program.given(values))

    def bind(self, values: Values) -> Callable[..., list[Any]]:
        """Function (t, y, *extras) -> values of the expressions at these parameters: numbers, (...) or (..., site).

        A parameter may be a tensor of one value a sample, which then broadcasts against y without its last axis.
        """
        layout, cache = self._layout, {}
        if layout.sites:
            values = {
                name: value[..., None] if isinstance(value, Tensor) and value.dim() else value
                for name, value in values.items()
            }

        def bound(y: Tensor) -> tuple[Callable[..., list[Any]], Callable[..., list[Any]] | None]:
            site_numbers: dict[str, float | Tensor] = {
                "i": torch.arange(1, layout.sites + 1, dtype=y.dtype, device=y.device),
                "N": float(layout.sites),
            }
            constants = {**values, **(site_numbers if layout.sites else {})}
            return self._program.bind(constants), self._before.bind(constants) if self._before else None

        def run(t: Tensor | float, y: Tensor, *extras: Tensor) -> list[Any]:
            # only the numbers of sites are tensors, so only they belong to a dtype and a device
            key = (y.dtype, y.device) if self._needs_site else None
            if key not in cache:
                cache[key] = bound(y)
            after, before = cache[key]
            parts = layout.parts(y)
            if self.has_time or before is not None:
                t = torch.as_tensor(t, dtype=y.dtype, device=y.device)
                t = t if layout.sites or not t.dim() else t[..., 0]
            if layout.sites:
                inputs = [t, *(layout.shifted(parts[state], offset) for state, offset in self._neighbours), *extras]
            else:
                inputs = [t, *parts, *extras]
            if before is not None:
                reduced = zip(self._reductions, before(*inputs), strict=True)
                like = parts[0] if parts else extras[0]
                inputs += [_REDUCE[kind](_filled(value, like), t) for (_, kind, _), value in reduced]
            return after(*inputs)

        return run


def _mean(values: Tensor, t: Any) -> Tensor:
    return values.mean(-1, keepdim=True)


def _sum(values: Tensor, t: Any) -> Tensor:
    return values.sum(-1, keepdim=True)


def _integral(values: Tensor, t: Any) -> Tensor:
    """From the first time to each, by the trapezoidal rule, along the time axis."""
    moments = torch.as_tensor(t).expand(values.shape)
    return torch.nn.functional.pad(torch.cumulative_trapezoid(values, moments, dim=-1), (1, 0))


_REDUCE = {"mean": _mean, "sum": _sum, INTEGRAL: _integral}


@lru_cache(maxsize=512)
def evaluator(expressions: tuple[sympy.Expr, ...], layout: Layout) -> Evaluator:
    """The evaluator, compiled once."""
    return Evaluator(expressions, layout)


class SymbolicField:
    """field(t, y): y (..., state) to its derivative; t broadcasts against y.

    listed: its operations with their numbers, of which solvers make machine code; None where it has none. linearized:
    those of its derivatives in the states, row by row, and in time.
    """

    def __init__(self, expressions: tuple[sympy.Expr, ...], layout: Layout, values: Values) -> None:
        self._evaluator, self._values = evaluator(expressions, layout), values
        self._expressions, self._layout = expressions, layout
        self._run, self._joined, self._parts = self._evaluator.bind(values), layout.joined, layout.parts

    def __call__(self, t: Tensor, y: Tensor) -> Tensor:
        return self._joined(self._run(t, y), self._parts(y)[0])

    @cached_property
    def listed(self) -> Listed | None:
        return self._evaluator.listed(self._values)

    @cached_property
    def linearized(self) -> Listed | None:
        in_states = _derivatives(self._expressions, tuple(_symbol(name) for name in self._layout.states))
        in_time = _derivatives(self._expressions, (_symbol("t"),))
        return evaluator((*in_states, *in_time), self._layout).listed(self._values)


def vector_field(expressions: tuple[sympy.Expr, ...], layout: Layout, values: Values) -> SymbolicField:
    """The field of expressions, one a state."""
    return SymbolicField(expressions, layout, values)


def jacobian(expressions: tuple[sympy.Expr, ...], layout: Layout, values: Values) -> MatrixField:
    """jacobian(t, y): (..., state) to (..., state, state), row of the equation, column of the state; analytic."""
    return (_site_jacobian if layout.sites else _plain_jacobian)(expressions, layout, values)


def _plain_jacobian(expressions: tuple[sympy.Expr, ...], layout: Layout, values: Values) -> MatrixField:
    entries = _derivatives(expressions, tuple(_symbol(name) for name in layout.states))
    # most entries of a Jacobian are zero, or occur twice
    distinct = tuple(dict.fromkeys(entries))
    run, size = evaluator(distinct, layout).bind(values), len(layout.states)
    positions = [distinct.index(entry) for entry in entries]
    cache: dict[Any, tuple[Tensor, Tensor]] = {}

    def function(t: Tensor, y: Tensor) -> Tensor:
        like = y[..., 0]
        computed = run(t, y)
        changing = [index for index, value in enumerate(computed) if isinstance(value, Tensor)]
        key = (y.dtype, y.device)
        if key not in cache:
            numbers = [index for index, value in enumerate(computed) if not isinstance(value, Tensor)]
            column = {index: k for k, index in enumerate((*changing, *numbers))}
            row = torch.tensor([computed[index] for index in numbers], dtype=y.dtype, device=y.device)
            cache[key] = row, torch.tensor([column[index] for index in positions], device=y.device)
        row, order = cache[key]
        columns = row.expand(*like.shape, -1)
        if changing:
            full = [
                computed[index] if _fits(computed[index], like) else _filled(computed[index], like)
                for index in changing
            ]
            columns = torch.cat([torch.stack(full, -1), columns], -1)
        return columns.index_select(-1, order).unflatten(-1, (size, size))

    # a solver whose field knows its own derivatives need not ask for these
    function.of_field = True  # type: ignore[attr-defined]
    return function


def _site_jacobian(expressions: tuple[sympy.Expr, ...], layout: Layout, values: Values) -> MatrixField:
    """Bands, one a neighbour, and for each mean or sum the product of a column and a row."""
    import sympy

    parts, reductions = separated(expressions)
    bands: list[tuple[int, int, int]] = []
    products: list[tuple[int, int, int, str]] = []
    entries: list[sympy.Expr] = []
    columns: list[tuple[sympy.Expr, sympy.Expr]] = []
    for row, expression in enumerate(parts):
        for symbol in sorted(expression.free_symbols, key=str):
            if (site := site_of(symbol.name)) and site[0] in layout.states:
                bands.append((row, layout.states.index(site[0]), site[1]))
                entries.append(sympy.diff(expression, symbol))
        for reduced, kind, inner in reductions:
            if not expression.has(reduced):
                continue
            for symbol in sorted(inner.free_symbols, key=str):
                if (site := site_of(symbol.name)) and site[0] in layout.states:
                    products.append((row, layout.states.index(site[0]), site[1], kind))
                    columns.append((sympy.diff(expression, reduced), sympy.diff(inner, symbol)))
    whole = {reduced: sympy.Function(kind, real=True)(inner) for reduced, kind, inner in reductions}
    flat = (*entries, *(left for left, _ in columns), *(right for _, right in columns))
    run = evaluator(tuple(entry.xreplace(whole) for entry in flat), layout).bind(values)
    size, sites = len(layout.states), layout.sites

    def function(t: Tensor, y: Tensor) -> Tensor:
        like = layout.parts(y)[0]
        computed = [_filled(value, like) for value in run(t, y)]
        lefts, rights = computed[len(bands) : len(bands) + len(products)], computed[len(bands) + len(products) :]
        matrix = y.new_zeros(*y.shape, y.shape[-1])
        # a view: the blocks are written into the matrix
        blocks = matrix.unflatten(-1, (size, sites)).unflatten(-3, (size, sites))
        for (row, column, offset), value in zip(bands, computed, strict=False):
            _add_band(blocks[..., row, :, column, :], value, offset, layout.ends)
        for (row, column, offset, kind), left, right in zip(products, lefts, rights, strict=True):
            # columns count sites as they are: what stands at site j + k is moved back by k
            moved = layout.shifted(right / sites if kind == "mean" else right, -offset)
            blocks[..., row, :, column, :].addcmul_(left[..., :, None], moved[..., None, :])
        return matrix

    return function


def _add_band(block: Tensor, values: Tensor, offset: int, ends: Ends) -> None:
    """Add values[i] in row i, column i + offset, which goes round where the ends are cyclic."""
    sites = values.shape[-1]
    inside = slice(0, sites - offset) if offset >= 0 else slice(-offset, sites)
    block.diagonal(offset, -2, -1).add_(values[..., inside])
    if ends == "cyclic" and offset:
        beyond = slice(sites - offset, sites) if offset > 0 else slice(0, -offset)
        block.diagonal(offset - sites if offset > 0 else offset + sites, -2, -1).add_(values[..., beyond])


@lru_cache(maxsize=512)
def _derivatives(expressions: tuple[sympy.Expr, ...], symbols: tuple[sympy.Symbol, ...]) -> tuple[sympy.Expr, ...]:
    import sympy

    return tuple(sympy.diff(expression, symbol) for expression in expressions for symbol in symbols)


def separated(
    expressions: Sequence[sympy.Expr],
) -> tuple[list[sympy.Expr], list[tuple[sympy.Symbol, str, sympy.Expr]]]:
    """Expressions with a symbol in place of each mean, sum or integral, and what each symbol stands for.

    A mean of a product of functions of sites i and j is the function of i times a mean.
    Raises InvalidArgument where the argument is no sum of such products, even after the addition theorems.
    """
    import sympy
    from sympy.core.function import AppliedUndef

    known: dict[tuple[str, sympy.Expr], sympy.Symbol] = {}

    def reduced(kind: str, inner: sympy.Expr) -> sympy.Symbol:
        key = (kind, inner)
        return known.setdefault(key, sympy.Symbol(f"{kind} {len(known)}", real=True))

    def split(node: sympy.Expr) -> sympy.Expr:
        kind, inner = node.func.__name__, node.args[0]
        far = {s for s in inner.free_symbols if "[j" in s.name}
        if not far:
            return reduced(kind, inner)
        local = {s: _symbol(s.name.replace("[j", "[i")) for s in far}
        total = sympy.Integer(0)
        # sin(q[j] - q[i]) = sin q[j] cos q[i] - cos q[j] sin q[i]
        for term in sympy.Add.make_args(sympy.expand(inner, trig=True)):
            near, other = term.as_independent(*far, as_Add=False)
            if any("[i" in s.name for s in other.free_symbols):
                raise InvalidArgument(f"{node!s:.60} does not split into functions of site i times functions of site j")
            total += near * reduced(kind, other.xreplace(local))
        return total

    result = []
    for expression in expressions:
        nodes = [n for n in expression.atoms(AppliedUndef) if n.func.__name__ in (*REDUCTIONS, INTEGRAL)]
        result.append(expression.xreplace({node: split(node) for node in nodes}))
    return result, [(symbol, kind, inner) for (kind, inner), symbol in known.items()]


def _symbol(name: str) -> sympy.Symbol:
    import sympy

    site = site_of(name)
    return site_symbol(*site) if site else sympy.Symbol(name, real=True)


def _fits(value: Any, like: Tensor) -> bool:
    return isinstance(value, Tensor) and value.shape == like.shape


def _filled(value: Any, like: Tensor) -> Tensor:
    """A value that misses axes of the states, for example one of parameters alone, spread over them."""
    return torch.as_tensor(value, dtype=like.dtype, device=like.device).expand(like.shape)
