"""A plane in which a point is put by a click, dragged, or moved by the arrow keys; what comes of it is checked.

The page sends where the point was put. It is read as a typed pair of numbers would be, and refused by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from traitlets import Float, Int, List, Unicode

from limitlab.errors import InvalidArgument, check_number
from limitlab_widgets.shared.drawing.pad import ON_PAGE, Pad

PRESSES = 40
"""How many presses of an arrow key lead from one edge to the other."""


class PointPad(Pad):
    """A square plane with one point; take(across, up) is called when a reader has put it elsewhere.

    A value that means no point of the plane goes to refuse(error), and the point stays where it is.

    >>> from limitlab_widgets.shared.drawing.point_pad import PointPad
    >>> pad = PointPad(print, refuse=print)
    >>> pad.offer(("x", "v"), (-1.0, 1.0), (0.0, 4.0))
    >>> pad.put([0.5, 3.0])
    0.5 3.0
    >>> pad.put([0.5, 7.0])
    v must be a number >= 0 <= 4; got 7.0
    """

    point = List(Float(), default_value=[0.0, 0.0]).tag(sync=True)
    ends = List(Float(), default_value=[0.0, 1.0, 0.0, 1.0]).tag(sync=True)
    names = List(Unicode(), default_value=["x", "y"]).tag(sync=True)
    presses = Int(PRESSES).tag(sync=True)
    _css = """
    .limitlab-pad { width: 180px; height: 180px; touch-action: none; cursor: crosshair; display: block; margin: 2px 0;
      border: 1px solid var(--jp-border-color1, #8c959f); background: var(--jp-layout-color1, #fff); }
    .limitlab-pad circle { fill: var(--jp-brand-color1, #1976d2); }
    .limitlab-pad line { stroke: var(--jp-border-color2, #d0d7de); stroke-width: 1; }
    """
    _esm = (
        ON_PAGE
        + """
    export default {
      render({ model, el }) {
        const plane = made("svg"), dot = made("circle"), told = said(plane, "limitlab-pad");
        const lines = [0, 1].map(() => plane.appendChild(made("line")));
        plane.setAttribute("viewBox", "0 0 100 100");
        dot.setAttribute("r", "3.5");
        plane.append(dot);
        let at = [...model.get("point")];
        const digits = (number) => Number(number.toPrecision(4));
        const look = () => {
          const [left, right, low, high] = model.get("ends"), [across, up] = model.get("names");
          const x = 100 * (at[0] - left) / (right - left), y = 100 * (high - at[1]) / (high - low);
          dot.setAttribute("cx", x);
          dot.setAttribute("cy", y);
          lines.forEach((line, k) => {
            for (const [name, value] of Object.entries(k ? { x1: 0, x2: 100, y1: y, y2: y }
              : { x1: x, x2: x, y1: 0, y2: 100 })) line.setAttribute(name, value);
          });
          told.textContent = `${across} = ${digits(at[0])}, ${up} = ${digits(at[1])}`;
          plane.setAttribute("aria-label", `start in the plane of ${across} and ${up}; arrow keys move it`);
        };
        const follow = () => { at = [...model.get("point")]; look(); };
        const put = (x, y) => {
          const [left, right, low, high] = model.get("ends");
          at = [clip(x, left, right), clip(y, low, high)];
          look();
          send(model, at);
        };
        const stroke = (event) => {
          const box = plane.getBoundingClientRect(), [left, right, low, high] = model.get("ends");
          put(left + (event.clientX - box.left) / box.width * (right - left),
            high - (event.clientY - box.top) / box.height * (high - low));
        };
        const press = (arrow) => {
          if (!arrow) return false;
          const [left, right, low, high] = model.get("ends"), presses = model.get("presses");
          put(at[0] + arrow[0] * (right - left) / presses, at[1] + arrow[1] * (high - low) / presses);
        };
        heard(plane, stroke, press);
        el.append(plane, told);
        return following(model, ["point", "ends", "names"], follow);
      },
    };
    """
    )

    def offer(self, names: Sequence[str], across: tuple[float, float], up: tuple[float, float]) -> None:
        """Let the plane be that of two names over these ranges."""
        self.names, self.ends = list(names), [*across, *up]

    def read(self, sent: Any) -> tuple[float, float]:
        return read_point(sent, tuple(self.names), tuple(self.ends))


def read_point(point: Any, names: Sequence[str], ends: Sequence[float]) -> tuple[float, float]:
    """Two finite numbers within the plane. Raises InvalidArgument.

    >>> from limitlab_widgets.shared.drawing.point_pad import read_point
    >>> read_point([1, 2.5], ("x", "v"), (0.0, 2.0, 0.0, 4.0))
    (1.0, 2.5)
    """
    if not isinstance(point, list | tuple) or len(point) != 2:
        raise InvalidArgument(f"point must be two numbers, {names[0]} and {names[1]}; got {point!r:.60}")
    left, right, low, high = ends
    return check_number(names[0], point[0], low=left, high=right), check_number(names[1], point[1], low=low, high=high)
