"""A square of cells that are painted with the mouse, or by the arrow keys and the space bar, in one of a few levels.

The page holds a digit a cell, row by row, and sends all of them after each stroke. They are read as a typed text would
be, and refused by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from traitlets import Int, List, Unicode

from limitlab.errors import InvalidArgument
from limitlab_widgets.shared.drawing.pad import ON_PAGE, Pad

CELLS = 32
"""Along a side of what is painted."""
MOST_LEVELS = 9


class PlanePad(Pad):
    """A plane that is painted; take(rows) is called after each stroke, a text of digits for each place across.

    A row goes up: its first digit is the lowest cell. What means no painting goes to refuse(error).

    >>> from limitlab_widgets.shared.drawing.plane_pad import PlanePad
    >>> pad = PlanePad(print, refuse=print)
    >>> pad.offer("a", ("3", "12"), ("01", "11"))
    >>> pad.put("0110")
    ('01', '10')
    >>> pad.put("0120")
    a must be 4 digits from 0 to 1; got '0120'
    """

    painted = Unicode("0").tag(sync=True)
    cells = Int(1).tag(sync=True)
    levels = List(Unicode(), default_value=["0", "1"]).tag(sync=True)
    name = Unicode("a").tag(sync=True)
    _css = """
    .limitlab-plane { width: 224px; height: 224px; touch-action: none; cursor: crosshair; display: block; margin: 2px 0;
      border: 1px solid var(--jp-border-color1, #8c959f); image-rendering: pixelated; }
    """
    _esm = (
        ON_PAGE
        + """
    const REACH = 1.6;
    export default {
      render({ model, el }) {
        const plane = document.createElement("canvas"), brush = document.createElement("select");
        const told = said(plane, "limitlab-plane"), label = document.createElement("label");
        label.className = "limitlab-note";
        let cells = [], at = [0, 0], last = null;
        const size = () => model.get("cells");
        const look = () => {
          const n = size(), levels = model.get("levels"), name = model.get("name");
          plane.width = plane.height = 8 * n;
          const context = plane.getContext("2d");
          for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) {
            // from dark blue to yellow, as the maps of the studio
            const share = cells[i * n + j] / Math.max(levels.length - 1, 1);
            context.fillStyle = `hsl(${250 - 195 * share} 70% ${28 + 34 * share}%)`;
            context.fillRect(8 * i, 8 * (n - 1 - j), 8, 8);
          }
          context.strokeStyle = "#ffffff";
          context.lineWidth = 2;
          context.strokeRect(8 * at[0], 8 * (n - 1 - at[1]), 8, 8);
          told.textContent = ` cell ${at[0] + 1}, ${at[1] + 1} of ${n}: ${name} = ${levels[cells[at[0] * n + at[1]]]}`;
          plane.setAttribute("aria-label", `${name} in the plane, to be painted; arrow keys move, space paints`);
        };
        const follow = () => {
          const asked = model.get("asked"), levels = model.get("levels");
          cells = [...(typeof asked === "string" ? asked : model.get("painted"))].map(Number);
          at = at.map((place) => clip(place, 0, size() - 1));
          if ([...brush.options].map((option) => option.text).join() !== levels.join()) {
            brush.replaceChildren(...levels.map((level, number) => new Option(level, number)));
            brush.value = levels.length - 1;
          }
          label.textContent = `paint ${model.get("name")} = `;
          brush.setAttribute("aria-label", `paint ${model.get("name")}`);
          look();
        };
        const dab = (x, y) => {
          const n = size(), reach = Math.ceil(REACH);
          const near = (place) => [...Array(2 * reach + 1).keys()].map((k) => Math.round(place) + k - reach)
            .filter((k) => k >= 0 && k < n);
          for (const i of near(x)) for (const j of near(y))
            if (Math.hypot(i - x, j - y) <= REACH) cells[i * n + j] = +brush.value;
          at = [x, y].map((place) => clip(Math.round(place), 0, n - 1));
        };
        const changed = () => {
          look();
          send(model, cells.join(""));
        };
        const stroke = (event, begins) => {
          const box = plane.getBoundingClientRect(), n = size();
          const to = [(event.clientX - box.left) / box.width, (box.bottom - event.clientY) / box.height]
            .map((share) => share * n - 0.5);
          const from = (begins ? null : last) ?? to, count = Math.ceil(Math.hypot(to[0] - from[0], to[1] - from[1]));
          for (let k = 0; k <= count; k++)
            dab(...[0, 1].map((axis) => count ? from[axis] + (to[axis] - from[axis]) * k / count : to[axis]));
          last = to;
          changed();
        };
        const press = (arrow, key) => {
          if (!arrow && key !== " ") return false;
          if (arrow) {
            at = at.map((place, axis) => clip(place + arrow[axis], 0, size() - 1));
            look();
          } else {
            dab(...at);
            changed();
          }
        };
        heard(plane, stroke, press);
        el.append(plane, label, brush, told);
        return following(model, ["painted", "asked", "cells", "levels", "name"], follow);
      },
    };
    """
    )

    def offer(self, name: str, levels: Sequence[str], rows: Sequence[str]) -> None:
        """Show a plane of these rows, to be painted over in these levels, each in words."""
        with self.hold_sync():
            self.name, self.levels, self.cells = name, list(levels), len(rows)
            self.painted, self.asked = "".join(rows), None

    def read(self, sent: Any) -> tuple[tuple[str, ...]]:
        return (read_plane(sent, self.cells, len(self.levels), self.name),)


def read_plane(digits: Any, cells: int, levels: int, name: str) -> tuple[str, ...]:
    """A digit for every cell of a square, as rows. Raises InvalidArgument.

    >>> from limitlab_widgets.shared.drawing.plane_pad import read_plane
    >>> read_plane("0021", 2, 3, "a")
    ('00', '21')
    """
    known = set("0123456789"[:levels])
    if not isinstance(digits, str) or len(digits) != cells**2 or not set(digits) <= known:
        raise InvalidArgument(f"{name} must be {cells**2} digits from 0 to {levels - 1}; got {digits!r:.60}")
    return tuple(digits[start : start + cells] for start in range(0, cells**2, cells))
