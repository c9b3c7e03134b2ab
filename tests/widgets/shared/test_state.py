import threading
import warnings
from functools import partial

import pytest
from traitlets import Int, validate

from limitlab.errors import InvalidArgument
from limitlab_widgets.shared.state import StudioState


class Squares(StudioState):
    """x and y decide; the sum of their squares is found in the worker, which waits at a gate."""

    decides = ("x", "y")
    x, y = Int(0), Int(0)
    patience = 0.0

    def __init__(self):
        super().__init__()
        self.gate = threading.Event()
        self.begun = threading.Event()
        self.questions, self.answers = [], []

    @validate("x")
    def _small(self, proposal):
        if proposal["value"] > 100:
            raise InvalidArgument("x must be at most 100")
        return proposal["value"]

    def answer(self):
        self.questions.append((self.x, self.y))
        self.work(partial(self._add, self.x, self.y), patience=self.patience)

    def _add(self, x, y, check):
        self.begun.set()
        while not self.gate.wait(0.002):
            check()
        if y < 0:
            raise InvalidArgument("y must not be negative")
        if x > 50:
            warnings.warn("x is large", UserWarning, stacklevel=2)
        with self.lock:
            check()
            self.answers.append(x**2 + y**2)


@pytest.fixture
def state():
    state = Squares()
    yield state
    state.gate.set()
    state.close()


def test_every_change_asks_and_the_newest_question_is_answered(state):
    state.x = 3
    assert state.begun.wait(10)
    assert (state.stale, state.phase) == (True, "working")
    state.y = 4
    state.gate.set()
    assert state.wait(10)
    assert state.questions == [(3, 0), (3, 4)]
    assert state.answers == [25]
    assert (state.stale, state.phase) == (False, "idle")


def test_several_changes_have_one_answer(state):
    state.gate.set()
    with state.together():
        state.x = 3
        with state.together():
            state.y = 4
    assert state.wait(10)
    assert state.answers == [25]


def test_an_exception_among_several_changes_puts_all_back(state):
    def change():
        with state.together():
            state.y = 4
            state.x = 101

    with pytest.raises(InvalidArgument):
        change()
    assert (state.x, state.y, state.questions) == (0, 0, [])
    state.gate.set()
    state.x = 2
    assert state.wait(10)
    assert state.answers == [4]


def test_a_refused_value_leaves_the_old_one_and_the_next_is_answered(state):
    state.gate.set()
    with pytest.raises(InvalidArgument):
        state.x = 101
    assert state.x == 0
    state.x = 1
    assert state.wait(10)
    assert state.answers == [1]


def test_a_stop_leaves_the_old_answer_and_says_that_it_is_old(state):
    state.x = 3
    assert state.begun.wait(10)
    state.stop()
    assert state.wait(10)
    assert (state.stale, state.phase, state.activity, state.answers) == (True, "idle", "stopped", [])


def test_what_goes_wrong_is_told_until_the_next_question(state):
    state.gate.set()
    state.y = -1
    assert state.wait(10)
    assert (state.error, state.stale) == ("y must not be negative", True)
    state.y = 1
    assert state.wait(10)
    assert (state.error, state.stale, state.answers) == ("", False, [1])


def test_what_work_warns_of_is_told_beside_its_answer_and_not_on_stderr(state, recwarn):
    state.gate.set()
    for _ in range(2):
        state.x = 60
        assert state.wait(10)
        assert (state.warning, state.error, state.answers[-1]) == ("x is large", "", 3600)
        state.x = 1
        assert state.wait(10)
        assert state.warning == ""
    assert len(recwarn) == 0


def test_a_patient_question_is_answered_when_the_change_returns(state):
    state.gate.set()
    state.patience = 10.0
    state.x = 5
    assert state.answers == [25]
    assert not state.stale


def test_a_closed_state_answers_nothing_and_has_no_thread(state):
    state.x = 3
    assert state.begun.wait(10)
    thread = state._worker._thread
    state.close()
    assert not thread.is_alive()
    state.x = 4
    assert state.answers == []
