"""The digits as a classifier's task, against the table that ships."""

import numpy as np
import pytest
import torch

from limitlab import data
from limitlab.data.sources.digit_task import cross_entropy, digit_task, digit_tensors


def test_tensors_are_the_rows_of_the_table():
    images, labels = digit_tensors()
    shipped = data.digits()
    assert np.array_equal(images[17].numpy().reshape(8, 8), shipped["image"][17])
    assert np.array_equal(labels, shipped["label"])


def test_images_are_standardised_over_all_pixels():
    images = digit_task().images.double()
    assert images.mean().item() == pytest.approx(0, abs=1e-6)
    assert images.var().item() == pytest.approx(1, abs=1e-6)


def test_every_target_is_the_unit_vector_of_its_class():
    task = digit_task(batch_size=16, seed=3)
    assert np.array_equal(task.targets, np.eye(10)[digit_tensors()[1]])
    batch = task.batches.batch(5)
    rows = (batch["input"][:, None] == task.images).all(-1).int().argmax(1)
    assert torch.equal(batch["target"], task.targets[rows])


def test_cross_entropy_is_minus_the_log_of_the_probability_of_the_class():
    logits = torch.tensor([[1.0, 2.0, 0.5], [0.0, -1.0, 3.0]])
    targets = torch.eye(3)[[1, 0]]
    probability = np.exp(logits.numpy()) / np.exp(logits.numpy()).sum(1, keepdims=True)
    loss = cross_entropy(lambda x: x, {"input": logits, "target": targets})["cross_entropy"]
    assert loss.item() == pytest.approx(-np.log(probability[[0, 1], [1, 0]]).mean(), rel=1e-6)
