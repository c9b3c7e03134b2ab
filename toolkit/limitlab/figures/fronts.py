"""Error against complexity: the front of a search for formulas."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from limitlab.figures.arrays import numbers
from limitlab.figures.template import axis_title, colour, heading, log_ticks

if TYPE_CHECKING:
    import xarray as xr


def pareto_front(
    table: xr.Dataset, *, chosen: dict[str, int] | None = None, truncate: int = 60, title: str | None = None
) -> go.Figure:
    """Loss against complexity, log scale, of held-out points too where there are some; hover shows formulas.

    table: complexity, loss, validation_loss and formula (candidate), from `ParetoFront.table`.
    chosen: rows that rules choose, by the rule's name. truncate: longest formula under the pointer.

    >>> from limitlab.discovery.symbolic import Candidate, Expr, ParetoFront
    >>> front = ParetoFront([Candidate(Expr.parse("x", ("x",)), 1, 0.5, 20)])
    >>> ll.figures.pareto_front(front.table).layout.yaxis.type
    'log'
    """
    complexity, formulas = numbers(table["complexity"]), [str(text) for text in table["formula"].values]
    short = [text if len(text) <= truncate else text[: truncate - 1] + "…" for text in formulas]
    floor, figure = float(table.attrs.get("floor", 0.0)), go.Figure()
    for position, (variable, name) in enumerate((("loss", "fitted points"), ("validation_loss", "held-out points"))):
        losses = np.maximum(numbers(table[variable]), floor)
        shown = np.isfinite(losses) & (losses > 0)
        if variable != "loss" and not shown.any():
            continue
        figure.add_scatter(
            x=complexity[shown],
            y=losses[shown],
            name=name,
            mode="lines+markers",
            line={"color": colour(position), "shape": "hv" if variable == "loss" else "linear"},
            text=[text for text, there in zip(short, shown, strict=True) if there],
            hovertemplate="%{text}<br>complexity %{x:g}, loss %{y:.3g}<extra></extra>",
        )
    for position, (rule, row) in enumerate((chosen or {}).items(), 2):
        figure.add_scatter(
            x=complexity[[row]],
            y=np.maximum(numbers(table["loss"])[[row]], floor),
            name=rule,
            mode="markers",
            # rings of several sizes: rules that agree are all seen
            marker={"symbol": "circle-open", "size": 8 + 4 * position, "color": colour(position), "line": {"width": 2}},
            text=[short[row]],
            hovertemplate=f"{rule}: %{{text}}<extra></extra>",
        )
    figure.update_xaxes(title_text=axis_title(table["complexity"]), rangemode="tozero")
    figure.update_yaxes(title_text=axis_title(table["loss"]), type="log", **log_ticks(numbers(table["loss"])))
    return figure.update_layout(**heading(title), height=420, showlegend=len(figure.data) > 1)
