"""What solutions look like, in figures that move together.

A change of the solutions brings every figure up to date; a change of the cursor moves only its line and its mark.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ipywidgets as widgets
import numpy as np
import torch

from limitlab import figures
from limitlab.problems import SDEProblem
from limitlab_widgets.shared.figure_panel import FigurePanel
from limitlab_widgets.shared.layout import row
from limitlab_widgets.solver.state import SolverState
from limitlab_widgets.solver.table import legend

if TYPE_CHECKING:
    import plotly.graph_objects as go
    import xarray as xr

MOST_ROWS = 4
MOST_MARKS = 200
ARROWS = 16
BARE, LEGEND = 16, 48
EYE = {"x": 1.85, "y": 1.85, "z": 0.9}
MARGIN = 0.08
FLAT = "plane"


class SolverFigures(widgets.VBox):
    """Components against time, phase plane or space, and the steps; of a stochastic problem the spread of its paths."""

    def __init__(self, state: SolverState) -> None:
        self._state = state
        self._offered: tuple[str, ...] = ()
        self._top = BARE
        self.axes = [widgets.Dropdown(layout=widgets.Layout(width="auto", flex="1 1 50px")) for _ in range(3)]
        for axis, name in zip(self.axes, ("across", "up", "deep; a plane without"), strict=True):
            axis.tooltip = f"the component that goes {name}"
            axis.observe(self._pick, "value")
        self.refine = widgets.Checkbox(
            description="refine one Brownian path",
            tooltip="the same noise at more and more steps, and what the first method makes of it",
            indent=False,
        )
        self.refine.observe(self.draw_refinement, "value")
        self.time, self.phase, self.ladder = FigurePanel(), FigurePanel(height=400), FigurePanel(height=580)
        self.fan, self.marginal = FigurePanel(height=350), FigurePanel(height=350)
        self.noise, self.refined = FigurePanel(height=350), FigurePanel(height=350)
        chooser = widgets.HBox([widgets.Label("phase"), *self.axes], layout=widgets.Layout(margin="0 16px"))
        self._phase = widgets.VBox(
            [self.phase, chooser],
        )
        _flex(self._phase, 1)
        self.refinement = row([self.noise, self.refined])
        for panel, share in ((self.time, 1.2), (self.fan, 1.2), (self.marginal, 1), (self.noise, 1), (self.refined, 1)):
            _flex(panel, share)
        self.legend, self._spread = widgets.HTML(), widgets.HTML()
        rows = [row([self.time, self._phase]), self._spread, row([self.fan, self.marginal]), self.ladder]
        super().__init__([self.legend, *rows, self.refine, self.refinement])
        state.observe(self._draw, "revision")
        state.observe(self._move, "cursor")
        self._draw()

    @property
    def components(self) -> list[str]:
        """The components of the phase figure, two or three."""
        return list(dict.fromkeys(axis.value for axis in self.axes if axis.value not in (None, FLAT)))

    def draw_refinement(self, _change: dict[str, Any] | None = None) -> None:
        """Bring the Brownian path and the solutions along it up to date, where they are asked for."""
        problem, state = self._state.problem, self._state
        shown = isinstance(problem, SDEProblem) and self.refine.value and bool(state.solutions)
        _display(self.refinement, shown)
        if not shown:
            return
        found = state.refinement(self.axes[0].value)
        for panel, name in ((self.noise, "noise"), (self.refined, "state")):
            panel.show(figures.brownian_refinement(found[name], cursor=state.cursor))

    def _draw(self, _change: dict[str, Any] | None = None) -> None:
        self._offer(tuple(self._state.problem.components))
        self._draw_all()

    def _draw_all(self) -> None:
        state, solution = self._state, self._state.solution
        stochastic = isinstance(state.problem, SDEProblem)
        _display(self._phase, state.problem.dimension > 1)
        _display(self.ladder, not stochastic or state.control == "tolerance")
        for part in (self.fan, self.marginal, self.refine, self._spread):
            _display(part, stochastic)
        if solution is None:
            return
        self.legend.value = legend(state, self._marked(solution))
        self._draw_time(solution)
        if state.problem.dimension > 1:
            self._draw_phase(solution)
        if stochastic:
            self._draw_spread()
        if not stochastic or state.control == "tolerance":
            log_time = not stochastic and state.log_time
            ladder = figures.step_ladder(solution, log_time=log_time, cursor=state.cursor)
            self.ladder.show(ladder.update_layout(showlegend=False, margin_t=BARE))
        self.draw_refinement()

    def _draw_time(self, solution: xr.Dataset) -> None:
        state = self._state
        names = list(self._offered) if len(self._offered) <= MOST_ROWS else self.components
        log_time = state.kind == "ode" and state.log_time
        figure = figures.trajectories(
            solution, components=names, steps=self._marked(solution), log_time=log_time, cursor=state.cursor
        )
        several = len(state.solutions) > 1
        self.time.height = 230 + 70 * len(names) if several and len(names) > 1 else 370
        self._top = BARE if several or len(names) == 1 else LEGEND
        self.time.show(figure.update_layout(showlegend=self._top == LEGEND, margin_t=self._top))

    def _draw_phase(self, solution: xr.Dataset) -> None:
        names, cursor, marked = self.components, self._state.cursor, self._marked(solution)
        self.phase.height = self.time.height
        if len(names) > 2:
            figure = figures.phase_space(solution, components=names, steps=marked, cursor=cursor)
            turned = self.phase.figure is not None and self.phase.figure.layout.scene.camera.eye.x
            figure.update_scenes(camera=self.phase.figure.layout.scene.camera if turned else {"eye": EYE})
        else:
            field = self._arrows(solution, names) if self._state.problem.dimension == 2 else None
            figure = figures.phase_plane(solution, field=field, components=names, steps=marked, cursor=cursor)
        self.phase.show(figure.update_layout(showlegend=False, margin_t=self._top))

    def _marked(self, solution: xr.Dataset) -> bool:
        """Whether the steps are few enough to be told apart."""
        steps = int(solution["accepted"].sum("step").max())
        return self._state.kind == "ode" and steps <= MOST_MARKS

    def _arrows(self, solution: xr.Dataset, names: list[str]) -> xr.Dataset | None:
        """The field of a plane system at the start around its solutions; None where it changes with time."""
        import xarray as xr

        problem = self._state.problem
        ends = []
        for name in names:
            values = solution["y"].sel(state=name).values
            low, high = (float(edge(values[np.isfinite(values)])) for edge in (np.min, np.max))
            reach = MARGIN * (high - low) or 1.0
            ends.append(np.linspace(low - reach, high + reach, ARROWS))
        x, y = np.meshgrid(*ends, indexing="ij")
        order = [names.index(name) for name in self._offered]
        points = torch.from_numpy(np.stack([(x, y)[place] for place in order], -1).reshape(-1, 2))
        flow, later = (problem.field()(torch.full((len(points), 1), t), points) for t in (0.0, self._state.span / 3))
        if not torch.equal(flow, later):
            return None
        u, v = (flow[:, self._offered.index(name)].reshape(x.shape).numpy() for name in names)
        coordinates = {dim: (dim, end, {"long_name": name}) for dim, end, name in zip("xy", ends, names, strict=True)}
        return xr.Dataset({"u": (("x", "y"), u), "v": (("x", "y"), v)}, coordinates)

    def _draw_spread(self) -> None:
        """The ensemble of the first method: its fan, and its histogram at the cursor."""
        state = self._state
        method, solution = next(iter(state.solutions.items()))
        name, exact = self.axes[0].value, None
        if state.problem.mean is not None:
            moments = state.problem.moments(solution["time"].values, state.start[0])
            exact = moments[["mean"]].sel(state=name, drop=True)
        dashed = "; dashed, the exact mean" if exact is not None else ""
        self._spread.value = (
            f"Spread of {state.paths} paths by {method}: median, middle 50 and 90 %, some paths{dashed}. "
            "Beside it, where they all are at time t."
        )
        fan = figures.fan_chart(solution, name, exact=exact, cursor=state.cursor)
        self.fan.show(fan.update_layout(showlegend=False, margin_t=BARE))
        self.marginal.show(figures.marginals(solution, [state.cursor], name))

    def _move(self, _change: dict[str, Any]) -> None:
        state, cursor, solution = self._state, self._state.cursor, self._state.solution
        if solution is None or state.changing:
            return
        for panel in (self.time, self.ladder, self.fan, self.noise, self.refined):
            panel.change(lambda figure: _move_lines(figure, cursor))
        if state.problem.dimension > 1:
            here = figures.states_at(solution, cursor, self.components)
            self.phase.change(lambda figure: _move_marks(figure, here.values))
        if isinstance(state.problem, SDEProblem):
            first = next(iter(state.solutions.values()))
            self.marginal.show(figures.marginals(first, [cursor], self.axes[0].value))

    def _offer(self, components: tuple[str, ...]) -> None:
        """The components of another problem: three of them in space, else a plane of the first two."""
        if components == self._offered:
            return
        self._offered = ()
        picked = (*components[:2], components[2] if len(components) == 3 else FLAT)
        for place, axis in enumerate(self.axes):
            axis.options = [*([FLAT] if place == 2 else []), *components]
            axis.value = picked[place] if place < len(picked) and picked[place] in axis.options else axis.options[0]
        self._offered = components

    def _pick(self, _change: dict[str, Any]) -> None:
        if self._offered and (len(self.components) > 1 or len(self._offered) == 1):
            self._draw_all()


def _flex(part: widgets.Widget, share: float) -> None:
    part.layout.flex, part.layout.min_width, part.layout.overflow = f"{share} 1 330px", "0", "hidden"


def _display(part: widgets.Widget, shown: bool) -> None:
    part.layout.display = None if shown else "none"


def _move_lines(figure: go.FigureWidget, time: float) -> None:
    for line in figure.layout.shapes:
        if line.name == "cursor":
            line.x0 = line.x1 = time


def _move_marks(figure: go.FigureWidget, states: np.ndarray) -> None:
    for trace in figure.data:
        if trace.name == "cursor":
            trace.update(dict(zip("xyz", states.T, strict=False)))
