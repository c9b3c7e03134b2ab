"""What the code of a state computes, in a namespace of its own, is what the figures show."""

import numpy as np
import pytest
from torch import nn

from limitlab import problems
from limitlab.errors import InvalidArgument
from limitlab_widgets import OperatorState
from limitlab_widgets.operator.code import operator_code

TINY = {"train_samples": 8, "test_samples": 3, "epochs": 2, "batch_size": 4, "width": 4, "modes": 4}


@pytest.fixture
def trained(closed_at_end):
    def make(*arguments, goal="operator", operator="fno", path="", **options):
        state = closed_at_end(OperatorState(*arguments, size="smoke", **options))
        if path:
            assert state.load(str(path), inputs="inputs", targets="targets"), state.error
        state.goal, state.operator = goal, operator
        state.training.train()
        assert state.training.wait(300)
        assert state.training.error == ""
        return state

    return make


def executed(state, **given):
    namespace = dict(given)
    exec(operator_code(state), namespace)
    return namespace["predicted"]


def assert_same(state, **given):
    predicted = executed(state, **given)
    for name in ("input", "target", "prediction"):
        # of single precision: a batch of another size rounds otherwise
        np.testing.assert_allclose(predicted[name], state.predicted[name], rtol=0, atol=2e-5, err_msg=name)


@pytest.mark.parametrize("seed", [0, 7])
def test_code_trains_with_the_same_seed_at_moved_parameters(trained, seed):
    state = trained(problems.get("burgers", nu=0.05), seed=seed, **TINY)
    state.sample, state.resolution = 2, max(state.resolutions)
    assert_same(state)
    assert f"seed={seed}" in operator_code(state) or seed == 0
    state.model = "mean"
    assert_same(state)


def test_code_of_a_typed_equation(trained):
    own = problems.parse("u_t = D*u_xx + a*u", {"D": 0.01, "a": 0.3}, span=0.1)
    assert_same(trained(own, **TINY))


def test_code_of_rollouts(trained):
    state = trained("burgers", goal="rollouts", **TINY)
    state.step = 2
    assert_same(state)


def test_code_of_a_file(trained, tmp_path):
    waves = np.sin(2 * np.pi * np.linspace(0, 1, 16, endpoint=False) * np.arange(1, 13)[:, None]) + 0.1
    np.savez(tmp_path / "own.npz", inputs=waves, targets=2 * waves, x=np.linspace(0, 1, 16, endpoint=False))
    assert_same(trained(path=tmp_path / "own.npz", **{**TINY, "train_samples": 8}))


def test_code_of_a_model_of_the_readers_own_names_it(trained):
    linear = nn.Conv1d(1, 1, 1)
    state = trained("burgers", operator="linear", models={"linear": linear}, **TINY)
    assert_same(state, linear=linear)


def test_code_of_a_training_that_was_stopped_stops_there():
    state = OperatorState("burgers", size="smoke", **{**TINY, "epochs": 200})
    state.training.observe(lambda _: state.training.stop() if state.training.phase == "training" else None, "logged")
    state.training.train()
    assert state.training.wait(300)
    steps = state.origins["fno"].steps
    assert 0 < steps < state.settings_of["fno"].steps
    assert f"stage.progress.step == {steps}" in operator_code(state)
    assert_same(state)
    state.close()


def test_nothing_has_no_code():
    state = OperatorState("burgers", size="smoke")
    with pytest.raises(InvalidArgument, match="make data, or train"):
        operator_code(state)
    state.close()
