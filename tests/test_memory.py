"""The peak of what a computation holds, against what its storages must take; and what is refused before it begins."""

import pytest
import torch
from torch import nn

from limitlab.errors import InvalidArgument
from limitlab.memory import peak_memory, require_memory

KIB = 1024


def test_a_peak_is_what_is_alive_at_one_time():
    x = torch.ones(256)

    def chain():
        y = x.exp()
        for _ in range(10):
            y = y.exp()

    assert peak_memory(chain) == 2 * KIB, "the old one and the new one"
    assert peak_memory(lambda: [x.exp() for _ in range(10)]) == 10 * KIB


def test_views_and_writing_in_place_take_nothing():
    x = torch.ones(256)
    assert peak_memory(lambda: [x.reshape(16, 16), x[3:], x.T if x.ndim > 1 else x]) == 0
    assert peak_memory(lambda: x.add_(1)) == 0


def test_what_is_kept_for_the_gradient_is_counted():
    layers = nn.Sequential(*(nn.Tanh() for _ in range(8)))
    x = torch.ones(256, requires_grad=True)
    with torch.no_grad():
        dropped = peak_memory(lambda: layers(x))
    assert dropped == 2 * KIB
    assert peak_memory(lambda: layers(x)) == 8 * KIB
    assert peak_memory(lambda: layers(x).sum().backward()) >= 9 * KIB


def test_what_needs_more_than_its_limit_is_refused():
    require_memory(10, "a kernel", torch.device("cpu"), 10)
    with pytest.raises(InvalidArgument, match=r"a kernel needs .* take fewer points"):
        require_memory(11, "a kernel", torch.device("cpu"), 10)
