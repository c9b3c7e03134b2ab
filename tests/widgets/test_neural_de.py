"""A reader who does anything at any time: state, controls and figures of the neural DE studio agree after each."""

import pytest

from limitlab_widgets import NeuralDEStudio

ACTIONS = 60
DATA = ("annuli", "pendulum", "damped_oscillators")


@pytest.fixture
def studio():
    opened = NeuralDEStudio("annuli", size="smoke", samples=4)
    assert opened.state.training.wait(60)
    yield opened
    opened.close()


def agree(studio, action):
    state = studio.state
    assert studio.source.chooser.value == state.data, action
    assert studio.kind.chooser.value == state.kind, action
    assert state.refusal(state.kind) == "", action
    # whatever was moved, what would be trained now means something
    state.plan()
    number = action.partition(",")[0].split()[-1]
    if number.isdigit() and int(number) % 2:
        if not state.training.wait(5):
            state.training.stop()
        assert state.training.wait(60), action
        assert state.probe.wait(60), action
        assert (state.training.error, state.probe.error) == ("", ""), action
        assert studio.moment.max == len(state.moments) - 1, action
        if state.moments and studio.moment.value == studio.moment.max:
            assert f"<b>{state.moments[-1].calls:.0f}</b>" in studio.verdict.value, action


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_state_controls_and_figures_agree_after_every_action(studio, walk, seed, capfd):
    of = studio.settings.controls
    fast = {studio.source.chooser: DATA, of["width"]: (4, 8), of["steps"]: (2, 4), of["depth"]: (1, 2)}
    fast |= {of["solver_steps"]: (6, 12), of["tolerance"]: (1e-3, 1e-2), of["learning_rate"]: (1e-3, 1e-2)}
    walk(studio, ACTIONS, lambda action: agree(studio, action), seed, choices=fast, avoid=("method",))
    studio.state.training.stop()
    assert studio.state.training.wait(60)
    agree(studio, "at the end")
    assert "Traceback" not in capfd.readouterr().err
