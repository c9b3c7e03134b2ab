"""What figures of solvers read from a solution: its methods, the line of a sample, its attempted steps, the cursor.

A solution is the dataset of `Solution.to_xarray()`: `y` (sample, time, state) and the log of the steps (sample, step);
`by_method` stacks several of them on a dim `method`. A sample that failed ends where it failed; what is not finite is
not drawn.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float, Int

from limitlab.errors import InvalidArgument, check_number, unknown_name
from limitlab.figures.arrays import exactly, require_dims, variable_of
from limitlab.figures.sketch import Sketch
from limitlab.figures.template import axis_title, log_ticks

if TYPE_CHECKING:
    import xarray as xr

CURSOR = "#E69F00"
FAINT_SAMPLES = 15
FAINT_POINTS = 12_000
STEP_MARKS = 200


def by_method(solutions: Mapping[str, xr.Dataset]) -> xr.Dataset:
    """The solutions of several methods as one dataset with the dim `method`; shorter step logs are padded.

    One of them is `.sel({"method": name})`, since `.sel(method=...)` is xarray's choice of interpolation. Raises
    InvalidArgument without a solution.

    >>> methods = ("tsit5", "bosh3")
    >>> solutions = [ll.solvers.solve_ode(lambda t, y: -y, torch.ones(1, 1), [0, 1], method=name) for name in methods]
    >>> ll.figures.by_method({name: s.to_xarray() for name, s in zip(methods, solutions)}).sizes["method"]
    2
    """
    import xarray as xr

    if not solutions:
        raise InvalidArgument("by_method needs at least one solution; got none")
    for solution in solutions.values():
        variable_of(solution, "y")
    counted = [
        # without coordinates xarray aligns by length, and refuses logs of different lengths
        solution.assign_coords(step=np.arange(solution.sizes["step"])) if "step" in solution.dims else solution
        for solution in solutions.values()
    ]
    return xr.concat(
        counted,
        xr.Variable("method", list(solutions), {"long_name": "method", "units": "1"}),
        data_vars="all",
        coords="different",
        compat="equals",
        join="outer",
        fill_value={"accepted": False},
        combine_attrs="drop_conflicts",
    )


def methods_of(solution: xr.Dataset) -> dict[str, xr.Dataset]:
    """The part of each method, with a dim sample; one without dim `method` stands under its attribute's name."""
    if not hasattr(solution, "data_vars"):
        kind = type(solution).__name__
        raise InvalidArgument(f"solution must be an xarray.Dataset, as Solution.to_xarray() gives; got {kind}")
    if "sample" not in solution.dims:
        solution = solution.expand_dims("sample")
    if "method" not in solution.dims:
        return {str(solution.attrs.get("method", "solution")): solution}
    names = map(str, solution["method"].values)
    return {name: solution.isel(method=index) for index, name in enumerate(names)}


def highlighted(solution: xr.Dataset, sample: int) -> int:
    """The position of the highlighted sample. Raises InvalidArgument when the solution has no such sample."""
    count = solution.sizes.get("sample", 1)
    if not count:
        raise InvalidArgument("solution holds no samples")
    return int(check_number("sample", sample, low=0, high=count - 1, integer=True))


def components_of(solution: xr.Dataset, components: Sequence[str] | None, *, most: int) -> list[str]:
    """The components to draw, the first `most` when none are named. Raises UnknownName with the ones there are."""
    y = variable_of(solution, "y")
    require_dims(y, "time", "state")
    known = [str(name) for name in y["state"].values]
    if components is None:
        return known[:most]
    if not len(components):
        raise InvalidArgument(f"components must name at least one of {', '.join(known)}; got none")
    for name in components:
        if str(name) not in known:
            raise unknown_name("component", name, known)
    return [str(name) for name in components]


def component_title(solution: xr.Dataset, component: str) -> str:
    """Axis title of a component: its name, "component 0" where it has only a number, and the unit of the states."""
    y = solution["y"]
    name = f"component {component}" if component.isdigit() else component
    return axis_title(y.assign_attrs(long_name=name))


@dataclass(frozen=True)
class Path:
    """Where one sample is finite: its times and the values of the chosen components there."""

    time: Float[np.ndarray, " time"]
    values: Float[np.ndarray, "time component"]

    def after(self, time: float) -> Path:
        """The part at later times only: what a logarithmic time axis can show."""
        late = self.time > time
        return Path(self.time[late], self.values[late])

    def at(self, times: Float[np.ndarray, " point"]) -> Float[np.ndarray, "point component"]:
        """States at these times, linear between the times of the path as its drawn line is; NaN outside of them."""
        if not self.time.size:
            return np.full((len(times), self.values.shape[1]), np.nan)
        # a solution backwards in time has falling times, which np.interp takes without a word
        order = np.argsort(self.time)
        known = self.time[order]
        # the end of a step may lie beyond the last stored time by rounding
        slack = 1e-9 * (known[-1] - known[0])
        near = (times > known[0] - slack) & (times < known[-1] + slack) | np.isin(times, known)
        wanted = np.clip(times, known[0], known[-1])
        columns = [np.interp(wanted, known, column) for column in self.values[order].T]
        return np.where(near[:, None], np.stack(columns, axis=1), np.nan)


def paths_of(solution: xr.Dataset, components: Sequence[str]) -> list[Path]:
    """A path for every sample of one method's part."""
    y = exactly(variable_of(solution, "y"), ("sample", "time", "state"))
    y = y.isel(state=[list(map(str, y["state"].values)).index(name) for name in components])
    time = y["time"].values if "time" in y.coords else np.arange(y.sizes["time"])
    times = np.broadcast_to(np.asarray(time, dtype=np.float64), y.shape[:2])
    paths = []
    for own_times, values in zip(times, np.asarray(y.values, dtype=np.float64), strict=True):
        finite = np.isfinite(values).all(-1) & np.isfinite(own_times)
        paths.append(Path(own_times[finite], values[finite]))
    return paths


def states_at(
    solution: xr.Dataset, time: float, components: Sequence[str] | None = None, *, sample: int = 0
) -> xr.DataArray:
    """State of one sample at a time, linear between the solution's times; (method, state), NaN where it has none.

    >>> solution = ll.solvers.solve_ode(lambda t, y: -y, torch.ones(1, 1), [0.0, 1.0]).to_xarray()
    >>> round(ll.figures.states_at(solution, 1.0).item(), 3)
    0.368
    """
    import xarray as xr

    chosen = components_of(solution, components, most=solution.sizes.get("state", 1))
    sample = highlighted(solution, sample)
    wanted = np.array([check_number("time", time)])
    methods = methods_of(solution)
    states = [paths_of(part.isel(sample=[sample]), chosen)[0].at(wanted)[0] for part in methods.values()]
    labels = {"method": list(methods), "state": chosen}
    return xr.DataArray(states, labels, ("method", "state"), name="y", attrs=solution["y"].attrs)


def faint_lines(paths: Sequence[Path], sample: int, lines: int) -> Float[np.ndarray, "point 1+component"]:
    """Time and values of the samples that are not highlighted, at most fifteen, one after the other with gaps of NaN.

    lines: how many such lines the whole figure has, which share its points.
    """
    others = [path for index, path in enumerate(paths) if index != sample]
    others = others[:: max(1, -(-len(others) // FAINT_SAMPLES))]
    width = 1 + paths[0].values.shape[1]
    pieces = [np.empty((0, width))]
    for path in others:
        indices = evenly(len(path.time), max(50, FAINT_POINTS // (lines * len(others))))
        pieces += [np.column_stack([path.time, path.values])[indices], np.full((1, width), np.nan)]
    return np.concatenate(pieces)


@dataclass(frozen=True)
class Attempts:
    """The attempted steps of one sample, in their order; sizes are lengths, also where time runs backwards."""

    time: Float[np.ndarray, " step"]
    size: Float[np.ndarray, " step"]
    error: Float[np.ndarray, " step"]
    stiffness: Float[np.ndarray, " step"]
    accepted: Bool[np.ndarray, " step"]
    end: float

    @property
    def points(self) -> Float[np.ndarray, " point"]:
        """Times between which the accepted steps lie."""
        return np.append(self.time[self.accepted], self.end) if self.accepted.any() else np.empty(0)

    def after(self, time: float) -> Attempts:
        """The attempts that began later: what a logarithmic time axis can show."""
        late = self.time > time
        times, sizes, errors, estimates = (c[late] for c in (self.time, self.size, self.error, self.stiffness))
        return Attempts(times, sizes, errors, estimates, self.accepted[late], self.end)


def attempts_of(solution: xr.Dataset, sample: int) -> Attempts:
    """The attempts of one sample in one method's part; padding is left out."""
    names = ("step_time", "step_size", "error", "stiffness", "accepted")
    log = [exactly(variable_of(solution, name), ("sample", "step")).isel(sample=sample).values for name in names]
    attempted = np.isfinite(np.asarray(log[1], dtype=np.float64))
    time, size, error, stiffness = (np.asarray(column[attempted], dtype=np.float64) for column in log[:4])
    # padding made floats of the booleans
    accepted = np.asarray(log[4][attempted] == 1, dtype=bool)
    end = float((time + size)[accepted][-1]) if accepted.any() else float("nan")
    return Attempts(time, np.abs(size), error, stiffness, accepted, end)


def step_marks(
    solution: xr.Dataset, path: Path, sample: int
) -> tuple[Float[np.ndarray, "point 1+component"], dict[str, Any]]:
    """Time and values where the accepted steps of one sample begin and end, for marks on its path, and their look.

    Of more than two hundred marks, one in two, three, ... is drawn.
    """
    points = attempts_of(solution, sample).points
    stride = -(-max(len(points) - 1, 1) // STEP_MARKS)
    marks = np.column_stack([points, path.at(points)])[::stride]
    look = {
        "mode": "markers",
        "name": "accepted steps" if stride == 1 else "some accepted steps",
        "legendgroup": "steps",
        "legendrank": 2000,
    }
    return marks[np.isfinite(marks).all(1)], look


def evenly(count: int, most: int) -> Int[np.ndarray, " kept"]:
    """At most about `most` of the positions 0 .. count - 1, evenly, with the first and the last."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int)) if count else np.empty(0, int)


def extremes(values: Float[np.ndarray, " point"], most: int) -> Int[np.ndarray, " kept"]:
    """At most `most` positions that draw the same line: its ends, and the lowest and the highest of every pixel."""
    count = len(values)
    if count <= most:
        return np.arange(count)
    width = -(-count // ((most - 2) // 2))
    padded = np.pad(values, (0, -count % width), mode="edge").reshape(-1, width)
    starts = np.arange(len(padded)) * width
    # thinned by steps, a curve would lose its spikes
    indices = np.concatenate([starts + padded.argmin(1), starts + padded.argmax(1), [0, count - 1]])
    return np.unique(indices[indices < count])


def compact(values: np.ndarray) -> np.ndarray:
    """Values as float32 where it can hold them, else as float64; what is not finite becomes a gap."""
    values = np.where(np.isfinite(values), values, np.nan)
    sizes = np.abs(values[np.isfinite(values) & (values != 0)])
    # outside, float32 has infinities and zeros, which a log axis cannot show
    fits = not sizes.size or (sizes.max() < 1e38 and sizes.min() > 1e-37)
    return np.ascontiguousarray(values, dtype=np.float32 if fits else np.float64)


def time_axis(figure: Sketch, log_time: bool) -> dict[str, Any]:
    """Linear or logarithmic axis of the times that the figure's traces have."""
    if not log_time:
        return {"type": "linear", "exponentformat": "power"}
    times = np.concatenate([np.empty(0), *(trace["x"] for trace in figure.traces)])
    return {"type": "log", "exponentformat": "power", **log_ticks(times)}


def cursor_lines(cursor: float | None, axes: Iterable[str] = ("x",)) -> list[dict[str, Any]]:
    """A vertical line named "cursor" at this time across the whole height, one for every time axis."""
    if cursor is None:
        return []
    time = check_number("cursor", cursor)
    line = {"color": CURSOR, "width": 2}
    return [
        {"type": "line", "x0": time, "x1": time, "xref": axis, "y0": 0, "y1": 1, "yref": "paper", "line": line}
        | {"name": "cursor"}
        for axis in axes
    ]
