"""What an architecture shows of itself: its layers as they are written."""

import torch

from limitlab import infinite_width as wide


def test_a_chain_is_shown_as_it_is_written():
    layers = wide.chain(wide.Dense(2.0, 0.1), wide.residual("relu", wide.Dense()), "erf", wide.Dense())
    assert repr(layers).splitlines() == [
        "Chain of 4 layers",
        "  layers  Dense(weight_variance=2.0, bias_variance=0.1) -> (identity + relu -> Dense) -> erf -> Dense",
        "  smooth  no, an activation has a kink",
    ]


def test_kernels_are_shown_by_their_ranges():
    both = wide.kernels(wide.mlp(0), torch.eye(2), torch.tensor([[1.0, 1.0]]))
    assert repr(both).splitlines() == ["Kernels of 2 x 1 points", "  nngp  0.5 to 0.5", "  ntk   0.5 to 0.5"]
