"""The `.ts` format: what is written comes back, and what is wrong is named with its sample."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from limitlab.data import read_ts
from limitlab.errors import InvalidArgument

HEADER = "# a comment\n@problemName toy\n@timeStamps false\n@classLabel true a b c\n\n@data\n"
NUMBERS = st.one_of(st.none(), st.floats(-1e3, 1e3, width=32))


@st.composite
def tables(draw):
    channels = draw(st.integers(1, 3))
    samples = []
    for _ in range(draw(st.integers(1, 4))):
        length = draw(st.integers(2, 6))
        columns = [draw(st.lists(NUMBERS, min_size=length, max_size=length)) for _ in range(channels)]
        columns[0][0] = 1.0  # a sample without any measurement is refused elsewhere
        samples.append((columns, draw(st.sampled_from("abc"))))
    return samples


@given(tables())
@settings(max_examples=50, deadline=None)
def test_what_is_written_is_read(samples):
    lines = [
        ":".join([*(",".join("?" if v is None else repr(v) for v in column) for column in columns), label])
        for columns, label in samples
    ]
    read = read_ts(HEADER + "\n".join(lines) + "\n", interval=0.5)
    assert read.classes == ("a", "b", "c")
    assert read.lengths.tolist() == [len(columns[0]) for columns, _ in samples]
    assert [read.classes[number] for number in read.labels.tolist()] == [label for _, label in samples]
    for sample, (columns, _) in enumerate(samples):
        expected = torch.tensor([[torch.nan if v is None else v for v in column] for column in columns]).T
        assert torch.equal(read.values[sample, : len(expected)].nan_to_num(7e3), expected.nan_to_num(7e3))
    assert torch.allclose(read.times.diff(dim=1)[0, : read.lengths[0] - 1], torch.tensor(0.5))


def test_a_file_without_classes_has_no_labels():
    assert read_ts("@classLabel false\n@data\n1,2,3\n").labels is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEADER, "samples after a line @data"),
        ("1,2:3,4:a", "line @data"),
        (HEADER + "1,2:3,4:a\n1,2:3:b", "channels of sample 1 have lengths"),
        (HEADER + "1,2:3,4:a\n1,2:d", "sample 1 has class 'd'"),
        (HEADER + "1,2:3,4:a\n1,2:b", "sample 1 has 1 channels"),
        (HEADER + "1,x:a", "sample 0 are no numbers"),
        (HEADER + "1:a", "sample 0 has 1"),
        ("@timeStamps true\n@data\n", "time stamps"),
    ],
)
def test_what_is_wrong_is_named(text, message):
    with pytest.raises(InvalidArgument, match=message):
        read_ts(text)
