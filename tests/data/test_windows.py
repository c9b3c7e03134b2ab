import pytest
import torch

from limitlab.data import windows
from limitlab.errors import InvalidArgument


@pytest.fixture
def numbered():
    """Frame t of channel c of trajectory s holds 100 s + 10 t + c + 1."""
    sample, time, channel = torch.meshgrid(torch.arange(3), torch.arange(5), torch.arange(2), indexing="ij")
    return (100.0 * sample + 10 * time + channel + 1)[..., None, None].expand(3, 5, 2, 4, 4)


def test_a_window_is_a_history_and_what_follows_it(numbered):
    pairs = windows(numbered, history=2, steps=2)
    assert pairs["input"].shape == (6, 4, 4, 4)
    assert pairs["target"].shape == (6, 2, 2, 4, 4)
    assert pairs["input"][3, :, 0, 0].tolist() == [111, 112, 121, 122]
    assert pairs["target"][3, ..., 0, 0].tolist() == [[131, 132], [141, 142]]


def test_every_start_is_there_once_and_none_crosses_trajectories(numbered):
    first = windows(numbered, history=1, steps=3)["input"][:, 0, 0, 0]
    assert first.tolist() == [1, 11, 101, 111, 201, 211]


def test_failed_simulations_are_named(numbered):
    for empty in (0.0, float("nan")):
        broken = numbered.clone()
        broken[1, 3:] = empty
        with pytest.raises(InvalidArgument, match="sample 1 is zero or NaN at frame 3"):
            windows(broken)


def test_windows_longer_than_a_trajectory_are_refused(numbered):
    with pytest.raises(InvalidArgument, match=r"<= 5.*got 3 \+ 3"):
        windows(numbered, history=3, steps=3)
    with pytest.raises(InvalidArgument, match="sample, time, channel"):
        windows(torch.ones(3, 5, 4))
