import math

import pytest

from limitlab.errors import InvalidArgument
from limitlab_widgets.discovery.fields.table import read_scattered

GOOD = b"u,x,t\n1,0.5,3\n2,0.25,2\n,0.75,4\n3,0.1,2\n"


def test_rows_lie_anywhere_and_times_count_from_the_first():
    table = read_scattered("a.csv", GOOD)
    seen = table.of("u", 0.0, 1.0)
    assert seen.points[0].tolist() == [[1, 0.5], [0, 0.25], [2, 0.75], [0, 0.1]]
    assert [math.isnan(value) for value in seen.values[0, :, 0].tolist()] == [False, False, True, False]
    assert (table.span, table.summary) == (2.0, "4 rows")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"t,u\n1,2\n2,3\n3,4\n4,5\n", "must name a column x"),
        (b"x,u\n1,2\n2,3\n3,4\n4,5\n", "must name a column time"),
        (b"t,x,u\n1,2,3\n1,3,3\n1,4,4\n1,5,5\n", "must differ; all are 1"),
        (b"t,x,u\n1,2,3\n2,,3\n1,4,4\n1,5,5\n", "line 3 lacks one"),
        (b"t,x,u\n1,2,3\n", "4 to 5000 rows"),
    ],
)
def test_a_bad_file_ends_in_one_message_that_says_where(content, message):
    with pytest.raises(InvalidArgument, match=message):
        read_scattered("bad.csv", content)


def test_values_outside_the_domain_and_missing_columns_are_named():
    table = read_scattered("a.csv", GOOD)
    with pytest.raises(InvalidArgument, match=r"x of a.csv must lie in \[0, 0.6\].* from 0.1 to 0.75"):
        table.of("u", 0.0, 0.6)
    with pytest.raises(InvalidArgument, match="must have a column v; it has u"):
        table.of("v", 0.0, 1.0)
    with pytest.raises(InvalidArgument, match="no number in the column 'u'"):
        read_scattered("a.csv", b"t,x,u\n1,0,\n2,0,\n3,0,nan\n4,0,\n").of("u", 0.0, 1.0)
