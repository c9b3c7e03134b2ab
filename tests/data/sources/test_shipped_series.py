"""Series that ship: the split, the sizes and the checksums of their cards."""

import re

import pytest
import torch

from limitlab import data
from limitlab.data.sources import shipped
from limitlab.data.sources.shipped_series import CHECKSUMS


def test_basic_motions_are_ten_series_of_each_activity_in_both_parts():
    for part in data.basic_motions():
        assert part.values.shape == (40, 100, 6)
        assert part.classes == ("Standing", "Running", "Walking", "Badminton")
        assert torch.bincount(part.labels).tolist() == [10] * 4
        assert not part.values.isnan().any()
    # who stands moves least
    train = data.basic_motions()[0]
    spread = train.values.var(dim=1).mean(1)
    assert train.labels[spread.argsort()[:5]].tolist() == [0] * 5


def test_japanese_vowels_have_the_counts_of_their_source():
    train, test = data.japanese_vowels()
    assert torch.bincount(train.labels).tolist() == [30] * 9
    assert torch.bincount(test.labels).tolist() == [31, 35, 88, 44, 29, 24, 40, 50, 29]
    for part in (train, test):
        assert (int(part.lengths.min()), int(part.lengths.max()), part.values.shape[-1]) in ((7, 26, 12), (7, 29, 12))


@pytest.mark.parametrize("file", CHECKSUMS)
def test_cards_state_the_checksums_that_are_tested(file):
    folder, name = file.split("/")
    card = (shipped.folder() / folder / "card.md").read_text()
    assert dict(re.findall(r"`([\w.]+)` \| `([0-9a-f]{64})`", card))[name] == CHECKSUMS[file]
