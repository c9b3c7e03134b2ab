"""What width does to learned features: maps of embedded words, and accuracy against width with its limits.

A map projects the vectors of one model on their first two principal components. Vectors that obey u_ij = a_i + b_j
lie on a sheared grid there; vectors that learned nothing lie as a cloud.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from limitlab.errors import InvalidArgument
from limitlab.figures.arrays import exactly, labels, numbers, over_seeds, require_dims, variable_of
from limitlab.figures.template import REFERENCE, axis_title, colour, heading, log_ticks, translucent

if TYPE_CHECKING:
    import xarray as xr

SYMBOLS = ("circle", "square", "diamond", "cross", "triangle-up", "star", "x", "hexagon", "pentagon", "bowtie")
WHEEL = "HSV"
DASHES = ("dash", "dot", "dashdot", "longdash")


def accuracy_against_width(
    metrics: xr.Dataset,
    variable: str = "accuracy",
    *,
    chance: float | None = None,
    log: bool = False,
    title: str | None = None,
) -> go.Figure:
    """A figure of merit against width, log2 axis: a line through the finite widths, the models of width inf as levels.

    metrics: `variable` with the dims (model) or (model, seed) (others are averaged over), and `width` along the
    dim `model`, inf for limits. The first model of width inf is dashed, further ones (kernels) dotted in colours of
    their own; each is named. Lines are means over seeds, bars and bands their range. chance: a level to draw as well.
    Raises InvalidArgument without `width` or without a finite one.

    >>> metrics = ll.labels.labelled(
    ...     accuracy=("model", [0.4, 0.6, 0.7], "accuracy"),
    ...     width=("model", [8, 64, float("inf")], "width"),
    ...     model=("model", ["8", "64", "limit"], "model"),
    ... )
    >>> [line.name for line in ll.figures.accuracy_against_width(metrics).data]
    ['finite width', 'limit']
    """
    values = variable_of(metrics, variable)
    require_dims(values, "model")
    values = values.mean([dim for dim in values.dims if dim not in ("model", "seed")], keep_attrs=True)
    if "width" not in metrics or metrics["width"].dims != ("model",):
        raise InvalidArgument(f"metrics need `width` along the dim model; {variable!r} has {list(values.coords)}")
    widths = np.asarray(metrics["width"].values, dtype=np.float64)
    finite = np.isfinite(widths)
    if not finite.any():
        raise InvalidArgument("accuracy_against_width needs a model of finite width; got limits only")
    order = np.flatnonzero(finite)[np.argsort(widths[finite], kind="stable")]
    figure = go.Figure(_through(values.isel(model=order), widths[order]))
    ends = [widths[finite].min() / 1.3, widths[finite].max() * 1.3]
    for index, position in enumerate(np.flatnonzero(~finite)):
        figure.add_traces(_level(values.isel(model=position), ends, index))
    if chance is not None:
        figure.add_scatter(
            x=ends,
            y=[chance, chance],
            mode="lines",
            name="chance",
            line={"color": REFERENCE, "dash": "dot", "width": 1},
        )
    ticks = np.unique(widths[finite])
    figure.update_xaxes(
        type="log",
        title_text=axis_title(metrics["width"]),
        tickvals=ticks,
        ticktext=[f"{n:g}" for n in ticks],
        range=np.log10(ends).tolist(),
    )
    figure.update_yaxes(title_text=axis_title(values), **({"type": "log", **log_ticks(numbers(values))} if log else {}))
    return figure.update_layout(**heading(title), height=400, showlegend=True)


def embedding_map(
    embeddings: xr.Dataset, variable: str = "embedding", *, connect: bool = False, title: str | None = None
) -> go.Figure:
    """The words of each model on their first two principal components, a panel a model; colour and marker are factors.

    embeddings: `variable` (model, word, dimension), NaN beyond a model's width, and the factors `i`, `j` (word),
    whole numbers from 0: i gives the colour, j the marker. Panels are scaled alike: each by its own variance, with
    the share of the two components in the total written above. connect: join the words of one j, by i, to a polygon;
    of u_ij = a_i + b_j they have one shape. A panel needs at least two words that are not NaN.

    >>> words = ll.labels.labelled(
    ...     embedding=("word dimension", torch.rand(4, 6), "embedding"),
    ...     i=("word", [0, 0, 1, 1], "first factor"),
    ...     j=("word", [0, 1, 0, 1], "second factor"),
    ... )
    >>> figure = ll.figures.embedding_map(words, connect=True)
    """
    vectors = exactly(variable_of(embeddings, variable), ("model", "word", "dimension"), ("word", "dimension"))
    vectors = vectors.expand_dims("model") if "model" not in vectors.dims else vectors
    for factor in ("i", "j"):
        require_dims(variable_of(embeddings, factor), "word")
    i, j = (np.asarray(embeddings[factor].values, dtype=int) for factor in ("i", "j"))
    names = labels(vectors, "model") if "model" in vectors.coords else [""]
    projections = [principal_plane(vectors.isel(model=index).values) for index in range(len(names))]
    headings = [
        f"{name}<br><sup>{share:.0%} of the variance</sup>" for name, (_, share) in zip(names, projections, strict=True)
    ]
    figure = make_subplots(1, len(names), subplot_titles=headings, horizontal_spacing=0.07)
    words = labels(vectors, "word")
    for panel, (points, _) in enumerate(projections, start=1):
        for marker in np.unique(j):
            chosen = np.flatnonzero(j == marker)
            if connect:
                chosen = chosen[np.argsort(i[chosen], kind="stable")]
                chosen = np.append(chosen, chosen[:1])
            figure.add_scatter(
                x=points[chosen, 0],
                y=points[chosen, 1],
                text=[words[index] for index in chosen],
                mode="lines+markers" if connect else "markers",
                line={"color": REFERENCE, "width": 1.2},
                marker={
                    "symbol": SYMBOLS[marker % len(SYMBOLS)],
                    "color": i[chosen],
                    "colorscale": WHEEL,
                    "cmin": 0,
                    "cmax": int(i.max()) + 1,  # the wheel ends with the colour that it begins with
                    "size": 9,
                    "line": {"color": "#24292F", "width": 0.7},
                },
                name=f"j = {marker}",
                legendgroup=str(marker),
                showlegend=False,
                hovertemplate="%{text}<extra></extra>",
                row=1,
                col=panel,
            )
        figure.update_xaxes(title_text="first component", row=1, col=panel)
    for marker in np.unique(j):
        # an empty trace in grey: a legend entry in the colour of some i would say something wrong
        figure.add_scatter(
            x=[None],
            y=[None],
            mode="markers",
            marker={"symbol": SYMBOLS[marker % len(SYMBOLS)], "color": REFERENCE, "size": 9},
            name=f"j = {marker}",
            legendgroup=str(marker),
            hoverinfo="skip",
        )
    figure.update_yaxes(title_text="second component", row=1, col=1)
    top = heading(title)
    return figure.update_layout(
        **{**top, "margin": {"t": top["margin"]["t"] + 36}},
        height=440,
        legend={"y": 1.14, "title": {"text": "colour: i, marker:  "}},
    )


def principal_plane(vectors: np.ndarray) -> tuple[np.ndarray, float]:
    """The vectors (word, dimension) on their two leading principal axes, of joint variance 1, and their share of it.

    Signs are fixed by the largest coordinate along each axis, so that equal clouds give equal pictures.
    """
    # narrower models are padded with NaN
    finite = vectors[:, np.isfinite(vectors).all(axis=0)].astype(np.float64)
    if finite.shape[0] < 2 or finite.shape[1] < 1:
        raise InvalidArgument(
            f"a map needs two vectors or more, with a dimension without NaN; got shape {vectors.shape}"
        )
    centred = finite - finite.mean(axis=0)
    directions, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    plane = np.zeros((len(finite), 2))
    plane[:, : min(2, len(sizes))] = directions[:, :2] * sizes[:2]
    # an eigenvector has no sign: without a rule two runs would show mirrored maps
    plane *= np.sign(np.take_along_axis(plane, np.abs(plane).argmax(axis=0)[None], axis=0)) + (plane == 0).all(axis=0)
    total = float((sizes**2).sum()) or 1.0
    scale = float(np.sqrt((plane**2).sum(axis=1).mean())) or 1.0
    return (plane / scale).astype(np.float32), float((sizes[:2] ** 2).sum()) / total


def _through(values: xr.DataArray, widths: np.ndarray) -> go.Scatter:
    mean, low, high = over_seeds(values)
    several = values.sizes.get("seed", 1) > 1
    bars = {"type": "data", "symmetric": False, "array": high - mean, "arrayminus": mean - low, "width": 4}
    return go.Scatter(
        x=widths,
        y=mean,
        error_y=bars if several else None,
        text=labels(values, "model"),
        mode="lines+markers",
        marker={"size": 8},
        line={"color": colour(0)},
        name="finite width",
        hovertemplate="%{text}: %{y:.4g}<extra></extra>",
    )


def _level(values: xr.DataArray, ends: list[float], index: int) -> list[Any]:
    """A limit as a horizontal line, with the range over its seeds as a band."""
    mean, low, high = (level.item() for level in over_seeds(values))
    name, hue = str(values["model"].values), colour(index + 1)
    line = go.Scatter(
        x=ends,
        y=[mean, mean],
        mode="lines",
        name=name,
        line={"color": hue, "dash": DASHES[min(index, len(DASHES) - 1)], "width": 2},
        hovertemplate=f"{name}: %{{y:.4g}}<extra></extra>",
    )
    if low == high:
        return [line]
    band = go.Scatter(
        x=[*ends, *ends[::-1]],
        y=[high, high, low, low],
        fill="toself",
        fillcolor=translucent(hue, 0.15),
        line={"width": 0},
        mode="lines",
        name=f"{name}, range over seeds",
        showlegend=False,
        hoverinfo="skip",
    )
    return [band, line]
