import pytest
import torch

from limitlab import infinite_width as wide
from limitlab.errors import InvalidArgument
from limitlab.layers.precision import require_dtype

MODELS = {
    "Network": wide.Network(wide.mlp(1, "relu", 2.0), inputs=3, width=4),
    "ABCMLP": wide.ABCMLP(3, 4, 1, wide.parametrization("mup", 1)),
    "LinearNetwork": wide.LinearNetwork(3, 1, width=4),
}


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_a_model_names_the_dtype_that_its_weights_have(model):
    here = next(model.parameters()).dtype
    other = torch.float32 if here == torch.float64 else torch.float64
    assert model(torch.ones(2, 3, dtype=here)).dtype == here
    with pytest.raises(InvalidArgument, match=f"x must be of {here} like the weights; got {other}"):
        model(torch.ones(2, 3, dtype=other))


def test_autocast_takes_half_precision_but_no_double():
    weight = torch.ones(1)
    with torch.autocast("cpu", torch.bfloat16):
        require_dtype("u", torch.ones(1, dtype=torch.bfloat16), weight)
        with pytest.raises(InvalidArgument):
            require_dtype("u", torch.ones(1, dtype=torch.float64), weight)
    with pytest.raises(InvalidArgument):
        require_dtype("u", torch.ones(1, dtype=torch.bfloat16), weight)
