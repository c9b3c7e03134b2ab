"""The phase plane, with the arrows of its field and its fixed points, and phase space.

One sample is highlighted, the others stand faint behind it; `steps` marks where its accepted steps begin and end, and
`cursor` the state at a time, in a trace of that name.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import numpy as np

from limitlab.errors import InvalidArgument
from limitlab.figures.arrays import exactly, thin, variable_of
from limitlab.figures.sketch import Sketch, drawing
from limitlab.figures.solves.solutions import (
    CURSOR,
    compact,
    component_title,
    components_of,
    evenly,
    faint_lines,
    highlighted,
    methods_of,
    paths_of,
    states_at,
    step_marks,
)
from limitlab.figures.template import REFERENCE, axis_title, colour, heading, translucent

if TYPE_CHECKING:
    import xarray as xr

PATH_POINTS = 4000
ARROWS = 22
INK = "#24292F"


class PathView(TypedDict, total=False):
    """Which components of which sample are highlighted, whether its steps are marked, and the time of the cursor."""

    components: Sequence[str] | None
    sample: int
    steps: bool
    cursor: float | None


@drawing
def phase_plane(
    solution: xr.Dataset | None = None,
    *,
    field: xr.Dataset | None = None,
    fixed_points: xr.Dataset | None = None,
    equal_axes: bool = False,
    title: str | None = None,
    **view: Unpack[PathView],
) -> Sketch:
    """Two components against each other, a colour for each method, over the arrows of the field.

    solution: as of `trajectories`. field: `u`, `v` (x, y), the derivatives of the first and the second component;
    longer arrows are faster, and the axes end with the field. fixed_points: `x`, `y` and perhaps `stable` (point);
    filled where stable, else open. equal_axes: circles look round.

    >>> turn = torch.tensor([[0.0, 1.0], [-1.0, 0.0]])
    >>> solution = ll.solvers.solve_ode(lambda t, y: y @ turn, torch.tensor([[1.0, 0.0]]), [0.0, 6.0]).to_xarray()

    >>> figure = ll.figures.phase_plane(solution, equal_axes=True)
    """
    if solution is None and field is None:
        raise InvalidArgument("phase_plane needs a solution or a field; got neither")
    figure = Sketch()
    across, up = "x", "y"
    if field is not None:
        figure.add([_arrows(field)])
        across, up = axis_title(field["u"], "x"), axis_title(field["u"], "y")
        for dim in ("x", "y"):
            ends = [float(field[dim].min()), float(field[dim].max())]
            figure.update_axes(dim, range=ends, constrain="domain", showgrid=False)
    if solution is not None:
        traces, (across, up) = _paths(solution, ("x", "y"), **view)
        figure.add(traces)
    if fixed_points is not None:
        figure.add(_fixed_points(fixed_points))
    figure.update_axes("x", title={"text": across})
    figure.update_axes("y", title={"text": up}, scaleanchor="x" if equal_axes else None)
    return figure.update_layout(**heading(title), height=520, width=620)


@drawing
def phase_space(solution: xr.Dataset, *, title: str | None = None, **view: Unpack[PathView]) -> Sketch:
    """Three components in space, a colour for each method; turn it with the mouse. Input as of `trajectories`.

    >>> y0 = torch.tensor([[1.0, 1.0, 1.0]])
    >>> solution = ll.solvers.solve_ode(lambda t, y: -y.roll(1, -1), y0, [0.0, 2.0]).to_xarray()
    >>> figure = ll.figures.phase_space(solution, steps=True)
    """
    axes = ("x", "y", "z")
    traces, titles = _paths(solution, axes, **view)
    clear = {"showbackground": False, "gridcolor": "#B8BEC6", "zeroline": False, "nticks": 6}
    scene: dict[str, Any] = {
        f"{axis}axis": {**clear, "title": {"text": text}} for axis, text in zip(axes, titles, strict=True)
    }
    scene |= {"aspectmode": "cube", "camera": {"eye": {"x": 1.4, "y": 1.4, "z": 0.65}, "center": {"z": -0.1}}}
    top = heading(title)
    margin = {"l": 8, "r": 8, "b": 8, "t": top["margin"]["t"]}
    figure = Sketch()
    figure.add(traces)
    return figure.update_layout(**{**top, "margin": margin}, scene=scene, height=560, width=700)


def _paths(
    solution: xr.Dataset,
    axes: tuple[str, ...],
    *,
    components: Sequence[str] | None = None,
    sample: int = 0,
    steps: bool = False,
    cursor: float | None = None,
) -> tuple[list[dict[str, Any]], list[str]]:
    """Faint and highlighted paths of every method, marks of the steps and of the cursor; the titles of the axes."""
    chosen = components_of(solution, components, most=len(axes))
    if len(chosen) != len(axes):
        raise InvalidArgument(f"components must name {len(axes)} components of the state; got {chosen}")
    methods, sample = methods_of(solution), highlighted(solution, sample)
    solid = len(axes) == 3

    def columns(values: np.ndarray) -> dict[str, Any]:
        kind = "scatter3d" if solid else "scatter"
        return {"type": kind} | {axis: compact(values[:, index]) for index, axis in enumerate(axes)}

    traces = []
    for number, (method, part) in enumerate(methods.items()):
        paths, hue = paths_of(part, chosen), colour(number)
        path = paths[sample]
        indices = evenly(len(path.time), PATH_POINTS)
        behind = dict(
            **columns(faint_lines(paths, sample, len(methods))[:, 1:]),
            mode="lines",
            line={"color": hue, "width": 1.5 if solid else 1},
            opacity=0.35,
            name=f"{method}, other samples",
            legendgroup=method,
            showlegend=False,
            hoverinfo="skip",
        )
        where = "<br>".join(f"{name} = %{{{axis}:.5g}}" for axis, name in zip(axes, chosen, strict=True))
        front = dict(
            **columns(path.values[indices]),
            mode="lines",
            customdata=compact(path.time[indices]),
            line={"color": hue, "width": 5 if solid else 2.5},
            name=method,
            legendgroup=method,
            showlegend=len(methods) > 1,
            hovertemplate=f"{method}, t = %{{customdata:.5g}}<br>{where}<extra></extra>",
        )
        traces += [behind, front]
        if steps:
            marks, look = step_marks(part, path, sample)
            begun = dict(
                **columns(marks[:, 1:]),
                customdata=marks[:, 0],
                marker={"color": "#FFFFFF", "size": 3 if solid else 6, "line": {"color": hue, "width": 1.5}},
                showlegend=number == 0 and marks.size > 0,
                hovertemplate="a step begins at t = %{customdata:.6g}<extra></extra>",
                **look,
            )
            traces.append(begun)
    if cursor is not None:
        look = {"color": CURSOR, "size": 9 if solid else 13, "line": {"color": INK, "width": 1.5}}
        dot = dict(
            **columns(states_at(solution, cursor, chosen, sample=sample).values),
            mode="markers",
            marker=look,
            name="cursor",
            showlegend=False,
            hoverinfo="skip",
        )
        traces.append(dot)
    return traces, [component_title(solution, name) for name in chosen]


def _arrows(field: xr.Dataset) -> dict[str, Any]:
    """Arrows tangent to the trajectories as drawn: lengths and barbs are measured in the widths of the plot."""
    u, v = (thin(exactly(variable_of(field, name), ("x", "y")), ARROWS, "x", "y") for name in ("u", "v"))
    x, y = (np.asarray(u[dim].values, dtype=np.float64) for dim in ("x", "y"))
    width, height = (float(np.ptp(field[dim].values)) or 1.0 for dim in ("x", "y"))
    cell = 1 / max(len(x), len(y))
    # in widths of the plot: an arrow must be tangent as drawn, not as computed
    flow = np.stack([u.values / width, v.values / height], axis=-1).astype(np.float64).reshape(-1, 2)
    start = np.stack(np.meshgrid(x / width, y / height, indexing="ij"), axis=-1).reshape(-1, 2)
    speed = np.linalg.norm(flow, axis=1)
    moving = np.isfinite(speed) & (speed > 0)
    flow, start, speed = flow[moving], start[moving], speed[moving]
    # not the maximum: one fast corner would shrink all other arrows
    fast = np.quantile(speed, 0.95) if speed.size else 1.0
    length = 0.9 * cell * (0.35 + 0.65 * np.sqrt(np.minimum(speed / fast, 1)))
    along = flow * (length / speed)[:, None]
    across = along @ np.array([[0.0, 1.0], [-1.0, 0.0]])
    tip, tail, gap = start + along / 2, start - along / 2, np.full_like(start, np.nan)
    barbs = [tip - 0.32 * along + side * 0.18 * across for side in (1, -1)]
    points = np.stack([tail, tip, gap, barbs[0], tip, barbs[1], gap], axis=1).reshape(-1, 2)
    return dict(
        type="scatter",
        x=compact(points[:, 0] * width),
        y=compact(points[:, 1] * height),
        mode="lines",
        line={"color": translucent(REFERENCE, 0.75), "width": 1.2},
        name="direction field",
        showlegend=False,
        hoverinfo="skip",
    )


def _fixed_points(points: xr.Dataset) -> list[dict[str, Any]]:
    x, y = (exactly(variable_of(points, name), ("point",)).values for name in ("x", "y"))
    if "stable" in points:
        stable = np.asarray(points["stable"].values, dtype=bool)
        kinds = [("stable fixed point", stable, "circle"), ("unstable fixed point", ~stable, "circle-open")]
    else:
        kinds = [("fixed point", np.ones(len(x), dtype=bool), "circle")]
    return [
        dict(
            type="scatter",
            x=x[indices],
            y=y[indices],
            mode="markers",
            marker={"color": colour(3), "symbol": symbol, "size": 12, "line": {"color": colour(3), "width": 3}},
            cliponaxis=False,
            name=name,
            showlegend=bool(indices.any()),
            hovertemplate=f"{name}: %{{x:.5g}}, %{{y:.5g}}<extra></extra>",
        )
        for name, indices, symbol in kinds
    ]
