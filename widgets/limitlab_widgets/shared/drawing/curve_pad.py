"""A function on an interval that is drawn with the mouse, or raised and lowered by the arrow keys.

The page holds the values of the function at equally spaced points, and sends all of them after each stroke. They are
read as a typed list of numbers would be, and refused by name.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from traitlets import Bool, List, Unicode
from traitlets import Float as FloatTrait

from limitlab.errors import InvalidArgument, check_numbers
from limitlab_widgets.shared.drawing.pad import ON_PAGE, Pad

POINTS = 64
"""Values of a drawn function."""
DIGITS = 4
"""Of the height, that a value has: the code of a drawing is short."""
ROOM = 1.5
"""How much higher a drawing may be than what it is drawn over."""


class CurvePad(Pad):
    """An interval over which a function is drawn; take(values) is called after each stroke, within the height.

    Values that mean no function there go to refuse(error). Points lie from the left end on, the right end is the first
    point again where the function is periodic.

    >>> from limitlab_widgets.shared.drawing.curve_pad import CurvePad
    >>> pad = CurvePad(print, refuse=print)
    >>> pad.offer(("x", "u"), (0.0, 1.0), (-1.0, 1.0), [0.0, 0.0, 0.0])
    >>> pad.put([0.5, 0.25, -1])
    (0.5, 0.25, -1.0)
    >>> pad.put([0.5, 0.25, 7.0])
    u[2] must be a number >= -1 <= 1; got 7.0
    """

    values = List(FloatTrait(), default_value=[0.0] * POINTS).tag(sync=True)
    ends = List(FloatTrait(), default_value=[0.0, 1.0, -1.0, 1.0]).tag(sync=True)
    names = List(Unicode(), default_value=["x", "u"]).tag(sync=True)
    periodic = Bool(True).tag(sync=True)
    _css = """
    .limitlab-curve { width: 100%; max-width: 560px; height: 200px; touch-action: none; cursor: crosshair;
      display: block; margin: 2px 0; border: 1px solid var(--jp-border-color1, #8c959f);
      background: var(--jp-layout-color1, #fff); }
    .limitlab-curve path { fill: none; stroke: var(--jp-brand-color1, #1976d2); stroke-width: 2;
      vector-effect: non-scaling-stroke; }
    .limitlab-curve line { stroke: var(--jp-border-color2, #d0d7de); vector-effect: non-scaling-stroke; }
    .limitlab-curve line.limitlab-cursor { stroke: var(--jp-ui-font-color2, #57606a); stroke-dasharray: 3 3; }
    """
    _esm = (
        ON_PAGE
        + """
    const PRESSES = 40, REACH = 1 / 12;
    export default {
      render({ model, el }) {
        const plane = made("svg"), curve = made("path"), zero = made("line"), mark = made("line");
        const told = said(plane, "limitlab-curve");
        mark.classList.add("limitlab-cursor");
        plane.setAttribute("viewBox", "0 0 100 100");
        plane.setAttribute("preserveAspectRatio", "none");
        plane.append(zero, mark, curve);
        let shape = [], cursor = 0, last = null;
        const intervals = () => Math.max(shape.length - (model.get("periodic") ? 0 : 1), 1);
        const height = (value) => {
          const [, , low, high] = model.get("ends");
          return 100 * (high - value) / (high - low);
        };
        const set = (line, x1, y1, x2, y2) => {
          for (const [name, value] of Object.entries({ x1, y1, x2, y2 })) line.setAttribute(name, value);
        };
        const look = () => {
          const closed = model.get("periodic") ? [...shape, shape[0]] : shape;
          curve.setAttribute("d", "M" + closed.map((v, k) => `${100 * k / intervals()} ${height(v)}`).join("L"));
          set(zero, 0, height(0), 100, height(0));
          set(mark, 100 * cursor / intervals(), 0, 100 * cursor / intervals(), 100);
          const [left, right] = model.get("ends"), [across, up] = model.get("names");
          const at = left + (right - left) * cursor / intervals(), digits = (number) => Number(number.toPrecision(3));
          told.textContent = `${across} = ${digits(at)}, ${up} = ${digits(shape[cursor])}`;
          plane.setAttribute("aria-label",
            `${up} over ${across}, to be drawn; left and right move along it, up and down raise and lower it there`);
        };
        const follow = () => {
          const asked = model.get("asked");
          shape = [...(Array.isArray(asked) ? asked : model.get("values"))];
          cursor = Math.min(cursor, shape.length - 1);
          look();
        };
        const changed = () => {
          look();
          send(model, [...shape]);
        };
        const put = (k, value) => {
          const [, , low, high] = model.get("ends");
          shape[k] = clip(value, low, high);
        };
        const under = (event) => {
          const box = plane.getBoundingClientRect(), [, , low, high] = model.get("ends");
          const at = Math.round(clip((event.clientX - box.left) / box.width, 0, 1) * intervals());
          return [at, high - clip((event.clientY - box.top) / box.height, 0, 1) * (high - low)];
        };
        const stroke = (event, begins) => {
          const [to, value] = under(event), [from, before] = (begins ? null : last) ?? [to, value];
          const count = Math.abs(to - from), way = Math.sign(to - from);
          for (let k = 0; k <= count; k++)
            put((from + way * k) % shape.length, count ? before + (value - before) * k / count : value);
          last = [to, value];
          cursor = to % shape.length;
          changed();
        };
        const press = (arrow) => {
          if (!arrow) return false;
          const count = shape.length, [, , low, high] = model.get("ends");
          if (arrow[0]) {
            const to = cursor + arrow[0];
            cursor = model.get("periodic") ? (to + count) % count : clip(to, 0, count - 1);
            look();
            return;
          }
          const reach = Math.max(1, Math.round(REACH * count));
          for (let k = 0; k < count; k++) {
            const apart = Math.abs(k - cursor), away = model.get("periodic") ? Math.min(apart, count - apart) : apart;
            if (away < reach)
              put(k, shape[k] + arrow[1] * (high - low) / PRESSES * (1 + Math.cos(Math.PI * away / reach)) / 2);
          }
          changed();
        };
        heard(plane, stroke, press);
        el.append(plane, told);
        return following(model, ["values", "asked", "ends", "names", "periodic"], follow);
      },
    };
    """
    )

    def offer(
        self,
        names: Sequence[str],
        across: tuple[float, float],
        up: tuple[float, float],
        values: Sequence[float],
    ) -> None:
        """Show a function of these names, over the interval and within the height, to be drawn over."""
        with self.hold_sync():
            self.names, self.ends = list(names), [*map(float, across), *map(float, up)]
            self.values, self.asked = [min(max(float(value), up[0]), up[1]) for value in values], None

    def read(self, sent: Any) -> tuple[tuple[float, ...]]:
        return (read_curve(sent, len(self.values), self.names[1], (self.ends[2], self.ends[3])),)


def height_around(low: float, high: float) -> tuple[float, float]:
    """The least and the greatest value that can be drawn over values between these, in two digits of their height.

    >>> from limitlab_widgets.shared.drawing.curve_pad import height_around
    >>> height_around(-1.0, 3.0)
    (-2.0, 4.0)
    """
    middle, half = (low + high) / 2, (high - low) / 2 or max(abs(high), 1.0)
    digits = 1 - math.floor(math.log10(half))
    return round(middle - ROOM * half, digits), round(middle + ROOM * half, digits)


def read_curve(values: Any, count: int, name: str, ends: tuple[float, float]) -> tuple[float, ...]:
    """So many finite numbers within the height. Raises InvalidArgument.

    >>> from limitlab_widgets.shared.drawing.curve_pad import read_curve
    >>> read_curve([1, 2.5], 2, "u", (0.0, 4.0))
    (1.0, 2.5)
    """
    if not isinstance(values, list | tuple) or len(values) != count:
        raise InvalidArgument(f"{name} must be {count} numbers; got {values!r:.60}")
    low, high = ends
    places = DIGITS - math.ceil(math.log10(high - low))
    numbers = check_numbers(name, values, count, low=low, high=high)
    # rounded, a number at an end may lie beyond it
    return tuple(min(max(round(number, places), low), high) for number in numbers)


def on_points(
    values: Float[np.ndarray, " point"], share: Float[np.ndarray, " x"], *, periodic: bool
) -> Float[np.ndarray, " x"]:
    """A drawn function at points given as shares of the interval, straight between the values.

    >>> from limitlab_widgets.shared.drawing.curve_pad import on_points
    >>> import numpy as np
    >>> on_points(np.array([0.0, 2.0]), np.array([0.25, 0.75]), periodic=True)
    array([1., 1.])
    """
    count = len(values)
    if periodic:
        return np.interp(share * count, np.arange(count + 1), np.append(values, values[0]))
    return np.interp(share * (count - 1), np.arange(count), values)
