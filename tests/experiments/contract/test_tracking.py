"""A tracked training is the same training, and the tracker has every loss term and metric of it, each step once."""

import contextlib

import pytest
from experiments.contract.toy_experiment import LINES

from limitlab.errors import InvalidArgument, LimitlabError, UnknownName
from limitlab.experiments import tracked
from limitlab.experiments.contract.tracking import require_tracker

MODELS = ("slope-1.0/slow", "slope-1.0/fast")


@pytest.fixture
def events():
    """Scalars of a folder that TensorBoard reads: {tag: [(step, value), ...]}."""
    pytest.importorskip("tensorboard", reason="tensorboard is missing: the extra `track` brings it")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    def read(folder):
        held = EventAccumulator(str(folder))
        held.Reload()
        return {tag: [(event.step, event.value) for event in held.Scalars(tag)] for tag in held.Tags()["scalars"]}

    return read


def training(folder=None, **options):
    settings = LINES.configure("smoke", **{"slopes": "1.0", "seeds": 1, "steps": 30, **options})
    return LINES.train(settings, folder, resume=folder is not None and folder.exists())


def test_the_tracker_has_every_loss_and_metric_of_the_log(events, tmp_path):
    whole = training(tmp_path / "run")
    stages = list(tracked(whole, "tensorboard"))
    assert len(stages) == len(whole)
    for model in MODELS:
        held = events(tmp_path / "run/tensorboard" / model / "seed-0")
        log = whole.run.child(f"{model}/seed-0").log
        assert [step for step, _ in held["loss/squared"]] == list(range(1, 31))
        assert [value for _, value in held["loss/squared"]] == pytest.approx(
            [line["losses"]["squared"] for line in log]
        )
        assert held["metrics/moved"][-1] == pytest.approx((30, log[-1]["metrics"]["moved"]))
        measured = whole.result.metrics.sel(model=model, seed=0)
        for name in ("output", "start", "weight", "bias"):
            assert held[f"measured/{name}"] == [(30, pytest.approx(float(measured[name].mean())))]


def test_the_tracker_knows_the_folder_of_the_run(events, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    list(tracked(training(tmp_path / "run"), "tensorboard"))
    held = EventAccumulator(str(tmp_path / "run/tensorboard" / MODELS[0] / "seed-0"))
    held.Reload()
    (text,) = held.Tensors("run/text_summary")
    assert text.tensor_proto.string_val[0].decode() == str((tmp_path / "run").resolve())


def test_a_resumed_training_tells_no_step_twice(events, tmp_path):
    first = training(tmp_path / "run")
    with contextlib.closing(tracked(first, "tensorboard")) as stages:
        for stage in stages:
            if stage.progress.step == 17:
                break
    # as after a kill: the last checkpoint is older than what was told
    for path in first.run.child(f"{MODELS[0]}/seed-0").checkpoints.glob("*17*"):
        path.unlink()
    list(tracked(training(tmp_path / "run"), "tensorboard"))
    held = events(tmp_path / "run/tensorboard" / MODELS[0] / "seed-0")
    assert [step for step, _ in held["loss/squared"]] == list(range(1, 31))


def test_a_tracker_that_somebody_registered_is_told_the_same(tmp_path, monkeypatch):
    from accelerate import tracking

    class Memory(tracking.GeneralTracker):
        name, requires_logging_directory, told = "memory", False, []

        def __init__(self, run):
            super().__init__()
            self.run = run

        @property
        def tracker(self):
            return self.told

        def log(self, values, step=None, **_):
            self.told.append((self.run, step, *values))

        def finish(self):
            self.told.append((self.run, "finished"))

    monkeypatch.setitem(tracking.LOGGER_TYPE_TO_CLASS, "memory", Memory)
    list(tracked(training(tmp_path / "run", steps=2), "memory"))
    runs = [f"{model}/seed-0" for model in MODELS]
    assert [line[:2] for line in Memory.told if line[0] == runs[0]] == [
        *[(runs[0], step) for step in (1, 1, 2, 2)],
        (runs[0], "finished"),
    ]
    assert {line[0] for line in Memory.told} == set(runs)
    assert not (tmp_path / "run/memory").exists()


def test_what_cannot_be_tracked_is_refused_by_name(tmp_path, monkeypatch):
    with pytest.raises(UnknownName, match="did you mean 'tensorboard'"):
        tracked(training(), "tensorbord")
    with pytest.raises(InvalidArgument, match="needs a folder"):
        tracked(training(), "tensorboard")
    from accelerate import tracking

    monkeypatch.setattr(tracking, "_available_trackers", [])
    with pytest.raises(LimitlabError, match=r"tensorboard is not installed; the track extra brings it"):
        require_tracker("tensorboard")
    with pytest.raises(LimitlabError, match=r"mlflow is not installed$"):
        require_tracker("mlflow")
