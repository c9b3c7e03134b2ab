"""Curves of training and of error: loss against step, error against resolution, error over the test samples.

Every curve is the mean over seeds, its band or bar their range: with three seeds a standard deviation says little.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import plotly.graph_objects as go

from limitlab.errors import unknown_name
from limitlab.figures.arrays import LINE_PIXELS, labels, numbers, over_seeds, require_dims, thin, variable_of
from limitlab.figures.sketch import Sketch, drawing, note, vertical_line
from limitlab.figures.template import REFERENCE, axis_title, colour, heading, log_ticks, translucent

if TYPE_CHECKING:
    import xarray as xr

DistributionKind = Literal["box", "violin", "strip"]


def training_curves(log: xr.Dataset, variable: str | None = None, *, title: str | None = None) -> go.Figure:
    """Loss against step, log scale, one line a model, the range over seeds as a band.

    log: variables (model, step) or (model, seed, step), NaN where a model has no value; without `variable`, the sum of
    all but those whose attribute `kind` is "metric", which is what was minimised. An empty log says that it is.

    >>> log = ll.labels.labelled(
    ...     mse=("model step", [[1.0, 0.5, 0.3]], "squared error"),
    ...     model=("model", ["fno"], "model"),
    ...     step=("step", [1, 2, 3], "training step"),
    ... )
    >>> ll.figures.training_curves(log).layout.yaxis.type
    'log'
    """
    losses = [log[name] for name in log.data_vars if log[name].attrs.get("kind") != "metric"]
    terms = [variable_of(log, variable)] if variable else losses
    figure = go.Figure()
    for term in terms:
        require_dims(term, "model", "step")
    across, up = "training step", "loss"
    if terms:
        # a model without one of the terms has the sum of its others
        held = [term.notnull() for term in terms]
        total = sum((term.fillna(0.0) for term in terms[1:]), start=terms[0].fillna(0.0))
        total = total.where(sum(held[1:], start=held[0]))
        for position, name in enumerate(labels(total, "model")):
            _line_with_band(figure, total.isel(model=position), "step", name, colour(position))
        across, up = axis_title(total, "step"), _loss_title(terms)
        figure.update_yaxes(**log_ticks(numbers(total)))
    figure.update_xaxes(title_text=across, rangemode="tozero")
    figure.update_yaxes(title_text=up, type="log")
    if not figure.data:
        # numbers on the axes of nothing would be plotly's own
        figure.update_xaxes(showticklabels=False)
        figure.update_yaxes(showticklabels=False)
        figure.add_annotation(text="no loss yet", x=0.5, y=0.5, xref="paper", yref="paper", showarrow=False)
    return figure.update_layout(**heading(title), height=380, showlegend=True)


@drawing
def error_against_resolution(
    metrics: xr.Dataset,
    variable: str = "relative_l2",
    *,
    train_resolution: int | None = None,
    title: str | None = None,
) -> Sketch:
    """Error against the points per axis, log axes, one line a model: mean over samples and seeds, bars their range.

    metrics: `variable` with the dims (model, resolution) and perhaps seed, sample. The training resolution, marked by a
    line, is the argument or the attribute `train_resolution`. Where metrics hold a `drift`, how far a model's answer is
    from its own on the finest grid, it is drawn dotted.

    >>> metrics = ll.labels.labelled(
    ...     relative_l2=("model resolution", [[0.02, 0.021]], "relative L2 error"),
    ...     model=("model", ["fno"], "model"),
    ...     resolution=("resolution", [32, 64], "points per axis"),
    ... )
    >>> figure = ll.figures.error_against_resolution(metrics, train_resolution=32)
    """
    errors = variable_of(metrics, variable)
    require_dims(errors, "model", "resolution")
    if "sample" in errors.dims:
        errors = errors.mean("sample", keep_attrs=True)
    train_resolution = train_resolution or metrics.attrs.get("train_resolution")
    resolutions = [int(n) for n in errors["resolution"].values]
    figure = Sketch()
    for position, name in enumerate(labels(errors, "model")):
        mean, low, high = over_seeds(errors.isel(model=position))
        bars = {"type": "data", "symmetric": False, "array": high - mean, "arrayminus": mean - low, "width": 5}
        line = dict(
            type="scatter",
            x=resolutions,
            y=mean,
            error_y=bars if "seed" in errors.dims else None,
            mode="lines+markers",
            name=name,
            marker={"size": 8},
            line={"color": colour(position)},
            hovertemplate=f"{name}, %{{x}} points: %{{y:.4f}}<extra></extra>",
        )
        figure.add([line])
    if "drift" in metrics:
        figure.add(_drifts(metrics["drift"]))
    if train_resolution:
        _mark(figure, int(train_resolution))
    ticks = sorted({*resolutions, *([int(train_resolution)] if train_resolution else [])})
    figure.update_axes(
        "x",
        type="log",
        title={"text": axis_title(errors, "resolution")},
        tickvals=ticks,
        ticktext=[str(n) for n in ticks],
        range=[float(np.log10(ticks[0] / 1.25)), float(np.log10(ticks[-1] * 1.25))],
    )
    figure.update_axes("y", type="log", title={"text": axis_title(errors)}, **log_ticks(numbers(errors)))
    return figure.update_layout(**heading(title), height=400, showlegend=True)


def _mark(figure: Sketch, resolution: int) -> None:
    """A line where a model was trained, with what it says."""
    line = {"color": REFERENCE, "dash": "dot", "width": 1.5}
    figure.add_shapes(vertical_line(resolution, line=line, name="training resolution"))
    where = {"y": 1, "xanchor": "left", "yanchor": "top", "xshift": 5}
    figure.add_annotations(note(float(np.log10(resolution)), f"trained at {resolution}", **where))


def _drifts(drift: xr.DataArray) -> list[dict[str, Any]]:
    """Dotted lines, without the finest grid, where every model is at no distance from itself."""
    others = drift.isel(resolution=drift["resolution"].argsort().values[:-1])
    mean = others.mean([dim for dim in others.dims if dim not in ("model", "resolution")])
    return [
        dict(
            type="scatter",
            x=[int(n) for n in mean["resolution"].values],
            y=numbers(mean.isel(model=position)),
            mode="lines+markers",
            name=f"{name}, from its own answer on the finest grid",
            marker={"size": 5},
            line={"color": colour(position), "dash": "dot", "width": 1.5},
            showlegend=False,
            hovertemplate=f"{name}, %{{x}} points: %{{y:.4f}} from its answer on the finest grid<extra></extra>",
        )
        for position, name in enumerate(labels(mean, "model"))
    ]


def error_distribution(
    metrics: xr.Dataset,
    variable: str = "relative_l2",
    *,
    kind: DistributionKind = "box",
    title: str | None = None,
) -> go.Figure:
    """The errors of all test samples, for every model at every resolution; seeds are pooled.

    metrics: `variable` with the dims (model, sample) and perhaps resolution, seed.

    >>> metrics = ll.labels.labelled(
    ...     relative_l2=("model sample", 0.02 + 0.01 * torch.rand(2, 20), "relative L2 error"),
    ...     model=("model", ["fno", "unet"], "model"),
    ... )
    >>> ll.figures.error_distribution(metrics, kind="violin").data[1].name
    'unet'
    """
    if kind not in get_args(DistributionKind):
        raise unknown_name("kind of distribution", kind, get_args(DistributionKind))
    errors = variable_of(metrics, variable)
    require_dims(errors, "model", "sample")
    if "resolution" not in errors.dims:
        errors = errors.expand_dims(resolution=[errors.name])
    pooled = [dim for dim in errors.dims if dim not in ("model", "resolution")]
    errors = errors.transpose("model", "resolution", *pooled)
    figure = go.Figure()
    for position, name in enumerate(labels(errors, "model")):
        for index, resolution in enumerate(labels(errors, "resolution")):
            shared = {
                "y": numbers(errors[position, index]).ravel(),
                "x0": resolution,
                "name": name,
                "legendgroup": name,
                "offsetgroup": name,
                "showlegend": index == 0,
            }
            figure.add_trace(_distribution(kind, colour(position), shared))
    figure.update_xaxes(type="category", title_text=axis_title(errors, "resolution"), showgrid=False)
    figure.update_yaxes(type="log", title_text=axis_title(errors), **log_ticks(numbers(errors)))
    return figure.update_layout(**heading(title), height=420, boxmode="group", violinmode="group", showlegend=True)


def _distribution(kind: DistributionKind, hue: str, shared: dict) -> go.Box | go.Violin:
    marker = {"color": hue, "size": 4, "opacity": 0.7}
    if kind == "violin":
        return go.Violin(
            **shared, marker=marker, line={"width": 1.5}, points=False, spanmode="hard", box={"visible": True}
        )
    if kind == "strip":
        hidden = "rgba(0,0,0,0)"
        return go.Box(
            **shared, marker=marker, line={"color": hidden}, fillcolor=hidden, boxpoints="all", jitter=0.6, pointpos=0
        )
    return go.Box(**shared, marker=marker, line={"width": 1.5}, boxpoints="suspectedoutliers")


def _line_with_band(figure: go.Figure, values: xr.DataArray, dim: str, name: str, hue: str) -> None:
    values = thin(values.dropna(dim, how="all"), LINE_PIXELS, dim)
    mean, low, high = over_seeds(values)
    x = np.asarray(values[dim].values, dtype=np.float32)
    if "seed" in values.dims and values.sizes["seed"] > 1:
        figure.add_scatter(
            x=np.concatenate([x, x[::-1]]),
            y=np.concatenate([high, low[::-1]]),
            fill="toself",
            fillcolor=translucent(hue, 0.18),
            line={"width": 0},
            mode="lines",
            name=f"{name}, range over seeds",
            legendgroup=name,
            showlegend=False,
            hoverinfo="skip",
        )
    figure.add_scatter(x=x, y=mean, mode="lines", name=name, legendgroup=name, line={"color": hue, "width": 2})


def _loss_title(terms: list[xr.DataArray]) -> str:
    if len(terms) > 1:
        return "loss"
    title = axis_title(terms[0])
    return title if "loss" in title else f"loss ({title})"
