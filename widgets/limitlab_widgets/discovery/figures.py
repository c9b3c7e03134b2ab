"""Figures of the discovery studio: trajectories, losses, hidden terms around the visited set, forecasts.

A state has one colour in every figure. What was measured is points, what is true is dashed, what was found is a line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from limitlab.figures.template import DIVERGING, REFERENCE, SEQUENTIAL, colour, heading, log_ticks, translucent
from limitlab.problems import ODEProblem
from limitlab_widgets.discovery.forecast import Forecasts
from limitlab_widgets.discovery.learned import Learned, visited
from limitlab_widgets.discovery.sampling import Measured

TRUTH = {"dash": "dash", "width": 1.5}
PATH = {"color": "#FFFFFF", "width": 2.5}
MOST_POINTS = 1000
"""Of a loss: a page need not draw more."""


def trajectories(problem: ODEProblem, measured: Measured, learned: Learned | None, number: int) -> go.Figure:
    """Measurements of one trajectory, the network through them, and the truth where it is known."""
    figure = go.Figure()
    number = min(number, measured.trajectories - 1)
    seen = measured.seen
    # a name once: three entries a state would fill a narrow page
    for position, name in enumerate(problem.components):
        ink = colour(position)
        if measured.states is not None:
            line = {**TRUTH, "color": translucent(ink, 0.6)}
            states = measured.states[number, :, position].numpy()
            figure.add_scatter(
                x=measured.times.numpy(), y=states, name="truth", mode="lines", line=line, showlegend=not position
            )
        x, y = seen.points[number, :, 0].numpy(), seen.values[number, :, position].numpy()
        marker = {"color": ink, "size": 6, "symbol": "circle-open"}
        figure.add_scatter(x=x, y=y, name=name, mode="markers", marker=marker)
        if learned is not None and number < len(learned.states):
            path = learned.states[number, :, position].numpy()
            line = {"color": ink, "width": 2}
            drawn = {"x": learned.measured.times.numpy(), "y": path, "name": "network", "line": line}
            figure.add_scatter(**drawn, mode="lines", showlegend=not position)
    figure.update_xaxes(title_text=_time(problem))
    figure.update_yaxes(title_text=", ".join(problem.components))
    return figure.update_layout(**heading(None), showlegend=True)


def losses(terms: Mapping[str, Sequence[float]]) -> go.Figure:
    """Each term of the loss against the step, log scale."""
    figure = go.Figure()
    for position, name in enumerate(sorted(terms)):
        values = np.asarray(terms[name])
        stride = max(1, len(values) // MOST_POINTS)
        steps = np.arange(1, len(values) + 1)[::stride]
        figure.add_scatter(x=steps, y=values[::stride], name=name, mode="lines", line={"color": colour(position)})
    every = np.concatenate([np.asarray(values) for values in terms.values()]) if terms else np.empty(0)
    figure.update_xaxes(title_text="training step", rangemode="tozero")
    figure.update_yaxes(title_text="loss", type="log", **log_ticks(every))
    return figure.update_layout(**heading(None), showlegend=True)


def residuals(learned: Learned, number: int) -> go.Figure:
    """The residual of each equation along a trajectory, in the units in which the loss squares it."""
    figure = go.Figure()
    problem = learned.plan.sampling.problem
    for position, name in enumerate(problem.components):
        values = learned.residuals[min(number, len(learned.residuals) - 1), position].numpy()
        line = {"color": colour(position)}
        figure.add_scatter(x=learned.measured.times.numpy(), y=values, name=f"{name}'", mode="lines", line=line)
    figure.update_xaxes(title_text=_time(problem))
    figure.update_yaxes(title_text="residual")
    return figure.update_layout(**heading(None), showlegend=True)


def hidden_term(learned: Learned, number: int) -> go.Figure:
    """A hidden term beside the truth: a curve over one input, maps over two, along the visited set of three."""
    return {1: _curve, 2: _maps}.get(len(learned.plan.inputs), _along)(learned, number)


def _curve(learned: Learned, number: int) -> go.Figure:
    assert learned.map is not None
    (axis,), values, truth = learned.map.axes, learned.map.values[number], learned.map.truth
    features, seen, _ = visited(learned.samples, number)
    order = np.argsort(features[:, 0])
    figure = go.Figure()
    if truth is not None:
        figure.add_scatter(x=axis, y=truth[number], name="truth", mode="lines", line={**TRUTH, "color": REFERENCE})
    figure.add_scatter(x=axis, y=values, name="network", mode="lines", line={"color": colour(0), "width": 1.5})
    visited_line = {"color": translucent(colour(1), 0.45), "width": 7}
    figure.add_scatter(x=features[order, 0], y=seen[order], name="visited", mode="lines", line=visited_line)
    figure.update_xaxes(title_text=learned.plan.inputs[0])
    figure.update_yaxes(title_text=f"hidden term of {learned.equations[number]}")
    return figure.update_layout(**heading(None), showlegend=True)


def _maps(learned: Learned, number: int) -> go.Figure:
    assert learned.map is not None
    (across, up), values, truth = learned.map.axes, learned.map.values[number], learned.map.truth
    panels = {"network": values} | ({"truth": truth[number]} if truth is not None else {})
    figure = make_subplots(cols=len(panels), shared_yaxes=True, horizontal_spacing=0.06, subplot_titles=list(panels))
    # the range of the truth, where it is known: a network far from what it saw would leave no colours for the rest
    judged = panels.get("truth", values)
    low, high = float(judged.min()), float(judged.max())
    signed = low < 0 < high
    ends = (-max(-low, high), max(-low, high)) if signed else (low, high)
    names = learned.plan.inputs
    features, _, trajectory = visited(learned.samples, number)
    for column, (name, panel) in enumerate(panels.items(), 1):
        shown = {"x": across, "y": up, "z": panel.T, "coloraxis": "coloraxis", "name": name}
        figure.add_heatmap(**shown, row=1, col=column)
        path = {**PATH} if not signed else {**PATH, "color": "#111111"}
        for one in np.unique(trajectory):
            mine = trajectory == one
            curve = {"x": features[mine, 0], "y": features[mine, 1], "mode": "lines", "line": path}
            figure.add_scatter(**curve, name="visited", showlegend=False, row=1, col=column)
    figure.update_xaxes(title_text=names[0])
    figure.update_yaxes(title_text=names[1], col=1)
    scale = DIVERGING if signed else SEQUENTIAL
    bar = {"title": {"text": f"in {learned.equations[number]}'"}}
    return figure.update_layout(
        **heading(None), coloraxis={"colorscale": scale, "cmin": ends[0], "cmax": ends[1], "colorbar": bar}
    )


def _along(learned: Learned, number: int) -> go.Figure:
    figure = go.Figure()
    _, values, trajectory = visited(learned.samples, number)
    truth = learned.samples["truth"].values[:, number] if "truth" in learned.samples else None
    for one in np.unique(trajectory):
        mine = np.flatnonzero(trajectory == one)
        if truth is not None:
            line = {**TRUTH, "color": REFERENCE}
            figure.add_scatter(x=mine, y=truth[mine], name="truth", mode="lines", line=line, showlegend=not one)
        line = {"color": colour(0), "width": 2}
        figure.add_scatter(x=mine, y=values[mine], name="network", mode="lines", line=line, showlegend=not one)
    figure.update_xaxes(title_text="points along the visited set")
    figure.update_yaxes(title_text=f"hidden term of {learned.equations[number]}")
    return figure.update_layout(**heading(None), showlegend=True)


def forecast(problem: ODEProblem, forecasts: Forecasts, measured_until: float) -> go.Figure:
    """Solutions from a new start, a row a state; the span of the measurements is shaded."""
    names = forecasts.components
    figure = make_subplots(rows=len(names), shared_xaxes=True, vertical_spacing=0.06)
    styles = {
        "truth": {**TRUTH, "color": REFERENCE, "width": 3},
        "network": {"color": colour(1), "width": 1.5},
        "formula": {"color": colour(0), "width": 2},
    }
    top = _reach(forecasts)
    for row, name in enumerate(names, 1):
        for label, line in styles.items():
            if label in forecasts.states:
                y = forecasts.states[label][:, row - 1]
                shown = {"x": forecasts.times, "y": np.where(np.abs(y) <= top[row - 1], y, np.nan), "name": label}
                figure.add_scatter(**shown, mode="lines", line=line, showlegend=row == 1, row=row, col=1)
        figure.update_yaxes(title_text=name, row=row, col=1)
    figure.update_xaxes(title_text=_time(problem), row=len(names), col=1)
    figure.add_vrect(x0=0, x1=measured_until, line_width=0, fillcolor=translucent(REFERENCE, 0.12))
    return figure.update_layout(**heading(None), showlegend=True)


def _reach(forecasts: Forecasts) -> np.ndarray:
    """Beyond three times what the truth does, or the formula where nobody knows it, a curve is left out."""
    judge = forecasts.states.get("truth", forecasts.states.get("formula", next(iter(forecasts.states.values()))))
    size = np.nanmax(np.abs(judge), axis=0, initial=0.0)
    return np.where(size > 0, 3 * size, np.inf)


def _time(problem: ODEProblem) -> str:
    return "time" if problem.time_unit == "1" else f"time [{problem.time_unit}]"
