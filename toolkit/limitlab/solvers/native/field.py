"""The field in the lanes: its slope, and its linearisation, written out or as functions of their own.

A field of few cheap operations is written out at every stage; a call would cost more. A longer one is a function, so
that it is compiled once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from llvmlite import ir

from limitlab.solvers.native.arithmetic import POINTER, Lanes
from limitlab.solvers.native.choice import Recipe
from limitlab.solvers.native.listing import Listing
from limitlab.solvers.native.operations import emitted
from limitlab.solvers.native.stages import Slope, Vectors

Parts = Mapping[str, tuple[Listing, int]]  # by name: a listing, and the first row of what it is given


class Rows:
    """The rows of an array (rows, lanes), read and written."""

    def __init__(self, lanes: Lanes, base: ir.Value) -> None:
        self.lanes, self.base = lanes, base

    def __getitem__(self, row: int) -> ir.Value:
        return self.lanes.load(self.base, row)

    def __setitem__(self, row: int, value: ir.Value) -> None:
        self.lanes.store(self.base, row, value)

    def several(self, first: int, count: int) -> Vectors:
        """Rows first to first + count - 1."""
        return [self[first + index] for index in range(count)]

    def write(self, first: int, values: Sequence[ir.Value]) -> None:
        """Rows from first on."""
        for index, value in enumerate(values):
            self[first + index] = value


def define(parts: Parts, module: ir.Module) -> None:
    """Add to the module the functions (frame, inputs, outputs) of what is too long to be written out."""
    for name, (listing, first) in parts.items():
        if listing.is_short:
            continue
        function = ir.Function(module, ir.FunctionType(ir.VoidType(), [POINTER] * 3), name)
        function.linkage = "internal"
        function.attributes.add("noinline")
        builder = ir.IRBuilder(function.append_basic_block())
        rows, inputs, outputs = (Rows(Lanes(builder), base) for base in function.args)
        given = rows.several(first, len(listing.given))
        outputs.write(0, emitted(rows.lanes, listing, inputs.several(0, listing.inputs), given))
        builder.ret_void()


def slope_of(recipe: Recipe, rows: Rows) -> Slope:
    """y' in the solver's time, of (t, y)."""
    values, lanes = values_of(parts_of(recipe), rows, "slope"), rows.lanes
    if recipe.sign == 1.0:
        return values
    return lambda t, y: [lanes.negate(value) for value in values(lanes.negate(t), y)]


def linearization_of(recipe: Recipe, rows: Rows) -> Callable[[ir.Value, Vectors], tuple[list[Vectors], Vectors]]:
    """The rows of df/dy, and df/dt, in the solver's time, of (t, y)."""
    values, lanes, size = values_of(parts_of(recipe), rows, "linearization"), rows.lanes, recipe.frame.components

    def linearization(t: ir.Value, y: Vectors) -> tuple[list[Vectors], Vectors]:
        entries = values(t if recipe.sign == 1.0 else lanes.negate(t), y)
        matrix, in_time = entries[: size * size], entries[size * size :]
        if recipe.sign != 1.0:
            # t and y' change their signs, so that df/dt keeps its own
            matrix = [lanes.negate(entry) for entry in matrix]
        return [matrix[row * size : (row + 1) * size] for row in range(size)], in_time

    return linearization


def parts_of(recipe: Recipe) -> Parts:
    """The slope, and the linearisation where the method takes it."""
    first = recipe.frame.first_given
    parts = {"slope": (recipe.field, first)}
    if recipe.linear is not None:
        parts["linearization"] = recipe.linear, first + len(recipe.field.given)
    return parts


def values_of(parts: Parts, rows: Rows, name: str) -> Slope:
    """The expressions of a listing at (t, y)."""
    listing, first = parts[name]
    lanes, called = rows.lanes, rows.lanes.builder.module.globals.get(name)
    if called is None:
        given = rows.several(first, len(listing.given))
        return lambda t, y: emitted(lanes, listing, [t, *y], given)
    inputs, outputs = (Rows(lanes, lanes.room(count)) for count in (listing.inputs, len(listing.outputs)))

    def values(t: ir.Value, y: Vectors) -> Vectors:
        inputs.write(0, [t, *y])
        lanes.builder.call(called, [rows.base, inputs.base, outputs.base])
        return outputs.several(0, len(listing.outputs))

    return values
