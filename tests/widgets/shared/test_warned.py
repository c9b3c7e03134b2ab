"""A studio's thread keeps its warnings for the reader; those of other threads go where they always went."""

import threading
import warnings

import pytest

from limitlab_widgets.shared.warned import collected, summary


class Shaky(UserWarning):
    """A kind of warning."""


def warn(text="shaky", kind=Shaky):
    warnings.warn(text, kind, stacklevel=1)


def test_a_warning_is_collected_as_often_as_it_is_given_anew():
    for _ in range(2):
        with collected() as heard:
            warn()
        assert [str(warning) for warning in heard] == ["shaky"]


def test_warnings_of_another_thread_are_shown_as_always(recwarn):
    inside, outside = threading.Event(), threading.Event()
    heard = []

    def listen():
        with collected() as warned:
            warn("mine")
            inside.set()
            assert outside.wait(60)
        heard.extend(map(str, warned))

    thread = threading.Thread(target=listen)
    thread.start()
    assert inside.wait(60)
    warn("yours")
    outside.set()
    thread.join(60)
    assert heard == ["mine"]
    assert [str(warning.message) for warning in recwarn] == ["yours"]


def test_the_innermost_of_two_collections_hears_and_both_end():
    with collected() as outer:
        with collected() as inner:
            warn("inner")
        warn("outer")
    with pytest.warns(Shaky, match="after"):
        warn("after")
    assert [[str(warning) for warning in heard] for heard in (outer, inner)] == [["outer"], ["inner"]]


def test_a_summary_is_one_sentence_a_kind_with_its_number():
    assert summary([Shaky("one"), UserWarning("other"), Shaky("two")]) == "one (2 times); other"
    assert summary([]) == ""
