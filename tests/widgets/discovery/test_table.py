import math

import pytest

from limitlab.errors import InvalidArgument
from limitlab_widgets.discovery.table import read_table

GOOD = "time,x,y\n10,1,2\n11,1.5,\n12,2,nan\n13,2.5,3\n"


def test_a_file_gives_times_from_zero_on_and_nan_where_nothing_was_measured():
    seen = read_table("a.csv", GOOD.encode()).of(("y", "x"))
    assert seen.points[0, :, 0].tolist() == [0, 1, 2, 3]
    assert seen.values[0, :, 1].tolist() == [1, 1.5, 2, 2.5]
    assert [math.isnan(value) for value in seen.values[0, :, 0].tolist()] == [False, True, True, False]


@pytest.mark.parametrize("separator", [";", "\t"])
def test_other_separators_a_mark_of_the_bytes_and_blank_lines_are_read(separator):
    text = "\ufeff" + GOOD.replace(",", separator) + "\n\n"
    assert read_table("a.csv", text.encode()).of(("x",)).values[0, :, 0].tolist() == [1, 1.5, 2, 2.5]


def test_trajectories_are_told_apart_by_their_column():
    rows = [f"{k},{t},{k + t}" for k in (1, 2) for t in range(5)]
    table = read_table("a.csv", "\n".join(["trajectory,t,x", *rows]).encode())
    assert table.of(("x",)).values[..., 0].tolist() == [[1, 2, 3, 4, 5], [2, 3, 4, 5, 6]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff\xfe\x00binary", "must be a text file"),
        (b"", "is empty"),
        (b"x,y\n1,2\n", "must name a column time"),
        (b"time,x,x\n1,2,3\n", "each once"),
        (b"time,x\n1,2\n2,3\n", "must have 4 to 5000 rows of numbers; it has 2"),
        (b"time,x\n1,2\n2,3\n3,four\n4,5\n", "line 4 of bad.csv must hold numbers; x is 'four'"),
        (b"time,x\n1,2\n2,inf\n3,4\n4,5\n", "line 3 of bad.csv must hold numbers"),
        (b"time,x\n1,2\n2,3,4\n3,4\n4,5\n", "line 3 of bad.csv must have 2 cells"),
        (b"time,x\n1,2\n2,3\n2,4\n4,5\n", "line 4 has 2"),
        (b"time,x\n1,2\n,3\n2,4\n4,5\n", "line 3 has nan"),
        (b"time,trajectory,x\n1,1,2\n2,1,3\n1,2,4\n2,2,5\n3,2,5\n", "same number of rows"),
    ],
)
def test_a_bad_file_ends_in_one_message_that_says_where(content, message):
    with pytest.raises(InvalidArgument, match=message):
        read_table("bad.csv", content)


def test_a_missing_or_empty_column_is_named():
    table = read_table("a.csv", GOOD.replace(",2\n", ",\n").replace(",3\n", ",\n").encode())
    with pytest.raises(InvalidArgument, match="'z' is missing, it has x, y"):
        table.of(("x", "z"))
    with pytest.raises(InvalidArgument, match="no number in the column 'y'"):
        table.of(("x", "y"))
