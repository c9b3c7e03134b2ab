"""What the width studio shows of a regression: kernels, eigenvalues, functions, and what changes with the width.

A setting brings every figure up to date, a network that is trained the two that it belongs to. The time changes the
functions and what remains of the modes, by their values alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ipywidgets as widgets
import numpy as np

from limitlab import figures
from limitlab_widgets.shared.figure_panel import FigurePanel
from limitlab_widgets.shared.layout import display, row, share
from limitlab_widgets.width.state import WidthState

if TYPE_CHECKING:
    import xarray as xr

MOST_REMAINING = 1.5
FARTHEST = 20
ANGLE = {"long_name": "angle θ", "units": "rad"}
HEIGHT = 380


class WidthFigures(widgets.VBox):
    """Kernel of one network beside the limit's, eigenvalues, networks over the band of the limit, laws of the width."""

    def __init__(self, state: WidthState) -> None:
        self._state = state
        self.functions = FigurePanel(height=HEIGHT, label="outputs of the networks over the band of their limit")
        self.decay = FigurePanel(height=HEIGHT, label="eigenvalues of the kernel, and what remains of the error")
        self.kernels = FigurePanel(height=HEIGHT, label="tangent kernel of one network beside that of the limit")
        self.laws = FigurePanel(height=HEIGHT, label="kernels against the width")
        self.about_kernels, self.about_laws = widgets.HTML(), widgets.HTML()
        parts = [
            _titled("Functions at time $t$", self.functions),
            _titled("Eigenvalues, and what remains of the error along each at time $t$", self.decay),
            _titled("Tangent kernel before training", self.kernels, self.about_kernels),
            _titled("Kernels against width", self.laws, self.about_laws),
        ]
        super().__init__([row(parts[:2]), row(parts[2:])])
        state.observe(self._draw, "revision")
        state.observe(self._draw_networks, "trained")
        state.observe(self._move, "record")
        self._draw()

    def _draw(self, _change: dict[str, Any] | None = None) -> None:
        # the worker brings another limit while the reader moves the time
        with self._state.lock:
            self._draw_decay()
            self._draw_networks()

    def _draw_networks(self, _change: dict[str, Any] | None = None) -> None:
        with self._state.lock:
            self._draw_functions()
            self._draw_kernels()
            self._draw_laws()

    def _move(self, _change: dict[str, Any]) -> None:
        """Change the values that change with the time: much faster in the page than whole figures."""
        with self._state.lock:
            lines, bars = self._functions().traces, remaining_at(self._state)

            def move_lines(drawn: Any) -> None:
                for line, moved in zip(drawn.data, lines, strict=True):
                    line.y = moved["y"]

            self.functions.change(move_lines)
            self.decay.change(lambda drawn: drawn.data[0].update(y=bars))

    def _functions(self) -> figures.Sketch:
        reach = _reach(self._state)
        figure = figures.ensemble_functions.sketch(*functions_at(self._state, FARTHEST * reach))
        figure.update_axes("y", range=[-reach, reach])
        figure.update_axes("x", range=[0, 2 * np.pi])
        return figure

    def _draw_functions(self) -> None:
        self.functions.show(self._functions())

    def _draw_decay(self) -> None:
        figure = figures.eigenvalue_decay.sketch(spectrum_at(self._state))
        highest = MOST_REMAINING if self._state.regression.rate > 2 else 1.0
        scale = {"tickmode": "linear", "tick0": 0, "dtick": 0.25, "range": [0, 1.02 * highest]}
        self.decay.show(figure.update_layout(yaxis2=scale))

    def _draw_kernels(self) -> None:
        state = self._state
        points = state.regression.points
        limit, kernel = state.study.kernels.ntk[:points, :points].numpy(), state.kernel
        figure = figures.kernel_heatmaps.sketch(_kernels(state, limit, limit if kernel is None else kernel))
        if kernel is None:
            figure.traces[0]["z"] = np.full(limit.shape, None)
        # squares and a reversed axis do not survive an update in place
        half = np.pi / points
        figure.update_axes("y", autorange=None, range=[2 * np.pi - half, -half], scaleanchor=None, constrain=None)
        self.kernels.show(figure)
        off = "&hellip;" if kernel is None else f"{np.linalg.norm(kernel - limit) / np.linalg.norm(limit):.0%}"
        self.about_kernels.value = _note(f"The kernel of the network of width {state.width} is off by {off}.")

    def _draw_laws(self) -> None:
        study = self._state.drift
        display(self.laws, study is not None)
        if study is None:
            self.about_laws.value = _note("Train: networks of several widths show how fast they approach their limit.")
            return
        self.laws.show(figures.width_laws.sketch(study))
        step = int(self._state.study.steps[-1])
        self.about_laws.value = _note(
            f"Means and ranges over {study.sizes['seed']} networks; drift after {step} steps. Theory: slopes -1 and -½."
        )


def _titled(title: str, panel: FigurePanel, *about: widgets.Widget) -> widgets.VBox:
    """A figure under its title, with what is said about it below."""
    return share(widgets.VBox([widgets.HTMLMath(f"<b>{title}</b>"), panel, *about]), least=300)


def functions_at(state: WidthState, most: float) -> tuple[xr.Dataset, xr.DataArray]:
    """`network` (seed, x), `mean` and `std` (x) at the state's time, cut at `most`; and the training data."""
    import xarray as xr

    angle = ("x", state.regression.all_angles.numpy(), ANGLE)
    record, meaning = state.record, {"long_name": "output", "units": "1"}
    networks = [run["network"].values[record] for run in state.ensemble.values()]
    stacked = np.array(networks).reshape(len(networks), len(angle[1]))
    cut = {name: np.clip(state.limit[name].values[record], -most, most) for name in ("mean", "std")}
    seen = xr.Dataset(
        {
            "network": (("seed", "x"), np.clip(stacked, -most, most), meaning),
            "mean": ("x", cut["mean"], meaning),
            "std": ("x", cut["std"], meaning),
        },
        coords={"x": angle},
    )
    values = state.regression.values.numpy()
    return seen, xr.DataArray(values, dims="point", coords={"x": ("point", state.regression.angles.numpy())})


def remaining_at(state: WidthState) -> np.ndarray:
    """What is left of the error along each mode at the state's time, by falling eigenvalue, cut at MOST_REMAINING."""
    return state.study.dynamics.decay(float(state.step)).flip(0).abs().clamp_max(MOST_REMAINING).float().numpy()


def spectrum_at(state: WidthState) -> xr.Dataset:
    """`eigenvalue` and `remaining` (mode) at the state's time; eigenvalues that are rounding are left out."""
    import xarray as xr

    eigenvalues = state.limit["eigenvalue"].values
    seen = np.where(eigenvalues > 1e-12 * eigenvalues[0], eigenvalues, np.nan)
    return xr.Dataset(
        {
            "eigenvalue": ("mode", seen, {"long_name": "eigenvalue λ"}),
            "remaining": ("mode", remaining_at(state), {"long_name": "part that remains, |1 - ηλ|ᵗ"}),
        }
    )


def _kernels(state: WidthState, limit: np.ndarray, network: np.ndarray) -> xr.DataArray:
    import xarray as xr

    angles = state.regression.angles.numpy()
    return xr.DataArray(
        np.stack([network, limit]),
        dims=("kernel", "row", "column"),
        coords={
            "kernel": ["network", "limit"],
            "row": ("row", angles, {"long_name": "θ'", "units": "rad"}),
            "column": ("column", angles, {"long_name": "θ", "units": "rad"}),
        },
        attrs={"long_name": "kernel", "units": "1"},
    )


def _reach(state: WidthState) -> float:
    """Half the height of the figure of the functions: the same at all times, and no more where theory diverges."""
    start = float(2 * state.limit["std"].values[0].max())
    return 1.1 * max(float(state.regression.values.abs().max()), start)


def _note(text: str) -> str:
    return f'<span class="limitlab-note">{text}</span>'
