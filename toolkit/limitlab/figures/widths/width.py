"""What width does: networks beside the law of their limit, errors against width, residual modes on predicted lines.

The arrays are those of the experiment `ntk_circle`. A law value ~ width^p is a line of slope p between log
axes, fitted to the means over seeds; a residual mode of eigenvalue lambda is predicted to be |1 - eta lambda|^t of what
it was, a line between a linear and a log axis.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float
from plotly.subplots import make_subplots

from limitlab.errors import InvalidArgument, check_number
from limitlab.figures.arrays import coordinate, exactly, labels, numbers, require_dims, thin, variable_of
from limitlab.figures.sketch import Sketch, drawing
from limitlab.figures.sliding import with_slider
from limitlab.figures.solves.convergence import SYMBOLS
from limitlab.figures.template import REFERENCE, axis_title, colour, heading, log_ticks, translucent
from limitlab.fits import loglog_slope, power_law

if TYPE_CHECKING:
    import xarray as xr

POINTS = 400
LOWEST = 1e-4


@drawing
def ensemble_functions(functions: xr.Dataset, data: xr.DataArray | None = None, *, title: str | None = None) -> Sketch:
    """Trained networks as thin lines over the band of two standard deviations around the mean of their limit.

    functions: `network` (seed, x), `mean` and `std` (x). data: the values that were learned, with the coordinate x.

    >>> x, networks = torch.linspace(-1, 1, 9), torch.rand(3, 9)
    >>> functions = ll.labels.labelled(
    ...     network=("seed x", networks, "output"),
    ...     mean=("x", 0 * x, "mean"),
    ...     std=("x", 1 + 0 * x, "deviation"),
    ...     x=("x", x, "x"),
    ... )
    >>> ll.figures.ensemble_functions(functions).data[0].name
    'limit, mean ± 2 deviations'
    """
    mean, std = (exactly(variable_of(functions, name), ("x",)) for name in ("mean", "std"))
    networks = exactly(variable_of(functions, "network"), ("seed", "x"))
    mean, std, networks = (thin(array, POINTS, "x") for array in (mean, std, networks))
    x, centre, spread = coordinate(mean, "x"), numbers(mean), numbers(std)
    count = networks.sizes["seed"]
    gap = np.full((count, 1), np.nan, np.float32)
    limit = dict(
        type="scatter", x=x, y=centre, mode="lines", name="limit, mean", line={"color": REFERENCE, "width": 2.5}
    )
    lines = dict(
        type="scatter",
        x=np.tile(np.append(x, np.nan), count),
        y=np.concatenate([numbers(networks), gap], 1).ravel(),
        mode="lines",
        name="networks" if count > 1 else "network",
        line={"color": translucent(colour(0), 0.7), "width": 1.2},
        hovertemplate="%{x:.3g}: %{y:.4g}<extra>network</extra>",
    )
    points: dict[str, Any] = dict(
        type="scatter",
        x=[] if data is None else np.asarray(data["x"].values, dtype=np.float32),
        y=[] if data is None else numbers(data),
        mode="markers",
        name="training data",
        marker={"color": colour(1), "size": 9, "line": {"color": "white", "width": 1}},
        showlegend=data is not None,
    )
    figure = Sketch()
    band = _band(x, centre - 2 * spread, centre + 2 * spread, REFERENCE, "limit, mean ± 2 deviations")
    figure.add([band, limit, lines, points])
    figure.update_axes("x", title={"text": axis_title(mean, "x")})
    figure.update_axes("y", title={"text": axis_title(networks)})
    return figure.update_layout(**heading(title), height=420, showlegend=True)


def kernel_slices(slices: xr.DataArray, limit: xr.DataArray | None = None, *, title: str | None = None) -> go.Figure:
    """K(x0, x) against x: the mean over seeds with a band of one standard deviation, for every case, and the limit.

    slices: dims (seed, x) or (case, seed, x), a case such as "width 64, trained". limit: dims (x).

    >>> slices = ll.labels.labelled(kernel=("seed x", 1 + torch.rand(4, 9), "kernel"))
    >>> figure = ll.figures.kernel_slices(slices["kernel"])
    """
    require_dims(slices, "seed", "x")
    if "case" not in slices.dims:
        slices = slices.expand_dims(case=["networks"])
    slices = thin(exactly(slices, ("case", "seed", "x")), POINTS, "x")
    x = coordinate(slices, "x")
    figure = go.Figure()
    for index, case in enumerate(labels(slices, "case")):
        values = numbers(slices[index]).astype(float)
        centre, spread = values.mean(0), values.std(0, ddof=1 if len(values) > 1 else 0)
        band = _band(x, centre - spread, centre + spread, colour(index), case)
        figure.add_trace({**band, "showlegend": False, "legendgroup": case})
        figure.add_scatter(
            x=x,
            y=centre.astype(np.float32),
            mode="lines",
            name=case,
            legendgroup=case,
            line={"color": colour(index), "width": 2},
        )
    curve = None if limit is None else thin(exactly(limit, ("x",)), POINTS, "x")
    figure.add_scatter(
        x=[] if curve is None else coordinate(curve, "x"),
        y=[] if curve is None else numbers(curve),
        mode="lines",
        name="limit",
        line={"color": REFERENCE, "width": 2, "dash": "dash"},
        showlegend=curve is not None,
    )
    figure.update_xaxes(title_text=axis_title(slices, "x"))
    figure.update_yaxes(title_text=axis_title(slices))
    return figure.update_layout(**heading(title), height=420, showlegend=True)


@drawing
def width_laws(study: xr.Dataset, *, title: str | None = None) -> Sketch:
    """Quantities against width, log axes: means over seeds with their range as bars, and fitted lines.

    study: variables with the dims (width) or (width, seed), positive. The legend gives each slope.

    >>> study = ll.labels.labelled(
    ...     drift=("width seed", [[0.4, 0.44], [0.1, 0.11]], "drift of the kernel"), width=("width", [16, 64], "width")
    ... )

    >>> ll.figures.width_laws(study).data[0].name
    'drift of the kernel, slope -1.00'
    """
    slopes = width_slopes(study)
    figure = Sketch()
    drawn = []
    for index, (name, slope) in enumerate(slopes.items()):
        values = _by_width(study, name)
        mean, low, high = (numbers(getattr(values, kind)("seed")) for kind in ("mean", "min", "max"))
        drawn.append(np.concatenate([low, high]))
        bars = {"type": "data", "symmetric": False, "array": high - mean, "arrayminus": mean - low, "width": 4}
        label = axis_title(study[name])
        means = dict(
            type="scatter",
            x=coordinate(values, "width"),
            y=mean,
            error_y=bars if values.sizes["seed"] > 1 else None,
            mode="markers",
            name=f"{label}, slope {slope:.2f}",
            legendgroup=name,
            marker={"color": colour(index), "size": 9, "symbol": SYMBOLS[index % len(SYMBOLS)]},
            hovertemplate=f"{label}, width %{{x}}: %{{y:.3g}}<extra></extra>",
        )
        ends = coordinate(values, "width")[[0, -1]].astype(float)
        law = power_law(values["width"].values, values.mean("seed").values)
        fitted = dict(
            type="scatter",
            x=ends,
            y=law(ends),
            mode="lines",
            name=f"slope {slope:.2f}",
            legendgroup=name,
            showlegend=False,
            hoverinfo="skip",
            line={"color": colour(index), "width": 1.5, "dash": "dash"},
        )
        figure.add([means, fitted])
    widths = [int(width) for width in study["width"].values]
    texts = [str(width) for width in widths]
    figure.update_axes("x", type="log", title={"text": "width"}, tickvals=widths, ticktext=texts)
    # names of several quantities stand above each other, in the order of the legend
    quantities = "<br>".join(dict.fromkeys(axis_title(study[name]) for name in slopes))
    figure.update_axes("y", type="log", title={"text": quantities}, **log_ticks(np.concatenate(drawn)))
    return figure.update_layout(**heading(title), height=440, showlegend=True)


def width_slopes(study: xr.Dataset) -> dict[str, float]:
    """The exponent p of value ~ width^p for every variable: least squares on the logarithms of the means over seeds.

    Raises InvalidArgument for less than two widths, or values that are not positive.

    >>> study = ll.labels.labelled(
    ...     drift=("width seed", [[0.4, 0.44], [0.1, 0.11]], "drift of the kernel"), width=("width", [16, 64], "width")
    ... )

    >>> round(ll.figures.width_slopes(study)["drift"], 6)
    -1.0
    """
    if not hasattr(study, "data_vars") or not study.data_vars:
        raise InvalidArgument("width_laws needs an xarray.Dataset with at least one variable (width, seed)")
    slopes = {}
    for name in map(str, study.data_vars):
        values = _by_width(study, name)
        if values.sizes["width"] < 2 or not bool((values > 0).all()):
            raise InvalidArgument(f"{name} needs two widths or more and positive values to have a slope")
        slopes[name] = loglog_slope(values["width"].values, values.mean("seed").values)
    return slopes


def dying_modes(
    runs: xr.Dataset, *, step: float | None = None, modes: int = 6, slider: bool = False, title: str | None = None
) -> go.Figure:
    """The residual along the leading eigenvectors, relative to its start: dots of a network on the predicted lines.

    runs: `residual` (step, mode) and `eigenvalue_start` (mode), perhaps with `width` in front, a panel each; attribute
    rate. step: the dots up to it, all of them without; `slider` goes through all recorded steps.

    >>> runs = ll.labels.labelled(
    ...     {"rate": 0.1},
    ...     residual=("step mode", [[1.0, 1.0], [0.5, 0.9]], "residual"),
    ...     eigenvalue_start=("mode", [5.0, 1.0], "eigenvalue"),
    ...     step=("step", [0, 1], "training step"),
    ... )
    >>> figure = ll.figures.dying_modes(runs, modes=2)
    """
    residual = variable_of(runs, "residual")
    eigenvalues = variable_of(runs, "eigenvalue_start")
    require_dims(residual, "step", "mode")
    if "rate" not in runs.attrs:
        raise InvalidArgument("runs needs the attribute rate, as ntk_circle.modes_of gives it")
    count = int(check_number("modes", modes, low=1, high=residual.sizes["mode"], integer=True))
    if "width" not in residual.dims:
        residual, eigenvalues = (array.expand_dims("width") for array in (residual, eigenvalues))
    residual = exactly(residual, ("width", "step", "mode"))[:, :, :count]
    eigenvalues = exactly(eigenvalues, ("width", "mode"))[:, :count]
    steps = residual["step"].values.astype(float)
    last = steps[-1] if step is None else check_number("step", step, low=0)
    factors = np.abs(1 - float(runs.attrs["rate"]) * eigenvalues.values)
    with np.errstate(divide="ignore", invalid="ignore"):
        remaining = np.abs(residual.values / residual.values[:, :1])
    decay = _Decay(steps, remaining, factors, labels(residual, "width"), axis_title(residual, "step"))
    if not slider:
        return _modes_figure(decay, last).update_layout(**heading(title))
    moving = with_slider({f"{until:g}": _modes_figure(decay, until) for until in steps}, decay.axis)
    # opens at the end: where nothing can move, as on paper, the whole picture is seen
    for trace, full in zip(moving.data, moving.frames[-1].data, strict=True):
        trace.update(x=full.x, y=full.y)
    moving.layout.sliders[0].active = len(steps) - 1
    return moving.update_layout(**heading(title), height=520)


class _Decay(NamedTuple):
    """What remains of every mode at the recorded steps, and the factor that is predicted for each step."""

    steps: Float[np.ndarray, " step"]
    remaining: Float[np.ndarray, "width step mode"]
    factors: Float[np.ndarray, "width mode"]
    widths: list[str]
    axis: str


def _modes_figure(decay: _Decay, until: float) -> go.Figure:
    """A panel for each width: dots up to a step, and the whole of the predicted lines."""
    steps, remaining, factors, widths, across = decay
    headings = [f"width {width}" for width in widths] if len(widths) > 1 else None
    figure = make_subplots(1, len(widths), shared_yaxes="all", horizontal_spacing=0.05, subplot_titles=headings)
    seen = steps <= until
    for panel in range(len(widths)):
        for mode, factor in enumerate(factors[panel]):
            # a line ends where it leaves the plot: its last point would be zero, and no log axis has one
            end = min(steps[-1], np.log(LOWEST) / np.log(max(factor, 1e-12))) if factor < 1 else steps[-1]
            line = go.Scatter(
                x=[0.0, end],
                y=[1.0, factor**end],
                mode="lines",
                line={"color": colour(mode), "width": 1.5},
                showlegend=False,
                hoverinfo="skip",
            )
            figure.add_trace(line, 1, panel + 1)
        for mode in range(factors.shape[1]):
            dots: dict[str, Any] = {"name": f"mode {mode + 1}", "legendgroup": f"mode {mode + 1}"}
            network = go.Scatter(
                x=steps[seen].astype(np.float32),
                y=remaining[panel, seen, mode].astype(np.float32),
                mode="markers",
                marker={"color": colour(mode), "size": 7},
                showlegend=panel == 0,
                hovertemplate=f"mode {mode + 1}, step %{{x}}: %{{y:.3g}}<extra></extra>",
                **dots,
            )
            figure.add_trace(network, 1, panel + 1)
    top = float(np.nanmax(np.append(remaining[np.isfinite(remaining)], 1.0)))
    figure.update_xaxes(title_text=across, range=[-0.02 * steps[-1], 1.02 * steps[-1]])
    figure.update_yaxes(type="log", range=[np.log10(LOWEST), np.log10(1.3 * top)], exponentformat="power", dtick=1)
    figure.update_yaxes(title_text="part of the residual left", col=1)
    return figure.update_layout(**heading(None), height=440, showlegend=True, legend={"y": 1.1})


def _band(x: np.ndarray, low: np.ndarray, high: np.ndarray, hue: str, name: str) -> dict[str, Any]:
    return dict(
        type="scatter",
        x=np.concatenate([x, x[::-1]]),
        y=np.concatenate([high, low[::-1]]).astype(np.float32),
        fill="toself",
        fillcolor=translucent(hue, 0.2),
        line={"width": 0},
        mode="lines",
        name=name,
        hoverinfo="skip",
    )


def _by_width(study: xr.Dataset, name: str) -> xr.DataArray:
    values = study[name]
    if "seed" not in values.dims:
        values = values.expand_dims(seed=[0])
    return exactly(values, ("width", "seed"))
