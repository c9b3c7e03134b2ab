"""A reader who does anything at any time: state, controls and figures of the width studio agree after each action."""

import dataclasses

import numpy as np
import pytest

from limitlab.infinite_width import parametrization
from limitlab_widgets import WidthStudio
from limitlab_widgets.width import closed_form
from limitlab_widgets.width import state as width_state
from limitlab_widgets.width.regression import EXPERIMENT, Regression

ACTIONS = 120
RECOMPUTED = 10
"""Every so many actions the closed form is found anew from the values of the controls alone."""


@pytest.fixture
def studio(monkeypatch):
    monkeypatch.setattr(width_state, "DRIFT_WIDTHS", (16, 32))
    monkeypatch.setattr(width_state, "DRIFT_SEEDS", 2)
    monkeypatch.setattr("limitlab_widgets.width.scaling_state.WIDTHS", (64, 128))
    monkeypatch.setattr(closed_form, "PATIENCE", 60)
    opened = WidthStudio(width=16, seeds=2, steps=50)
    yield opened
    opened.close()


def question(studio):
    """The regression that the controls ask for."""
    panel, networks = studio.regression, studio.networks
    return Regression(
        **{
            name: getattr(panel, name).value
            for name in ("depth", "activation", "weight_variance", "bias_scale", "target", "points")
        },
        rate=networks.rate.value,
        steps=networks.steps.value,
    )


def mean_line(studio):
    return np.asarray(next(t for t in studio.figures.functions.figure.data if t.name == "limit, mean").y)


def agree(studio, action, anew):
    state, page = studio.state, studio.scaling
    assert state.regression == question(studio), action
    assert (state.width, state.seeds) == (studio.networks.width.value, studio.networks.seeds.value), action
    with state.lock:
        assert studio.time.value == state.record <= studio.time.max == len(state.study.steps) - 1, action
        assert studio.clock.value == f"{state.step} of {state.steps} steps", action
        step, drawn, networks = state.step, mean_line(studio), len(state.ensemble)
        lines = next(t for t in studio.figures.functions.figure.data if t.name and t.name.startswith("network"))
        assert len(lines.y) == networks * (len(drawn) + 1), action
        busy = state.phase == "working"
        assert (studio.networks.run.start.disabled, studio.networks.run.halt.disabled) == (busy, not busy), action
    if anew:
        limit = EXPERIMENT.prepare(question(studio).settings, False).data.limit
        expected = limit["mean"].sel(step=step).values
        shown = np.abs(expected) < np.abs(drawn).max()
        np.testing.assert_allclose(drawn[:-1][shown], expected[shown], atol=1e-5, err_msg=action)
    scaling = page.state
    point = page.plane.figure.data[-1]
    base = parametrization(page.preset.value, hidden=1 if page.preset.value == "mfp" else 2)
    moved = base.with_layer(base.hidden + 1, page.readout.value).with_rate(page.c.value)
    assert (float(point.x[0]), float(point.y[0])) == (moved.a[-1], moved.c), action
    assert f">{moved.regime}</b>" in page.regime.value, action
    assert scaling.abc == dataclasses.replace(moved).shift(page.theta.value), action
    with scaling.lock:
        assert (page.fan.layout.display == "none") == (scaling.check is None), action


@pytest.mark.filterwarnings("ignore::limitlab.infinite_width.IllConditioned")
@pytest.mark.slow
def test_state_controls_and_figures_agree_after_every_action(studio, walk):
    counted = iter(range(ACTIONS))
    # what is slow with wide networks is as right with narrow ones
    narrowed = {studio.networks.width: (16, 32), studio.networks.seeds: (1, 2, 3), studio.networks.steps: (50, 100)}
    walk(
        studio,
        ACTIONS,
        lambda action: agree(studio, action, next(counted) % RECOMPUTED == 0),
        seed=0,
        choices=narrowed,
    )
    studio.state.stop()
    studio.scaling.state.stop()
    assert studio.state.wait(120)
    assert studio.scaling.state.wait(120)
    agree(studio, "at the end", True)
    assert studio.state.kernel is not None
