"""What ships is small, whole, and there without data: a file that is not that of its card is never a model."""

import json
import shutil

import pytest
import torch

from limitlab import experiments, weights
from limitlab.data.sources.shipped import DataMissing
from limitlab.errors import UnknownName
from limitlab.weights.shelf import LARGEST, folder, paths

SHIPPED = weights.names()


@pytest.fixture
def shelf(tmp_path):
    """A shelf of its own with one model."""
    for path in paths("annuli_augmented"):
        shutil.copy(path, tmp_path)
    return tmp_path


def test_there_are_operators_and_flows_and_nothing_that_no_row_names():
    kinds = {weights.ROWS[name].experiment for name in SHIPPED}
    assert {"burgers_fno", "darcy_fno", "flow_classes"} <= kinds
    named = {path.name for name in weights.ROWS for path in paths(name)}
    assert {path.name for path in folder().iterdir()} - named == {"card.md"}


@pytest.mark.parametrize("name", SHIPPED)
def test_a_file_is_small_and_opens_without_data(name, monkeypatch):
    monkeypatch.setattr(experiments, "get", None)
    assert paths(name)[0].stat().st_size < LARGEST
    model = weights.open(name)
    card = weights.card(name)
    assert not model.training
    assert sum(p.numel() for p in model.parameters()) > 100
    assert {p.dtype for p in model.parameters()} <= {torch.float32, torch.float64}
    assert card.label == f"shipped weights, trained for {card.seconds:.0f} s"
    assert f"limitlab {card.limitlab}" in str(card)


def test_a_misspelt_name_is_answered_with_the_nearest():
    with pytest.raises(UnknownName, match="did you mean 'darcy_fno'"):
        weights.open("darcy_fn0")


def test_opening_does_not_move_anybodys_random_numbers(shelf):
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    weights.open("annuli_augmented", place=shelf)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("part", [0, 1], ids=["weights", "card"])
def test_what_is_missing_is_named_with_the_command(shelf, part):
    paths("annuli_augmented", shelf)[part].unlink()
    assert weights.names(shelf) == ()
    with pytest.raises(DataMissing, match="limitlab weights annuli_augmented"):
        weights.open("annuli_augmented", place=shelf)


def test_a_file_that_is_not_that_of_its_card_is_refused(shelf):
    file = paths("annuli_augmented", shelf)[0]
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(bytes(content))
    with pytest.raises(DataMissing, match=r"not the file of its card: `limitlab weights annuli_augmented`"):
        weights.open("annuli_augmented", place=shelf)


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"name": 3}', "\x00"])
def test_a_card_that_is_none_is_refused(shelf, text):
    paths("annuli_augmented", shelf)[1].write_text(text)
    with pytest.raises(DataMissing, match="no card that can be read"):
        weights.card("annuli_augmented", shelf)


def test_a_model_is_found_by_what_it_was_trained_with():
    row = weights.ROWS["annuli_augmented"]
    settings = row.settings().as_dict()
    assert weights.of("flow_classes", settings, **{"class": "augmented"}) == "annuli_augmented"
    # where and with which seed it is computed does not matter, what it learns from does
    assert weights.of("flow_classes", {**settings, "seed": 9, "device": "auto"}) == "annuli_augmented"
    for changed in ({"width": 7}, {"samples": 20}, {"data": "pendulum"}):
        assert weights.of("flow_classes", {**settings, **changed}) is None
    assert weights.of("annuli_node", settings) is None


def test_what_ships_with_other_settings_is_refused_by_name():
    settings = weights.ROWS["navier_stokes_fno"].settings().as_dict()
    assert weights.refusal("navier_stokes_fno", settings, operator="fno") == ""
    asked = {**settings, "parameters": ("amplitude=0.5",), "seed": 3}
    assert weights.of("navier_stokes_fno", asked, operator="fno") is None
    assert weights.refusal("navier_stokes_fno", asked, operator="fno") == (
        "navier_stokes_fno ships with parameters=['amplitude=0.1']; asked for was parameters=['amplitude=0.5']"
    )
    # of what does not ship there is nothing to refuse
    assert weights.refusal("navier_stokes_fno", asked, operator="unet") == ""


def test_a_card_is_json_that_others_can_read(shelf):
    held = json.loads(paths("annuli_augmented", shelf)[1].read_text())
    assert held["settings"]["data"] == "annuli"
    assert held["licence"].startswith("MIT")
