"""Many formulas as arrays: trees in postfix, one row a tree, so that one operation of torch changes or computes all.

    op (P, L)      row of `OPS`, or PAD behind the end of the tree
    var (P, L)     which variable a leaf of it is
    const (P, L)   the value of a leaf that is a constant

The tree that ends at column j is a block of `size` columns. Its last argument ends at j - 1, and the one before that
where the last one begins: cutting, swapping and joining trees is cutting and joining blocks (`assembled`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from limitlab.discovery.symbolic.expression import Expr
from limitlab.errors import InvalidArgument, one_of

if TYPE_CHECKING:
    import sympy


class Op(NamedTuple):
    """An operation: `value(*arguments, out=)` of tensors, `array` of arrays, its slopes, its sympy node.

    slopes(m, adjoint, value, *arguments) -> adjoints of the arguments, where m has sin, cos and sign for them.
    """

    name: str
    arity: int
    value: Callable[..., Tensor]
    array: Callable[..., np.ndarray]
    slopes: Callable[..., tuple[Any, ...]]
    node: Callable[..., Any]


def _of_sympy(name: str) -> Callable[[Any], Any]:
    def node(argument: sympy.Expr) -> sympy.Expr:
        import sympy

        return getattr(sympy, name)(argument)

    return node


def _by_torch(function: Callable[..., Tensor]) -> Callable[..., np.ndarray]:
    """The function for arrays; of those that are no arithmetic torch is the faster, in double precision three times."""

    def computed(values: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        out = np.empty_like(values) if out is None else out
        function(torch.from_numpy(values), out=torch.from_numpy(out))
        return out

    return computed


PAD, VARIABLE, CONSTANT = -1, 0, 1
SIN, COS = _by_torch(torch.sin), _by_torch(torch.cos)
OPS: tuple[Op, ...] = (
    Op("variable", 0, torch.clone, np.copy, tuple, tuple),
    Op("constant", 0, torch.clone, np.copy, tuple, tuple),
    Op("+", 2, torch.add, np.add, lambda m, g, v, a, b: (g, g), lambda a, b: a + b),
    Op("-", 2, torch.sub, np.subtract, lambda m, g, v, a, b: (g, -g), lambda a, b: a - b),
    Op("*", 2, torch.mul, np.multiply, lambda m, g, v, a, b: (g * b, g * a), lambda a, b: a * b),
    Op("/", 2, torch.div, np.divide, lambda m, g, v, a, b: ((h := g / b), -h * v), lambda a, b: a / b),
    Op("sin", 1, torch.sin, SIN, lambda m, g, v, a: (g * m.cos(a),), _of_sympy("sin")),
    Op("cos", 1, torch.cos, COS, lambda m, g, v, a: (-g * m.sin(a),), _of_sympy("cos")),
    Op("tan", 1, torch.tan, _by_torch(torch.tan), lambda m, g, v, a: (g * (1 + v * v),), _of_sympy("tan")),
    Op("exp", 1, torch.exp, _by_torch(torch.exp), lambda m, g, v, a: (g * v,), _of_sympy("exp")),
    Op("log", 1, torch.log, np.log, lambda m, g, v, a: (g / a,), _of_sympy("log")),
    Op("sqrt", 1, torch.sqrt, np.sqrt, lambda m, g, v, a: (0.5 * g / v,), _of_sympy("sqrt")),
    Op("square", 1, torch.square, np.square, lambda m, g, v, a: (2 * g * a,), lambda a: a**2),
    Op("tanh", 1, torch.tanh, _by_torch(torch.tanh), lambda m, g, v, a: (g * (1 - v * v),), _of_sympy("tanh")),
    Op("abs", 1, torch.abs, np.abs, lambda m, g, v, a: (g * m.sign(a),), _of_sympy("Abs")),
)
"""Leaves first; the place of a row is its code."""

CODES: dict[str, int] = {op.name: code for code, op in enumerate(OPS)}
OPERATOR_NAMES: tuple[str, ...] = tuple(op.name for op in OPS if op.arity)
ARITY = torch.tensor([op.arity for op in OPS] + [0])
"""By code; the last entry is that of PAD."""


@dataclass(frozen=True)
class Population:
    """Trees in postfix, see above; all arrays are on one device.

    >>> from limitlab.discovery.symbolic.trees.population import Population
    >>> trees = Population.of([[("x", 0), 2.0, "*", "sin"]])
    >>> str(trees.expr(0, ("x",)))
    'sin(2.0*x)'
    """

    op: Int[Tensor, "tree column"]
    var: Int[Tensor, "tree column"]
    const: Float[Tensor, "tree column"]

    @classmethod
    def of(cls, trees: Sequence[Sequence[Any]], width: int | None = None) -> Population:
        """Trees as lists in postfix: ("x", i) for variable i, a number for a constant, the name of an operation."""
        count, width = len(trees), width or max(map(len, trees))
        op, var = torch.full((count, width), PAD), torch.zeros(count, width, dtype=torch.long)
        const = torch.zeros(count, width, dtype=torch.float64)
        for row, tree in enumerate(trees):
            for column, token in enumerate(tree):
                if isinstance(token, str):
                    op[row, column] = CODES[one_of("operation", token, OPERATOR_NAMES)]
                elif isinstance(token, tuple):
                    op[row, column], var[row, column] = VARIABLE, token[1]
                else:
                    op[row, column], const[row, column] = CONSTANT, token
        return cls(op, var, const)

    def __len__(self) -> int:
        return len(self.op)

    def __getitem__(self, rows: Any) -> Population:
        return Population(self.op[rows], self.var[rows], self.const[rows])

    @property
    def lengths(self) -> Int[Tensor, " tree"]:
        """Nodes of every tree."""
        return (self.op != PAD).sum(1)

    def to(self, device: torch.device | str) -> Population:
        """The same trees on a device."""
        return Population(self.op.to(device), self.var.to(device), self.const.to(device))

    def with_constants(self, const: Float[Tensor, "tree column"]) -> Population:
        """The same trees with other values at their constants."""
        return Population(self.op, self.var, const)

    def expr(self, row: int, variables: Sequence[str], scale: tuple[float, float] = (0.0, 1.0)) -> Expr:
        """Formula of a tree, as a + b*tree where `scale` is (a, b)."""
        import sympy

        symbols = [sympy.Symbol(name, real=True) for name in variables]
        stack: list[Any] = []
        columns = zip(self.op[row].tolist(), self.var[row].tolist(), self.const[row].tolist(), strict=True)
        for code, var, const in columns:
            if code == PAD:
                break
            arity = OPS[code].arity
            arguments, stack = stack[len(stack) - arity :], stack[: len(stack) - arity]
            leaf = symbols[var] if code == VARIABLE else sympy.Float(const)
            stack.append(OPS[code].node(*arguments) if arity else leaf)
        (tree,) = stack
        a, b = scale
        tree = tree if b == 1 else sympy.Float(b) * tree
        return Expr.of(tree if a == 0 else sympy.Float(a) + tree, variables)


def joined(populations: Sequence[Population]) -> Population:
    """All of their trees, one under the other; of one width."""
    return Population(*(torch.cat([getattr(p, name) for p in populations]) for name in ("op", "var", "const")))


def sizes_of(op: Int[Tensor, "tree column"]) -> Int[Tensor, "tree column"]:
    """Nodes of the tree that ends at each column, in one pass over the columns."""
    count, width = op.shape
    # a column of all trees lies together: the loop is over rows
    arity = ARITY.to(op.device)[op.T.contiguous()]
    sizes = torch.ones_like(arity)
    parts = (sizes, (arity > 0).long(), (arity == 2).long(), torch.arange(count, device=op.device))
    # on a CPU a call of NumPy costs a fifth of one of torch, and a row is short
    size, some, two, tree = (part.numpy() if op.device.type == "cpu" else part for part in parts)
    flat = size.reshape(-1)
    for column in range(1, width):
        last = size[column - 1]
        # without a second argument the index may be negative: it counts from the end then, and is multiplied by zero
        size[column] += last * some[column] + flat[tree + (column - 1 - last) * count] * two[column]
    return sizes.T


class Block(NamedTuple):
    """Columns start ... start + length - 1 of a row of `source`, for every tree that is made."""

    source: Population
    rows: Int[Tensor, " tree"]
    start: Int[Tensor, " tree"]
    length: Int[Tensor, " tree"]


def assembled(blocks: Sequence[Block]) -> tuple[Population, Bool[Tensor, " tree"]]:
    """Trees that are the blocks one after the other, and whether they fit the width of the first source."""
    width = blocks[0].source.op.shape[1]
    column, end = torch.arange(width, device=blocks[0].start.device), torch.zeros_like(blocks[0].start)
    sources = {id(block.source): block.source for block in blocks}
    counts = [source.op.numel() for source in sources.values()]
    bases = dict(zip(sources, accumulate([0, *counts[:-1]]), strict=True))
    shift = column.new_zeros(len(end), width)
    for source, rows, start, length in blocks:
        # a block begins where the one before it ends, and hides what that would have behind its end
        shifted = bases[id(source)] + rows * source.op.shape[1] + start - end
        shift = torch.where(column >= end[:, None], shifted[:, None], shift)
        end = end + length
    inside = column < end[:, None]
    place = torch.where(inside, column + shift, 0)

    def gathered(name: str, behind: int) -> Tensor:
        held = torch.cat([getattr(source, name).flatten() for source in sources.values()])
        return torch.where(inside, held[place], behind)

    return Population(gathered("op", PAD), gathered("var", 0), gathered("const", 0)), end <= width


def chosen(condition: Tensor, yes: Population, no: Population) -> Population:
    """Trees of the one where the condition holds (tree,), of the other elsewhere."""
    at = condition[:, None]
    return Population(*(torch.where(at, getattr(yes, n), getattr(no, n)) for n in ("op", "var", "const")))


def random_leaves(generator: torch.Generator, count: int, width: int, variables: int) -> Population:
    """Trees of one leaf: a variable or a constant."""
    device = generator.device
    op, var = (torch.full((count, width), fill, device=device) for fill in (PAD, 0))
    const = torch.zeros(count, width, dtype=torch.float64, device=device)
    op[:, 0] = torch.randint(0, 2, (count,), generator=generator, device=device)
    var[:, 0] = torch.randint(0, variables, (count,), generator=generator, device=device)
    const[:, 0] = torch.randn(count, generator=generator, device=device, dtype=torch.float64)
    return Population(op, var, const)


def random_column(generator: torch.Generator, allowed: Tensor) -> Int[Tensor, " tree"]:
    """A column of every row where `allowed` (tree, column), each as likely; 0 where none is."""
    chance = torch.rand(allowed.shape, generator=generator, device=allowed.device)
    return torch.where(allowed, chance, -1.0).argmax(1)


def require_codes(names: Sequence[str]) -> tuple[int, ...]:
    """Codes of operations by name. Raises UnknownName, InvalidArgument where there are none."""
    if not names:
        raise InvalidArgument(f"ops must name at least one of {', '.join(OPERATOR_NAMES)}")
    return tuple(CODES[one_of("operation", name, OPERATOR_NAMES)] for name in names)
