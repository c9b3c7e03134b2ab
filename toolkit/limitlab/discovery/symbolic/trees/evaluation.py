"""Values of many trees at many points, and the slopes of each in its constants, by a few large operations of torch.

Nodes of one operation and one depth, of all trees, are computed together: their arguments are gathered, their values
written to neighbouring rows of one buffer (row, point). Variables are rows that all trees share. A node has one parent,
so the reverse sweep sets each adjoint once, and gives the slope of every point in every constant at about twice the
cost of the values, however many constants there are. Trees are taken in chunks whose buffers fit the cache. Where only
values are asked for, on a processor, `compiled` runs one tree after the other instead: six times as fast.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from limitlab.discovery.machine_code import code_of
from limitlab.discovery.symbolic.expression import Expr
from limitlab.discovery.symbolic.trees.population import (
    ARITY,
    CONSTANT,
    COS,
    OPS,
    PAD,
    SIN,
    VARIABLE,
    Op,
    Population,
    sizes_of,
)
from limitlab.errors import InvalidArgument

COMPILED = "symbolic.trees.compiled"
CHUNK = {"cpu": 2**22, "cuda": 2**30}
"""Numbers in the buffer of a chunk."""

LARGEST = 1e10
"""A tree with a larger value at some point is no formula for the data."""

ROUNDING = 1e-12
"""Of a and b."""


class Group(NamedTuple):
    """Rows begin ... end - 1 hold one operation; those before `active` depend on a constant."""

    code: int
    begin: int
    active: int
    end: int


@dataclass(frozen=True)
class Plan:
    """Which row computes what; rows 0 ... k - 1 are the variables, row k is zero, and those behind it the constants.

    first, second: rows of the arguments of row k + 1 + i. roots: rows of the trees.
    """

    variables: int
    groups: tuple[Group, ...]
    first: Int[Tensor, " row"]
    second: Int[Tensor, " row"]
    roots: Int[Tensor, " tree"]

    @property
    def rows(self) -> int:
        """Rows of the buffer."""
        return self.variables + 1 + len(self.first)

    @cached_property
    def widest(self) -> int:
        """Rows of the largest group of operations."""
        return max((group.end - group.begin for group in self.groups if group.code != CONSTANT), default=0)


def plan_of(trees: Population, variables: int) -> Plan:
    """Rows of constants, then of the deepest nodes; by operation, whether a constant is below, and tree after tree."""
    arithmetic = ARITHMETIC.get(trees.op.device.type, TORCH)
    arrays, begin, width = arithmetic.arrays, variables + 1, trees.op.shape[1]
    # nodes of all trees one after the other, without what pads them
    op, var, sizes, arity = map(arithmetic.view, (trees.op, trees.var, sizes_of(trees.op), ARITY.to(trees.op.device)))
    there = op != PAD
    code, size = op[there], sizes[there]
    node = arrays.ones_like(code).cumsum(0) - 1
    start = node + 1 - size
    # nodes that begin before or at a node, without those that have ended, and without the node itself
    depth = arrays.bincount(start, minlength=len(code)).cumsum(0) - 1 - node
    constant = (code == CONSTANT) * 1
    counted = constant.cumsum(0)
    fixed = counted == counted[start] - constant[start]
    level = arrays.where(code == CONSTANT, 0, width - depth)
    kept = arrays.where(code != VARIABLE)[0]
    key = (((level * len(OPS) + code) << 1) + fixed)[kept]
    order = arithmetic.order(key)
    key, nodes = key[order], kept[order]
    row = arrays.where(code == VARIABLE, var[there], variables)
    row[nodes] = node[: len(nodes)] + begin
    # the last argument ends a node before, the one before it where the last one begins; a constant has none
    end = (nodes - 1).clip(0)
    second = row[end]
    first = arrays.where(arity[code[nodes]] == 2, row[(end - size[end]).clip(0)], second)
    roots = row[there.sum(1).cumsum(0) - 1]
    return Plan(variables, tuple(_groups(torch.as_tensor(key), begin)), *map(torch.as_tensor, (first, second, roots)))


def _groups(key: Int[Tensor, " row"], begin: int) -> Iterator[Group]:
    """The runs of equal keys, those of one operation and depth joined."""
    keys, counts = torch.unique_consecutive(key, return_counts=True)
    runs = zip(keys.tolist(), counts.tolist(), strict=True)
    for operation, parts in groupby(runs, key=lambda run: run[0] >> 1):
        # those that a constant moves come first
        moved = {name & 1: count for name, count in parts}
        end = begin + sum(moved.values())
        yield Group(operation % len(OPS), begin, begin + moved.get(0, 0), end)
        begin = end


class Functions(NamedTuple):
    """What slopes are made of."""

    sin: Callable[[Any], Any]
    cos: Callable[[Any], Any]
    sign: Callable[[Any], Any]


class Arithmetic(NamedTuple):
    """What computes rows: its module and view of a tensor, its functions, how rows are gathered, scattered, ordered."""

    arrays: Any
    view: Callable[[Tensor], Any]
    value: Callable[[Op], Callable[..., Any]]
    functions: Functions
    take: Callable[[Any, Any, Any], Any]
    put: Callable[[Any, Any, Any], object]
    order: Callable[[Any], Any]


TORCH = Arithmetic(
    torch,
    lambda tensor: tensor,
    lambda op: op.value,
    Functions(torch.sin, torch.cos, torch.sign),
    lambda rows, index, out: torch.index_select(rows, 0, index, out=out),
    # a sum hands on its adjoint as it is, and rows are not written onto themselves
    lambda rows, index, values: rows.index_copy_(0, index, values.clone()),
    lambda keys: torch.sort(keys, stable=True).indices,
)
NUMPY = Arithmetic(
    np,
    Tensor.numpy,
    lambda op: op.array,
    Functions(SIN, COS, np.sign),
    # without a mode numpy writes to a buffer of its own first
    lambda rows, index, out: rows.take(index, 0, out, "clip"),
    np.ndarray.__setitem__,
    # in 16 bits a sort by counting, seven times as fast
    lambda keys: keys.astype(np.int16).argsort(kind="stable"),
)
ARITHMETIC = {"cpu": NUMPY}
"""By device, where it is not TORCH: on a CPU a call of NumPy costs a fifth of one of torch, and groups are small."""


@dataclass(frozen=True)
class Values:
    """Values of all nodes, a row each."""

    plan: Plan
    buffer: Float[Tensor, "row point"]
    arithmetic: Arithmetic

    @property
    def roots(self) -> Float[Tensor, "tree point"]:
        """Values of the trees."""
        return self.buffer.index_select(0, self.plan.roots)


def values_of(
    trees: Population,
    X: Float[Tensor, "variable point"],  # noqa: N803
    plan: Plan,
    arithmetic: Arithmetic | None = None,
    other: Values | None = None,
) -> Values:
    """Values of the trees at the points.

    arithmetic: that of X's device where none is named. other: values of the same trees with other constants, which are
    overwritten: what no constant moves is not computed again.
    """
    variables, points = X.shape
    arithmetic = arithmetic or ARITHMETIC.get(X.device.type, TORCH)
    buffer = X.new_empty(plan.rows, points) if other is None else other.buffer
    buffer[:variables], buffer[variables] = X, 0.0
    constants = trees.const[trees.op == CONSTANT].to(X.dtype)[:, None]
    rows, first, second = map(arithmetic.view, (buffer, plan.first, plan.second))
    scratch = arithmetic.view(X.new_empty(2, plan.widest, points))
    before = variables + 1
    with np.errstate(all="ignore"):
        for code, begin, active, end in plan.groups:
            stop = end if other is None else active
            if code == CONSTANT:
                # the stable sort kept the order of trees and columns
                buffer[begin:end] = constants
            elif stop > begin:
                span, count = slice(begin - before, stop - before), stop - begin
                arguments = [
                    arithmetic.take(rows, index[span], out[:count])
                    for index, out in zip((first, second)[: OPS[code].arity], scratch, strict=False)
                ]
                arithmetic.value(OPS[code])(*arguments, out=rows[begin:stop])
    return Values(plan, buffer, arithmetic)


def slopes_of(
    trees: Population, values: Values
) -> tuple[Float[Tensor, "tree constant point"], Int[Tensor, "tree constant"], Bool[Tensor, "tree constant"]]:
    """Slopes of the trees in their constants, the columns of these, and which of them there are.

    Trees with fewer constants than others have slopes of zero behind them.
    """
    plan, buffer, arithmetic = values.plan, values.buffer, values.arithmetic
    before = plan.variables + 1
    adjoint = torch.empty_like(buffer)
    adjoint[plan.variables] = 0.0
    adjoint[plan.roots] = 1.0
    rows, back, first, second = map(arithmetic.view, (buffer, adjoint, plan.first, plan.second))
    scratch = arithmetic.view(buffer.new_empty(2, plan.widest, buffer.shape[1]))
    with np.errstate(all="ignore"):
        for code, begin, active, _ in reversed(plan.groups):
            if code == CONSTANT or active == begin:
                continue
            indices = [index[begin - before : active - before] for index in (first, second)[: OPS[code].arity]]
            arguments = [
                arithmetic.take(rows, index, out[: active - begin])
                for index, out in zip(indices, scratch, strict=False)
            ]
            slopes = OPS[code].slopes(arithmetic.functions, back[begin:active], rows[begin:active], *arguments)
            # what goes to rows that no constant moves, the shared ones of variables among them, is not read
            for index, slope in zip(indices, slopes, strict=True):
                arithmetic.put(back, index, slope)
    held = trees.op == CONSTANT
    most = int(held.sum(1).max())
    columns = torch.sort((~held).long(), stable=True, dim=1).indices[:, :most]
    there = held.gather(1, columns)
    # the constants' rows are in the order of trees and columns
    counted = held.flatten().cumsum(0).view_as(held)
    places = torch.where(there, plan.variables + counted.gather(1, columns), plan.variables)
    # a variable's row is written to by all its parents, the row of zeros by none
    return adjoint[places], columns, there


class Fit(NamedTuple):
    """a + b*tree, fitted to y by least squares: mean squared residual (inf where a value is not finite), a and b."""

    loss: Float[Tensor, " tree"]
    a: Float[Tensor, " tree"]
    b: Float[Tensor, " tree"]


def scaled(z: Float[Tensor, "tree point"], y: Float[Tensor, " point"], weights: Float[Tensor, " point"]) -> Fit:
    """Linear scaling: the best a + b*z for y, with weights of sum one. Source: Keijzer, EuroGP 2003."""
    middle, target = (z @ weights)[:, None], y @ weights
    centred, left = z - middle, y - target
    spread = centred.square() @ weights
    # a tree without spread is a constant, up to rounding of its mean
    flat = spread <= (4 * torch.finfo(z.dtype).eps * middle[:, 0]) ** 2
    b = torch.where(flat, 0.0, (centred @ (weights * left)) / torch.where(flat, 1.0, spread))
    loss = torch.sub(left, centred.mul_(b[:, None]), out=centred).square_() @ weights
    least, most = z.aminmax(dim=1)
    # NaN is not less than anything
    usable = (least >= -LARGEST) & (most <= LARGEST) & loss.isfinite()
    return Fit(torch.where(usable, loss, torch.inf), target - b * middle[:, 0], b)


def fits(
    trees: Population,
    X: Float[Tensor, "variable point"],  # noqa: N803
    y: Float[Tensor, " point"],
    weights: Float[Tensor, " point"],
) -> Fit:
    """Linear scaling of all trees, as machine code where there is some, else chunk by chunk."""
    if X.device.type == "cpu" and X.dtype == torch.float64 and (code := code_of(COMPILED)) is not None:
        columns = X.new_empty(3, len(trees))
        code.scaled(_arrays(trees), X.contiguous().numpy(), (y.numpy(), weights.numpy()), LARGEST, columns.numpy())
        return Fit(*columns)
    parts = [scaled(values_of(part, X, plan_of(part, len(X))).roots, y, weights) for part in chunks(trees, X)]
    return Fit(*(torch.cat(columns) for columns in zip(*parts, strict=True)))


def roots_of(trees: Population, X: Float[Tensor, "variable point"]) -> Float[Tensor, "tree point"]:  # noqa: N803
    """Values of the trees alone, by the same means."""
    if X.device.type == "cpu" and X.dtype == torch.float64 and (code := code_of(COMPILED)) is not None:
        values = X.new_empty(len(trees), X.shape[1])
        code.roots(_arrays(trees), X.contiguous().numpy(), values.numpy())
        return values
    return torch.cat([values_of(part, X, plan_of(part, len(X))).roots for part in chunks(trees, X)])


def _arrays(trees: Population) -> tuple[np.ndarray, ...]:
    """As the machine code reads them; joined populations may lie in memory in another order."""
    tensors = (trees.op, trees.var, trees.const.double())
    return tuple(tensor.contiguous().numpy() for tensor in tensors)


def chunks(trees: Population, X: Float[Tensor, "variable point"]) -> Iterator[Population]:  # noqa: N803
    """The trees in parts whose values fit the cache."""
    nodes = max(int(trees.lengths.sum()), 1)
    share = CHUNK[X.device.type] / (nodes * X.shape[1])
    length = max(int(share * len(trees)), 1)
    for start in range(0, len(trees), length):
        yield trees[start : start + length]


def formulas_of(trees: Population, fit: Fit, names: Sequence[str], size: float) -> list[Expr]:
    """a + b*tree of every tree, the best first, for values of y up to `size`; an a or b of rounding is left out.

    Trees that sympy takes for complex or infinite are left out.
    """
    formulas = []
    for row in torch.argsort(fit.loss, stable=True).tolist():
        a, b = float(fit.a[row]), float(fit.b[row])
        scale = (0.0 if abs(a) <= ROUNDING * size else a, 1.0 if abs(b - 1) <= ROUNDING else b)
        try:
            formulas.append(trees.expr(row, names, scale))
        except InvalidArgument:
            continue
    return formulas
