"""What the code of a state computes, in a namespace of its own, is what the figures show."""

import numpy as np
import pytest

from limitlab_widgets import DiscoveryState
from limitlab_widgets.discovery.code import discovery_code

TINY = {"adam": 15, "quasi_newton": 3, "width": 6, "collocation": 20}


@pytest.fixture
def opened(closed_at_end):
    def make(*arguments, **options):
        state = closed_at_end(DiscoveryState(*arguments, **{**TINY, **options}))
        assert state.wait(60)
        return state

    return make


def executed(state):
    namespace = {}
    exec(discovery_code(state), namespace)
    np.testing.assert_allclose(namespace["measured"].seen.values, state.measured.seen.values, rtol=1e-12)
    return namespace


def assert_same(state):
    state.learning.train()
    assert state.learning.wait(300)
    assert state.learning.error == ""
    samples, shown = executed(state)["samples"], state.learning.learned.samples
    np.testing.assert_allclose(samples["values"], shown["values"], rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(samples["features"], shown["features"], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("seed", [0, 7])
def test_code_of_noise_trajectories_and_a_hidden_term(opened, seed):
    state = opened("lotka_volterra", points=12, noise=0.05)
    with state.together():
        state.seed, state.trajectories = seed, 2
        state.problem = state.problem.with_parameters(alpha=0.8)
    state.hidden = (("y", "delta*x*y"),)
    assert_same(state)


def test_code_of_a_typed_system(opened):
    state = opened("logistic", points=10)
    assert state.choose_text("x' = -k*x + a*x^2", {"k": 1.0, "a": 0.3}, {"x": 0.5}, span=2.0)
    assert_same(state)


def test_code_of_a_field(opened):
    assert_same(opened("burgers", points=40))


def test_code_of_a_file_reads_it_and_before_a_training_measures_alone(opened, tmp_path, monkeypatch):
    text = "t,u\n" + "\n".join(f"{t / 4},{0.1 + t / 9}" for t in range(9))
    (tmp_path / "mine.csv").write_text(text)
    monkeypatch.chdir(tmp_path)
    state = opened("logistic", points=10)
    assert "samples" not in executed(state)
    assert state.load("mine.csv", text.encode()), state.error
    assert state.wait(60)
    executed(state)
