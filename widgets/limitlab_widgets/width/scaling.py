"""The page on parametrisations: a switch, sliders of two exponents, the regime on its map, and the coordinate check."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ipywidgets as widgets
import numpy as np

from limitlab import figures
from limitlab.figures.widths.parametrization import REGIME_COLOURS
from limitlab.infinite_width import ABC, regime_map, width_exponents
from limitlab_widgets.shared.controls import described, linked
from limitlab_widgets.shared.figure_panel import FigurePanel
from limitlab_widgets.shared.layout import card, columns, display, row, share
from limitlab_widgets.width.run import RunPanel
from limitlab_widgets.width.scaling_state import OCTAVES, PRESETS, STEPS, ScalingState

if TYPE_CHECKING:
    import xarray as xr

MEANINGS = {
    "unstable": "something grows with the width",
    "trivial": "in the limit the outputs do not move",
    "kernel": "features freeze in the limit: training is that of a kernel",
    "feature": "features move in the limit, however wide the network",
}
PLANE = 400
LIGHT = ("unstable", "trivial")
ADAM = (
    "The exponents, the map and the regime are those of SGD. With Adam the check trains torch's layers in the standard "
    "parametrisation and with its maximal update."
)


class ScalingPage(widgets.VBox):
    """Pick a parametrisation, move its exponents, and see whether its layers move alike at every width."""

    def __init__(self, state: ScalingState) -> None:
        self.state = state
        self.preset = described(
            widgets.Dropdown,
            "start from",
            "the parametrisation whose exponents the sliders begin with",
            options=[(text, name) for name, text in PRESETS.items()],
        )
        readout = {"min": -0.5, "max": 1.5, "step": 1 / 32, "readout_format": ".3f"}
        self.readout = described(
            widgets.FloatSlider, "readout $a$", "exponent a of the last layer; a + b stays as it is", **readout
        )
        self.c = described(
            widgets.FloatSlider, "rate $c$", "the rate is η n^-c", min=-2, max=2, step=1 / 16, readout_format=".3f"
        )
        self.theta = described(
            widgets.FloatSlider,
            r"shift $\theta$",
            "a + θ, b - θ, c - 2θ: other numbers, and nothing moves",
            min=-0.5,
            max=0.5,
            step=1 / 16,
            readout_format=".3f",
        )
        self.optimizer = described(
            widgets.Dropdown,
            "optimiser",
            "what trains the networks of the coordinate check",
            options=[("SGD", "sgd"), ("Adam", "adam")],
        )
        self.octave = described(
            widgets.SelectionSlider,
            r"rate $\eta$",
            "learning rate at width 64",
            options=[(_power(k), k) for k in OCTAVES],
            continuous_update=False,
        )
        self.run = RunPanel(
            state, "Run the check", "train networks of five widths for a few steps, on every change too"
        )
        self.regime, self.exponents, self.verdict = widgets.HTMLMath(), widgets.HTML(), widgets.HTML()
        self.plane = FigurePanel(height=PLANE, label="regimes of training in the plane of two exponents")
        self.fan = FigurePanel(height=PLANE, label="change of every layer against the width")
        sliders = [linked(state, name, getattr(self, name)) for name in ("preset", "readout", "c", "theta")]
        training = [linked(state, name, getattr(self, name)) for name in ("optimizer", "octave")]
        controls = [
            card("1 &nbsp; Parametrisation", [*sliders, self.exponents]),
            card("2 &nbsp; Coordinate check", [*training, self.run]),
        ]
        parts = [share(self.plane, least=300), share(widgets.VBox([self.verdict, self.fan]), least=300)]
        look = card("3 &nbsp; Regimes, and what training moves", [self.regime, row(parts)])
        super().__init__([columns(controls, [look])])
        state.observe(self._draw_point, ["preset", "readout", "c", "theta", "optimizer"])
        state.observe(self._draw_check, "revision")
        self._draw_point()
        self._draw_check()

    def _draw_point(self, _change: dict[str, Any] | None = None) -> None:
        abc = self.state.abc
        self.regime.value = regime_label(abc)
        self.exponents.value = _table(
            ("", *(f"W{layer}" for layer in range(1, abc.hidden + 2))),
            [
                ("<i>a</i>", *map(_short, abc.a)),
                ("<i>b</i>", *map(_short, abc.b)),
                ("<i>c</i>", _short(abc.c), *[""] * abc.hidden),
            ],
        )
        self.plane.show(figures.regime_plane(regime_map(self.state.unshifted), point_of(self.state.unshifted)))

    def _draw_check(self, _change: dict[str, Any] | None = None) -> None:
        check, state = self.state.check, self.state
        display(self.fan, check is not None)
        adam = f"{ADAM} " if state.optimizer == "adam" else ""
        if check is None:
            self.verdict.value = _note(
                f"{adam}Run the check: lines that rise explode with the width, level ones do not."
            )
            return
        figure = figures.coordinate_fan(check)
        self.fan.show(figure)
        about = f"{adam}Change of every layer on fixed inputs after up to {STEPS} steps; the slope is that of the last."
        self.verdict.value = _note(about) + (_compared(state, check) if state.optimizer == "sgd" else "")


def regime_label(abc: ABC) -> str:
    """The regime in its colour on the map, with r and what it means."""
    ink = "#24292F" if abc.regime in LIGHT else "#FFFFFF"
    style = f"background: {REGIME_COLOURS[abc.regime]}; color: {ink}; padding: 2px 10px; border-radius: 4px"
    return f'<b style="{style}">{abc.regime}</b> &ensp; $r = {abc.r:.3g}$ &ensp; {_note(MEANINGS[abc.regime])}'


def point_of(abc: ABC) -> xr.Dataset:
    """The point of the map where a parametrisation lies."""
    import xarray as xr

    return xr.Dataset({"a_readout": ("point", [abc.a[-1]]), "c": ("point", [abc.c]), "label": ("point", [abc.regime])})


def _compared(state: ScalingState, check: xr.Dataset) -> str:
    """Measured powers of the width beside those that the exponents predict."""
    measured = width_exponents(check["change"].isel(step=-1, drop=True)).values
    names = [str(name) for name in check["module"].values]
    return _table(
        ("power of the width", *names),
        [("predicted", *map(_short, state.abc.exponents())), ("measured", *(f"{power:.2f}" for power in measured))],
    )


def _table(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    head = "".join(f'<th scope="col">{text}</th>' for text in heads)
    body = "".join(f"<tr>{''.join(f'<td>{text}</td>' for text in entries)}</tr>" for entries in rows)
    return f'<table class="limitlab-table"><tr>{head}</tr>{body}</table>'


def _short(number: float) -> str:
    return f"{np.round(number, 4) + 0.0:g}"


def _power(octave: int) -> str:
    return "2" + "".join("⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".index(digit)] for digit in str(octave))


def _note(text: str) -> str:
    return f'<span class="limitlab-note">{text}</span>'
