"""Blocks made small at a reduced size: every method at full size is the block, and smaller is cheaper."""

import numpy as np
import pytest
import torch

from limitlab import experiments
from limitlab.errors import InvalidArgument
from limitlab.experiments.neural_des.digits_reduction import dense_of, fed


@pytest.fixture(scope="module")
def result():
    experiment = experiments.get("digits_reduction")
    return experiment.train(experiment.configure("smoke", modes=(4, 32), seed=3)).finish()


@pytest.fixture(scope="module")
def grid(result):
    return result.grid("block").isel(seed=0)


def test_at_full_size_every_method_is_the_block(grid):
    recurrent = grid.sel(block="recurrent", size=32)
    np.testing.assert_allclose(recurrent["state_error"], 0, atol=1e-4)
    np.testing.assert_allclose(recurrent["accuracy"], recurrent["full_accuracy"], atol=1 / 360 + 1e-9)


def test_operations_are_those_of_the_maps(grid):
    seen = grid["operations"].sel(block="recurrent", size=4)
    counted = {"pod_deim": 4 * 4 * 4 + 4, "oversampled": 4 * 4 * 8 + 8, "pod": 4 * 4 * 32 + 32, "svd": 4 * 4 * 32 + 32}
    for method, operations in {**counted, "prune": 2 * 4 * 4 + 4}.items():
        assert int(seen.sel(reduction=method)) == operations


def test_the_dense_block_answers_as_the_convolution_does(result):
    block = result.models["convolutional", 3000]
    image = result.data.test[:20]
    with torch.no_grad():
        assert torch.allclose(dense_of(block)(*fed(block, image)), block(*fed(block, image)), atol=1e-4)


def test_images_of_the_training_and_of_the_test_are_not_the_same(result):
    data = result.data
    assert len(data.train) + len(data.test) == 1797
    assert len(data.test) == 360
    assert set(data.train_label.tolist()) == set(range(10))


def test_every_figure_is_drawn(result):
    assert set(result.figures()) == {"training", "convolutional_accuracy", "recurrent_accuracy", "spectra"}


def test_nothing_to_reduce_is_refused():
    with pytest.raises(InvalidArgument, match="methods must hold different entries"):
        experiments.get("digits_reduction").configure("smoke", methods=())
