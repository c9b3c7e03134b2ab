"""What ships is what its experiment gives today: the same settings and arguments, and as good on new data."""

import dataclasses
import json
import shutil

import pytest
import torch

from limitlab import saved, weights
from limitlab.cli import main
from limitlab.errors import InvalidArgument, UnknownName
from limitlab.weights import making
from limitlab.weights.rows import Row
from limitlab.weights.shelf import paths

SHIPPED = weights.names()
KINDS = {saved.about(paths(name)[0]).name: name for name in reversed(SHIPPED)}
"""The first that ships of every class."""
QUICK = Row(
    "flow_classes",
    {"class": "ode"},
    "accuracy",
    options={"data": "annuli", "classes": ("ode",), "steps": 2, "width": 4, "depth": 1, "samples": 8},
)


@pytest.fixture
def quick(monkeypatch):
    """A row that is trained in a second."""
    rows = {"quick": QUICK}
    for module in (making, weights.shelf):
        monkeypatch.setattr(module, "ROWS", rows)
    monkeypatch.setattr(weights, "ROWS", rows)
    return rows


@pytest.mark.parametrize("name", SHIPPED)
def test_a_model_is_of_todays_experiment(name):
    # the message says which command trains it again
    assert weights.outdated(name) == ""


@pytest.mark.parametrize("name", KINDS.values())
def test_a_model_is_as_good_on_new_data_as_its_card_says(name):
    factor, value = weights.ROWS[name].factor, weights.card(name).value
    assert value / factor <= weights.again(name) <= value * factor


def test_a_file_of_other_settings_is_told_with_what_changed_and_the_command(tmp_path):
    for path in paths("annuli_augmented"):
        shutil.copy(path, tmp_path)
    card = paths("annuli_augmented", tmp_path)[1]
    held = json.loads(card.read_text())
    held["settings"]["width"] = 31
    card.write_text(json.dumps(held))
    assert weights.outdated("annuli_augmented", tmp_path).startswith("width changed since: `limitlab weights annuli")


def test_a_file_of_other_arguments_is_told(tmp_path):
    shutil.copy(paths("annuli_augmented")[1], tmp_path)
    model = weights.open("annuli_augmented")
    model.flow.ode.remember(rtol=1e-9)
    model.save(paths("annuli_augmented", tmp_path)[0])
    assert weights.outdated("annuli_augmented", tmp_path).startswith("the arguments of neural_des.ode.FlowClassifier")


def test_what_is_made_is_what_is_opened(quick, tmp_path):
    seen = []
    made = weights.make("quick", tmp_path, seen.append)
    assert [stage.progress.step for stage in seen] == [1, 2]
    assert made == weights.card("quick", tmp_path)
    assert (made.dtype, made.at) == ("float64", {"class": "ode", "way": "plain"})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["quick.json", "quick.safetensors"]
    assert weights.outdated("quick", tmp_path) == ""
    # the same training gives the same file
    assert weights.make("quick", tmp_path).sha256 == made.sha256
    assert saved.about(paths("quick", tmp_path)[0]).name == "neural_des.ode.FlowClassifier"


def test_a_model_that_is_too_large_is_stored_in_half_precision_or_not_at_all(quick, tmp_path, monkeypatch):
    whole = weights.make("quick", tmp_path / "whole")
    size = paths("quick", tmp_path / "whole")[0].stat().st_size
    monkeypatch.setattr(making, "LARGEST", size)
    half = weights.make("quick", tmp_path / "half")
    assert (half.dtype, half.stored) == ("float64", "float16")
    assert paths("quick", tmp_path / "half")[0].stat().st_size < size
    model = weights.open("quick", place=tmp_path / "half")
    exact = weights.open("quick", place=tmp_path / "whole")
    assert whole.stored == "float64"
    for ours, theirs in zip(model.parameters(), exact.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-6)
    assert not all(map(torch.equal, model.parameters(), exact.parameters()))
    monkeypatch.setattr(making, "LARGEST", 100)
    with pytest.raises(InvalidArgument, match="must be smaller than 100 bytes"):
        weights.make("quick", tmp_path / "none")
    assert list((tmp_path / "none").iterdir()) == []


def test_a_training_that_is_interrupted_leaves_the_files_as_they_were(quick, tmp_path):
    made = weights.make("quick", tmp_path)

    def interrupt(stage):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        weights.make("quick", tmp_path, interrupt)
    assert weights.card("quick", tmp_path) == made
    weights.open("quick", place=tmp_path)


def test_the_command_makes_what_is_missing_or_outdated(quick, tmp_path, capsys):
    assert main(["weights", "--folder", str(tmp_path)]) == 0
    assert capsys.readouterr().out.startswith("quick: accuracy")
    assert main(["weights", "--folder", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "quick: as its experiment is today\n"
    quick["quick"] = dataclasses.replace(QUICK, options={**QUICK.options, "samples": 9})
    assert main(["weights", "--folder", str(tmp_path)]) == 0
    assert capsys.readouterr().out.startswith("quick: accuracy")


def test_the_command_refuses_a_name_before_it_trains(quick, tmp_path, capsys):
    assert main(["weights", "quick", "quikc", "--folder", str(tmp_path)]) == 2
    assert "did you mean 'quick'" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UnknownName):
        weights.make("quikc", tmp_path)


def test_arguments_that_differ_by_rounding_are_the_same():
    factor = {"factor": ["2.340000000000011*(1 - exp(-t/0.01))"], "width": 4}
    assert making._alike(factor, {"factor": ["2.3400000000000056*(1 - exp(-t/0.01))"], "width": 4})
    assert not making._alike(factor, {"factor": ["2.3401*(1 - exp(-t/0.01))"], "width": 4})
    assert not making._alike(factor, {"factor": ["2.340000000000011*(1 - sin(-t/0.01))"], "width": 4})
    assert not making._alike(factor, {"factor": factor["factor"], "width": 5})
