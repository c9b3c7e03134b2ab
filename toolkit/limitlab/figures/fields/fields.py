"""Fields: profiles and space-time pictures of 1-D problems, maps of 2-D ones, and prediction beside truth and error.

Truth and prediction share one scale, so that equal colours are equal values; the error has its own, centred at zero.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go

from limitlab.figures.arrays import (
    LINE_PIXELS,
    PANEL_PIXELS,
    PIXELS,
    coordinate,
    exactly,
    labels,
    numbers,
    thin,
    variable_of,
)
from limitlab.figures.sketch import Sketch, drawing
from limitlab.figures.template import DIVERGING, REFERENCE, SEQUENTIAL, axis_title, colour, heading

if TYPE_CHECKING:
    import xarray as xr

TITLES = {"input": "input", "target": "truth", "prediction": "prediction", "error": "error"}
PLANES = (("x", "y"), ("time", "x"))


def profiles(array: xr.DataArray, *, title: str | None = None) -> go.Figure:
    """Functions of x as lines, one for each entry of the other dim, such as sample or time; dims (x) or (other, x).

    >>> waves = ll.labels.labelled(u=("time x", torch.rand(3, 16), "height", "m"), time=("time", [0, 1, 2], "time"))
    >>> ll.figures.profiles(waves["u"]).layout.yaxis.title.text
    'height [m]'
    """
    others = [str(dim) for dim in array.dims if dim != "x" and array.sizes[dim] > 1]
    array = exactly(array, [*others[:1], "x"])
    array = thin(array, LINE_PIXELS, "x")
    figure = go.Figure()
    other = others[0] if others else None
    names = labels(array, other) if other else [str(array.name or "")]
    for name, row in zip(names, np.atleast_2d(numbers(array)), strict=True):
        figure.add_scatter(x=coordinate(array, "x"), y=row, mode="lines", name=f"{other} {name}" if other else name)
    figure.update_xaxes(title_text=axis_title(array, "x"))
    figure.update_yaxes(title_text=axis_title(array))
    return figure.update_layout(**heading(title), height=360)


def space_time(array: xr.DataArray, *, title: str | None = None) -> go.Figure:
    """A 1-D field as it evolves, time upwards; dims (time, x).

    >>> wave = ll.labels.labelled(u=("time x", torch.rand(5, 16), "height", "m"))
    >>> ll.figures.space_time(wave["u"]).layout.yaxis.title.text
    'time'
    """
    return _map(exactly(array, ("time", "x")), title)


def field_2d(array: xr.DataArray, *, title: str | None = None) -> go.Figure:
    """A field on the plane; dims (x, y).

    >>> pressure = ll.labels.labelled(p=("x y", torch.rand(16, 16), "pressure", "kPa"))
    >>> ll.figures.field_2d(pressure["p"]).layout.coloraxis.colorbar.title.text
    'pressure [kPa]'
    """
    return _map(exactly(array, ("x", "y")), title)


@drawing
def triptych(dataset: xr.Dataset, *, title: str | None = None) -> Sketch:
    """Truth, prediction and error of one sample side by side, after the input where the dataset has one.

    dataset: `target`, `prediction` and perhaps `input`, dims (x), (x, y) or (time, x); others of size one only, but of
    several channels the first is shown.
    Profiles (x) share one panel: the prediction is dashed over the truth.

    >>> truth, error = torch.rand(16, 16), 0.01 * torch.rand(16, 16)
    >>> fields = ll.labels.labelled(target=("x y", truth, "pressure"), prediction=("x y", truth + error, "pressure"))
    >>> [trace.name for trace in ll.figures.triptych(fields).data]
    ['truth', 'prediction', 'error']
    """
    fields = {name: variable_of(dataset, name) for name in ("target", "prediction")}
    if "input" in dataset:
        fields = {"input": dataset["input"], **fields}
    fields = {name: exactly(_first_channel(field), ("x",), *PLANES) for name, field in fields.items()}
    error = (fields["prediction"] - fields["target"]).rename("error")
    fields["error"] = error.assign_attrs(long_name="error", units=fields["target"].attrs.get("units", "1"))
    traces, layout = _line_panels(fields) if error.ndim == 1 else _map_panels(fields)
    top = heading(title)
    margin = {**top["margin"], **layout.get("margin", {})}
    height = layout["height"] + top["margin"]["t"]
    figure = Sketch()
    figure.add(traces)
    return figure.update_layout(**{**layout, **top, "margin": margin, "height": height})


def _first_channel(array: xr.DataArray) -> xr.DataArray:
    if array.sizes.get("channel", 1) == 1:
        return array
    first = array.isel(channel=0)
    return first.assign_attrs(long_name=str(first["channel"].item())) if "channel" in array.coords else first


def _map(array: xr.DataArray, title: str | None) -> go.Figure:
    array = thin(array, PIXELS, *map(str, array.dims))
    figure = go.Figure([heatmap(array, coloraxis="coloraxis")])
    across, up = drawn_axes(array)
    # with equal scales, the axis shrinks its panel instead of showing more than the data
    figure.update_xaxes(title_text=axis_title(array, across), constrain="domain")
    figure.update_yaxes(title_text=axis_title(array, up), constrain="domain")
    figure.update_xaxes(showgrid=False)
    figure.update_yaxes(showgrid=False)
    if up == "y":
        figure.update_yaxes(scaleanchor="x")
        figure.update_layout(width=520)
    bar = {"title": {"text": axis_title(array), "side": "right"}}
    figure.update_layout(coloraxis={"colorscale": SEQUENTIAL, "colorbar": bar})
    return figure.update_layout(**heading(title), height=440)


def drawn_axes(array: xr.DataArray) -> tuple[str, str]:
    """The dims drawn across and up: space across, and time or y up."""
    return ("x", "time") if "time" in array.dims else ("x", "y")


def heatmap(array: xr.DataArray, **options: Any) -> dict[str, Any]:
    """The trace of a map."""
    across, up = drawn_axes(array)
    return dict(
        type="heatmap",
        x=coordinate(array, across),
        y=coordinate(array, up),
        z=numbers(array.transpose(up, across)),
        hovertemplate=f"{across} %{{x:.4g}}<br>{up} %{{y:.4g}}<br>%{{z:.4g}}<extra></extra>",
        **options,
    )


def _map_panels(fields: dict[str, xr.DataArray]) -> tuple[list[Any], dict[str, Any]]:
    fields = {name: thin(field, PANEL_PIXELS, *map(str, field.dims)) for name, field in fields.items()}
    scales = {"input": "coloraxis3", "target": "coloraxis", "prediction": "coloraxis", "error": "coloraxis2"}
    where = dict(zip(fields, _domains(len(fields), 0.025), strict=True))
    across, up = drawn_axes(fields["error"])
    common = {"showgrid": False, "constrain": "domain", "nticks": 4}
    layout: dict[str, Any] = {"annotations": [_panel_title(TITLES[name], where[name]) for name in fields]}
    traces = []
    for number, (name, field) in enumerate(fields.items(), start=1):
        key = "" if number == 1 else str(number)
        traces.append(heatmap(field, coloraxis=scales[name], name=TITLES[name], xaxis=f"x{key}", yaxis=f"y{key}"))
        layout[f"xaxis{key}"] = {**common, "domain": where[name], "title": {"text": axis_title(field, across)}}
        layout[f"yaxis{key}"] = {**common, "anchor": f"x{key}"}
        if number == 1:
            layout["yaxis"]["title"] = {"text": axis_title(field, up)}
            layout["yaxis"] |= {"scaleanchor": "x"} if up == "y" else {}
        else:
            layout[f"xaxis{key}"] |= {"matches": "x", "anchor": f"y{key}"}
            layout[f"yaxis{key}"] |= {"matches": "y", "showticklabels": False}
    low, high = limits(np.stack([numbers(fields["target"]), numbers(fields["prediction"])]))
    most = largest(numbers(fields["error"]))
    shared = (where["target"][0], where["prediction"][1])
    layout |= {
        "coloraxis": {
            "colorscale": SEQUENTIAL,
            "cmin": low,
            "cmax": high,
            "colorbar": _bar_below(axis_title(fields["target"]), shared),
        },
        "coloraxis2": {
            "colorscale": DIVERGING,
            "cmin": -most,
            "cmax": most,
            "colorbar": _bar_below(axis_title(fields["error"]), where["error"]),
        },
        "height": 332,
        "margin": {"b": 110},
    }
    if "input" in fields:
        bar = _bar_below(axis_title(fields["input"]), where["input"])
        layout["coloraxis3"] = {"colorscale": SEQUENTIAL, "colorbar": bar}
    return traces, layout


def _domains(count: int, gap: float) -> list[tuple[float, float]]:
    """Left and right ends of panels of one width, from 0 to 1 with gaps between."""
    width = (1 - gap * (count - 1)) / count
    ends = [(index * (width + gap), index * (width + gap) + width) for index in range(count)]
    return [(round(left, 6), round(right, 6)) for left, right in ends]


def _panel_title(text: str, span: tuple[float, float]) -> dict[str, Any]:
    where = {"x": sum(span) / 2, "y": 1.0, "xref": "paper", "yref": "paper", "xanchor": "center", "yanchor": "bottom"}
    return {**where, "text": text, "showarrow": False, "font": {"size": 15}}


def _bar_below(title: str, span: tuple[float, float]) -> dict[str, Any]:
    left, right = span
    return {
        "orientation": "h",
        "x": (left + right) / 2,
        "len": right - left,
        "y": -0.22,
        "yanchor": "top",
        "title": {"text": title, "side": "bottom"},
        "nticks": 5,
        "thickness": 11,
        "outlinewidth": 0,
    }


def limits(values: np.ndarray) -> tuple[float, float]:
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)


def largest(values: np.ndarray) -> float:
    low, high = limits(values)
    # a colour scale from zero to zero has no middle
    return max(abs(low), abs(high)) or 1.0


def _line_panels(fields: dict[str, xr.DataArray]) -> tuple[list[Any], dict[str, Any]]:
    fields = {name: thin(field, LINE_PIXELS, "x") for name, field in fields.items()}
    panels = [name for name in fields if name != "prediction"]
    axis = {name: str(number) if number > 1 else "" for number, name in enumerate(panels, start=1)}
    axis["prediction"] = axis["target"]
    lines = {
        "input": {"color": REFERENCE},
        "target": {"color": colour(0)},
        "prediction": {"color": colour(1), "dash": "dash"},
        "error": {"color": colour(3)},
    }
    traces = [
        dict(
            type="scatter",
            x=coordinate(field, "x"),
            y=numbers(field),
            mode="lines",
            name=TITLES[name],
            line=lines[name],
            showlegend=name in ("target", "prediction"),
            xaxis=f"x{axis[name]}",
            yaxis=f"y{axis[name]}",
        )
        for name, field in fields.items()
    ]
    headings = TITLES | {"target": "truth and prediction"}
    where = dict(zip(panels, _domains(len(panels), 0.16), strict=True))
    layout: dict[str, Any] = {"annotations": [_panel_title(headings[name], where[name]) for name in panels]}
    for name in panels:
        key, field = axis[name], fields[name]
        layout[f"xaxis{key}"] = {
            "domain": where[name],
            "anchor": f"y{key}",
            "title": {"text": axis_title(field, "x")},
        }
        layout[f"yaxis{key}"] = {"anchor": f"x{key}", "title": {"text": axis_title(field), "standoff": 3}, "nticks": 6}
    most = 1.05 * largest(numbers(fields["error"]))
    layout[f"yaxis{axis['error']}"] |= {"range": [-most, most], "zeroline": True}
    return traces, {**layout, "height": 292, "legend": {"x": where["target"][0], "y": 1.12}}
