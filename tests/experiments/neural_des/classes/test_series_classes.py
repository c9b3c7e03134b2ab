"""Classes on series with gaps at smoke size: what each sees, and that a look and an answer agree."""

import numpy as np
import pytest
import torch

from limitlab import data, experiments
from limitlab.errors import InvalidArgument
from limitlab.experiments.neural_des._sequences import sequences
from limitlab.experiments.neural_des.classes._series_models import CLASSES, probabilities
from limitlab.experiments.neural_des.classes.series_classes import accuracy, look, with_series

PATHLESS = ("ode", "naive")


def settings(**options):
    return experiments.get("series_classes").configure("smoke", **options)


@pytest.fixture(scope="module")
def series():
    return sequences(settings())


@pytest.fixture
def build(series):
    return lambda name, **options: CLASSES[name].build(settings(**options), series, 0).eval()


def test_every_class_has_its_measures():
    experiment = experiments.get("series_classes")
    result = experiment.train(settings(steps=1, missing=0.5)).finish()
    grid = result.grid("class")
    assert grid["class"].values.tolist() == list(CLASSES)
    assert grid["accuracy"].dims == ("class", "seed", "test_rate")
    assert ((grid["accuracy"] >= 0) & (grid["accuracy"] <= 1)).all()
    assert set(result.figures()) == {"training", "missing"}


@pytest.mark.parametrize("name", CLASSES)
def test_classes_without_a_path_do_not_notice_what_is_missing_after_the_start(name, build, series):
    model = build(name)
    whole, gaps = (probabilities(model, series.unseen(rate), 1, 0).mean for rate in (0.0, 0.8))
    assert torch.equal(whole, gaps) == (name in PATHLESS)


@pytest.mark.parametrize(
    ("name", "method"), [*((name, "midpoint") for name in CLASSES), ("ode", "tsit5"), ("cde", "bosh3")]
)
def test_a_look_ends_with_the_answer_and_its_steps_fill_the_time(name, method, build, series):
    model = build(name, method=method, tolerance=1e-6)
    found = look(series, model, 0.5)
    chosen = torch.linspace(0, len(series.test) - 1, 12).round().long()
    answer = probabilities(model, series.unseen(0.5).take(chosen), 1, series.seed).mean
    np.testing.assert_allclose(found["y"].values[:, -1], answer.detach().numpy(), atol=1e-5)
    taken = found["step_size"].where(found["accepted"] == 1).sum("step")
    np.testing.assert_allclose(taken.values, 1.0, atol=1e-5)


def test_gaps_of_a_look_are_those_of_the_test(build, series):
    model = build("cde")
    found = look(series, model, 0.7)
    missing = np.isnan(found["measured"].values)
    assert 0.6 < missing.mean() < 0.8
    known = ~missing
    assert np.array_equal(found["measured"].values[known], found["complete"].values[known])
    assert 0 <= accuracy(settings(), series, model, 0.7) <= 1


def test_a_regularised_ode_pays_fewer_field_calls_for_the_same_steps_of_training():
    experiment = experiments.get("series_classes")
    options = {"classes": ("ode",), "method": "tsit5", "steps": 12, "width": 8, "learning_rate": 0.05}
    calls = []
    for way, weight in (("plain", 0.0), ("ernode", 1000.0)):
        result = experiment.train(settings(**options, way=way, weight=weight)).finish()
        calls.append(float(result.metrics["field_calls"].mean()))
    assert calls[1] < calls[0]


def test_series_of_a_reader_are_told_apart_and_bad_ones_refused():
    own = data.damped_oscillators(18, 12, seed=3)
    experiment = with_series(own)
    result = experiment.train(experiment.configure("smoke", classes=("lsde",), steps=1)).finish()
    assert len(result.data.train) + len(result.data.test) == 18
    with pytest.raises(InvalidArgument, match="must have labels"):
        with_series(data.series(own.times, own.values))
    with pytest.raises(InvalidArgument, match="two or more of each class"):
        with_series(own.take(range(4)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"classes": ("cde",), "way": "ernode"}, "a path drives that of cde"),
        ({"classes": ("lsde",), "way": "ernode"}, "noise decides that of lsde"),
        ({"classes": ("ode",), "way": "ernode"}, "midpoint has steps of one size"),
        ({"classes": ("ode",), "way": "srnode", "method": "bosh3"}, "stiffness estimate"),
    ],
)
def test_a_regularisation_that_a_class_cannot_have_is_refused_by_name(options, message):
    with pytest.raises(InvalidArgument, match=message):
        settings(**options)


def test_a_table_of_series_with_gaps_and_lengths_of_their_own_is_learned_from(tmp_path):
    rows = ["time,u,series,label"]
    for number in range(12):
        times = range(5 + number % 3)
        rows += [f"{t},{'' if t == 2 else (number % 2) * t},{number},{'up' if number % 2 else 'flat'}" for t in times]
    path = tmp_path / "own.csv"
    path.write_text("\n".join(rows))
    chosen = settings(file=str(path), classes=("cde",), steps=2)
    result = experiments.get("series_classes").train(chosen, tmp_path / "run").finish()
    assert result.data.train.classes == ("flat", "up")
    assert len(result.data.train) + len(result.data.test) == 12
    assert set(result.data.train.lengths.tolist()) | set(result.data.test.lengths.tolist()) == {5, 6, 7}
    path.write_text("\n".join(row.rpartition(",")[0] for row in rows))
    with pytest.raises(InvalidArgument, match="must have labels of two classes"):
        settings(file=str(path))
