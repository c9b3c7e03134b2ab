"""The regression on the unit circle."""

import numpy as np
import pytest
import torch

from limitlab.errors import InvalidArgument
from limitlab.infinite_width import circle_regression, kernels, mlp
from limitlab.infinite_width.circle import TARGETS, closed_form


def test_points_lie_on_the_circle_equally_spaced():
    """A rotation by one place maps the points to themselves."""
    task = circle_regression(points=7, test_points=5)
    for x, count in ((task.x, 7), (task.x_test, 5)):
        turn = 2 * np.pi / count
        rotation = torch.tensor([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]], dtype=torch.float64)
        assert x[0].tolist() == [1, 0]
        np.testing.assert_allclose(x @ rotation, x.roll(-1, 0), atol=1e-14)


def test_the_target_of_the_course_has_two_waves():
    """Fourier coefficients: 1/2 of cos, 1 of sin 2a, no other."""
    spectrum = np.fft.rfft(circle_regression(points=32).y) / 16
    np.testing.assert_allclose(spectrum[:4], [0, 0.5, -1j, 0], atol=1e-14)
    assert np.abs(spectrum[4:]).max() < 1e-14


@pytest.mark.parametrize("target", TARGETS)
def test_training_and_test_points_have_one_target(target):
    task = circle_regression(points=8, test_points=16, target=target)
    np.testing.assert_allclose(task.y_test[::2], task.y, atol=1e-12)
    assert float(task.test_error(task.y_test + 2)) == pytest.approx(4)


def test_kernels_on_the_circle_are_circulant():
    matrix = kernels(mlp(2, "relu", 2.0, 0.01), circle_regression(points=6).x).ntk
    assert torch.allclose(matrix, matrix.roll((1, 1), (0, 1)), atol=1e-12)


def test_a_closed_form_is_the_same_for_every_seed():
    build = closed_form(torch.tensor([1.0, 2.0]))
    assert build(0).values.tolist() == build(1).values.tolist() == [1.0, 2.0]
    assert not list(build(0).parameters())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"points": 0}, "points must be a whole number >= 1"),
        ({"test_points": 0.5}, "test_points must be a whole number"),
        ({"target": "sin 2θ"}, "unknown target 'sin 2θ'; did you mean 'sin 3θ'"),
    ],
)
def test_bad_input_is_named(options, message):
    with pytest.raises(InvalidArgument, match=message):
        circle_regression(**options)
