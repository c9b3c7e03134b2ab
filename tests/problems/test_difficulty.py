"""How hard data are to predict: the motion of a wave in pixels a frame."""

import pytest

from limitlab import problems


def test_difficulty_measures_the_pixels_an_advected_wave_moves():
    problem = problems.get("advection", beta=1.0).with_domain(span=1.0, frames=21)
    measures = problems.difficulty(problem.simulate(4, resolution=64))
    assert measures["pixels_per_frame"] == pytest.approx(64 / 20, rel=0.02)
    assert measures["decay_per_frame"] == pytest.approx(1.0, abs=1e-5)
    assert 0.1 < measures["persistence_error"] < 2
