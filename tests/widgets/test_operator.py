"""A reader who does anything at any time: state, controls and figures of the operator studio agree after each."""

import numpy as np
import pytest
from torch import nn

from limitlab_widgets import OperatorStudio

ACTIONS = 150
PROBLEMS = ("burgers", "advection", "darcy")


@pytest.fixture
def studio():
    opened = OperatorStudio("burgers", size="smoke", test_samples=4, models={"pointwise": lambda task: pointwise(task)})
    yield opened
    opened.close()


def pointwise(task):
    convolution = nn.Conv1d if task.dimension == 1 else nn.Conv2d
    return convolution(task.in_channels, task.out_channels, 1)


def curve(panel, name):
    trace = next(trace for trace in panel.figure.data if trace.name == name)
    return np.asarray(trace.y if trace.type != "heatmap" else trace.z)


def agree(studio, action):
    state = studio.state
    experiment, settings = state.plan()
    assert studio.problem.problem == state.problem, action
    assert studio.operator.value == state.operator, action
    assert experiment.problem == state.problem.name, action
    for name, control in studio.options.items():
        assert control.value == pytest.approx(getattr(settings, name)), f"{action}: {name}"
    with state.lock:
        phase = state.training.phase
        enabled = {command: not button.disabled for command, button in studio.training.buttons.items()}
        if phase == state.training.phase:
            assert enabled == {command: state.training.can(command) for command in enabled} or phase == "stopping"
        if not state.models:
            assert studio.triptych.figure is None, action
            return
        data = state.predictions["mean"][state.resolution]
        assert (studio.model.value, studio.sample.value, studio.resolution.value) == (
            state.model,
            state.sample,
            state.resolution,
        ), action
        truth = data["target"].values[state.sample, 0]
        drawn = curve(studio.triptych, "truth")
        np.testing.assert_array_equal(drawn if truth.ndim == 1 else drawn.T, truth, err_msg=action)
        made_of = state._data_of[0], *state._data_of[1:]
        chosen = state.problem, *(getattr(settings, name) for name in ("parameters", "train_samples", "test_samples"))
        assert state.stale == (made_of[:4] != chosen or made_of[4] != settings.resolution), action
        assert ("limitlab-stale" in studio.drawn._dom_classes) == state.stale, action


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_state_controls_and_figures_agree_after_every_action(studio, walk, seed):
    fast = {studio.problem.chooser: PROBLEMS}
    walk(studio, ACTIONS, lambda action: agree(studio, action), seed, choices=fast)
    studio.state.training.stop()
    assert studio.state.training.wait(120)
    agree(studio, "at the end")
