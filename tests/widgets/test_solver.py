"""Seventy random actions on two solver studios, with state, controls and figures compared after each."""

import gc
from itertools import count

import numpy as np
import pytest
from ipywidgets.widgets.widget import _instances

from limitlab_widgets import SolverStudio
from limitlab_widgets.solver.figures import line_time

ACTIONS = 36


def shown(part):
    return part.layout.display != "none"


def assert_controls_show_the_state(studio, action):
    state, methods = studio.state, studio.methods
    assert studio.kind.value == state.kind, action
    assert studio.problem.chooser.value == state.problem.name, action
    assert studio.problem.problem == state.problem, action
    for name, slider in studio.problem.sliders.items():
        assert abs(slider.value - state.problem.values[name]) <= slider.step * max(1.0, abs(slider.value)), action
    for name in ("control", "steps", "max_steps", "paths", "seed"):
        assert getattr(methods, name).value == getattr(state, name), action
    assert methods.tolerance.value == pytest.approx(state.tolerance, rel=0.01), action
    assert {name for name, box in methods.boxes.items() if box.value} == set(state.methods), action
    assert studio.start.span.value == pytest.approx(state.span, rel=1e-6), action
    for slider, value in zip(studio.start.initial, state.start[0].tolist(), strict=False):
        assert slider.value == pytest.approx(value, abs=1e-9), action
    assert abs(studio.cursor.value - studio._stop()) == 0, action


def assert_figures_show_the_state(studio, action):
    state, views = studio.state, studio.figures
    assert not state.stale, action
    assert state.solved.question == state.question, action
    if not state.solutions:
        assert not shown(views.time), action
        return
    named = {trace.name for trace in views.time.figure.data}
    assert set(state.solutions) <= named or len(state.solutions) == 1, action
    lines = {shape.x0 for shape in views.time.figure.layout.shapes if shape.name == "cursor"}
    assert lines == {line_time(state.question, state.cursor)}, action
    assert len(set(views.components)) == len(views.components), action
    for method, solution in state.solutions.items():
        assert f" {method}</td>" in studio.table.value, action
        y = solution["y"].isel(sample=0, state=0).values
        drawn = [np.asarray(trace.y) for trace in views.time.figure.data if trace.name == method and len(trace.y)]
        if drawn and np.isfinite(y[-1]) and not state.question.stochastic:
            assert any(np.isclose(line[-1], y[-1], rtol=1e-5, atol=1e-5) for line in drawn), action


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_state_controls_and_figures_agree_after_every_action(walk, until, seed):
    before = set(_instances)
    studio = SolverStudio(("lotka_volterra", "ornstein_uhlenbeck")[seed])
    # long solves are not what this is about
    studio.state.max_steps, studio.state.paths = 200, 10
    waited = count(1)

    def agree(action):
        # the reference follows an answer, and another action drops it: it is waited for now and then alone
        if next(waited) % 10 == 0:
            assert studio.state.wait(120), action
        until(lambda: not studio.state.stale, 120)
        assert_controls_show_the_state(studio, action)
        assert_figures_show_the_state(studio, action)

    few = {studio.methods.steps: (8, 32, 128, 512)}
    walk(studio, ACTIONS, agree, seed, choices=few, avoid=("most steps", "paths", "Stop", "Solve it"))
    studio.close()
    gc.collect()
    assert set(_instances) == before
