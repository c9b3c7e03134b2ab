import copy

import numpy as np
import pytest

from limitlab_widgets.shared.plotted.differences import as_bytes, can_be_set, differences, message, set_changes

OLD = {
    "uid": "a",
    "name": "fno",
    "x": np.array([0.0, np.nan]),
    "line": {"color": "red", "width": 2},
    "range": [0, 1],
    "shapes": [{"x0": 1.0}],
}


def test_what_differs_is_named_by_its_path_and_what_is_gone_is_none():
    new = {**OLD, "line": {"color": "blue"}, "range": (0, 1), "x": np.array([0.0, np.nan]), "opacity": 0.5}
    del new["uid"], new["name"]
    assert differences(OLD, new) == {("name",): None, ("line", "width"): None, ("line", "color"): "blue"} | {
        ("opacity",): 0.5
    }


@pytest.mark.parametrize("new", [{}, {"x": np.arange(3)}, {"line": {"dash": "dot"}}, {"shapes": [{"x0": 2.0}]}])
def test_after_the_changes_nothing_differs(new):
    old = copy.deepcopy(OLD)
    changes = differences(old, new)
    assert changes
    set_changes(old, changes)
    assert differences(old, new) == {}
    assert old["uid"] == "a"


def test_shapes_that_come_or_go_need_objects_of_plotly():
    assert can_be_set(OLD, {("shapes",): [{"x0": 5.0}], ("range",): [0, 1, 2]})
    assert not can_be_set(OLD, {("shapes",): [{"x0": 5.0}, {"x0": 6.0}]})
    assert not can_be_set(OLD, {("shapes",): None})


def test_traces_are_told_together():
    told = message([{("y",): 1}, {("y",): 2, ("line", "color"): "red"}], "nothing")
    assert told == {"y": [1, 2], "line.color": ["nothing", "red"]}


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32, np.int64, np.uint8, np.float16])
def test_numbers_of_every_kind_are_bytes_that_hold_them(dtype):
    values = np.arange(6, dtype=dtype)[::2]
    sent = as_bytes({"z": [values]})["z"][0]
    np.testing.assert_array_equal(np.frombuffer(sent["buffer"], sent["dtype"]), values)
    assert sent["dtype"] not in ("int64", "float16")


def test_names_and_dates_are_lists():
    assert as_bytes(np.array(["a", None], dtype=object)) == ["a", None]
