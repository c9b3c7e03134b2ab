import pytest

from limitlab.errors import InvalidArgument
from limitlab_widgets.shared.drawing.plane_pad import PlanePad, read_plane


@pytest.mark.parametrize(
    "digits", [None, "", "010", "01012", "0130", "01 1", "0-11", "01\u06601", ["0", "1", "1", "0"], 110]
)
def test_what_is_no_painting_in_these_levels_is_refused_by_name(digits):
    with pytest.raises(InvalidArgument, match="a must be 4 digits from 0 to 2"):
        read_plane(digits, 2, 3, "a")


def test_what_a_page_paints_is_taken_row_by_row_or_refused():
    taken, refused = [], []
    pad = PlanePad(taken.append, refused.append)
    pad.offer("a", ("3", "12"), ("01", "11"))
    assert pad.painted == "0111"
    pad.set_state({"asked": "0010"})
    pad.set_state({"asked": "0020"})
    assert taken == [("00", "10")]
    assert "a must be 4 digits" in str(refused[0])
    pad.offer("a", ("3", "12"), ("00", "00"))
    assert pad.asked is None
    pad.close()
