"""Read-outs: shapes, and the refusal of batches that batch normalisation cannot use."""

import pytest
import torch

from limitlab.errors import InvalidArgument
from limitlab.neural_des.stable_sde.heads import HEADS, NormalisedHead


@pytest.mark.parametrize("name", HEADS)
def test_a_head_reads_out_every_time_alike(name):
    torch.manual_seed(0)
    head, z = HEADS[name](4, 3).eval(), torch.randn(9, 5, 4)
    assert head(z).shape == (9, 5, 3)
    assert torch.allclose(head(z)[:, 2], head(z[:, 2]), atol=1e-6)


def test_batch_normalisation_refuses_to_train_on_few_states_and_says_what_to_do():
    head = NormalisedHead(4, 3)
    with pytest.raises(InvalidArgument, match=r"8 states or more.*got 7.*head='linear'"):
        head(torch.randn(7, 4))
    assert head(torch.randn(2, 4, 4)).shape == (2, 4, 3)
    assert head.eval()(torch.randn(1, 4)).shape == (1, 3)
