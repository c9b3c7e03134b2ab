import threading
from types import SimpleNamespace

import pytest
import torch

from limitlab import experiments
from limitlab.errors import InvalidArgument
from limitlab.interruption import ask_to_go_on
from limitlab_widgets.shared import training
from limitlab_widgets.shared.training import ALLOWED, PHASES, TrainingState

LONG = {"epochs": 5000}


class Watched:
    """A training of the smoke-size Burgers experiment, with what its callbacks were given."""

    def __init__(self, **options) -> None:
        self.experiment = experiments.get("burgers_fno")
        self.options = {"models": ("fno",), **options}
        self.data, self.models = [], []
        self.state = TrainingState(self.plan, self.data.append, self.look)

    def plan(self):
        return self.experiment, self.experiment.configure("smoke", **self.options)

    def look(self, prepared, models, result):
        self.models.append((dict(models), result))


@pytest.fixture
def watched():
    made = []

    def make(**options):
        made.append(Watched(**options))
        return made[-1]

    yield make
    for each in made:
        each.state.close()


def test_every_command_has_its_phases():
    assert set().union(*ALLOWED.values()) <= set(PHASES)
    assert set(ALLOWED) == {"prepare", "train", "pause", "resume", "stop"}


def test_before_anything_only_data_and_training_can_be_started(watched):
    state = watched().state
    assert state.phase == "empty"
    assert [command for command in ALLOWED if state.can(command)] == ["prepare", "train"]


def test_prepare_makes_the_data_of_the_plan(watched):
    work = watched()
    work.state.prepare()
    assert work.state.wait(30)
    assert (work.state.phase, work.state.error) == ("ready", "")
    assert work.data == [work.state.prepared]
    assert work.state.settings == work.plan()[1]


def test_training_gives_the_numbers_of_the_experiment(watched):
    work = watched()
    work.state.train()
    assert work.state.wait(30)
    alone = work.experiment.train(work.plan()[1]).finish()
    assert work.state.error == ""
    assert work.state.result.metrics.identical(alone.metrics)
    assert work.models[-1][1] is work.state.result


def test_training_ends_at_its_last_step(watched):
    work = watched()
    work.state.train()
    work.state.wait(30)
    assert work.state.phase == "ready"
    assert work.state.done == work.state.total == len(work.state.logs["fno", 0]) == 4
    assert work.state.seconds_left is None


def test_data_are_made_once_for_the_same_plan(watched):
    work = watched()
    for _ in range(2):
        work.state.prepare()
        work.state.wait(30)
    assert len(work.data) == 1
    work.options["train_samples"] = 30
    work.state.prepare()
    work.state.wait(30)
    assert len(work.data) == 2


def test_a_pause_halts_and_a_resume_goes_on(watched, until):
    work = watched(**LONG)
    work.state.train()
    until(lambda: work.state.phase == "training" and work.state.done > 3)
    assert work.state.seconds_left > 0
    work.state.pause()
    until(lambda: work.models)
    halted = len(work.state.logs["fno", 0])
    assert work.state.phase == "paused"
    assert work.state.activity.startswith(f"paused fno at step {halted} of")
    assert not work.state.wait(0.2)
    assert len(work.state.logs["fno", 0]) == halted
    work.state.resume()
    until(lambda: len(work.state.logs["fno", 0]) > halted + 3)
    assert work.state.phase == "training"


def test_a_look_at_a_pause_does_not_change_the_training(watched, until):
    paused, whole = watched(epochs=40), watched(epochs=40)

    def look(prepared, models, result):
        paused.models.append((dict(models), result))
        for model in models.values():
            model.eval()

    paused.state._take_models = look
    paused.state.train()
    until(lambda: paused.state.phase == "training" and paused.state.done > 3)
    paused.state.pause()
    until(lambda: paused.models or paused.state.phase == "ready")
    paused.state.resume()
    for work in (paused, whole):
        work.state.train()
        assert work.state.wait(60)
    assert paused.state.logs["fno", 0][-1]["losses"] == whole.state.logs["fno", 0][-1]["losses"]


def test_a_stop_keeps_the_model_as_it_is(watched, until):
    work = watched(**LONG)
    work.state.train()
    until(lambda: work.state.phase == "training" and work.state.done > 3)
    work.state.stop()
    assert work.state.wait(30)
    assert work.state.phase == "ready"
    assert work.state.result is None
    models, result = work.models[-1]
    assert result is None
    assert set(models) == {"fno"}
    assert "stopped after" in work.state.activity


def test_a_stop_ends_a_pause(watched, until):
    work = watched(**LONG)
    work.state.train()
    until(lambda: work.state.done > 0 and work.state.phase == "training")
    work.state.pause()
    work.state.stop()
    assert work.state.wait(30)
    assert work.state.phase == "ready"


def test_a_stop_ends_the_making_of_data(watched, until):
    work, begun, reached = watched(), threading.Event(), threading.Event()

    def prepare(settings, report):
        report(0, 100)
        reached.set()
        begun.wait(30)
        report(1, 100)
        raise AssertionError("the report must have stopped this")

    work.plan = None
    work.state._plan = lambda: (SimpleNamespace(prepare=prepare), "settings")
    work.state.prepare()
    reached.wait(30)
    work.state.stop()
    assert work.state.phase == "stopping"
    begun.set()
    assert work.state.wait(30)
    assert (work.state.phase, work.state.error, work.state.activity) == ("empty", "", "stopped")


def test_a_stop_ends_the_making_of_data_in_the_middle_of_a_chunk(watched, until, monkeypatch):
    """A generator that never reports is ended where the loop of its solver asks."""
    work, begun = watched(), threading.Event()

    def prepare(settings, report):
        while True:
            begun.set()
            ask_to_go_on()

    monkeypatch.setattr(work.state, "_plan", lambda: (SimpleNamespace(prepare=prepare), "settings"))
    work.state.prepare()
    assert begun.wait(30)
    work.state.stop()
    assert work.state.wait(30)
    assert (work.state.phase, work.state.error, work.state.activity) == ("empty", "", "stopped")


def test_double_clicks_do_nothing_more(watched, until):
    work = watched(**LONG)
    for _ in range(3):
        work.state.train()
    thread = work.state._thread
    until(lambda: work.state.phase == "training")
    work.state.train()
    work.state.prepare()
    work.state.resume()
    assert work.state._thread is thread
    for _ in range(3):
        work.state.pause()
    for _ in range(3):
        work.state.resume()
    for _ in range(3):
        work.state.stop()
    assert work.state.wait(30)
    for _ in range(3):
        work.state.stop()
        work.state.pause()
        work.state.resume()
    assert work.state.phase == "ready"


def test_a_refused_setting_is_told(watched):
    work = watched(batch_size=10_000)
    with pytest.raises(InvalidArgument) as refused:
        work.plan()
    work.state.train()
    work.state.wait(30)
    assert work.state.error == str(refused.value)
    assert work.state.phase == "empty"
    assert work.state.can("train")


def test_any_exception_reaches_the_state(watched):
    work = watched()

    def fail(prepared):
        raise RuntimeError("out of luck")

    work.state._take_data = fail
    work.state.prepare()
    work.state.wait(30)
    assert work.state.error == "RuntimeError: out of luck"
    assert work.state.phase == "empty"


def test_an_error_is_forgotten_at_the_next_start(watched):
    work = watched(batch_size=10_000)
    work.state.train()
    work.state.wait(30)
    work.options.clear()
    work.options["models"] = ("fno",)
    work.state.train()
    work.state.wait(30)
    assert work.state.error == ""
    assert work.state.result is not None


def test_closing_releases_the_thread(watched, until):
    work = watched(**LONG)
    work.state.train()
    until(lambda: work.state.phase == "training" and work.state.done > 0)
    thread = work.state._thread
    work.state.close()
    assert not thread.is_alive()
    assert not any(work.state.can(command) for command in ALLOWED)
    work.state.train()
    assert work.state._thread is thread


class Clock:
    """A clock that only its own sleep moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def perf_counter(self):
        return self.now


def peeking(watched, peek, **options):
    work = watched(**options)
    work.state = TrainingState(work.plan, work.data.append, work.look, peek=peek)
    return work


def test_looks_at_a_model_in_training_take_at_most_a_fifth_of_the_time(watched, monkeypatch):
    """A step of 10 ms and a look of 1 s, by a clock of the test's own."""
    clock, spent = Clock(), []
    monkeypatch.setattr(training, "time", clock)

    def peek(prepared, model, stage):
        clock.now += 1.0
        spent.append(stage.progress.step)

    work = peeking(watched, peek, epochs=500)
    record = work.state._record
    begun = clock.now

    def slow_step(stage):
        clock.now += 0.01
        record(stage)

    monkeypatch.setattr(work.state, "_record", slow_step)
    work.state.train()
    assert work.state.wait(120)
    steps = work.state.total
    # from the end of a look to the next, four times as long as it took
    assert spent == list(range(1, steps + 1, 400))
    assert len(spent) <= 0.2 * (clock.now - begun) + 1


def test_a_look_at_a_model_in_training_does_not_change_it(watched, monkeypatch):
    monkeypatch.setattr(training, "PEEK", 0.0)
    monkeypatch.setattr(training, "PEEK_SHARE", 1.0)
    seen = []

    def peek(prepared, model, stage):
        torch.rand(3)
        seen.append(model.eval())

    looked, alone = peeking(watched, peek, epochs=5), watched(epochs=5)
    for work in (looked, alone):
        torch.manual_seed(0)
        work.state.train()
        assert work.state.wait(60)
    assert len(seen) == looked.state.total
    assert looked.state.result.metrics.identical(alone.state.result.metrics)


def test_a_look_that_fails_ends_the_training_with_its_message(watched):
    def peek(prepared, model, stage):
        raise RuntimeError("nothing to see")

    work = peeking(watched, peek)
    work.state.train()
    assert work.state.wait(60)
    assert work.state.error == "RuntimeError: nothing to see"
    assert work.state.can("train")
