"""The one look of all figures: the plotly template "limitlab" and its dark twin, colours, and axis titles with units.

The colourway is that of Okabe and Ito (2008), told apart with every common colour blindness. Fields are drawn with
viridis, which is perceptually uniform; signed errors with a blue-white-red map whose middle is zero.
`figure.update_layout(template="limitlab_dark")` turns any figure dark.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go
import plotly.io

if TYPE_CHECKING:
    import xarray as xr

LIGHT, DARK = "limitlab", "limitlab_dark"

COLOURWAY = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6D31", "#7F7F7F")
REFERENCE = "#7F7F7F"
SEQUENTIAL = "Viridis"
DIVERGING = [
    [0.0, "#053061"],
    [0.125, "#2166AC"],
    [0.25, "#4393C3"],
    [0.375, "#A7CFE4"],
    [0.5, "#F7F7F7"],
    [0.625, "#F9BFA3"],
    [0.75, "#D6604D"],
    [0.875, "#B2182B"],
    [1.0, "#67001F"],
]
FONT = "Inter, 'Segoe UI', Roboto, 'Helvetica Neue', 'DejaVu Sans', Arial, sans-serif"


def register() -> None:
    """Make both templates known to plotly by name; in a notebook, show figures as data.

    Plotly's own choice there also writes its whole library, 4.5 MB, into the stored notebook.
    """
    if "ipykernel" in sys.modules and "PLOTLY_RENDERER" not in os.environ:
        plotly.io.renderers.default = "plotly_mimetype"
    plotly.io.templates[LIGHT] = _template(paper="#FFFFFF", ink="#24292F", line="#8C959F", faint="#E6E9ED")
    plotly.io.templates[DARK] = _template(paper="#15191E", ink="#E6EDF3", line="#7D8590", faint="#2B323B")


def axis_title(array: xr.DataArray, dim: str | None = None) -> str:
    """Title of the axis along `dim`, or of the values themselves: the long name, and the unit unless it is 1.

    >>> speed = ll.labels.labelled(v=("time", [1.0, 2.0], "speed", "m/s"), time=("time", [0, 1], "time", "s"))["v"]
    >>> ll.figures.axis_title(speed), ll.figures.axis_title(speed, "time")
    ('speed [m/s]', 'time [s]')
    """
    described = array if dim is None else array[dim] if dim in array.coords else None
    attrs = {} if described is None else described.attrs
    name = str(attrs.get("long_name") or dim or array.name or "")
    unit = str(attrs.get("units", "1"))
    return name if unit in ("", "1") else f"{name} [{unit}]"


def colour(position: int) -> str:
    """Colour of the model at this place in the dataset; the same in every figure."""
    return COLOURWAY[position % len(COLOURWAY)]


def translucent(colour: str, opacity: float) -> str:
    """The hexadecimal colour as rgba text."""
    red, green, blue = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity:g})"


def log_ticks(values: np.ndarray) -> dict[str, Any]:
    """Ticks of a log axis: whole decades above three, several in each below; plotly's own below a half."""
    positive = values[np.isfinite(values) & (values > 0)]
    if not positive.size:
        return {}
    low, high = np.log10([positive.min(), positive.max()])
    if high - low < 0.5:
        return {"nticks": 6}
    if high - low > 3:
        return {"exponentformat": "power", "dtick": int(np.ceil((high - low) / 6))}
    # beyond the data: axes have margins
    decades = range(int(np.floor(low)) - 1, int(np.ceil(high)) + 2)
    digits = (1, 2, 5) if high - low > 1 else (1, 1.5, 2, 3, 4, 5, 7)
    ticks = [digit * 10.0**decade for decade in decades for digit in digits]
    return {"tickvals": ticks, "ticktext": [f"{tick:g}" for tick in ticks]}


def heading(title: str | None) -> dict[str, Any]:
    """Layout of a figure with or without a title, which stands above the legend."""
    return {"template": LIGHT, "title": {"text": title}, "margin": {"t": 84 if title else 48}}


def _template(*, paper: str, ink: str, line: str, faint: str) -> go.layout.Template:
    axis = {
        "automargin": True,
        "gridcolor": faint,
        "linecolor": line,
        "showline": True,
        "tickcolor": line,
        "ticklen": 4,
        "ticks": "outside",
        "title": {"standoff": 8},
        "zeroline": False,
    }
    bar = {"outlinewidth": 0, "thickness": 11, "ticks": "outside", "ticklen": 3, "tickcolor": line}
    layout = go.Layout(
        colorway=list(COLOURWAY),
        font={"family": FONT, "size": 13, "color": ink},
        title={"x": 0.0, "xref": "paper", "xanchor": "left", "y": 1.0, "yanchor": "top", "pad": {"t": 14}},
        paper_bgcolor=paper,
        plot_bgcolor=paper,
        hovermode="closest",
        hoverlabel={"font": {"family": FONT}},
        legend={"orientation": "h", "x": 0.0, "xanchor": "left", "y": 1.02, "yanchor": "bottom", "itemwidth": 30},
        margin={"l": 64, "r": 24, "t": 48, "b": 56},
        xaxis=axis,
        yaxis=axis,
        coloraxis={"colorbar": bar},
        colorscale={"sequential": SEQUENTIAL, "diverging": DIVERGING},
    )
    return go.layout.Template(layout=layout)
