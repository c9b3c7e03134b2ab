"""The steps that a solver took, against time: their sizes, their error estimates, and how stiff it found the equation.

A controller accepts a step whose scaled error is at most 1; a red cross marks one that it rejected and tried again. The
product of step size and stiffness estimate h |lambda| is what the stability region of the method bounds: an explicit
method whose product lies at the bound is held back by stability, not by accuracy. `cursor` is the time of a vertical
line. Sizes are lengths, also where time runs backwards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import numpy as np

from limitlab.errors import check_number, unknown_name
from limitlab.figures.arrays import LINE_PIXELS
from limitlab.figures.sketch import Sketch, drawing
from limitlab.figures.solves.solutions import (
    Attempts,
    attempts_of,
    compact,
    cursor_lines,
    evenly,
    extremes,
    highlighted,
    methods_of,
    time_axis,
)
from limitlab.figures.template import REFERENCE, axis_title, colour, heading, log_ticks, translucent

if TYPE_CHECKING:
    import xarray as xr

REJECTED = "#C1121F"
CROSSES = 500
StabilityBound = float | Mapping[str, float] | None


class StepView(TypedDict, total=False):
    """How the four figures show steps: which sample, a logarithmic time axis, the time of the cursor, a title."""

    sample: int
    log_time: bool
    cursor: float | None
    title: str | None


@drawing
def step_sizes(solution: xr.Dataset, **view: Unpack[StepView]) -> Sketch:
    """Size h_j of every attempted step at its time t_j, log axis: accepted ones a step line, rejected ones crosses.

    solution: step_time, step_size, error, stiffness, accepted (sample, step), padded with NaN and False; a line for
    each method where they are (method, sample, step).

    >>> solution = ll.solvers.solve_ode(lambda t, y: -y, torch.ones(1, 1), [0.0, 9.0], method="tsit5").to_xarray()

    >>> ll.figures.step_sizes(solution, log_time=True).layout.xaxis.type
    'log'
    """
    return _stack(solution, ["step_size"], **view)


@drawing
def step_errors(solution: xr.Dataset, **view: Unpack[StepView]) -> Sketch:
    """Scaled error estimate of every attempt, log axis, with the line at 1; input as of `step_sizes`.

    >>> solution = ll.solvers.solve_ode(lambda t, y: -y, torch.ones(1, 1), [0.0, 9.0], method="tsit5").to_xarray()

    >>> figure = ll.figures.step_errors(solution)
    """
    return _stack(solution, ["error"], **view)


@drawing
def step_stiffness(solution: xr.Dataset, *, stability_bound: StabilityBound = None, **view: Unpack[StepView]) -> Sketch:
    """Stiffness estimate |lambda| of every accepted step, dotted, and its product with the step size, a solid line.

    stability_bound: the largest h |lambda| of a stable step, one for all or one a method, as a dashed line. Input as of
    `step_sizes`.

    >>> solution = ll.solvers.solve_ode(lambda t, y: -y, torch.ones(1, 1), [0.0, 9.0], method="tsit5").to_xarray()

    >>> ll.figures.step_stiffness(solution, stability_bound=3.0).layout.annotations[0].text
    'stability bound 3'
    """
    return _stack(solution, ["stiffness"], stability_bound=stability_bound, **view)


@drawing
def step_ladder(solution: xr.Dataset, *, stability_bound: StabilityBound = None, **view: Unpack[StepView]) -> Sketch:
    """Step sizes, error estimates and stiffness, one above the other over one time axis; input as of each.

    >>> solution = ll.solvers.solve_ode(lambda t, y: -y, torch.ones(1, 1), [0.0, 9.0], method="tsit5").to_xarray()

    >>> figure = ll.figures.step_ladder(solution, cursor=4.5, title="Decay")
    """
    return _stack(solution, list(_TRACES), stability_bound=stability_bound, **view)


def _stack(
    solution: xr.Dataset,
    panels: Sequence[str],
    *,
    sample: int = 0,
    log_time: bool = False,
    cursor: float | None = None,
    title: str | None = None,
    stability_bound: StabilityBound = None,
) -> Sketch:
    methods, sample = methods_of(solution), highlighted(solution, sample)
    attempts = {name: attempts_of(part, sample) for name, part in methods.items()}
    levels = {"error": [(1.0, REFERENCE)], "stiffness": _bounds(stability_bound, list(methods))}
    figure = Sketch(rows=len(panels), cols=1, shared_xaxes=True, vertical_spacing=0.05)
    shapes, notes = cursor_lines(cursor), []
    for row, panel in enumerate(panels, start=1):
        axis = f"y{row}" if row > 1 else "y"
        traces = [
            trace
            for index, (name, tried) in enumerate(attempts.items())
            for trace in _TRACES[panel](tried.after(0) if log_time else tried, name, colour(index))
        ]
        figure.add(traces, row)
        heights = np.concatenate([trace["y"] for trace in traces])
        lines = levels.get(panel, []) if heights.size else []
        shapes += [_level(height, hue, axis) for height, hue in lines]
        if panel == "stiffness":
            notes += [_level_note(height, hue, axis) for height, hue in lines]
        if not heights.size:
            notes.append(_absent(panel, axis, any(tried.size.size for tried in attempts.values())))
        scale = _log_scale(heights, [height for height, _ in lines])
        figure.update_axes("y", row=row, title={"text": _axis_title(solution, panel)}, **scale)
    _name_once(figure, several=len(methods) > 1)
    figure.update_axes("x", **time_axis(figure, log_time))
    figure.update_axes("x", row=len(panels), title={"text": axis_title(solution["step_time"])})
    height = 350 if len(panels) == 1 else 100 + 180 * len(panels)
    return figure.update_layout(**heading(title), height=height, shapes=shapes, annotations=notes)


def _sizes(tried: Attempts, name: str, hue: str) -> list[dict[str, Any]]:
    """The accepted sizes as a line that holds each until its step ends, and the rejected ones."""
    sizes = tried.size[tried.accepted]
    # once more: a step line holds a value until the next point
    values = np.append(sizes, sizes[-1:])
    indices = extremes(values, LINE_PIXELS)
    line = dict(
        type="scatter",
        x=tried.points[indices],
        y=compact(values[indices]),
        mode="lines",
        line={"color": hue, "width": 2, "shape": "hv"},
        name=name,
        hovertemplate=f"{name}, accepted<br>t = %{{x:.6g}}, h = %{{y:.4g}}<extra></extra>",
    )
    return [line, _crosses(tried, tried.size, name)]


def _errors(tried: Attempts, name: str, hue: str) -> list[dict[str, Any]]:
    dots = _line(tried, tried.error, name, "error = %{y:.4g}")
    dots.update(mode="markers", marker={"color": translucent(hue, 0.8), "size": 5})
    return [dots, _crosses(tried, tried.error, name)]


def _stiffness(tried: Attempts, name: str, hue: str) -> list[dict[str, Any]]:
    product = _line(tried, tried.size * tried.stiffness, name, "h |λ| = %{y:.4g}")
    product.update(line={"color": hue, "width": 2})
    estimate = _line(tried, tried.stiffness, f"{name}, |λ|", "|λ| = %{y:.4g}")
    estimate.update(line={"color": hue, "width": 2, "dash": "dot"})
    return [product, estimate]


_TRACES = {"step_size": _sizes, "error": _errors, "stiffness": _stiffness}


def _line(tried: Attempts, values: np.ndarray, name: str, quantity: str) -> dict[str, Any]:
    """The values of the accepted steps that a log axis can show."""
    drawn = tried.accepted & np.isfinite(values) & (values > 0)
    indices = extremes(values[drawn], LINE_PIXELS)
    hover = f"{name}<br>t = %{{x:.6g}}, {quantity}<extra></extra>"
    return dict(
        type="scatter",
        x=tried.time[drawn][indices],
        y=compact(values[drawn][indices]),
        mode="lines",
        name=name,
        hovertemplate=hover,
    )


def _crosses(tried: Attempts, values: np.ndarray, name: str) -> dict[str, Any]:
    drawn = ~tried.accepted & np.isfinite(values) & (values > 0)
    indices = evenly(int(drawn.sum()), CROSSES)
    return dict(
        type="scatter",
        x=tried.time[drawn][indices],
        y=compact(values[drawn][indices]),
        customdata=compact(tried.error[drawn][indices]),
        mode="markers",
        marker={"color": REJECTED, "symbol": "x", "size": 9, "line": {"color": "#FFFFFF", "width": 1}},
        name="rejected",
        hovertemplate=f"{name}, rejected<br>t = %{{x:.6g}}, %{{y:.4g}}, error = %{{customdata:.3g}}<extra></extra>",
    )


def _name_once(figure: Sketch, *, several: bool) -> None:
    """One entry of the legend for each method, where there are several, and one for what was rejected."""
    named: set[str] = set()
    for trace in figure.traces:
        name, rejected = trace["name"], trace["name"] == "rejected"
        worth = len(trace["x"]) > 0 if rejected else several and not name.endswith("|λ|")
        group = name.removesuffix(", |λ|")
        shown = worth and group not in named
        trace.update(legendgroup=group, showlegend=shown, legendrank=2000 if rejected else 1000)
        if shown:
            named.add(group)


def _bounds(bound: StabilityBound, methods: list[str]) -> list[tuple[float, str]]:
    if bound is None:
        return []
    if not isinstance(bound, Mapping):
        return [(check_number("stability_bound", bound, low=1e-9), REFERENCE)]
    for name in bound:
        if name not in methods:
            raise unknown_name("method of stability_bound", name, methods)
    return [
        (check_number("stability_bound", bound[name], low=1e-9), colour(index))
        for index, name in enumerate(methods)
        if name in bound
    ]


def _level(height: float, hue: str, axis: str) -> dict[str, Any]:
    line = {"color": hue, "width": 1.5, "dash": "dash"}
    return {
        "type": "line",
        "x0": 0,
        "x1": 1,
        "xref": "x domain",
        "y0": height,
        "y1": height,
        "yref": axis,
        "line": line,
        "name": "level",
    }


def _level_note(height: float, hue: str, axis: str) -> dict[str, Any]:
    return {
        "text": f"stability bound {height:.3g}",
        "x": 1,
        # an annotation on a log axis is placed by the logarithm, a shape by the value
        "y": float(np.log10(height)),
        "xref": "x domain",
        "yref": axis,
        "xanchor": "right",
        "yanchor": "bottom",
        "yshift": 4,
        "showarrow": False,
        "font": {"color": hue, "size": 12},
    }


def _absent(panel: str, axis: str, tried: bool) -> dict[str, Any]:
    missing = {"step_size": "no steps", "error": "no error estimate", "stiffness": "no stiffness estimate"}
    return {
        "text": missing[panel] if tried else missing["step_size"],
        "x": 0.5,
        "y": 0.5,
        "xref": "x domain",
        "yref": f"{axis} domain",
        "showarrow": False,
        "font": {"color": REFERENCE},
    }


def _log_scale(values: np.ndarray, levels: list[float]) -> dict[str, Any]:
    """A log axis that holds the values and the levels, with a margin of a twentieth; empty without a value."""
    if not values.size:
        return {"type": "log", "range": [-1, 1], "showticklabels": False, "showgrid": False}
    values = np.append(values, levels)
    low, high = float(np.log10(values.min())), float(np.log10(values.max()))
    margin = max(0.05 * (high - low), 0.1)
    return {"type": "log", "range": [low - margin, high + margin], "exponentformat": "power", **log_ticks(values)}


def _axis_title(solution: xr.Dataset, panel: str) -> str:
    if panel == "stiffness":
        return "h |λ|, and |λ| dotted"
    return axis_title(solution[panel])
