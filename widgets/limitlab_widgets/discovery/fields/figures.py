"""Figures of the discovery studio for a field: its maps, the hidden term against the truth, forecasts.

They have the names of those for trajectories. Time goes upwards in a map, as in all of the library.
"""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float
from plotly.subplots import make_subplots

from limitlab.figures.template import DIVERGING, REFERENCE, colour, heading, translucent
from limitlab.problems.pde.periodic import PeriodicProblem
from limitlab_widgets.discovery.fields.completing import field_of
from limitlab_widgets.discovery.fields.sampling import MeasuredField
from limitlab_widgets.discovery.figures import TRUTH
from limitlab_widgets.discovery.forecast import Forecasts
from limitlab_widgets.discovery.learned import Learned, visited

Map = Float[np.ndarray, "time x"]
DOTS = {"size": 5, "line": {"color": "#111111", "width": 0.8}}
MOMENTS = (0.0, 0.5, 1.0)
"""Shares of its span at which a forecast is drawn."""
REACH = 3.0
"""Times the size of the truth beyond which a forecast is left out."""


def trajectories(problem: PeriodicProblem, measured: MeasuredField, learned: Learned | None, _number: int) -> go.Figure:
    """Measured points on the truth where it is known, beside the network's field and its error."""
    maps: dict[str, Map] = {} if measured.states is None else {"truth": measured.states.numpy()}
    if learned is not None:
        maps["network"] = field_of(learned)
    values = measured.seen.values[0, :, 0].numpy()
    judged = maps.get("truth", values)
    largest = float(np.nanmax(np.abs(judged), initial=0.0)) or 1.0
    panels = [*maps] or ["measured"]
    if len(maps) == 2:
        maps["error"] = maps["network"] - maps["truth"]
        panels.append("error")
    figure = make_subplots(cols=len(panels), shared_yaxes=True, horizontal_spacing=0.05, subplot_titles=panels)
    for column, name in enumerate(panels, 1):
        if name in maps:
            drawn = {"x": measured.x.numpy(), "y": measured.times.numpy(), "z": maps[name], "name": name}
            axis = "coloraxis2" if name == "error" else "coloraxis"
            figure.add_heatmap(**drawn, coloraxis=axis, row=1, col=column)
    points = measured.seen.points[0].numpy()
    marker = {**DOTS, "color": values, "coloraxis": "coloraxis"}
    # on the first panel alone: on the others they would hide what is compared
    figure.add_scatter(x=points[:, 1], y=points[:, 0], name="u", mode="markers", marker=marker, row=1, col=1)
    figure.update_xaxes(title_text="x", range=[problem.starts[0], problem.starts[0] + problem.lengths[0]])
    figure.update_yaxes(range=[0.0, float(measured.times[-1])])
    figure.update_yaxes(title_text="time", col=1)
    bars = {"coloraxis": _scale("u", largest, 1.02)}
    if "error" in maps:
        bars["coloraxis2"] = _scale("error", float(np.abs(maps["error"]).max()) or 1.0, 1.17)
    return figure.update_layout(**heading(None), showlegend=False, **bars)


def residuals(learned: Learned, _number: int) -> go.Figure:
    """The residual over space and time, in the units in which the loss squares it."""
    measured = learned.measured
    values = learned.residuals[0, 0].reshape(len(measured.times), len(measured.x)).numpy()
    figure = go.Figure()
    figure.add_heatmap(x=measured.x.numpy(), y=measured.times.numpy(), z=values, coloraxis="coloraxis", name="residual")
    figure.update_xaxes(title_text="x")
    figure.update_yaxes(title_text="time")
    return figure.update_layout(**heading(None), coloraxis=_scale("residual", float(np.abs(values).max()) or 1.0))


def hidden_term(learned: Learned, number: int) -> go.Figure:
    """The network against the truth on the visited set, or over its first input where nobody knows the truth.

    Over one or two inputs, the network around the visited set stands beside it: what lies off the set extrapolates.
    """
    inputs = learned.plan.inputs
    around = learned.map is not None
    figure = make_subplots(cols=1 + around, horizontal_spacing=0.16)
    features, values, _ = visited(learned.samples, number)
    known = "truth" in learned.samples
    across = learned.samples["truth"].values[:, number] if known else features[:, 0]
    marker = {"color": translucent(colour(0), 0.5), "size": 4}
    figure.add_scatter(x=across, y=values, name="visited", mode="markers", marker=marker, row=1, col=1)
    if known:
        ends = [float(across.min()), float(across.max())]
        line = {**TRUTH, "color": REFERENCE}
        figure.add_scatter(x=ends, y=ends, name="truth", mode="lines", line=line, row=1, col=1)
    figure.update_xaxes(title_text="true hidden term" if known else inputs[0], row=1, col=1)
    figure.update_yaxes(title_text="network", row=1, col=1)
    if around:
        _draw_around(figure, learned, number)
    return figure.update_layout(**heading(None), showlegend=True)


def _draw_around(figure: go.Figure, learned: Learned, number: int) -> None:
    """The network over its one or two inputs."""
    assert learned.map is not None
    axes, values, inputs = learned.map.axes, learned.map.values[number], learned.plan.inputs
    features, seen, _ = visited(learned.samples, number)
    figure.update_xaxes(title_text=inputs[0], row=1, col=2)
    if len(axes) == 1:
        figure.add_scatter(x=axes[0], y=values, name="network", mode="lines", line={"color": colour(0)}, row=1, col=2)
        figure.update_yaxes(title_text="hidden term", row=1, col=2)
        return
    # the range of what was visited: a network far from it would leave no colours for the rest
    largest = float(np.abs(seen).max()) or 1.0
    figure.add_heatmap(x=axes[0], y=axes[1], z=values.T, coloraxis="coloraxis", name="network", row=1, col=2)
    marker = {"color": "#111111", "size": 2.5}
    shown = {"x": features[:, 0], "y": features[:, 1], "mode": "markers", "marker": marker}
    figure.add_scatter(**shown, name="where visited", row=1, col=2, showlegend=False)
    figure.update_yaxes(title_text=inputs[1], row=1, col=2)
    figure.update_layout(coloraxis=_scale(f"in {learned.equations[number]}_t", largest))


def forecast(problem: PeriodicProblem, forecasts: Forecasts, _measured_until: float) -> go.Figure:
    """Fields from a new start at its beginning, half way and in the end."""
    (start,), (length,) = problem.starts, problem.lengths
    frames = [round(share * (len(forecasts.times) - 1)) for share in MOMENTS]
    titles = [f"t = {forecasts.times[frame]:.3g}" for frame in frames]
    figure = make_subplots(cols=len(frames), shared_yaxes=True, horizontal_spacing=0.04, subplot_titles=titles)
    styles = {
        "truth": {**TRUTH, "color": REFERENCE, "width": 3},
        "network": {"color": colour(1), "width": 1.5},
        "formula": {"color": colour(0), "width": 2},
    }
    judge = forecasts.states.get("truth", next(iter(forecasts.states.values())))
    top = REACH * np.nanmax(np.abs(judge), initial=1e-300)
    for column, frame in enumerate(frames, 1):
        for label, line in styles.items():
            if label in forecasts.states:
                u = forecasts.states[label][frame]
                x = start + length * np.arange(len(u)) / len(u)
                shown = {"x": x, "y": np.where(np.abs(u) <= top, u, np.nan), "name": label, "line": line}
                figure.add_scatter(**shown, mode="lines", showlegend=column == 1, row=1, col=column)
    figure.update_xaxes(title_text="x")
    figure.update_yaxes(title_text=problem.operator[1], col=1)
    # below, since each panel has a title
    below = {"orientation": "h", "x": 0.5, "xanchor": "center", "y": -0.2, "yanchor": "top"}
    return figure.update_layout(**{**heading(None), "legend": below}, showlegend=True)


def _scale(name: str, largest: float, place: float = 1.0) -> dict[str, object]:
    bar = {"title": {"text": name}, "thickness": 12, "x": place}
    return {"colorscale": DIVERGING, "cmin": -largest, "cmax": largest, "colorbar": bar}
