import pytest

from limitlab.errors import InvalidArgument
from limitlab_widgets.shared.drawing.curve_pad import CurvePad
from limitlab_widgets.shared.drawing.pad import ON_PAGE, Pad
from limitlab_widgets.shared.drawing.plane_pad import PlanePad
from limitlab_widgets.shared.drawing.point_pad import PointPad


class Positive(Pad):
    def read(self, sent):
        if not sent > 0:
            raise InvalidArgument(f"sent must be > 0; got {sent}")
        return sent, -sent


def test_each_thing_that_a_page_sends_is_taken_once_or_refused_and_none_is_no_drawing():
    taken, refused = [], []
    pad = Positive(lambda *read: taken.append(read), refused.append)
    for sent in (2, 2, 0, None, 3):
        pad.set_state({"asked": sent})
    assert taken == [(2, -2), (3, -3)]
    assert [str(error) for error in refused] == ["sent must be > 0; got 0"]
    pad.close()


def test_another_error_than_a_refusal_is_not_hidden():
    pad = Positive(print, print)
    with pytest.raises(TypeError):
        pad.put("two")
    pad.close()


@pytest.mark.parametrize("kind", [CurvePad, PlanePad, PointPad])
def test_every_pad_listens_as_the_others_do(kind):
    pad = kind(print, print)
    own = pad._esm.removeprefix(ON_PAGE)
    assert own != pad._esm
    assert all(word in own for word in ("heard(plane", "said(plane", "following(model", "send(model"))
    assert 'addEventListener("pointer' not in own
    pad.close()
