"""Components of a solution against time, for one method or for several, overlaid or side by side.

One sample is highlighted, the others stand faint behind it. Marks show where its accepted steps begin and end: a solver
that adapts crowds them where the solution turns. `cursor` is the time of a vertical line.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from limitlab.errors import unknown_name
from limitlab.figures.arrays import LINE_PIXELS
from limitlab.figures.sketch import Sketch, drawing
from limitlab.figures.solves.solutions import (
    Path,
    compact,
    component_title,
    components_of,
    cursor_lines,
    extremes,
    faint_lines,
    highlighted,
    methods_of,
    paths_of,
    step_marks,
    time_axis,
)
from limitlab.figures.template import COLOURWAY, axis_title, colour, heading, translucent

if TYPE_CHECKING:
    import xarray as xr

Panels = Literal["component", "method"]


@drawing
def trajectories(
    solution: xr.Dataset,
    *,
    components: Sequence[str] | None = None,
    panels: Panels | None = None,
    sample: int = 0,
    steps: bool = False,
    log_time: bool = False,
    cursor: float | None = None,
    title: str | None = None,
) -> Sketch:
    """Components against time: one sample highlighted, up to fifteen others faint; `steps` marks its accepted steps.

    solution: `y` (sample, time, state), perhaps (method, ...); with `steps` its step log too. panels: "method" has a
    panel for each method, side by side, and a colour for each component; "component" has a panel for each component,
    one above the other, and a colour for each method, and is the default of several methods. Without `components`, the
    first eight, or the first four panels.

    >>> turn = torch.tensor([[0.0, 1.0], [-1.0, 0.0]])
    >>> solution = ll.solvers.solve_ode(lambda t, y: y @ turn, torch.tensor([[1.0, 0.0]]), [0.0, 6.0]).to_xarray()

    >>> figure = ll.figures.trajectories(solution, components=["0"], steps=True)
    """
    methods = methods_of(solution)
    panels = panels or ("component" if len(methods) > 1 else "method")
    if panels not in get_args(Panels):
        raise unknown_name("choice of panels", panels, get_args(Panels))
    stacked = panels == "component"
    sample = highlighted(solution, sample)
    chosen = components_of(solution, components, most=4 if stacked else len(COLOURWAY))
    figure, axes = _panels(list(methods), chosen, stacked)
    for number, (method, part) in enumerate(methods.items()):
        paths = [path.after(0) if log_time else path for path in paths_of(part, chosen)]
        faint = faint_lines(paths, sample, len(methods) * len(chosen))
        marks, look = step_marks(part, paths[sample], sample) if steps else (None, {})
        for index, component in enumerate(chosen):
            row, column = (index + 1, 1) if stacked else (1, number + 1)
            name, hue = (method, colour(number)) if stacked else (component, colour(index))
            first = index == 0 if stacked else number == 0
            legend = {"name": name, "showlegend": first and len(methods if stacked else chosen) > 1}
            for trace in _lines(paths[sample], index, faint, hue, legend):
                figure.add([trace], row, column)
            if marks is not None:
                look["showlegend"] = index == number == 0 and marks.size > 0
                figure.add([_marks(marks[:, 0], marks[:, 1 + index], hue, look)], row, column)
    figure.update_axes("x", **time_axis(figure, log_time))
    figure.update_axes("y", exponentformat="power")
    time = axis_title(solution["y"], "time")
    figure.update_axes("x", row=len(chosen) if stacked else 1, title={"text": time})
    for row in range(1, len(chosen) + 1 if stacked else 2):
        alone = stacked or len(chosen) == 1
        text = component_title(solution, chosen[row - 1]) if alone else axis_title(solution["y"])
        figure.update_axes("y", row=row, col=1, title={"text": text})
    return figure.update_layout(**heading(title), **_size(len(methods), len(chosen), stacked)).update_layout(
        shapes=cursor_lines(cursor, axes)
    )


def _panels(methods: list[str], components: list[str], stacked: bool) -> tuple[Sketch, list[str]]:
    """Empty panels, and the names of their time axes."""
    if stacked:
        rows = len(components)
        return Sketch(rows=rows, cols=1, shared_xaxes=True, vertical_spacing=0.09 / rows), ["x"]
    columns = len(methods)
    titles = {"column_titles": tuple(methods)} if columns > 1 else {}
    figure = Sketch(rows=1, cols=columns, shared_yaxes=True, horizontal_spacing=0.05, **titles)
    return figure, [f"x{column}" if column > 1 else "x" for column in range(1, columns + 1)]


def _size(methods: int, components: int, stacked: bool) -> dict[str, Any]:
    if stacked and components > 1:
        return {"height": 110 + 190 * components}
    return {"height": 400, **({"legend": {"y": 1.1}} if methods > 1 and not stacked else {})}


def _lines(path: Path, index: int, faint: np.ndarray, hue: str, legend: dict[str, Any]) -> list[dict[str, Any]]:
    name, values = legend["name"], path.values[:, index]
    indices = extremes(values, LINE_PIXELS)
    behind = dict(
        type="scatter",
        x=compact(faint[:, 0]),
        y=compact(faint[:, 1 + index]),
        mode="lines",
        line={"color": translucent(hue, 0.25), "width": 1},
        name=f"{name}, other samples",
        legendgroup=name,
        showlegend=False,
        hoverinfo="skip",
    )
    front = dict(
        type="scatter",
        x=path.time[indices],
        y=compact(values[indices]),
        mode="lines",
        line={"color": hue, "width": 2.5},
        legendgroup=name,
        hovertemplate=f"{name}<br>t = %{{x:.5g}}: %{{y:.5g}}<extra></extra>",
        **legend,
    )
    return [behind, front]


def _marks(times: np.ndarray, values: np.ndarray, hue: str, look: dict[str, Any]) -> dict[str, Any]:
    return dict(
        type="scatter",
        x=times,
        y=compact(values),
        marker={"color": "#FFFFFF", "size": 6, "line": {"color": hue, "width": 1.5}},
        hovertemplate="a step begins at t = %{x:.6g}<extra></extra>",
        **look,
    )
