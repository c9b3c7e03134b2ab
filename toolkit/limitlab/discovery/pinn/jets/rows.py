"""Streams of (unit, stream, point) as panels of points, each a block of rows (stream, unit), and the way back.

Numbers of rows are rounded up to what products take at once, and the last panel is filled with zeros.
"""

from __future__ import annotations

from numba import njit

from limitlab.discovery.pinn.jets.products import COLUMNS, PANEL, ROWS


@njit(nogil=True, cache=True, inline="always")
def rows_of(units):
    """Rows of memory of a stream."""
    return (units + ROWS - 1) // ROWS * ROWS


@njit(nogil=True, cache=True, inline="always")
def columns_of(units):
    """Rows of memory of the sums of a layer with so many inputs."""
    return (units + COLUMNS - 1) // COLUMNS * COLUMNS


@njit(nogil=True, cache=True, inline="always")
def panels_of(points):
    """Panels of so many points."""
    return (points + PANEL - 1) // PANEL


@njit(nogil=True, cache=True, inline="always")
def put_row(source, first, x, row):
    """A panel of one stream of one unit."""
    if len(source) - first >= PANEL:
        # a number of points that is known is copied by vectors
        for p in range(PANEL):
            x[row + p] = source[first + p]
    else:
        for p in range(PANEL):
            x[row + p] = source[first + p] if first + p < len(source) else 0.0


@njit(nogil=True, cache=True, inline="always")
def take_row(x, row, target, first):
    """The way back of `put_row`."""
    if len(target) - first >= PANEL:
        for p in range(PANEL):
            target[first + p] = x[row + p]
    else:
        for p in range(len(target) - first):
            target[first + p] = x[row + p]


@njit(nogil=True, cache=True)
def put(streams, part, some, room):
    """Panels of some streams of (unit, stream, point) as rows (stream, unit), zero where there are no points.

    part: the first stream, and the one behind the last. some: the first point, and how many panels, several since each
    row of a panel lies on a page of its own. room: numbers, where the first panel is, and how far it is to the next.
    """
    low, high = part
    begin, panels = some
    x, at, stride = room
    units = len(streams)
    for s in range(low, high):
        for u in range(units):
            source = streams[u, s]
            for q in range(panels):
                row = at + q * stride + PANEL * ((s - low) * rows_of(units) + u)
                put_row(source, begin + q * PANEL, x, row)


@njit(nogil=True, cache=True)
def take(streams, part, some, room):
    """The way back of `put`."""
    low, high = part
    begin, panels = some
    x, at, stride = room
    units = len(streams)
    for s in range(low, high):
        for u in range(units):
            target = streams[u, s]
            for q in range(panels):
                row = at + q * stride + PANEL * ((s - low) * rows_of(units) + u)
                take_row(x, row, target, begin + q * PANEL)
