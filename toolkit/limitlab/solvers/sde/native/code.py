"""Machine code of uniform steps: groups of eight samples, a block of steps each, with the draws of their noise.

`advance` takes the groups one after another. A group first draws the normals of the block, two cells for every counter
of `limitlab.solvers.sde.brownian`, into a room that all groups share, or finds its increments where they lie; then it
steps from its frame and leaves there where it came to.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

from llvmlite import ir

from limitlab.solvers.native.arithmetic import DOUBLE, POINTER, VECTOR, WORD, WORDS, Lanes
from limitlab.solvers.native.field import Rows, define
from limitlab.solvers.native.stages import Vectors
from limitlab.solvers.sde.native.choice import Recipe
from limitlab.solvers.sde.native.fields import Interval, LaneFields
from limitlab.solvers.sde.native.normals import normal_pair
from limitlab.solvers.sde.native.schemes import STEPS, Shadow

# of a step: times, size, and the deviations that normals are scaled by
TIME, AFTER, SIZE, DEVIATION, AREA_DEVIATION, COLUMNS = range(6)
# frames of the groups, table of steps, outputs, rows of outputs, keys of counters, room for noise
POINTERS = ("frame", "table", "outputs", "rows", "keys", "noise")
# how many groups, steps, counters; rows of noise before the block's, rows of noise of a group; the first step
COUNTS = ("groups", "steps", "counters", "skipped", "stride", "first")


def march_module(recipe: Recipe) -> ir.Module:
    """A module of `advance`, of POINTERS and COUNTS."""
    module = ir.Module("march")
    define(recipe.parts, module)
    kind = ir.FunctionType(ir.VoidType(), [POINTER] * len(POINTERS) + [WORD] * len(COUNTS))
    group, advance = (ir.Function(module, kind, name) for name in ("group", "advance"))
    group.linkage = "internal"
    group.attributes.add("noinline")
    _group(recipe, group)
    builder = ir.IRBuilder(advance.append_basic_block())
    named = _arguments(advance)
    with repeated(builder, named["groups"]) as index:
        places = {
            "frame": builder.mul(index, ir.Constant(WORD, recipe.rows)),
            "outputs": builder.mul(index, ir.Constant(WORD, recipe.components)),
            "noise": builder.mul(index, named["stride"]),
        }
        moved = {name: builder.gep(named[name], [row], source_etype=VECTOR) for name, row in places.items()}
        builder.call(group, list({**named, **moved}.values()))
    builder.ret_void()
    return module


@contextmanager
def repeated(builder: ir.IRBuilder, count: ir.Value) -> Iterator[ir.Value]:
    """A loop around what is appended inside, of indices 0 to count - 1."""
    before = builder.block
    head, body, end = (builder.append_basic_block(name) for name in ("head", "body", "end"))
    builder.branch(head)
    builder.position_at_end(head)
    index = builder.phi(WORD)
    index.add_incoming(ir.Constant(WORD, 0), before)
    builder.cbranch(builder.icmp_signed("<", index, count), body, end)
    builder.position_at_end(body)
    yield index
    index.add_incoming(builder.add(index, ir.Constant(WORD, 1)), builder.block)
    builder.branch(head)
    builder.position_at_end(end)


def _group(recipe: Recipe, function: ir.Function) -> None:
    builder = ir.IRBuilder(function.append_basic_block())
    lanes, named = Lanes(builder), _arguments(function)
    frame, state = Rows(lanes, named["frame"]), Rows(lanes, lanes.room(recipe.lost + 1))
    fields = LaneFields(recipe, frame)
    _draw(recipe, lanes, frame, named)
    state.write(0, frame.several(0, recipe.lost + 1))
    with repeated(builder, named["steps"]) as step:
        at = _interval(recipe, lanes, named, step)
        y, shadow = _stepped(recipe, fields, at, state)
        state.write(0, y)
        if shadow is not None:
            state.write(recipe.components, [*shadow.z, *shadow.f, *(entry for row in shadow.g for entry in row)])
        number = builder.sitofp(builder.add(named["first"], step), DOUBLE)
        state[recipe.lost] = _first_lost(lanes, y, lanes.spread(number), state[recipe.lost])
        row = builder.load(builder.gep(named["rows"], [step], source_etype=WORD), typ=WORD)
        Rows(lanes, builder.gep(named["outputs"], [row], source_etype=VECTOR)).write(0, y)
    frame.write(0, state.several(0, recipe.lost + 1))
    builder.ret_void()


def _arguments(function: ir.Function) -> dict[str, ir.Value]:
    return dict(zip((*POINTERS, *COUNTS), function.args, strict=True))


def _draw(recipe: Recipe, lanes: Lanes, frame: Rows, named: dict[str, ir.Value]) -> None:
    """The normals of the counters' cells: of each cell the channels' increments, then their areas."""
    builder, width = lanes.builder, recipe.streams * recipe.channels
    # code of a draw is long: one for all channels
    channels, streams = ir.Constant(WORD, recipe.channels), ir.Constant(WORD, recipe.streams)
    keys = builder.gep(frame.base, [ir.Constant(WORD, recipe.keys)], source_etype=VECTOR)
    with repeated(builder, named["counters"]) as counter:
        row = builder.mul(counter, ir.Constant(WORD, 2 * width))
        with repeated(builder, channels) as channel:
            lane_keys = Rows(lanes, builder.gep(keys, [channel], source_etype=VECTOR))[0]
            place = Rows(lanes, builder.gep(named["noise"], [builder.add(row, channel)], source_etype=VECTOR))
            for stream in range(recipe.streams):
                index = builder.add(builder.mul(counter, streams), ir.Constant(WORD, stream))
                key = builder.load(builder.gep(named["keys"], [index], source_etype=WORD), typ=WORD)
                words = builder.add(builder.bitcast(lane_keys, WORDS), builder.bitcast(_spread_word(lanes, key), WORDS))
                first, second = normal_pair(lanes, words)
                place[stream * recipe.channels] = first
                place[stream * recipe.channels + width] = second


def _spread_word(lanes: Lanes, word: ir.Value) -> ir.Value:
    return lanes.spread(lanes.builder.bitcast(word, DOUBLE))


def _interval(recipe: Recipe, lanes: Lanes, named: dict[str, ir.Value], step: ir.Value) -> Interval:
    builder, width = lanes.builder, recipe.streams * recipe.channels
    row = builder.mul(step, ir.Constant(WORD, COLUMNS))

    def column(number: int) -> ir.Value:
        place = builder.add(row, ir.Constant(WORD, number))
        return lanes.spread(builder.load(builder.gep(named["table"], [place], source_etype=DOUBLE), typ=DOUBLE))

    start = builder.add(builder.mul(step, ir.Constant(WORD, width)), named["skipped"])
    noise = Rows(lanes, builder.gep(named["noise"], [start], source_etype=VECTOR))
    normals = noise.several(0, width)
    scales = [column(number) for number in (DEVIATION, AREA_DEVIATION)[: recipe.streams]]
    w, *area = (
        [lanes.multiply(scale, normal) for normal in normals[stream * recipe.channels :][: recipe.channels]]
        for stream, scale in enumerate(scales)
    )
    return Interval(column(TIME), column(AFTER), column(SIZE), w, area[0] if area else w)


def _stepped(recipe: Recipe, fields: LaneFields, at: Interval, state: Rows) -> tuple[Vectors, Shadow | None]:
    size, columns = recipe.components, recipe.columns
    shadow = None
    if recipe.shadow:
        g = [state.several(3 * size + row * columns, columns) for row in range(size)]
        shadow = Shadow(state.several(size, size), state.several(2 * size, size), g)
    return STEPS[recipe.method](fields, at, state.several(0, size), shadow)


def _first_lost(lanes: Lanes, y: Vectors, step: ir.Value, lost: ir.Value) -> ir.Value:
    """The smaller of this step, where a component is not finite, and what stood there."""
    limit = lanes.number(math.inf)
    finite = lanes.is_less(lanes.absolute(y[0]), limit)
    for value in y[1:]:
        finite = lanes.builder.and_(finite, lanes.is_less(lanes.absolute(value), limit))
    return lanes.select(finite, lost, lanes.minimum(step, lost))
