import threading

import numpy as np
import pytest

from limitlab import experiments, weights
from limitlab.errors import InvalidArgument
from limitlab.experiments.neural_des.classes import series_classes
from limitlab_widgets import NeuralDEState

OWN = "time,u,v,series,label\n" + "\n".join(
    f"{t},{'' if (t + k) % 3 == 2 else t * (k % 2)},{k - t},s{k},{'up' if k % 2 else 'down'}"
    for k in range(12)
    for t in range(6)
)


@pytest.fixture
def opened(closed_at_end):
    return lambda data="annuli", kind="ode", **options: closed_at_end(
        NeuralDEState(data, kind, size="smoke", **options)
    )


def train(state):
    state.training.train()
    assert state.training.wait(120)
    assert state.probe.wait(60)
    assert (state.training.error, state.probe.error, state.error) == ("", "", "")
    return state


def test_a_training_gives_the_numbers_of_the_experiment(opened):
    state = train(opened("pendulum", "hamiltonian", missing=0.3))
    settings = state.settings
    assert (settings.classes, settings.missing, settings.device) == (("hamiltonian",), 0.3, "cpu")
    alone = experiments.get("flow_classes").train(settings).finish()
    (one,) = state.trained.values()
    assert one.name == "hamiltonian, 30% missing"
    for name in ("error", "error_ahead", "field_calls"):
        assert one.metrics[name].item() == alone.metrics[name].item()


def test_moments_begin_untrained_and_end_with_the_last_step(opened, monkeypatch):
    monkeypatch.setattr("limitlab_widgets.shared.training.PEEK", 0.0)
    monkeypatch.setattr("limitlab_widgets.shared.training.PEEK_SHARE", 1.0)
    state = train(opened("annuli", "augmented"))
    assert [moment.step for moment in state.moments] == list(range(7))
    first, last = state.moments[0].look["y"].values, state.moments[-1].look["y"].values
    assert not np.allclose(first, last)


def test_too_many_moments_are_thinned_and_the_first_and_the_newest_stay(opened, monkeypatch):
    monkeypatch.setattr("limitlab_widgets.shared.training.PEEK", 0.0)
    monkeypatch.setattr("limitlab_widgets.shared.training.PEEK_SHARE", 1.0)
    monkeypatch.setattr("limitlab_widgets.neural_de.moments.MOST", 8)
    state = train(opened("annuli", steps=30, samples=2))
    steps = [moment.step for moment in state.moments]
    assert len(steps) <= 9
    assert (steps[0], steps[-1]) == (0, 30)
    assert steps == sorted(set(steps))


def test_classes_trained_on_the_same_data_stay_and_others_go(opened):
    state = train(opened("spirals", "lsde"))
    state.kind = "ode"
    train(state)
    state.move("missing", 0.5)
    train(state)
    assert list(state.trained) == ["lsde", "ode", "ode, 50% missing"]
    assert not state.stale
    state.data = "damped_oscillators"
    assert state.stale
    assert list(state.trained) == ["lsde", "ode", "ode, 50% missing"]
    train(state)
    assert list(state.trained) == ["ode, 50% missing"]
    assert not state.stale


def test_the_probe_asks_every_class_at_the_share(opened):
    state = train(opened("damped_oscillators", "cde"))
    state.kind = "naive"
    train(state)
    state.probe.rate = 0.8
    assert state.probe.wait(60)
    for name, one in state.trained.items():
        alone = series_classes.accuracy(one.settings, one.data, one.model, 0.8)
        assert state.probe.accuracies[name] == alone
    assert np.isnan(state.probe.look["measured"].values).mean() > 0.7
    state.probe.shown = "cde"
    assert state.probe.wait(60)
    assert np.isfinite(state.probe.look["line"].values).all()


def test_a_flow_has_nothing_to_be_asked_with_values_missing(opened):
    state = train(opened("annuli"))
    state.probe.rate = 0.5
    assert state.probe.wait(30)
    assert not state.probe.active
    assert (state.probe.accuracies, state.probe.look) == ({}, None)


def test_a_trained_class_is_not_the_one_that_a_resumed_training_goes_on_with(opened, until):
    state = opened("annuli", steps=3000, samples=4)
    state.training.train()
    until(lambda: state.training.phase == "training" and state.training.done > 3)
    state.training.pause()
    until(lambda: state.trained)
    kept = state.trained["ode"].model
    before = [parameter.clone() for parameter in kept.parameters()]
    steps = len(state.training.logs["ode/plain", 0])
    state.training.resume()
    until(lambda: len(state.training.logs["ode/plain", 0]) > steps + 5)
    assert all((a == b).all() for a, b in zip(before, kept.parameters(), strict=True))
    state.training.stop()
    assert state.training.wait(30)
    assert state.trained["ode"].model is not kept


def test_a_stop_is_obeyed_within_a_step_and_keeps_the_class(opened, until):
    state = opened("annuli", steps=100_000, samples=4)
    state.training.train()
    until(lambda: state.training.phase == "training" and state.training.done > 3)
    state.training.stop()
    assert state.training.wait(30)
    assert list(state.trained) == ["ode"]
    assert state.moments[-1].step == len(state.training.logs["ode/plain", 0])


def test_other_data_bring_a_class_and_settings_that_fit(opened):
    state = opened("spirals", "cde", missing=0.5, method="bosh3")
    state.data = "annuli"
    assert (state.kind, state.options) == ("ode", {"method": "bosh3"})
    state.move("way", "steer")
    state.data = "pendulum"
    assert "way" not in state.options
    state.data = "basic_motions"
    state.kind = "lsde"
    state.plan()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("data", "lorenz", "unknown data"),
        ("kind", "cde", "cde needs a path through a series"),
        ("kind", "od", "did you mean 'ode'"),
        ("options", {"missing": 0.3}, "missing must be 0 for annuli"),
        ("options", {"steps": 0}, "steps must be"),
        ("options", {"missnig": 0.1}, "did you mean 'missing'"),
        ("file", "mine.csv", "file must be an OwnFile"),
    ],
)
def test_values_that_mean_nothing_are_refused_and_leave_all_as_it_was(opened, name, value, message):
    state = opened()
    before = getattr(state, name)
    with pytest.raises(InvalidArgument, match=message):
        setattr(state, name, value)
    assert getattr(state, name) == before


@pytest.mark.parametrize(
    ("data", "kind", "options", "message"),
    [
        ("pendulums", "ode", {}, "did you mean 'pendulum'"),
        ("annuli", "cde", {}, "cde needs a path through a series"),
        ("annuli", "ode", {"missing": 0.3}, "missing must be 0 for annuli"),
        ("annuli", "ode", {"steps": -1}, "steps must be"),
        ("annuli", "ode", {"size": "smok"}, "did you mean 'smoke'"),
        ("spirals", "lsde", {"way": "ernode"}, "noise decides that of lsde"),
    ],
)
def test_a_refused_studio_says_what_is_wrong(data, kind, options, message):
    with pytest.raises(InvalidArgument, match=message):
        NeuralDEState(data, kind, **options)


def test_a_file_of_the_reader_is_learned_from_and_left_again(opened):
    state = opened("annuli")
    assert not state.load("bad.csv", b"time,x\n0,1\n1,one\n2,2\n3,3\n")
    assert "line 3 of bad.csv" in state.error
    assert state.file is None
    assert state.load("mine.csv", OWN.encode())
    assert (state.source.title, state.kind) == ("mine.csv", "ode")
    state.kind = "lsde"
    train(state)
    assert [one.data.classes for one in state.trained.values()] == [2]
    state.file = None
    assert state.kind == "ode"
    assert state.stale


def test_a_file_without_classes_is_of_trajectories(opened):
    state = opened("annuli")
    rows = "\n".join(f"{t},{np.sin(t + k)},{np.cos(t + k)},{k}" for k in range(5) for t in range(7))
    assert state.load("mine.csv", f"time,u,v,series\n{rows}\n".encode())
    state.kind = "hamiltonian"
    train(state)
    assert state.moments[-1].look["channel"].values.tolist() == ["u", "v"]


def test_closing_releases_every_thread(until):
    before = threading.active_count()
    state = NeuralDEState("annuli", size="smoke", steps=100_000, samples=4)
    state.training.train()
    until(lambda: state.training.phase == "training" and state.training.done > 2)
    state.close()
    until(lambda: threading.active_count() <= before)


def test_a_class_that_ships_is_looked_at_before_anybody_trains_and_gives_way_to_a_training():
    state = NeuralDEState("annuli", "ode")
    try:
        state.training.prepare()
        assert state.training.wait(120)
        assert state.training.error == ""
        card = weights.card("annuli_ode")
        assert state.shipped == "annuli_ode"
        assert [moment.step for moment in state.moments] == [0, card.settings["steps"]]
        # the test set is that of its training
        assert float(state.trained["ode"].metrics["accuracy"]) == pytest.approx(card.value)
        state.options = {"steps": 2}
        train(state)
        assert state.shipped == ""
        assert [moment.step for moment in state.moments][-1] == 2
        assert len(state.trained["ode"].moments) == len(state.moments)
    finally:
        state.close()


@pytest.mark.parametrize(
    "name", [name for name, row in weights.ROWS.items() if row.experiment in ("flow_classes", "series_classes")]
)
def test_every_class_that_ships_is_found_from_its_data_and_its_name(name, closed_at_end):
    row = weights.ROWS[name]
    state = closed_at_end(NeuralDEState(row.options["data"], row.at["class"]))
    experiment, settings = state.plan()
    assert weights.of(experiment.name, settings.as_dict(), **{"class": state.kind}) == name


def test_where_none_ships_an_untrained_model_is_all_there_is(opened):
    state = opened()
    state.training.prepare()
    assert state.training.wait(120)
    assert (state.shipped, state.trained, len(state.moments)) == ("", {}, 1)
