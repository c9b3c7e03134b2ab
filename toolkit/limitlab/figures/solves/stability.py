"""Stability regions: where a method damps y' = lambda y, with the h lambda that a solver met laid over them.

A step multiplies y by R(z), z = h lambda; the region is |R(z)| <= 1. Source: Hairer and Wanner, Solving ODEs II, IV.2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from limitlab.figures.arrays import PANEL_PIXELS, exactly, labels, thin, variable_of
from limitlab.figures.solves.solutions import compact, evenly
from limitlab.figures.template import REFERENCE, SEQUENTIAL, axis_title, colour, heading, translucent

if TYPE_CHECKING:
    import xarray as xr

DOTS = 1000
LEVELS = 10_000


def stability_regions(
    regions: xr.Dataset, trajectory: xr.Dataset | None = None, *, title: str | None = None
) -> go.Figure:
    """|R(z)| <= 1 in the plane of z = h lambda, filled, a colour for each method; dots for the steps of a trajectory.

    regions: `amplification` |R(z)| with the dims (imaginary, real), perhaps method. trajectory: `real`, `imag` of
    h lambda with the dims (step) or (step, eigenvalue); coloured by `time` (step) where it has one, else by the number
    of the step. Dots outside of the drawn plane are counted in a note.

    >>> real, imaginary = torch.linspace(-3, 1, 41), torch.linspace(-2, 2, 41)
    >>> amplification = torch.complex(*torch.meshgrid(1 + real, imaginary, indexing="xy")).abs()
    >>> euler = ll.labels.labelled(
    ...     amplification=("imaginary real", amplification, "growth of a step"),
    ...     real=("real", real, "Re h λ"),
    ...     imaginary=("imaginary", imaginary, "Im h λ"),
    ... )
    >>> figure = ll.figures.stability_regions(euler)
    """
    amplification = variable_of(regions, "amplification")
    if "method" not in amplification.dims:
        amplification = amplification.expand_dims(method=[str(regions.attrs.get("method", "stable"))])
    amplification = exactly(amplification, ("method", "imaginary", "real"))
    amplification = thin(amplification, PANEL_PIXELS, "imaginary", "real")
    figure = go.Figure()
    plane = {dim: np.asarray(amplification[dim].values, dtype=np.float64) for dim in ("real", "imaginary")}
    for index, name in enumerate(labels(amplification, "method")):
        figure.add_trace(_region(amplification.values[index], plane, name, colour(index)))
    if trajectory is not None:
        _add_dots(figure, trajectory, plane)
    limits = {dim: [float(points.min()), float(points.max())] for dim, points in plane.items()}
    zero = {"zeroline": True, "zerolinecolor": REFERENCE, "zerolinewidth": 1, "constrain": "domain"}
    figure.update_xaxes(title_text=_title(amplification, "real", "Re"), range=limits["real"], **zero)
    figure.update_yaxes(
        title_text=_title(amplification, "imaginary", "Im"), range=limits["imaginary"], scaleanchor="x", **zero
    )
    return figure.update_layout(**heading(title), height=520, width=660)


def _region(values: np.ndarray, plane: dict[str, np.ndarray], name: str, hue: str) -> go.Contour:
    # the logarithm is nearly linear across the edge, also where |R| grows like |z|^5; whole numbers take half the bytes
    with np.errstate(divide="ignore"):
        height = np.clip(np.log10(np.nan_to_num(np.asarray(values, dtype=np.float64), nan=np.inf)), -1, 1)
    return go.Contour(
        x=plane["real"],
        y=plane["imaginary"],
        z=np.round(LEVELS * height).astype(np.int16),
        # plotly shades where the constraint fails
        contours={"type": "constraint", "operation": ">", "value": 0.0},
        fillcolor=translucent(hue, 0.22),
        line={"color": hue, "width": 2},
        name=name,
        showlegend=True,
        hoverinfo="skip",
    )


def _add_dots(figure: go.Figure, trajectory: xr.Dataset, plane: dict[str, np.ndarray]) -> None:
    import xarray as xr

    shapes = (("step",), ("step", "eigenvalue"))
    real, imaginary = (exactly(variable_of(trajectory, name), *shapes) for name in ("real", "imag"))
    if "time" in trajectory.variables:
        when = exactly(trajectory["time"], ("step",))
    else:
        when = xr.DataArray(np.arange(real.sizes["step"]), dims="step", attrs={"long_name": "number of the step"})
    dots = np.stack([array.values.ravel().astype(float) for array in xr.broadcast(real, imaginary, when)])
    dots = dots[:, np.isfinite(dots).all(0)]
    inside = np.ones(dots.shape[1], dtype=bool)
    for values, points in zip(dots, (plane["real"], plane["imaginary"]), strict=False):
        inside &= (values >= points.min()) & (values <= points.max())
    drawn = dots[:, inside][:, evenly(int(inside.sum()), DOTS)]
    bar = {"title": {"text": axis_title(when), "side": "right"}, "thickness": 11, "outlinewidth": 0}
    figure.add_scatter(
        x=compact(drawn[0]),
        y=compact(drawn[1]),
        mode="markers",
        marker={
            "color": compact(drawn[2]),
            "colorscale": SEQUENTIAL,
            "showscale": drawn.size > 0,
            "colorbar": bar,
            "size": 7,
            "line": {"color": "#FFFFFF", "width": 0.7},
        },
        name="h λ of the steps",
        showlegend=False,
        hovertemplate="h λ = %{x:.4g} + %{y:.4g} i<br>t = %{marker.color:.5g}<extra></extra>",
    )
    outside = int((~inside).sum())
    if outside:
        figure.add_annotation(
            text=f"{outside} of {inside.size} dots lie outside",
            x=0,
            y=0,
            xref="x domain",
            yref="y domain",
            xanchor="left",
            yanchor="bottom",
            xshift=6,
            yshift=4,
            showarrow=False,
            font={"color": REFERENCE, "size": 12},
        )


def _title(amplification: xr.DataArray, dim: str, part: str) -> str:
    described = amplification[dim].attrs.get("long_name") if dim in amplification.coords else None
    return axis_title(amplification, dim) if described else f"{part} h λ"
