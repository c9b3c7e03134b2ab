"""Layers of the tangent on panels of points, forward and backward, as machine code.

A panel goes through all layers before the next one does, so what a layer makes is in the nearest cache when the next
one reads it. Only y and the derivatives before the activation are kept for the way back; what a layer made of them is
cheaper made again than read.

Where the network has one output N, the gradient at any stream that is linear to the end (first derivatives along
directions without a second one, and all second derivatives) is one and the same array L, times the gradient a_s(p) at
that stream of N, since the layers multiply all of them alike: with Z the streams at a layer,

    G_s = a_s L,    sum_s G_s X_s^T = L (sum_s a_s X_s)^T.

So the way back has 1 + C + 1 streams in the place of 1 + D + C, for D directions, C of them with a second derivative:
three for four on Burgers' equation. With several outputs, or one such stream, each has its own, and a_s = 1.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from limitlab.discovery.pinn.jets.products import COLUMNS, GROUPS, PANEL, ROWS, correlate, multiply
from limitlab.discovery.pinn.jets.rows import columns_of, panels_of, put, rows_of, take
from limitlab.discovery.pinn.jets.tanh import bend, tangents, unbend
from limitlab.solvers.pde.native.lanes import load, store

ZEROS = np.zeros(8)


class Network(NamedTuple):
    """Weights of all layers with their biases, flat; the rows of `planned`; hidden layers, and curved directions."""

    weights: Any
    plan: Any
    hidden: int
    curved: int


class Ahead(NamedTuple):
    """What goes forward: the input, memory for what is kept, a row for each panel or for each part, and the output."""

    streams: Any
    kept: Any
    out: Any


class Back(NamedTuple):
    """What goes back: the gradient at the output, the input, what was kept, and where sums and the result are put.

    shared: whether streams share a gradient. inwards: without units where that at the input is not wanted.
    """

    gradient: Any
    streams: Any
    kept: Any
    shared: bool
    sums: Any
    inwards: Any


def planned(widths, streams):
    """Of each layer inputs and units, and where its weights, what is kept of it, and its sums begin; the lengths."""
    rows, begin, at, into = [], 0, 0, 0
    for inputs, units in pairwise(widths):
        rows.append((inputs, units, begin, at, into))
        begin += units * (inputs + 1)
        at += streams * rows_of(units) * PANEL
        into += (columns_of(inputs) + 4) * rows_of(units)
    return np.array(rows), (begin, at, into)


@njit(nogil=True, cache=True)
def turn(weights, plan, turned):
    """The same weights with each matrix transposed."""
    turned[:] = weights
    for layer in range(len(plan)):
        inputs, units, begin = plan[layer][:3]
        for u in range(units):
            for i in range(inputs):
                turned[begin + i * units + u] = weights[begin + u * inputs + i]


@njit(nogil=True, cache=True)
def affine(layer, x, streams, target):
    """W x + b on a panel of rows.

    layer: weights, where W^T and b lie, inputs and units. target: numbers, and the group where the rows begin.
    """
    weights, begin, inputs, units = layer
    out, at = target
    height, depth, bias = GROUPS * rows_of(units), GROUPS * rows_of(inputs), begin + units * inputs
    for row in range(0, units, ROWS):
        multiply((weights, begin + row, units), (weights, bias + row), (x, 0), inputs, (out, at + GROUPS * row))
    for s in range(1, streams):
        for row in range(0, units, ROWS):
            to = at + s * height + GROUPS * row
            multiply((weights, begin + row, units), (ZEROS, 0), (x, s * depth), inputs, (out, to))


@njit(nogil=True, cache=True)
def forward(span, network, way, together, rooms):
    """Streams (unit, stream, point) of the last of the layers, at some of the panels.

    span: the number of the part, its first panel, and the one behind its last. network: with its matrices transposed.
    rooms: of each part, buffers for the streams of a panel: two, and as many as are copied together.
    """
    part, begun, ended = span
    streams, kept, out = way
    weights, plan, hidden, curved = network
    count, points = streams.shape[1:]
    length = rooms.shape[1] // (2 + together) // 4 * 4
    x, z, several = rooms[part, :length], rooms[part, length : 2 * length], rooms[part, 2 * length :]
    for first in range(begun, ended, together):
        panels = min(together, ended - first)
        put(streams, (0, count), (first * PANEL, panels), (several, 0, length))
        for q in range(panels):
            row = kept[first + q if len(kept) == panels_of(points) else part]
            mine = several[q * length : (q + 1) * length]
            for layer in range(len(plan)):
                inputs, units, begin, at, _ = plan[layer]
                values = x if layer else mine
                if layer == hidden:
                    affine((weights, begin, inputs, units), values, count, (mine, 0))
                    break
                affine((weights, begin, inputs, units), values, count, (row, at // 4))
                end = PANEL * units
                z[:end] = row[at : at + end]
                tangents(z[:end], row[at : at + end])
                last = layer == len(plan) - 1
                kind = count, curved, GROUPS * units
                bend((row, at // 4, GROUPS * rows_of(units)), kind, mine if last else x)
        take(out, (0, count), (first * PANEL, panels), (several, 0, length))


@njit(nogil=True, cache=True)
def scaled(gradient, some, kind, g, weights):
    """The gradient at the output of some panels as rows, with the weights of the streams that share one.

    kind: streams that have a gradient of their own, and whether the others share one. weights: numbers, and how many
    there are of a panel.
    """
    single, shared = kind
    scales, block = weights
    units, count = gradient.shape[:2]
    own = (single + (1 if shared else count - single)) * rows_of(units) * PANEL
    if not shared:
        put(gradient, (0, count), some, (g, 0, own))
        return
    put(gradient, (0, single), some, (g, 0, own))
    put(gradient, (single, count), some, (scales, 0, block))
    for q in range(some[1]):
        top = q * own + single * ROWS * PANEL
        g[top : top + PANEL] = 1.0


@njit(nogil=True, cache=True)
def gathered(streams, some, kind, weights, rooms):
    """The input of some panels as rows, with the weighted sum of the streams that share a gradient in their place."""
    single, shared = kind
    scales, block = weights
    room, x = rooms
    units, count = streams.shape[:2]
    length = rows_of(units) * PANEL
    own = (single + (1 if shared else count - single)) * length
    if not shared:
        put(streams, (0, count), some, (x, 0, own))
        return
    stride = (count - single) * length
    put(streams, (0, single), some, (x, 0, own))
    put(streams, (single, count), some, (room, 0, stride))
    for q in range(some[1]):
        for u in range(units):
            row = x[q * own + single * length + u * PANEL :]
            for p in range(PANEL):
                row[p] = 0.0
            for t in range(count - single):
                part, factors = room[q * stride + t * length + u * PANEL :], scales[q * block + t * ROWS * PANEL :]
                for p in range(PANEL):
                    row[p] += factors[p] * part[p]


@njit(nogil=True, cache=True)
def handed_on(g, some, kind, weights, inwards):
    """The gradient at the input of some panels from its rows."""
    begin, panels = some
    single, shared = kind
    scales, block = weights
    units, count, points = inwards.shape
    length = rows_of(units) * PANEL
    own = (single + (1 if shared else count - single)) * length
    if not shared:
        take(inwards, (0, count), some, (g, 0, own))
        return
    take(inwards, (0, single), some, (g, 0, own))
    for q in range(panels):
        first, top = begin + q * PANEL, q * own + single * length
        for u in range(units):
            for t in range(count - single):
                for p in range(min(PANEL, points - first)):
                    weight = scales[q * block + t * ROWS * PANEL + p]
                    inwards[u, single + t, first + p] = weight * g[top + u * PANEL + p]


@njit(nogil=True, cache=True)
def gather_sums(back, ahead, streams, panels, target):
    """Add the sums of a layer's weights over some panels, and those of its bias behind them.

    back, ahead: rows of its gradient with its units, and of what went into it with its inputs. target: numbers, and
    where those of the layer begin.
    """
    g, units = back
    x, inputs = ahead
    sums, at = target
    height, depth = rows_of(units), rows_of(inputs)
    for column in range(0, inputs, COLUMNS):
        for row in range(0, units, ROWS):
            rows, columns = (g, GROUPS * row, GROUPS * height), (x, GROUPS * column, GROUPS * depth)
            place = sums, (at + column * height + row) // 4, height // 4
            correlate(rows, columns, streams * panels, ZEROS, place)
    at += columns_of(inputs) * height
    for u in range(units):
        of = at // 4 + u
        total = load(sums, of)
        for panel in range(panels):
            q = GROUPS * (panel * streams * height + u)
            total = total + (load(g, q) + load(g, q + 1) + load(g, q + 2))
        store(sums, of, total)


@njit(nogil=True, cache=True)
def backward(span, network, way, together, rooms):
    """Add the gradients of weights and biases to the part's row of the sums, and write that at the input.

    span: the number of the part, its first panel, and the one behind its last. together: panels that go back through a
    layer one after the other, so that sums over points are added up seldom. rooms: of each part, three buffers for the
    streams of so many panels, and the weights of these streams behind them.
    """
    part, begun, ended = span
    weights, plan, hidden, curved = network
    gradient, streams, kept, shared, sums, inwards = way
    count = streams.shape[1]
    single = 1 + curved
    kind = single, shared
    own = single + (1 if shared else count - single)
    block = ROWS * PANEL * (count - single)
    length = rooms.shape[1] - together * block
    third = length // 12 * 4
    upper, lower, x = rooms[part, :third], rooms[part, third : 2 * third], rooms[part, 2 * third : 3 * third]
    scales = rooms[part, length:]
    if not shared:
        scales[:] = 1.0
    for first in range(begun, ended, together):
        panels = min(together, ended - first)
        some, units = kept[first : first + panels], plan[-1][1]
        at = first * PANEL, panels
        scaled(gradient, at, kind, upper, (scales, block))
        if hidden == len(plan):
            unbent((some, plan[-1][3], units), (count, curved, shared), scales, (upper, x))
        for layer in range(len(plan) - 1, -1, -1):
            inputs, units, begin, _, into = plan[layer]
            if layer > 0 or len(inwards) > 0:
                transposed((weights, begin, inputs, units), upper, own * panels, lower)
            if layer > 0:
                unbent((some, plan[layer - 1][3], inputs), (count, curved, shared), scales, (lower, x))
            else:
                if len(inwards) > 0:
                    handed_on(lower, at, kind, (scales, block), inwards)
                gathered(streams, at, kind, (scales, block), (lower, x))
            gather_sums((upper, units), (x, inputs), own, panels, (sums[part], into))
            upper, lower = lower, upper


@njit(nogil=True, cache=True)
def transposed(layer, g, streams, out):
    """W^T g on so many streams of rows."""
    weights, begin, inputs, units = layer
    height, depth = GROUPS * rows_of(inputs), GROUPS * rows_of(units)
    for s in range(streams):
        for row in range(0, inputs, ROWS):
            to = s * height + GROUPS * row
            multiply((weights, begin + row, inputs), (ZEROS, 0), (g, s * depth), units, (out, to))


@njit(nogil=True, cache=True)
def unbent(rows, kind, scales, target):
    """`unbend` of some panels.

    rows: what was kept, where that of the layer begins, and its units. kind: streams, curved directions, and whether
    streams share a gradient.
    """
    kept, at, units = rows
    count, curved, shared = kind
    g, x = target
    stride, several = GROUPS * rows_of(units), count - 1 - curved
    own = stride * (1 + curved + (1 if shared else several))
    for q in range(len(kept)):
        mine = scales[q * ROWS * PANEL * several :]
        unbend((kept[q], at // 4, stride), (several, curved, shared), mine, GROUPS * units, (g, x, q * own))


@njit(nogil=True, cache=True)
def collect(sums, plan, weights):
    """The gradients of weights and biases, flat as these are, from those of several parts of the points."""
    weights[:] = 0.0
    for part in range(len(sums)):
        for layer in range(len(plan)):
            inputs, units, begin, _, into = plan[layer]
            height = rows_of(units)
            for i in range(inputs):
                for u in range(units):
                    weights[begin + u * inputs + i] += sums[part, into + i * height + u]
            bias = into + columns_of(inputs) * height
            for u in range(units):
                weights[begin + units * inputs + u] += sums[part, bias + 4 * u : bias + 4 * u + 4].sum()
