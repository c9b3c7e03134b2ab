"""A reader's file in the place of a problem: learned from, left again, and refused in one sentence."""

import numpy as np
import pytest
from own_files import burgers_file

from limitlab.errors import InvalidArgument
from limitlab_widgets import OperatorState

TOLD = {"inputs": "a", "targets": "u", "kind": "periodic"}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return burgers_file(tmp_path_factory.mktemp("own") / "own.npz", 30)


@pytest.fixture
def state():
    opened = OperatorState("burgers", size="smoke")
    yield opened
    opened.close()


def trained(state):
    state.training.train()
    assert state.training.wait(180)
    assert state.training.error == ""


def test_an_operator_is_trained_on_a_file_and_then_on_the_equation_again(state, path):
    assert state.load(path, **TOLD)
    assert list(state.goals) == ["operator"]
    assert state.title == "own.npz"
    trained(state)
    assert (state.model, state.samples, state.resolutions) == ("fno", 4, (32,))
    assert state.predicted["prediction"].sizes["x"] == 32
    assert not state.stale
    assert state.changed_settings == []
    state.file = None
    assert state.stale
    assert "problem changed" in state.activity
    trained(state)
    assert state.predicted.attrs["problem"] == "burgers"
    assert not state.stale


def test_other_sizes_of_a_file_ask_for_other_data(state, path):
    state.load(path, **TOLD)
    trained(state)
    state.options = {"train_samples": 10}
    assert "train samples changed" in state.activity
    state.options = {}
    assert not state.stale
    state.load(path, inputs="u", targets="a", kind="periodic")
    assert "file changed" in state.activity


def test_settings_of_a_problem_do_not_follow_to_a_file(state, path):
    state.problem = state.problem.with_parameters(nu=0.05)
    state.options = {"resolution": 64, "test_resolutions": (64,)}
    assert state.load(path, **TOLD)
    experiment, settings = state.plan()
    assert experiment.name == "operator_learning"
    assert (settings.resolution, settings.test_resolutions, settings.parameters) == (32, (32,), ())


def test_what_cannot_be_learned_from_leaves_all_as_it_was(state, path, tmp_path):
    np.savez(tmp_path / "cube.npz", u=np.ones((4, 2, 6, 6, 6)))
    for wrong, told, message in (
        ("none.npz", {}, "there is none"),
        ("", {}, "must end in one of"),
        (path, {"inputs": "b"}, "unknown field 'b'"),
        (path, {}, "inputs must be named"),
        (path, {**TOLD, "dims": "sample z q"}, "dims of a"),
        (
            str(tmp_path / "cube.npz"),
            {"dims": "sample time x y z", "kind": "cells"},
            "must have one or two axes; got 3",
        ),
    ):
        assert not state.load(wrong, **told)
        assert message in state.error
        assert state.file is None
    assert state.plan()[0].name == "burgers_fno"
    with pytest.raises(InvalidArgument, match="file must be an OwnFile"):
        state.file = "own.npz"
