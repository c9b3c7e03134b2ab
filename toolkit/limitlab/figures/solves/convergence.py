"""How accurate a method is for its cost, and of what order: work-precision diagrams and errors against the step size.

An error of order p is a line of slope p between log axes; the observed order is the slope of the line fitted by least
squares,

    log error = p log h + c.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go

from limitlab.errors import check_number
from limitlab.figures.arrays import exactly, labels, variable_of
from limitlab.figures.solves.solutions import compact
from limitlab.figures.template import REFERENCE, axis_title, colour, heading, log_ticks
from limitlab.fits import loglog_slope, power_law

if TYPE_CHECKING:
    import xarray as xr

BELOW = 10**-0.35  # a third of a decade: beside the points, not on them
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "star")


def work_precision(
    results: xr.Dataset,
    *,
    error: str = "error",
    cost: str = "function_evaluations",
    title: str | None = None,
) -> go.Figure:
    """Error against cost, log axes, one line a method through its tolerances; the lower left is best.

    results: `error` and `cost`, such as evaluations of the field or seconds, dims (method, tolerance);
    NaN where a method failed.

    >>> results = ll.labels.labelled(
    ...     error=("method tolerance", [[1e-2, 1e-4]], "error at the end"),
    ...     function_evaluations=("method tolerance", [[50, 120]], "evaluations of the field"),
    ...     method=("method", ["tsit5"], "method"),
    ...     tolerance=("tolerance", [1e-3, 1e-5], "tolerance"),
    ... )
    >>> ll.figures.work_precision(results).layout.xaxis.title.text
    'evaluations of the field'
    """
    errors, costs = (_lines_of(results, name, "tolerance") for name in (error, cost))
    figure = go.Figure()
    for index, name in enumerate(labels(errors, "method")):
        own_errors, own_costs = errors.values[index], costs.values[index]
        drawn = _positive(own_errors) & _positive(own_costs)
        figure.add_scatter(
            x=compact(own_costs[drawn]),
            y=compact(own_errors[drawn]),
            customdata=errors["tolerance"].values[drawn],
            **_look(index, name),
            mode="lines+markers",
            hovertemplate=f"{name}, tolerance %{{customdata:.0e}}<br>%{{x:.4s}}: %{{y:.2e}}<extra></extra>",
        )
    figure.update_xaxes(title_text=axis_title(costs), **_log_axis([trace.x for trace in figure.data]))
    figure.update_yaxes(title_text=axis_title(errors), **_log_axis([trace.y for trace in figure.data]))
    return figure.update_layout(**heading(title), height=440, showlegend=True)


def convergence_orders(
    results: xr.Dataset,
    variable: str = "error",
    *,
    slopes: Sequence[float] = (),
    floor: float = 0.0,
    title: str | None = None,
) -> go.Figure:
    """Error against step size, log axes, one line a method; the legend gives each observed order.

    results: `variable` and perhaps its `std`, drawn as bars, dims (method, step_size). slopes: dashed lines to compare
    with. floor: errors up to here, as of round-off, are drawn open and take no part in the fit.

    >>> h = [0.4, 0.2, 0.1]
    >>> errors = ll.labels.labelled(
    ...     error=("method step_size", [[4e-2, 1e-2, 2.5e-3]], "error at the end"),
    ...     method=("method", ["heun"], "method"),
    ...     step_size=("step_size", h, "step size", "s"),
    ... )

    >>> ll.figures.convergence_orders(errors, slopes=[2]).data[0].name
    'heun, order 2.00'
    """
    errors = _lines_of(results, variable, "step_size")
    deviations = _lines_of(results, "std", "step_size") if "std" in results else None
    orders = fitted_orders(results, variable, floor=floor)
    steps = np.asarray(errors["step_size"].values, dtype=np.float64)
    figure = go.Figure()
    for index, name in enumerate(labels(errors, "method")):
        values = errors.values[index]
        drawn = _positive(values)
        order = float(orders[index])
        look = _look(index, f"{name}, order {order:.2f}" if np.isfinite(order) else name)
        look["marker"]["symbol"] = [
            look["marker"]["symbol"] + ("" if fitted else "-open") for fitted in values[drawn] > floor
        ]
        figure.add_scatter(
            x=steps[drawn],
            y=compact(values[drawn]),
            error_y=None if deviations is None else _bars(values[drawn], deviations.values[index][drawn]),
            **look,
            mode="lines+markers",
            hovertemplate=f"{name}, h = %{{x:.3g}}: %{{y:.3e}}<extra></extra>",
        )
    traces = list(figure.data)
    for slope in slopes:
        _add_slope(figure, check_number("slopes", slope), orders, errors, floor)
    figure.update_xaxes(title_text=axis_title(errors, "step_size"), **_log_axis([trace.x for trace in traces]))
    figure.update_yaxes(title_text=axis_title(errors), **_log_axis([trace.y for trace in figure.data]))
    return figure.update_layout(**heading(title), height=460, showlegend=True)


def fitted_orders(results: xr.Dataset, variable: str = "error", *, floor: float = 0.0) -> xr.DataArray:
    """Slope of log error against log step size of every method, from its errors above the floor; NaN below two.

    results: `variable` with the dims (method, step_size).

    >>> errors = ll.labels.labelled(
    ...     error=("step_size", [4e-2, 1e-2], "error at the end"), step_size=("step_size", [0.2, 0.1], "step size")
    ... )
    >>> round(ll.figures.fitted_orders(errors).item(), 6)
    2.0
    """
    import xarray as xr

    errors = _lines_of(results, variable, "step_size")
    slopes = [loglog_slope(*_above(floor, errors, row)) for row in errors.values]
    described = {"long_name": "observed order", "units": "1"}
    return xr.DataArray(slopes, {"method": errors["method"]}, ("method",), name="order", attrs=described)


def _lines_of(results: xr.Dataset, name: str, along: str) -> xr.DataArray:
    array = variable_of(results, name)
    if "method" not in array.dims:
        array = array.expand_dims(method=[str(results.attrs.get("method", name))])
    return exactly(array, ("method", along)).astype(float)


def _positive(values: np.ndarray) -> np.ndarray:
    return np.isfinite(values) & (values > 0)


def _above(floor: float, errors: xr.DataArray, row: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Step sizes and errors of one method that take part in its fit."""
    used = _positive(row) & (row > floor)
    return errors["step_size"].values[used], row[used]


def _look(index: int, name: str) -> dict[str, Any]:
    return {
        "name": name,
        "line": {"color": colour(index), "width": 2},
        "marker": {
            "color": colour(index),
            "size": 9,
            "symbol": SYMBOLS[index % len(SYMBOLS)],
            "line": {"color": colour(index), "width": 1.5},
        },
    }


def _bars(values: np.ndarray, deviations: np.ndarray) -> dict[str, Any]:
    # a log axis has no zero: the lower end stays above a twentieth of the value
    lower = np.minimum(deviations, 0.95 * values)
    return {"type": "data", "symmetric": False, "array": deviations, "arrayminus": lower, "width": 4, "thickness": 1.2}


def _log_axis(values: list[np.ndarray]) -> dict[str, Any]:
    return {"type": "log", **log_ticks(np.concatenate([np.empty(0), *values]))}


def _add_slope(figure: go.Figure, slope: float, orders: xr.DataArray, errors: xr.DataArray, floor: float) -> None:
    """A dashed line of this slope, below the method whose order is nearest to it."""
    known = np.isfinite(orders.values)
    if not known.any():
        return
    nearest = int(np.argmin(np.where(known, np.abs(orders.values - slope), np.inf)))
    steps, values = _above(floor, errors, errors.values[nearest])
    ends = np.array([steps.min(), steps.max()], dtype=np.float64)
    line = power_law(steps, values)._replace(exponent=slope)
    figure.add_scatter(
        x=ends,
        y=BELOW * line(ends),
        mode="lines+text",
        text=[f"slope {slope:g}", ""],
        textposition="bottom right",
        textfont={"color": REFERENCE},
        line={"color": REFERENCE, "width": 1.5, "dash": "dash"},
        name=f"slope {slope:g}",
        showlegend=False,
        hoverinfo="skip",
    )
