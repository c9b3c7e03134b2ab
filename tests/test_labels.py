import numpy as np
import torch

from limitlab.labels import labelled


def test_values_keep_their_dims_meaning_and_units():
    weights = torch.ones(2, 3, requires_grad=True)
    dataset = labelled({"seed": 0}, drift=("width seed", weights, "drift of the kernel", "m"), limit=("", 2.0, "limit"))
    assert dataset["drift"].dims == ("width", "seed")
    assert dataset["drift"].attrs == {"long_name": "drift of the kernel", "units": "m"}
    assert dataset["limit"].attrs["units"] == "1"
    assert dataset.attrs == {"seed": 0}
    assert np.array_equal(dataset["drift"], np.ones((2, 3)))


def test_a_variable_named_as_its_dim_is_the_coordinate():
    dataset = labelled(width=("width", [8, 16], "width"), error=("width", [0.2, 0.1], "error"))
    assert list(dataset.coords) == ["width"]
    assert float(dataset["error"].sel(width=16)) == 0.1
