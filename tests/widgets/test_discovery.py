"""A reader who does anything at any time: state, boxes and figures of the discovery studio agree after each."""

import numpy as np
import pytest

from limitlab.discovery.terms import unknowns_of
from limitlab_widgets import DiscoveryStudio

ACTIONS = 100
PROBLEMS = ("linear_decay", "logistic", "heat", "saturable_elimination")
SMALL = {"points": 8, "adam": 20, "quasi_newton": 10, "width": 4, "collocation": 16, "seconds": 0.3, "combinations": 1}


@pytest.fixture
def studio():
    opened = DiscoveryStudio("linear_decay", **SMALL)
    yield opened
    opened.close()


def agree(studio, action):
    state, learning = studio.state, studio.state.learning
    assert studio.problem.problem == state.problem, action
    assert {pair for pair, box in studio.terms.boxes.items() if box.value} == set(state.hidden), action
    assert studio.measuring.points.value == state.points, action
    assert studio.measuring.span.value == pytest.approx(state.span), action
    for name, control in studio.learning.controls.items():
        assert control.value == pytest.approx(getattr(learning, name)), f"{action}: {name}"
    # most actions let the thread finish, so that later steps have something to work with; others come in between
    number = action.partition(",")[0].split()[-1]
    if number.isdigit() and int(number) % 3:
        # a refit of formulas that grow fast takes minutes, and Stop ends it
        if not learning.wait(5):
            learning.stop()
        assert learning.wait(30), action
    if learning.phase == "idle" and state.wait(60):
        assert bool(studio.changed.value) == bool(state.outdated), action
        assert (studio.hidden.figure is None) == (learning.learned is None), action
        seen = state.measured.seen.values[0, :, 0]
        drawn = next(t for t in studio.curves.figure.data if t.name == unknowns_of(state.problem)[0])
        if studio.trajectory.value == 1 and not state.stale:
            values = drawn.y if state.problem.kind == "ode" else drawn.marker.color
            np.testing.assert_array_equal(values, seen, err_msg=action)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_state_boxes_and_figures_agree_after_every_action(studio, walk, seed, capfd):
    fast = {
        studio.problem.chooser: PROBLEMS,
        **{studio.learning.controls[name]: (5, 20) for name in ("adam", "quasi_newton", "width", "collocation")},
        studio.learning.controls["engine"]: ("sparse", "brute"),
    }
    walk(studio, ACTIONS, lambda action: agree(studio, action), seed, choices=fast)
    studio.state.learning.stop()
    assert studio.state.learning.wait(120)
    agree(studio, "at the end")
    assert "Traceback" not in capfd.readouterr().err
