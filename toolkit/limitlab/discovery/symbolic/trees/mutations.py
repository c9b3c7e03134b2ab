"""How trees change in evolution: every mutation cuts the postfix of many trees into blocks and joins them anew.

Rows of `MUTATIONS` have the weights with which they are drawn; those are the defaults of SymbolicRegression.jl
(Cranmer, arXiv 2305.01582, and its settings of 2026), but for its simplification, which is done on the front.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from limitlab.discovery.symbolic.trees.population import (
    ARITY,
    CONSTANT,
    OPS,
    PAD,
    Block,
    Population,
    assembled,
    chosen,
    joined,
    random_column,
    random_leaves,
    sizes_of,
)

CROSSOVER = 0.0259
"""Part of the children that take a subtree from a second parent."""


@dataclass(frozen=True)
class Alphabet:
    """What trees are made of: codes of operations, the number of variables; costs: complexity of every code."""

    codes: tuple[int, ...]
    variables: int
    costs: tuple[float, ...]
    limit: float

    def complexity(self, trees: Population) -> Tensor:
        """Sum of the costs of the nodes."""
        costs = torch.tensor([*self.costs, 0.0], dtype=torch.float64, device=trees.op.device)
        return costs[trees.op].sum(1)

    def partners(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Operations of the alphabet of the arity of each code, one after the other, and how many there are."""
        of_arity = [[code for code in self.codes if OPS[code].arity == arity] for arity in range(3)]
        most = max(map(len, of_arity))
        rows = [of_arity[op.arity] + [PAD] * (most - len(of_arity[op.arity])) for op in OPS]
        return torch.tensor(rows, device=device), torch.tensor([len(of_arity[op.arity]) for op in OPS], device=device)


class Cut(NamedTuple):
    """Trees, the sizes of what ends at each column, and a generator: what a mutation works on."""

    trees: Population
    size: Int[Tensor, "tree column"]
    generator: torch.Generator

    def at(self, column: Int[Tensor, " tree"]) -> Int[Tensor, " tree"]:
        """Size of the block that ends at the column of each tree."""
        return self.size.gather(1, column.clamp(min=0)[:, None])[:, 0]

    def arity(self, column: Int[Tensor, " tree"]) -> Int[Tensor, " tree"]:
        """Arguments of the node at the column of each tree."""
        return ARITY.to(column.device)[self.trees.op.gather(1, column.clamp(min=0)[:, None])[:, 0]]

    def block(self, start: Int[Tensor, " tree"], length: Int[Tensor, " tree"]) -> Block:
        """A part of each tree."""
        return Block(self.trees, torch.arange(len(self.trees), device=start.device), start, length)

    def around(self, column: Int[Tensor, " tree"]) -> tuple[Block, Block]:
        """What stands before and behind the block that ends at the column."""
        start = column + 1 - self.at(column)
        return self.block(start * 0, start), self.block(column + 1, self.trees.lengths - column - 1)

    def arguments(self, column: Int[Tensor, " tree"]) -> tuple[Block, Block]:
        """Blocks of the first and the second argument of a node; the first is empty where there is but one."""
        last = self.at(column - 1)
        first = self.at(column - 1 - last) * (self.arity(column) == 2)
        start = column - last
        return self.block(start - first, first), self.block(start, last)

    def coin(self) -> Bool[Tensor, " tree"]:
        """True for about every other tree."""
        device = self.trees.op.device
        return torch.rand(len(self.trees), generator=self.generator, device=device) < 0.5


Changed = tuple[Population, Bool[Tensor, " tree"]]
Mutation = Callable[[Cut, Alphabet], Changed]


def mutated(
    generator: torch.Generator, trees: Population, others: Population, alphabet: Alphabet
) -> tuple[Population, Bool[Tensor, " tree"]]:
    """A child of every tree, and whether it differs; a child that would be too long is its parent.

    others: second parents, for crossover.
    """
    device = trees.op.device
    chances = torch.tensor([row.weight for row in MUTATIONS], device=device)
    kinds = torch.multinomial(chances, len(trees), replacement=True, generator=generator)
    crossing = torch.rand(len(trees), generator=generator, device=device) < CROSSOVER
    kinds = torch.where(crossing, len(MUTATIONS), kinds)
    size = sizes_of(trees.op)
    parts, places, differ = [], [], []
    for kind in range(len(MUTATIONS) + 1):
        rows = (kinds == kind).nonzero()[:, 0]
        if len(rows) == 0:
            continue
        parents = trees[rows]
        cut = Cut(parents, size[rows], generator)
        children, valid = (
            _crossed(cut, others[rows]) if kind == len(MUTATIONS) else MUTATIONS[kind].change(cut, alphabet)
        )
        valid = valid & (alphabet.complexity(children) <= alphabet.limit)
        parts.append(chosen(valid, children, parents))
        places.append(rows)
        differ.append(valid)
    back = torch.argsort(torch.cat(places))
    return joined(parts)[back], torch.cat(differ)[back]


def random_trees(generator: torch.Generator, sizes: Int[Tensor, " tree"], width: int, alphabet: Alphabet) -> Population:
    """Trees of at most these lengths, and of about these: operations are put on leaves as long as they fit."""
    trees = random_leaves(generator, len(sizes), width, alphabet.variables)
    for _ in range(int(sizes.max())):
        cut = Cut(trees, sizes_of(trees.op), generator)
        grown, valid = _with_operation(cut, alphabet, random_column(generator, _leaves(cut)))
        valid &= (grown.lengths <= sizes) & (alphabet.complexity(grown) <= alphabet.limit)
        trees = chosen(valid, grown, trees)
    return trees


def _constant(cut: Cut, alphabet: Alphabet) -> Changed:
    """Another value, of about the same size, sometimes of the other sign."""
    held = cut.trees.op == CONSTANT
    column = random_column(cut.generator, held)[:, None]
    normal = torch.randn(column.shape, generator=cut.generator, dtype=torch.float64, device=column.device)
    sign = 1.0 - 2.0 * (torch.rand(column.shape, generator=cut.generator, device=column.device) < 0.05)
    value = cut.trees.const.gather(1, column) * normal.exp() * sign
    return cut.trees.with_constants(cut.trees.const.scatter(1, column, value)), held.any(1)


def _operator(cut: Cut, alphabet: Alphabet) -> Changed:
    """Another operation of as many arguments."""
    inner = _operations(cut)
    column = random_column(cut.generator, inner)[:, None]
    table, counts = alphabet.partners(column.device)
    old = cut.trees.op.gather(1, column)[:, 0]
    drawn = torch.rand(old.shape, generator=cut.generator, device=old.device) * counts[old]
    new = table[old, drawn.long()]
    op = cut.trees.op.scatter(1, column, new[:, None])
    return Population(op, cut.trees.var, cut.trees.const), inner.any(1) & (new != old)


def _swapped(cut: Cut, alphabet: Alphabet) -> Changed:
    """The arguments of an operation in the other order."""
    two = ARITY.to(cut.trees.op.device)[cut.trees.op] == 2
    column = random_column(cut.generator, two)
    (before, behind), (first, second) = cut.around(column), cut.arguments(column)
    children, whole = assembled([before, second, first, cut.block(column, behind.length * 0 + 1), behind])
    return children, whole & two.any(1)


def _rotated(cut: Cut, alphabet: Alphabet) -> Changed:
    """A node takes the place of its parent, and the parent that of one of its arguments: a+(b*c) to (a+b)*c."""
    rows = torch.arange(len(cut.trees), device=cut.trees.op.device)
    arity = ARITY.to(rows.device)[cut.trees.op]
    before = torch.arange(arity.shape[1], device=rows.device) - 1
    last_is_inner = (arity > 0) & (arity[:, before] > 0) & (before >= 0)
    start = (before - cut.size[:, before]).clamp(min=0)
    first_is_inner = (arity == 2) & (arity.gather(1, start) > 0)
    allowed = last_is_inner | first_is_inner
    root = random_column(cut.generator, allowed)
    last, first = last_is_inner[rows, root], first_is_inner[rows, root]
    takes_last = last & (cut.coin() | ~first)
    one, two = cut.arguments(root)
    pivot = torch.where(takes_last, root - 1, root - 1 - two.length)
    left, right = cut.arguments(pivot)
    # with one argument it is the last; `arguments` calls the first one empty then
    takes_right = cut.coin() | (left.length == 0)
    single = torch.ones_like(root)
    outer_before, outer_behind = cut.around(root)
    inner = _either(takes_right, right, left)
    children, whole = assembled(
        [
            outer_before,
            left._replace(length=left.length * takes_right),
            one._replace(length=one.length * takes_last),
            inner,
            two._replace(length=two.length * ~takes_last),
            cut.block(root, single),
            right._replace(length=right.length * ~takes_right),
            cut.block(pivot, single),
            outer_behind,
        ]
    )
    return children, whole & allowed.any(1)


def _added(cut: Cut, alphabet: Alphabet) -> Changed:
    """An operation on a leaf, or on the whole."""
    leaf = random_column(cut.generator, _leaves(cut))
    return _with_operation(cut, alphabet, torch.where(cut.coin(), leaf, cut.trees.lengths - 1))


def _inserted(cut: Cut, alphabet: Alphabet) -> Changed:
    """An operation on any part."""
    return _with_operation(cut, alphabet, random_column(cut.generator, cut.trees.op != PAD))


def _deleted(cut: Cut, alphabet: Alphabet) -> Changed:
    """One of its arguments in the place of an operation."""
    inner = _operations(cut)
    column = random_column(cut.generator, inner)
    (before, behind), (first, second) = cut.around(column), cut.arguments(column)
    takes_first = cut.coin() & (first.length > 0)
    children, whole = assembled([before, _either(takes_first, first, second), behind])
    return children, whole & inner.any(1)


def _randomised(cut: Cut, alphabet: Alphabet) -> Changed:
    """A new tree of at most the same size."""
    trees = random_trees(cut.generator, cut.trees.lengths, cut.trees.op.shape[1], alphabet)
    return trees, torch.ones_like(trees.lengths, dtype=torch.bool)


def _same(cut: Cut, alphabet: Alphabet) -> Changed:
    """The tree as it is."""
    return cut.trees, torch.zeros(len(cut.trees), dtype=torch.bool, device=cut.trees.op.device)


def _crossed(cut: Cut, others: Population) -> Changed:
    """A part of another tree in the place of a part."""
    column = random_column(cut.generator, cut.trees.op != PAD)
    other = Cut(others, sizes_of(others.op), cut.generator)
    there = random_column(cut.generator, others.op != PAD)
    size = other.at(there)
    before, behind = cut.around(column)
    return assembled([before, other.block(there + 1 - size, size), behind])


def _with_operation(cut: Cut, alphabet: Alphabet, column: Int[Tensor, " tree"]) -> Changed:
    """An operation on the part that ends at the column and, where it takes two, on a new leaf, on either side."""
    device, count = column.device, len(cut.trees)
    codes = torch.tensor(alphabet.codes, device=device)
    drawn = torch.randint(0, len(codes), (count,), generator=cut.generator, device=device)
    zeros = torch.zeros(len(codes), 1, dtype=torch.long, device=device)
    operations = Population(codes[:, None], zeros, zeros.double())
    leaves = random_leaves(cut.generator, count, 1, alphabet.variables)
    two, leads = ARITY.to(device)[codes[drawn]] == 2, cut.coin()
    rows, zero = torch.arange(count, device=device), torch.zeros_like(column)
    before, behind = cut.around(column)
    size = cut.at(column)
    leaf = Block(leaves, rows, zero, zero)
    return assembled(
        [
            before,
            leaf._replace(length=(two & leads).long()),
            cut.block(column + 1 - size, size),
            leaf._replace(length=(two & ~leads).long()),
            Block(operations, drawn, zero, zero + 1),
            behind,
        ]
    )


def _either(condition: Tensor, one: Block, other: Block) -> Block:
    """The one block where the condition holds, else the other; of one source."""
    start = torch.where(condition, one.start, other.start)
    return one._replace(start=start, length=torch.where(condition, one.length, other.length))


def _leaves(cut: Cut) -> Bool[Tensor, "tree column"]:
    return (ARITY.to(cut.trees.op.device)[cut.trees.op] == 0) & (cut.trees.op != PAD)


def _operations(cut: Cut) -> Bool[Tensor, "tree column"]:
    return ARITY.to(cut.trees.op.device)[cut.trees.op] > 0


class Row(NamedTuple):
    """A mutation and how often it is drawn."""

    name: str
    weight: float
    change: Mutation


MUTATIONS: Sequence[Row] = (
    Row("constant", 0.0346, _constant),
    Row("operator", 0.293, _operator),
    Row("swap operands", 0.198, _swapped),
    Row("rotate", 4.26, _rotated),
    Row("add node", 2.47, _added),
    Row("insert node", 0.0112, _inserted),
    Row("delete node", 0.870, _deleted),
    Row("randomise", 0.000502, _randomised),
    Row("nothing", 0.273, _same),
)
