"""The worst input of the operator that is looked at, as state and panel: a button that searches, and what it found."""

from __future__ import annotations

import html
from functools import partial
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets
from traitlets import Int

from limitlab import figures
from limitlab.errors import InvalidArgument, LimitlabError
from limitlab_widgets.operator.truths import source_of
from limitlab_widgets.operator.worst import EFFORT, Worst, require_searchable, worst_input
from limitlab_widgets.shared.controls import button
from limitlab_widgets.shared.figure_panel import FigurePanel
from limitlab_widgets.shared.layout import display
from limitlab_widgets.shared.panels import StaleNote
from limitlab_widgets.shared.state import StudioState
from limitlab_widgets.shared.worker import Check

if TYPE_CHECKING:
    import xarray as xr
    from torch import nn

    from limitlab_widgets.operator.state import OperatorState

NOTE = (
    "Searches from the worst test function on: each step turns the input towards a fresh draw of its law, and is kept "
    "where the error grows; the solver gives every candidate its truth."
)


class WorstState(StudioState):
    """A search in a thread, and the worst input that it found; forgotten when another model or test is looked at."""

    revision = Int(0, help="raised when an input was found, or forgotten")

    def __init__(self, looked_at: OperatorState) -> None:
        super().__init__()
        self._looked_at = looked_at
        self.found: Worst | None = None
        looked_at.observe(self.forget, ["revision", "model", "resolution"])

    def find(self) -> None:
        """Search for the model and the test that are looked at now."""
        state = self._looked_at
        self.forget()
        with state.lock:
            model, origin = state.trained.get(state.model), state.origins.get(state.model)
            test = state.predictions.get(state.model, {}).get(state.resolution)
        try:
            if model is None or origin is None or test is None:
                raise InvalidArgument("there is no trained operator to search with: train, and look at its prediction")
            if state.steps:
                raise InvalidArgument("inputs of rollouts cannot be searched: learn the map of one function to another")
            problem = source_of(origin)
            require_searchable(problem)
        except LimitlabError as error:
            self.refuse(error)
            return
        self.work(partial(self._find, problem, model, test))

    def forget(self, _change: Any = None) -> None:
        """Drop the search under way, and what was found."""
        self.settle()
        self.error = ""
        if self.found is not None:
            self.found = None
            self.revision += 1

    def _find(self, problem: Any, model: nn.Module, test: xr.Dataset, check: Check) -> None:
        rounds, _ = EFFORT[problem.dimension]

        def go_on(done: int) -> None:
            self.report(check, f"searching: round {done + 1} of {rounds}", done, rounds)

        found = worst_input(problem, model, test, check=go_on)
        with self.lock:
            check()
            self.found = found
        self.revision += 1


class WorstPanel(widgets.VBox):
    """A button, how far the search is, and input, truth, prediction and error of what it found."""

    def __init__(self, state: WorstState) -> None:
        self.state = state
        self.find = button("Find the worst input", "search", "search for the input on which this operator errs most")
        self.find.on_click(lambda _button: state.find())
        self.about = widgets.HTML(f'<span class="limitlab-note">{html.escape(NOTE)}</span>')
        self.verdict = widgets.HTML()
        self.figure = FigurePanel(label="the worst input that was found: truth, prediction and error")
        self.answer = widgets.VBox([self.verdict, self.figure])
        super().__init__([self.find, self.about, StaleNote(state, self.answer), self.answer])
        state.observe(self._show, "revision")
        self._show()

    def _show(self, _change: dict[str, Any] | None = None) -> None:
        with self.state.lock:
            found = self.state.found
        display(self.answer, found is not None)
        if found is None:
            self.figure.clear()
            return
        times = f"{found.error / found.median:.1f} times" if found.median > 0 else "more than"
        self.verdict.value = (
            f"relative L2 error <b>{found.error:.4f}</b> after {found.candidates} candidates: {times} the median of "
            f"the test set ({found.median:.4f}), whose worst is {found.largest:.4f}"
        )
        self.figure.show(partial(figures.triptych.sketch, found.functions.isel(sample=0)))
