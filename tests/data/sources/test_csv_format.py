import math

import pytest

from limitlab.data.sources.csv_format import read_csv

GOOD = "time,x,y,series,label\n10,1,2,a,up\n11,1.5,,a,up\n5,2,nan,b,down\n7,2.5,3,b,down\n8,2,1,b,down\n"


def test_a_file_gives_series_from_time_zero_with_gaps_lengths_and_classes():
    series, names = read_csv(GOOD.encode())
    assert names == ("x", "y")
    assert series.lengths.tolist() == [2, 3]
    assert series.times[0, :2].tolist() == [0, 1]
    assert series.times[1].tolist() == [0, 2, 3]
    assert series.values[1, :, 0].tolist() == [2, 2.5, 2]
    assert [math.isnan(value) for value in series.values[0, :, 1].tolist()] == [False, True, True]
    assert (series.classes, series.labels.tolist()) == (("up", "down"), [0, 1])


def test_a_file_of_one_series_needs_neither_a_name_nor_a_class():
    series, names = read_csv(b"t;u\n0;1\n1;2\n2;\n3;4\n")
    assert (len(series), names, series.labels) == (1, ("u",), None)


def test_times_of_an_epoch_keep_their_gaps():
    rows = "\n".join(f"{1.7e9 + 0.25 * k},{k}" for k in range(5))
    series, _ = read_csv(f"time,x\n{rows}\n".encode())
    assert series.times[0].tolist() == [0, 0.25, 0.5, 0.75, 1]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff\xfe\x00binary", "must be a text file"),
        (b"", "is empty"),
        (b"x,y\n1,2\n", "must name a column time"),
        (b"time\n1\n2\n3\n4\n", "must have a column of values beside time"),
        (b"time,x\n1,2\n2,3\n", "4 to 50000 rows of numbers; it has 2"),
        (b"time,x\n1,2\n2,3\n3,four\n4,5\n", "line 4 of bad.csv must hold numbers; x is 'four'"),
        (b"time,x\n1,2\n2,3,4\n3,4\n4,5\n", "line 3 of bad.csv must have 2 cells"),
        (b"time,x\n1,2\n2,3\n2,4\n4,5\n", "line 4 has 2"),
        (b"time,x,id\n1,2,a\n2,3,a\n3,4,a\n4,5,b\n", "that of line 5 of bad.csv has one"),
        (b"time,x,id\n1,2,a\n2,3,a\n3,,b\n4,,b\n", "that of line 4 of bad.csv has none"),
        (b"time,x,label\n1,2,p\n2,3,q\n3,4,p\n4,5,p\n", "line 3 of bad.csv differs"),
        (b"time,x,label\n1,2,\n2,3,\n3,4,\n4,5,\n", "one label, on all of its rows; line 2"),
    ],
)
def test_a_bad_file_ends_in_one_message_that_says_where(content, message):
    with pytest.raises(Exception, match=message) as refused:
        read_csv(content, "bad.csv")
    assert refused.type.__name__ == "InvalidArgument"
