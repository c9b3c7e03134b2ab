"""Figures of the neural DE studio: paths of a moment, its steps beside those of earlier ones, what solves cost, errors.

All numbers are those of looks and metrics of the library; a class has one colour in the figures of all classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from limitlab import figures
from limitlab.figures.template import REFERENCE, colour, heading
from limitlab.labels import labelled
from limitlab_widgets.neural_de.moments import Moment, Trained, calls_along

SHOWN_MOMENTS = 4
STEPS = ("step_time", "step_size", "error", "stiffness", "accepted")


def paths(look: xr.Dataset, sample: int, learned: float | None = None) -> figures.Sketch:
    """Paths in the plane for points; else the channels of a sample, with its gaps."""
    if "line" not in look:
        return figures.class_paths.sketch(look)
    return figures.observed.sketch(look, sample=sample, learned=learned)


def odds(look: xr.Dataset, sample: int) -> figures.Sketch:
    """Probability of each class along a series; that of the right one is a thick line."""
    one = look.isel(sample=sample)
    right = int(one["label"])
    figure = figures.Sketch()
    for number, name in enumerate(map(str, one["state"].values)):
        line = dict(
            type="scatter",
            x=one["time"].values.astype(np.float32),
            y=one["y"].isel(state=number).values.astype(np.float32),
            name=f"{name} (right)" if number == right else name,
            mode="lines",
            line={"color": colour(number), "width": 3.5 if number == right else 1.2},
        )
        figure.add([line])
    figure.update_axes("x", title={"text": "time"})
    figure.update_axes("y", title={"text": "probability"}, range=[-0.02, 1.02])
    return figure.update_layout(**heading(None), showlegend=True)


def step_sizes(moments: Sequence[Moment], sample: int) -> figures.Sketch:
    """Steps of the newest moment and of a few earlier ones, one line each; crosses were rejected."""
    kept = np.unique(np.linspace(0, len(moments) - 1, SHOWN_MOMENTS).round().astype(int))
    solutions = {}
    for moment in (moments[number] for number in kept):
        log = moment.look[list(STEPS)].reset_coords(drop=True).isel(sample=[sample])
        # a figure of steps asks for states, and draws none
        zeros = labelled(y=("sample time state", np.zeros((1, 1, 1)), "state"), state=("state", ["0"], "state"))
        solutions[f"step {moment.step}"] = log.merge(zeros)
    return figures.step_sizes.sketch(figures.by_method(solutions))


def field_calls(trained: Mapping[str, Trained], moments: Sequence[Moment], name: str) -> figures.Sketch:
    """Field calls against the training step, of every class and of the one in training."""
    curves = {each.name: each.calls for each in trained.values()}
    if moments:
        curves[name] = calls_along(moments)
    return _coloured(figures.lines.sketch(curves, marks=len(moments) < 30), list(trained), name)


def missing_at_test(trained: Mapping[str, Trained], rate: float, asked: Mapping[str, float]) -> figures.Sketch:
    """Accuracy against the share missing at test, a line a class, and rings at the share that is asked now."""
    curves = {name: each.metrics["accuracy"] for name, each in trained.items()}
    figure = _coloured(figures.lines.sketch(curves, marks=True), list(trained), "")
    for number, name in enumerate(trained):
        if name in asked:
            ring = {"color": colour(number), "size": 11, "symbol": "circle-open", "line": {"width": 2}}
            point = dict(type="scatter", x=[rate], y=[asked[name]], name=f"{name}, now", mode="markers")
            figure.add([{**point, "marker": ring, "showlegend": False}])
    figure.add_shapes(figures.vertical_line(rate, line={"color": REFERENCE, "width": 5}, opacity=0.25))
    figure.update_axes("x", tickformat=".0%", range=[-0.03, 1.0])
    figure.update_axes("y", range=[-0.03, 1.05])
    return figure.update_layout(showlegend=True)


def errors(trained: Mapping[str, Trained]) -> figures.Sketch:
    """Bars of the accuracy, or of the errors on the time that was learned from and beyond, of every class."""
    figure = figures.Sketch()
    names = list(trained)
    first = next(iter(trained.values())).metrics
    for number, variable in enumerate(str(name) for name in first.data_vars if name != "field_calls"):
        values = [float(each.metrics[variable]) for each in trained.values()]
        if np.isfinite(values).any():
            title = str(first[variable].attrs["long_name"])
            figure.add([dict(type="bar", x=names, y=values, name=title, marker={"color": colour(number)})])
    what = "error, in deviations" if "error" in first else "accuracy"
    figure.update_axes("y", title={"text": what}, rangemode="tozero")
    return figure.update_layout(**heading(None), showlegend=True, barmode="group")


def learned_until(data: Any) -> float | None:
    """The time up to which a forecaster has learned, where it is tested beyond."""
    times: Any = getattr(data, "times", None)
    test: Any = getattr(data, "test_times", None)
    return None if times is None or len(test) == len(times) else float(times[-1])


def _coloured(figure: figures.Sketch, order: Sequence[str], last: str) -> figures.Sketch:
    """Lines by name in the colours of their places."""
    places = {name: number for number, name in enumerate([*order, *([last] if last not in order else [])])}
    for trace in figure.traces:
        if trace["name"] in places:
            trace["line"] = {**trace["line"], "color": colour(places[trace["name"]])}
    return figure.update_layout(showlegend=True)
