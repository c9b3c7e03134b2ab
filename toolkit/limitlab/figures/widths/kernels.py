"""Kernels: as heat maps side by side, by the spectrum that sets the speed of training, and by the blocks of a PINN.

Under gradient descent of rate eta on 1/2 |f - y|^2 the residual along an eigenvector of the kernel with the eigenvalue
lambda decays as exp(-eta lambda t): the spectrum says what is learned, and when.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from limitlab.errors import InvalidArgument
from limitlab.figures.arrays import PANEL_PIXELS, coordinate, exactly, labels, numbers, require_dims, thin, variable_of
from limitlab.figures.sketch import Sketch, drawing
from limitlab.figures.template import SEQUENTIAL, axis_title, colour, heading, log_ticks, translucent

if TYPE_CHECKING:
    import xarray as xr

SMALLEST_SHARE = 1e-12


@drawing
def kernel_heatmaps(matrices: xr.DataArray, *, title: str | None = None) -> Sketch:
    """One kernel, or several side by side on one colour scale, such as that of a network beside its limit.

    matrices: dims (row, column) or (kernel, row, column) of any names, with coordinates or without; the labels along
    the first of three dims are the headings of the panels.

    >>> x = torch.rand(8, 3)
    >>> figure = ll.figures.kernel_heatmaps(ll.labels.labelled(k=("row column", x @ x.T, "linear kernel"))["k"])
    """
    named = getattr(matrices, "dims", ())
    if len(named) not in (2, 3) or 0 in matrices.shape:
        raise InvalidArgument(
            f"kernel_heatmaps needs an array with dims (row, column) or (kernel, row, column), none of them empty; "
            f"got {dict(zip(named, matrices.shape, strict=True)) if named else type(matrices).__name__}"
        )
    many = matrices if len(named) == 3 else matrices.expand_dims(kernel=[str(matrices.name or "kernel")])
    kind, rows, columns = many.dims
    many = thin(many, PANEL_PIXELS, str(rows), str(columns))
    count = many.sizes[kind]
    titles = {"subplot_titles": tuple(labels(many, str(kind)))} if len(named) == 3 else {}
    figure = Sketch(rows=1, cols=count, shared_yaxes=True, horizontal_spacing=0.06, **titles)
    for column in range(1, count + 1):
        heatmap = dict(
            type="heatmap",
            z=numbers(many[column - 1]),
            x=coordinate(many, str(columns)),
            y=coordinate(many, str(rows)),
            coloraxis="coloraxis",
            hovertemplate="%{y:.3g}, %{x:.3g}: %{z:.4g}<extra></extra>",
        )
        figure.add([heatmap], col=column)
        scale = "x" if column == 1 else f"x{column}"
        figure.update_axes("y", col=column, scaleanchor=scale, constrain="domain")
    figure.update_axes("x", title={"text": axis_title(many, str(columns))}, constrain="domain", showgrid=False)
    # rows of a matrix go down
    figure.update_axes("y", autorange="reversed", showgrid=False)
    figure.update_axes("y", col=1, title={"text": axis_title(many, str(rows))})
    bar = {"title": {"text": axis_title(many), "side": "right"}}
    return figure.update_layout(**heading(title), height=420, coloraxis={"colorscale": SEQUENTIAL, "colorbar": bar})


@drawing
def eigenvalue_decay(spectrum: xr.Dataset, *, title: str | None = None) -> Sketch:
    """The eigenvalues of a kernel, and above each what is left of the residual along its eigenvector at some time.

    spectrum: `eigenvalue` (mode), and `remaining` (mode) in the same order, such as `KernelDynamics.decay(t)`, whose
    size is drawn. Points are eigenvalues, on the left axis; bars are what remains, on the right one.

    >>> spectrum = ll.labels.labelled(
    ...     eigenvalue=("mode", [5.0, 1.0, 0.1], "eigenvalue"), remaining=("mode", [0.0, 0.4, 0.9], "residual left")
    ... )
    >>> figure = ll.figures.eigenvalue_decay(spectrum)
    """
    eigenvalues, remaining = (exactly(variable_of(spectrum, name), ("mode",)) for name in ("eigenvalue", "remaining"))
    number = np.arange(1, eigenvalues.sizes["mode"] + 1)
    values = eigenvalues.values.astype(float)
    highest = max(1.0, float(np.nanmax(np.abs(remaining.values)))) if remaining.size else 1.0
    bars = dict(
        type="bar",
        x=number,
        y=np.abs(numbers(remaining)),
        name=axis_title(remaining),
        marker={"color": translucent(colour(1), 0.45), "line": {"width": 0}},
        hovertemplate="mode %{x}: %{y:.3f} remains<extra></extra>",
        xaxis="x",
        yaxis="y2",
    )
    points = dict(
        type="scatter",
        x=number,
        y=numbers(eigenvalues.where(eigenvalues > 0)),
        name=axis_title(eigenvalues),
        mode="lines+markers",
        marker={"size": 8, "color": colour(0)},
        line={"color": colour(0), "width": 1.5},
        hovertemplate="mode %{x}: eigenvalue %{y:.4g}<extra></extra>",
        xaxis="x",
        yaxis="y",
    )
    figure = Sketch()
    figure.add([bars, points])
    figure.update_layout(
        xaxis={"title": {"text": "mode, by falling eigenvalue"}, "showgrid": False, "domain": [0.0, 0.94]},
        yaxis={"title": {"text": axis_title(eigenvalues)}, "type": "log", **log_ticks(values)},
        yaxis2={
            "title": {"text": axis_title(remaining)},
            "range": [0, 1.02 * highest],
            "showgrid": False,
            "anchor": "x",
            "side": "right",
            "overlaying": "y",
            # plotly would set them beside those of the other axis, at odd values
            "tickmode": "auto",
            "nticks": 6,
        },
    )
    return figure.update_layout(**heading(title), height=400, showlegend=True, bargap=0.25)


def pinn_spectra(spectra: xr.DataArray, *, title: str | None = None) -> go.Figure:
    """Eigenvalues of the blocks of a PINN's kernel, boundary and interior, in a panel for each weighting of the loss.

    spectra: dims (block, mode) or (weighting, block, mode), NaN where a block has no such mode. Rounding in the tail,
    below 1e-12 of the largest, is left out.

    >>> blocks = ll.labels.labelled(
    ...     eigenvalue=("block mode", [[5.0, 1.0], [900.0, 20.0]], "eigenvalue"),
    ...     block=("block", ["boundary", "interior"], "block"),
    ... )
    >>> figure = ll.figures.pinn_spectra(blocks["eigenvalue"])
    """
    require_dims(spectra, "block", "mode")
    if "weighting" not in spectra.dims:
        spectra = spectra.expand_dims(weighting=["the loss as it is"])
    spectra = exactly(spectra, ("weighting", "block", "mode"))
    seen = spectra.where(spectra > SMALLEST_SHARE * spectra.max())
    headings = labels(spectra, "weighting")
    figure = make_subplots(1, len(headings), shared_yaxes="all", horizontal_spacing=0.05, subplot_titles=headings)
    number = np.arange(1, spectra.sizes["mode"] + 1)
    for panel in range(len(headings)):
        for index, block in enumerate(labels(spectra, "block")):
            look: dict[str, Any] = {"name": block, "legendgroup": block, "showlegend": panel == 0}
            line = go.Scatter(
                x=number,
                y=numbers(seen[panel, index]),
                mode="lines+markers",
                marker={"size": 7, "color": colour(index)},
                line={"color": colour(index), "width": 1.5},
                hovertemplate=f"{block}, mode %{{x}}: %{{y:.3g}}<extra></extra>",
                **look,
            )
            figure.add_trace(line, 1, panel + 1)
    figure.update_xaxes(title_text="mode, by falling eigenvalue")
    figure.update_yaxes(type="log", **log_ticks(seen.values.astype(float)))
    figure.update_yaxes(title_text=axis_title(spectra), col=1)
    return figure.update_layout(**heading(title), height=400, showlegend=True, legend={"y": 1.1})
