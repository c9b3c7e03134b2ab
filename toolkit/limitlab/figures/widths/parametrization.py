"""Parametrisations of wide networks: the plane of their limits, the coordinate check, the loss against the rate.

`regime_plane` colours a slice of exponents by regime, with the present point on it. `coordinate_fan` has a panel a
module and a line a step: horizontal lines depend on the width no more. `learning_rate_curves` puts the valleys of two
parametrisations side by side: their lowest points drift with the width, or line up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go
from plotly.colors import sample_colorscale
from plotly.subplots import make_subplots

from limitlab.errors import InvalidArgument
from limitlab.figures.arrays import exactly, labels, numbers, require_dims, variable_of
from limitlab.figures.template import REFERENCE, SEQUENTIAL, axis_title, heading, log_ticks
from limitlab.fits import loglog_slope

if TYPE_CHECKING:
    import xarray as xr

REGIME_COLOURS = {"unstable": "#F3C7A8", "trivial": "#E3E6EA", "kernel": "#0072B2", "feature": "#009E73"}


def regime_plane(regimes: xr.Dataset, points: xr.Dataset | None = None, *, title: str | None = None) -> go.Figure:
    """The regimes on a slice of two exponents, and marked points on it.

    regimes: `regime` (y, x), a code into its attribute flag_meanings. points: variables named like the two dims, along
    the dim `point`, and `label`. Raises InvalidArgument, UnknownName.

    >>> plane = ll.labels.labelled(
    ...     regime=("a b", [[0, 1], [1, 0]], "regime"), a=("a", [0.0, 0.5], "a"), b=("b", [0.0, 0.5], "b")
    ... )
    >>> plane["regime"].attrs["flag_meanings"] = "kernel feature"
    >>> figure = ll.figures.regime_plane(plane)
    """
    codes = variable_of(regimes, "regime")
    if codes.ndim != 2:
        raise InvalidArgument(f"regime needs two dims, those of the plane; it has {codes.dims}")
    meanings = str(codes.attrs.get("flag_meanings", "")).split()
    unknown = [meaning for meaning in meanings if meaning not in REGIME_COLOURS]
    if unknown or not meanings:
        raise InvalidArgument(f"regime needs flag_meanings out of {', '.join(REGIME_COLOURS)}; got {meanings}")
    up, across = codes.dims
    colours = [REGIME_COLOURS[meaning] for meaning in meanings]
    count = len(colours)
    edges = [[position / count, (position + 1) / count] for position in range(count)]
    figure = go.Figure(
        go.Heatmap(
            x=numbers(codes[across]),
            y=numbers(codes[up]),
            z=codes.values.astype(np.int8),
            # half a code on either side, so that every colour is a step of its own
            zmin=-0.5,
            zmax=count - 0.5,
            colorscale=[[edge, hue] for hue, pair in zip(colours, edges, strict=True) for edge in pair],
            showscale=False,
            hovertemplate=f"{across} = %{{x:.3g}}, {up} = %{{y:.3g}}<extra></extra>",
        )
    )
    for meaning, hue in zip(meanings, colours, strict=True):
        mark = {"symbol": "square", "size": 12, "color": hue}
        figure.add_scatter(x=[None], y=[None], mode="markers", name=meaning, marker=mark)
    if points is not None:
        figure.add_scatter(**_marked(points, str(across), str(up)))
    figure.update_xaxes(title_text=axis_title(codes, str(across)), showgrid=False, **_span(codes[across]))
    figure.update_yaxes(title_text=axis_title(codes, str(up)), showgrid=False, **_span(codes[up]))
    return figure.update_layout(**heading(title), height=440, showlegend=True)


def coordinate_fan(check: xr.Dataset, variable: str = "change", *, title: str | None = None) -> go.Figure:
    """`variable` against the width, log axes: a panel a module, a line a step, the slope of the last step written in.

    check: `variable` (module, width, step) and perhaps seed, which is averaged, and parametrization: a row each. Values
    of zero, such as the change at step 0, are left out. Raises InvalidArgument, UnknownName.

    >>> check = ll.labels.labelled(
    ...     change=("module width step", [[[0.0, 0.4], [0.0, 0.2]]], "change of the outputs"),
    ...     module=("module", ["h1"], "module"),
    ...     width=("width", [64, 256], "width"),
    ...     step=("step", [0, 1], "training step"),
    ... )
    >>> ll.figures.coordinate_fan(check).layout.annotations[-1].text
    'slope -0.50'
    """
    values = variable_of(check, variable)
    require_dims(values, "module", "width", "step")
    values = values.mean("seed", keep_attrs=True) if "seed" in values.dims else values
    if "parametrization" not in values.dims:
        values = values.expand_dims(parametrization=[""])
    values = exactly(values, ("parametrization", "module", "step", "width"))
    names, modules, steps = (labels(values, dim) for dim in ("parametrization", "module", "step"))
    figure = make_subplots(
        len(names),
        len(modules),
        shared_xaxes=True,
        shared_yaxes="all",
        horizontal_spacing=0.03,
        vertical_spacing=0.12 / len(names),
        column_titles=modules,
        row_titles=names if any(names) else None,
    )
    drawn = [index for index in range(len(steps)) if (numbers(values[:, :, index]) > 0).any()]
    shades = dict(zip(drawn, sample_colorscale(SEQUENTIAL, np.linspace(0.85, 0.05, max(len(drawn), 2))), strict=False))
    widths = numbers(values["width"])
    for row, panels in enumerate(values, start=1):
        for column, panel in enumerate(panels, start=1):
            for index in drawn:
                line = numbers(panel[index])
                figure.add_scatter(
                    x=widths,
                    y=np.where(line > 0, line, np.nan),
                    mode="lines+markers",
                    name=f"step {steps[index]}",
                    legendgroup=steps[index],
                    showlegend=row == column == 1,
                    line={"color": shades[index], "width": 2},
                    marker={"size": 6},
                    hovertemplate=f"width %{{x}}, step {steps[index]}: %{{y:.3g}}<extra></extra>",
                    row=row,
                    col=column,
                )
            figure.add_annotation(**_slope_note(widths, numbers(panel[-1])), row=row, col=column)
    ticks = {"tickvals": widths, "ticktext": [f"{width:g}" for width in widths]}
    figure.update_xaxes(type="log", **ticks)
    figure.update_xaxes(title_text=axis_title(values, "width"), row=len(names))
    figure.update_yaxes(type="log", **log_ticks(numbers(values)))
    figure.update_yaxes(title_text=axis_title(values), col=1)
    figure.update_layout(**heading(title), height=170 + 210 * len(names), showlegend=True)
    return figure.update_layout(margin={"t": 120 if title else 84}, legend={"y": 1 + 0.22 / len(names)})


def learning_rate_curves(surface: xr.Dataset, variable: str = "loss", *, title: str | None = None) -> go.Figure:
    """Loss against the learning rate, log axes: a panel a parametrisation, a line a width, its lowest point ringed.

    surface: `variable` (parametrization, width, learning_rate) and perhaps seed, which is averaged. Rings stand at
    `best_learning_rate` and `best_loss` (parametrization, width) where given, else at the lowest point of each line.

    >>> surface = ll.labels.labelled(
    ...     loss=("parametrization width learning_rate", [[[0.9, 0.4, 0.7]]], "loss"),
    ...     parametrization=("parametrization", ["mup"], "parametrisation"),
    ...     width=("width", [64], "width"),
    ...     learning_rate=("learning_rate", [0.01, 0.02, 0.04], "learning rate"),
    ... )
    >>> figure = ll.figures.learning_rate_curves(surface)
    """
    losses = variable_of(surface, variable)
    require_dims(losses, "parametrization", "width", "learning_rate")
    losses = losses.mean("seed", keep_attrs=True) if "seed" in losses.dims else losses
    losses = exactly(losses, ("parametrization", "width", "learning_rate")).sortby("learning_rate")
    names, widths = labels(losses, "parametrization"), labels(losses, "width")
    shades = sample_colorscale(SEQUENTIAL, np.linspace(0.85, 0.05, max(len(widths), 2)))
    rates, octaves = numbers(losses["learning_rate"]), np.log2(losses["learning_rate"].values)
    figure = make_subplots(1, len(names), shared_yaxes=True, horizontal_spacing=0.04, column_titles=names)
    for column, panel in enumerate(losses, start=1):
        for index, curve in enumerate(panel):
            figure.add_scatter(
                x=rates,
                y=np.where(np.isfinite(curve.values), numbers(curve), np.nan),
                mode="lines+markers",
                name=f"width {widths[index]}",
                legendgroup=widths[index],
                showlegend=column == 1,
                line={"color": shades[index], "width": 2},
                marker={"size": 5},
                hovertemplate=f"width {widths[index]}, rate %{{x:.3g}}: %{{y:.4g}}<extra></extra>",
                row=1,
                col=column,
            )
            lowest = _lowest(surface, curve, column - 1, index)
            figure.add_scatter(
                x=lowest[:1],
                y=lowest[1:],
                mode="markers",
                name=f"best rate of width {widths[index]}",
                legendgroup=widths[index],
                showlegend=False,
                marker={"size": 14, "symbol": "circle-open", "color": shades[index], "line": {"width": 2.5}},
                hovertemplate=f"width {widths[index]}, best rate %{{x:.3g}}<extra></extra>",
                row=1,
                col=column,
            )
    ticks = {"tickvals": rates, "ticktext": [f"2<sup>{octave:.3g}</sup>" for octave in octaves]}
    figure.update_xaxes(type="log", title_text=axis_title(losses, "learning_rate"), **ticks)
    figure.update_yaxes(type="log", **log_ticks(numbers(losses)))
    figure.update_yaxes(title_text=axis_title(losses), col=1)
    figure.update_layout(**heading(title), height=400, showlegend=True)
    return figure.update_layout(margin={"t": 116 if title else 80}, legend={"y": 1.08})


def _lowest(surface: xr.Dataset, curve: xr.DataArray, row: int, index: int) -> list[float]:
    if "best_learning_rate" in surface and "best_loss" in surface:
        pair = (surface[name].transpose("parametrization", "width") for name in ("best_learning_rate", "best_loss"))
        return [float(best[row, index]) for best in pair]
    least = int(np.where(np.isfinite(curve.values), curve.values, np.inf).argmin())
    return [float(curve["learning_rate"][least]), float(curve[least])]


def _marked(points: xr.Dataset, across: str, up: str) -> dict[str, Any]:
    names = [str(name) for name in np.atleast_1d(variable_of(points, "label").values)]
    return {
        "x": np.atleast_1d(variable_of(points, across).values),
        "y": np.atleast_1d(variable_of(points, up).values),
        "mode": "markers+text",
        "text": names,
        "textposition": "top center",
        "name": "points",
        "showlegend": False,
        "marker": {"size": 13, "color": "#24292F", "line": {"color": "#FFFFFF", "width": 2}},
        "textfont": {"color": "#24292F", "size": 14},
        "hovertemplate": f"%{{text}}: {across} = %{{x:.3g}}, {up} = %{{y:.3g}}<extra></extra>",
    }


def _slope_note(widths: np.ndarray, last: np.ndarray) -> dict[str, Any]:
    fitted = loglog_slope(widths, last)
    return {
        # plus zero, which turns -0.0 into 0.0
        "text": f"slope {round(fitted, 2) + 0.0:.2f}" if np.isfinite(fitted) else "",
        "x": 0.03,
        "y": 0.97,
        "xref": "x domain",
        "yref": "y domain",
        "xanchor": "left",
        "yanchor": "top",
        "showarrow": False,
        "font": {"color": REFERENCE, "size": 12},
    }


def _span(axis: xr.DataArray) -> dict[str, Any]:
    return {"range": [float(axis.min()), float(axis.max())]}
