"""Predictions of several models of one function beside each other, on common scales."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from limitlab.errors import InvalidArgument
from limitlab.figures.arrays import LINE_PIXELS, PANEL_PIXELS, coordinate, exactly, numbers, thin, variable_of
from limitlab.figures.fields.fields import PLANES, drawn_axes, heatmap, largest, limits
from limitlab.figures.sketch import Sketch, drawing
from limitlab.figures.template import DIVERGING, REFERENCE, SEQUENTIAL, axis_title, colour, heading

if TYPE_CHECKING:
    import xarray as xr


@drawing
def side_by_side(samples: Mapping[str, xr.Dataset], *, title: str | None = None) -> Sketch:
    """Predictions of one sample by several models: a column each, prediction over error; truth over input before them.

    samples: by model, a dataset as `triptych` takes it; all of one truth. All predictions have the truth's scale, all
    errors one of their own. Profiles (x) share two panels, of predictions and of errors.
    Raises InvalidArgument for samples of different truths.

    >>> truth, error = torch.rand(16, 16), 0.01 * torch.rand(16, 16)
    >>> def predicted(field):
    ...     return ll.labels.labelled(target=("x y", truth, "pressure"), prediction=("x y", field, "pressure"))
    >>> figure = ll.figures.side_by_side({"fno": predicted(truth + error), "mean": predicted(0 * truth)})
    >>> [trace.name for trace in figure.data]
    ['truth', 'fno', 'error of fno', 'mean', 'error of mean']
    """
    if not samples:
        raise InvalidArgument("samples must hold the dataset of one model at least")
    fields = {name: _checked(variable_of(sample, "prediction")) for name, sample in samples.items()}
    first = next(iter(samples.values()))
    truth = _checked(variable_of(first, "target"))
    for name, sample in samples.items():
        other = _checked(variable_of(sample, "target"))
        if other.shape != truth.shape or not np.array_equal(other.values, truth.values, equal_nan=True):
            raise InvalidArgument(f"samples must be of one truth; that of {name} is another")
    source = _checked(first["input"]) if "input" in first else None
    draw = _lines if truth.ndim == 1 else _maps
    return draw(truth, source, fields).update_layout(**heading(title))


def _checked(array: xr.DataArray) -> xr.DataArray:
    return exactly(array, ("x",), *PLANES)


def _errors(truth: xr.DataArray, fields: dict[str, xr.DataArray]) -> dict[str, xr.DataArray]:
    attrs = {"long_name": "error", "units": truth.attrs.get("units", "1")}
    return {name: (field - truth).rename("error").assign_attrs(attrs) for name, field in fields.items()}


def _maps(truth: xr.DataArray, source: xr.DataArray | None, fields: dict[str, xr.DataArray]) -> Sketch:
    errors = _errors(truth, fields)
    columns: list[Any] = [(("truth", truth, "coloraxis"), None if source is None else ("input", source, "coloraxis3"))]
    for name, field in fields.items():
        columns.append(((name, field, "coloraxis"), (f"error of {name}", errors[name], "coloraxis2")))
    titles = [panel[0] if panel else "" for row in zip(*columns, strict=True) for panel in row]
    figure = Sketch(
        rows=2,
        cols=len(columns),
        subplot_titles=tuple(titles),
        shared_xaxes="all",
        shared_yaxes="all",
        horizontal_spacing=0.03,
        vertical_spacing=0.11,
    )
    if source is None:
        for letter in "xy":
            figure.update_axes(letter, row=2, col=1, visible=False)
    for place, column in enumerate(columns, start=1):
        for row, panel in enumerate(column, start=1):
            if panel:
                name, field, scale = panel
                drawn = thin(field, PANEL_PIXELS, *map(str, field.dims))
                figure.add([heatmap(drawn, coloraxis=scale, name=name)], row, place)
    across, up = drawn_axes(truth)
    for letter in "xy":
        figure.update_axes(letter, showgrid=False, constrain="domain", nticks=4)
    if up == "y":
        figure.update_axes("y", scaleanchor="x")
    figure.update_axes("x", row=2, title={"text": axis_title(truth, across)})
    figure.update_axes("y", col=1, title={"text": axis_title(truth, up)})
    low, high = limits(np.stack([numbers(field) for field in (truth, *fields.values())]))
    most = max(largest(numbers(error)) for error in errors.values())
    of_errors = _bar(next(iter(errors.values())), 0.22)
    return figure.update_layout(
        coloraxis={"colorscale": SEQUENTIAL, "cmin": low, "cmax": high, "colorbar": _bar(truth, 0.78)},
        coloraxis2={"colorscale": DIVERGING, "cmin": -most, "cmax": most, "colorbar": of_errors},
        coloraxis3={"colorscale": SEQUENTIAL, "showscale": False},
        height=520,
    )


def _bar(field: xr.DataArray, middle: float) -> dict[str, Any]:
    title = {"text": axis_title(field), "side": "right"}
    return {"title": title, "y": middle, "len": 0.46, "thickness": 11, "outlinewidth": 0, "nticks": 5}


def _lines(truth: xr.DataArray, source: xr.DataArray | None, fields: dict[str, xr.DataArray]) -> Sketch:
    titles = ["input"] * (source is not None) + ["truth and predictions", "errors"]
    figure = Sketch(rows=1, cols=len(titles), subplot_titles=tuple(titles), horizontal_spacing=0.14)
    last = len(titles)

    def add(field: xr.DataArray, name: str, place: int, **options: Any) -> None:
        drawn = thin(field, LINE_PIXELS, "x")
        line = dict(type="scatter", x=coordinate(drawn, "x"), y=numbers(drawn), mode="lines", name=name, **options)
        figure.add([line], col=place)

    if source is not None:
        add(source, "input", 1, line={"color": REFERENCE}, showlegend=False)
        figure.update_axes("y", col=1, title={"text": axis_title(source)})
    add(truth, "truth", last - 1, line={"color": colour(0)})
    errors = _errors(truth, fields)
    for position, (name, field) in enumerate(fields.items(), start=1):
        look = {"color": colour(position), "dash": "dash" if position == 1 else "dot"}
        add(field, name, last - 1, line=look, legendgroup=name)
        add(errors[name], f"error of {name}", last, line=look, legendgroup=name, showlegend=False)
    figure.update_axes("x", title={"text": axis_title(truth, "x")})
    figure.update_axes("y", col=last - 1, title={"text": axis_title(truth)})
    most = 1.05 * max(largest(numbers(error)) for error in errors.values())
    figure.update_axes("y", col=last, range=[-most, most])
    return figure.update_layout(height=292, legend={"orientation": "h", "x": 0.5, "xanchor": "center", "y": 1.3})
