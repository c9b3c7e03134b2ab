"""A pad for one channel of a series, and what every trained class says to what is drawn there."""

from __future__ import annotations

import html
from functools import partial
from typing import Any

import ipywidgets as widgets

from limitlab_widgets.neural_de import figures
from limitlab_widgets.neural_de.drawn import DrawnSeries
from limitlab_widgets.shared.controls import button, described, offer
from limitlab_widgets.shared.drawing.curve_pad import CurvePad
from limitlab_widgets.shared.figure_panel import FigurePanel
from limitlab_widgets.shared.layout import display, row
from limitlab_widgets.shared.panels import StaleNote

NOTE = (
    "Draw over a channel of the series that is looked at, with the mouse or by the arrow keys, in units of its "
    "deviation in training; every trained class says what the series is then."
)
NOTHING = "Train a class of series; then its signal can be drawn, and the class says what it is."


class DrawnPanel(widgets.VBox):
    """A channel to draw, a button that begins anew, and probabilities of the classes.

    series: the slider of the studio that says whose channel is drawn over.
    """

    def __init__(self, state: DrawnSeries, series: widgets.IntSlider) -> None:
        self.state, self._series = state, series
        self._following = False
        self.channel = described(widgets.Dropdown, "channel", "which channel of the series is drawn")
        self.curve = CurvePad(state.draw, state.refuse)
        self.curve.periodic = False
        self.anew = button("Begin anew", "undo", "draw over the series that is looked at, once more")
        self.about, self.verdict = widgets.HTML(), widgets.HTML()
        self.figure = FigurePanel(height=290, label="what the class sees of the drawn series along time")
        self.answer = widgets.VBox([self.verdict, self.figure])
        choice = row([self.channel, self.anew])
        super().__init__([self.about, choice, self.curve, StaleNote(state, self.answer), self.answer])
        self.anew.on_click(lambda _button: state.begin(sample=series.value))
        self.channel.observe(self._choose, "value")
        state.observe(self._offer, "offered")
        state.observe(self._show, "revision")
        self._offer()
        self._show()

    def _offer(self, _change: dict[str, Any] | None = None) -> None:
        state = self.state
        there = state.data is not None
        for part in (self.channel, self.anew, self.curve):
            display(part, there)
        self.about.value = f'<span class="limitlab-note">{html.escape(NOTE if there else NOTHING)}</span>'
        if not there:
            return
        self._following = True
        try:
            offer(self.channel, [(name, number) for number, name in enumerate(state.channels)])
            self.channel.value = state.channel
        finally:
            self._following = False
        assert state.data is not None
        self.curve.offer(("time", state.channels[state.channel]), state.data.test.window, state.ends, state.start)

    def _choose(self, change: dict[str, Any]) -> None:
        if not self._following and change["new"] is not None:
            self.state.begin(sample=self._series.value, channel=change["new"])

    def _show(self, _change: dict[str, Any] | None = None) -> None:
        with self.state.lock:
            said = self.state.said
        display(self.answer, said is not None)
        if said is None:
            self.figure.clear()
            return
        classes = next(iter(said.probabilities.values()))
        heads = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in ("", *classes))
        rows = "".join(
            f'<tr><th scope="row">{html.escape(name)}</th>'
            + "".join(f"<td>{share:.1%}</td>" for share in table.values())
            + "</tr>"
            for name, table in said.probabilities.items()
        )
        self.verdict.value = f'<table class="limitlab-table"><tr>{heads}</tr>{rows}</table>'
        self.figure.show(partial(figures.paths, said.look, 0))
