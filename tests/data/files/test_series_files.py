"""Series of every format, with gaps and lengths of their own; what is no series ends in one sentence."""

import numpy as np
import pytest
import torch
from scipy.io import savemat

from limitlab.data import open_series
from limitlab.data.files.series_files import named_series
from limitlab.errors import InvalidArgument

TIMES = np.array([[0.0, 0.5, 1.5], [0.0, 1.0, 2.0]])
VALUES = np.array([[[1.0], [np.nan], [2.0]], [[3.0], [4.0], [np.nan]]])
ARRAYS = {"times": TIMES, "values": VALUES, "lengths": np.array([3, 2]), "labels": np.array([0, 1])}
TABLE = "time,v,series,label\n0,1,a,0\n0.5,,a,0\n1.5,2,a,0\n0,3,b,1\n1,4,b,1\n"
WRITERS = {
    "own.npz": lambda path: np.savez(path, **ARRAYS),
    "own.pt": lambda path: torch.save({name: torch.from_numpy(array) for name, array in ARRAYS.items()}, path),
    "own.mat": lambda path: savemat(path, ARRAYS),
    "own.csv": lambda path: path.write_text(TABLE),
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_gives_the_same_series(name, tmp_path):
    WRITERS[name](tmp_path / name)
    own = open_series(tmp_path / name)
    assert own.lengths.tolist() == [3, 2]
    assert own.labels.tolist() == [0, 1]
    expected = torch.tensor([[1.0, torch.nan, 2.0], [3.0, 4.0, torch.nan]])
    torch.testing.assert_close(own.values[..., 0].float(), expected, equal_nan=True)
    torch.testing.assert_close(own.times[0].double(), torch.from_numpy(TIMES[0]))


def test_a_table_names_its_channels(tmp_path):
    (tmp_path / "own.csv").write_text(TABLE)
    assert named_series(tmp_path / "own.csv")[1] == ("v",)


def test_a_mask_says_what_was_not_measured(tmp_path):
    values = np.arange(6.0).reshape(2, 3)
    np.savez(tmp_path / "own.npz", times=TIMES, values=values, mask=[[True, False, True], [True, True, True]])
    own = open_series(tmp_path / "own.npz")
    assert own.observed[..., 0].tolist() == [[True, False, True], [True, True, True]]
    np.savez(tmp_path / "bad.npz", times=TIMES, values=values, mask=np.ones((4, 3)))
    with pytest.raises(InvalidArgument, match=r"mask of bad.npz must fit values \(2, 3, 1\)"):
        open_series(tmp_path / "bad.npz")


@pytest.mark.parametrize(
    ("name", "write", "message"),
    [
        ("own.doc", lambda path: path.write_text(TABLE), r"must end in one of \.csv.*got '\.doc'"),
        ("none.csv", lambda path: None, "none.csv cannot be read: No such file"),
        ("own.csv", lambda path: path.write_text("a,b\n1,2\n"), "must name a column time"),
        ("own.csv", lambda path: path.write_bytes(b"\xff\xfe\x00"), "own.csv must be a text file"),
        ("own.ts", lambda path: path.write_text("1,2,3"), "own.ts is no file of series"),
        ("own.npz", lambda path: np.savez(path, u=VALUES), "must hold times and values; it holds u"),
        ("own.npz", lambda path: np.savez(path, times=TIMES[:, ::-1], values=VALUES), "own.npz: times must increase"),
        ("own.npz", lambda path: np.savez(path, times=TIMES, values=VALUES[0]), "own.npz: "),
        ("own.npz", lambda path: np.savez(path, times=TIMES, values=np.inf * VALUES), "own.npz: values must be finite"),
        ("own.npz", lambda path: np.savez(path, times=TIMES, values=["a"]), "own.npz"),
    ],
)
def test_what_is_no_series_is_refused_and_named(name, write, message, tmp_path):
    write(tmp_path / name)
    with pytest.raises(InvalidArgument, match=message):
        open_series(tmp_path / name)
