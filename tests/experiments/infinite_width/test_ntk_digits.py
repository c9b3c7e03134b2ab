"""Digits by kernel regression at smoke size."""

import numpy as np
import pytest
import torch

from limitlab import experiments
from limitlab.errors import InvalidArgument
from limitlab.infinite_width import kernel_regression


@pytest.fixture(scope="module")
def digits():
    experiment = experiments.get("ntk_digits")
    return experiment.train(experiment.configure("smoke", train_samples=400)).finish()


def test_wide_networks_read_digits_better_than_a_linear_map(digits):
    accuracy = digits.metrics["accuracy"].isel(seed=0)
    assert float(accuracy.sel(model="ntk")) > 0.95
    assert float(accuracy.sel(model="ntk")) > float(accuracy.sel(model="ridge")) + 0.02


def test_answers_are_those_of_kernel_regression_and_count_every_test_image(digits):
    model = digits.models["ntk", 0]
    split = model.split
    targets = torch.nn.functional.one_hot(split.train_classes, 10).double() - 0.1
    matrix = model.kernel(split.train, split.train)
    outputs = kernel_regression(matrix, targets, model.kernel(split.test, split.train), model.ridge)
    assert torch.allclose(model(split.test), outputs, atol=1e-8)
    answers = digits.metrics["answers"]
    assert int(answers.sum()) == 4 * len(split.test)
    np.testing.assert_array_equal(
        answers.sel(model="ntk").isel(seed=0).sum("answered"), np.bincount(split.test_classes, minlength=10)
    )


def test_training_and_test_images_never_meet(digits):
    split = digits.models["ntk", 0].split
    assert len(split.train) + len(split.test) == 1797
    assert float(torch.cdist(split.train, split.test).min()) > 0


def test_the_mistakes_are_drawn(digits):
    assert set(digits.figures()) == {"mistakes"}


@pytest.mark.parametrize(
    ("options", "message"),
    [({"models": ()}, "models must not be empty"), ({"activation": "rellu"}, "did you mean 'relu'")],
)
def test_bad_settings_get_one_clear_error(options, message):
    with pytest.raises(InvalidArgument, match=message):
        experiments.get("ntk_digits").configure("smoke", **options)
