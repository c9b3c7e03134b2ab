"""What the code of a state computes, in a namespace of its own, is what the figures show."""

import numpy as np
import pytest

from limitlab.errors import InvalidArgument
from limitlab_widgets import NeuralDEState
from limitlab_widgets.neural_de.code import neural_de_code

OWN = "time,u,v,series,label\n" + "\n".join(
    f"{t},{t * (k % 2)},{k - t},s{k},{'up' if k % 2 else 'down'}" for k in range(12) for t in range(6)
)


@pytest.fixture
def trained(closed_at_end):
    def make(*arguments, content="", options=None, **settings):
        state = closed_at_end(NeuralDEState(*arguments, size="smoke", **settings))
        if content:
            assert state.load("mine.csv", content.encode()), state.error
        for name, value in (options or {}).items():
            state.move(name, value)
        state.training.train()
        assert state.training.wait(300)
        assert state.training.error == ""
        return state

    return make


def assert_same(state, number):
    namespace = {}
    exec(neural_de_code(state, number, 0), namespace)
    look = state.moments[number].look
    np.testing.assert_allclose(namespace["look"]["y"], look["y"], rtol=1e-4, atol=1e-5)
    return namespace


@pytest.mark.parametrize(("data", "kind", "seed"), [("annuli", "augmented", 0), ("pendulum", "ode", 7)])
def test_code_trains_with_the_same_seed_and_halts_at_the_moment(trained, data, kind, seed):
    state = trained(data, kind, steps=6, width=8, seed=seed)
    for number in (0, len(state.moments) - 1):
        assert_same(state, number)


def test_code_of_series_has_the_accuracy_with_values_missing(trained):
    state = trained("damped_oscillators", "lsde", steps=4, width=8, options={"missing": 0.3})
    state.probe.rate = 0.5
    assert state.probe.wait(60)
    namespace = assert_same(state, len(state.moments) - 1)
    assert namespace["accuracy"] == pytest.approx(state.probe.accuracies[state.probe.shown])


def test_code_of_a_file_reads_it(trained, tmp_path, monkeypatch):
    (tmp_path / "mine.csv").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    assert_same(trained("spirals", "ode", content=OWN, steps=3, width=8), 0)


def test_nothing_has_no_code():
    state = NeuralDEState("annuli", size="smoke")
    with pytest.raises(InvalidArgument, match="not made yet"):
        neural_de_code(state, 0, 0)
    state.close()
