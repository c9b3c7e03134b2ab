"""What the code of a state computes, in a namespace of its own, is what the figures show."""

import numpy as np
import pytest

from limitlab_widgets import WidthState
from limitlab_widgets.width.code import scaling_code, width_code
from limitlab_widgets.width.scaling_state import ScalingState


def executed(code):
    namespace = {}
    exec(code, namespace)
    return namespace


@pytest.fixture
def state():
    state = WidthState(depth=1, activation="erf", points=6, steps=20, width=16, seeds=2, rate=0.7, bias_scale=0.3)
    yield state
    state.close()


def test_code_of_the_limit(state):
    state.record = 5
    found = executed(width_code(state))["limit"]
    for name in ("mean", "std"):
        # the figure closes the circle with its first angle
        np.testing.assert_allclose(found[name], state.limit[name][5, :-1], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("record", [0, 5])
def test_code_of_networks_is_halted_at_the_step_that_is_looked_at(state, until, monkeypatch, record):
    from limitlab_widgets.width import state as module

    monkeypatch.setattr(module, "DRIFT_WIDTHS", ())
    state.record = record
    state.begin()
    until(lambda: len(state.ensemble) == 2, 120)
    networks = executed(width_code(state))["networks"]
    assert set(networks) == {0, 1}
    for seed, outputs in networks.items():
        np.testing.assert_allclose(outputs, state.ensemble[seed]["network"][record, :-1], rtol=1e-6, atol=1e-8)
    assert not np.allclose(networks[0], networks[1])


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_code_of_the_coordinate_check(monkeypatch, optimizer):
    from limitlab_widgets.width import scaling_state

    monkeypatch.setattr(scaling_state, "WIDTHS", (64, 128))
    monkeypatch.setattr(scaling_state, "SEEDS", 1)
    state = ScalingState()
    with state.together():
        state.preset, state.theta, state.optimizer = "ntp", 0.125, optimizer
    state.begin()
    assert state.wait(120)
    changes = executed(scaling_code(state))["changes"].isel(parametrization=0)
    shown = state.check["change"].isel(step=-1)
    shown = shown.isel(parametrization=0) if "parametrization" in shown.dims else shown
    np.testing.assert_allclose(changes.transpose(*shown.dims), shown, rtol=1e-5)
    state.close()
