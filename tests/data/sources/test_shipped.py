"""Data that ships are those of their cards."""

import re
from pathlib import Path

import numpy as np
import pytest

from limitlab import data
from limitlab.data.sources import shipped

DATASETS = Path(__file__).parents[3] / "datasets"


def test_digits_are_1797_images_of_ten_classes():
    digits = data.digits()
    assert digits.image.dims == ("sample", "y", "x")
    assert digits.image.shape == (1797, 8, 8)
    assert (float(digits.image.min()), float(digits.image.max())) == (0.0, 16.0)
    assert np.bincount(digits.label).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_lynx_follow_hares_for_21_years():
    pelts = data.hudson_bay()
    assert pelts.year.values.tolist() == list(range(1900, 1921))
    # the means that are published with the table
    assert (round(float(pelts.hare.mean()), 2), round(float(pelts.lynx.mean()), 2)) == (34.08, 20.17)
    assert pelts.hare.idxmax() == 1903
    assert pelts.lynx.idxmax() == 1904
    assert pelts.hare.attrs["units"] == "thousand"


@pytest.mark.parametrize(("name", "checksum"), [("digits", shipped._DIGITS), ("hudson_bay", shipped._HUDSON_BAY)])
def test_card_states_the_checksum_that_is_tested(name, checksum):
    assert re.search(r"`([0-9a-f]{64})`", (DATASETS / name / "card.md").read_text()).group(1) == checksum


def test_every_data_set_has_a_card():
    assert all((folder / "card.md").is_file() for folder in DATASETS.iterdir() if folder.is_dir())


def test_an_altered_file_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(shipped, "folder", lambda: tmp_path)
    with pytest.raises(data.DataMissing, match="missing"):
        data.digits()
    (tmp_path / "digits").mkdir()
    (tmp_path / "digits" / "digits.csv.gz").write_bytes(b"nonsense")
    with pytest.raises(data.DataMissing, match="SHA-256"):
        data.digits()
