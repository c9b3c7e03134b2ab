import dataclasses
import math

import numpy as np
import pytest
import torch

from limitlab import problems
from limitlab.errors import LimitlabError
from limitlab.problems import TextLaw
from limitlab_widgets.discovery.fields.sampling import begun, text_of, wave_text
from limitlab_widgets.discovery.fields.table import read_scattered
from limitlab_widgets.discovery.sampling import Sampling, fitted_to, suited, suiting

WAVE = dataclasses.replace(problems.get("advection", beta=0.5, span=1.0), initial=TextLaw("sin(2*pi*x)"))


def exact(points):
    return torch.sin(2 * math.pi * (points[..., 1] - 0.5 * points[..., 0]))


def test_clean_measurements_lie_on_the_solution_after_its_start():
    measured = Sampling(WAVE, points=50, noise=0.0, trajectories=1, seed=3).measured()
    points = measured.seen.points[0]
    assert points.shape == (50, 2)
    assert float(points[:, 0].min()) > 0
    torch.testing.assert_close(measured.seen.values[0, :, 0], exact(points))
    torch.testing.assert_close(measured.states.flatten(), exact(measured.shown))


def test_noise_is_a_share_of_the_deviation():
    clean, noisy = (Sampling(WAVE, points=1000, noise=share, trajectories=1, seed=0).measured() for share in (0.0, 0.1))
    spread = (noisy.seen.values - clean.seen.values).std() / clean.seen.scale
    # the standard error of a deviation of 1000 numbers is 2.2 %
    assert float(spread) == pytest.approx(0.1, rel=0.1)


def test_the_form_of_a_simulated_field_keeps_its_start_and_its_period():
    measured = Sampling(WAVE, points=10, noise=0.0, trajectories=1, seed=0).measured()
    (form,) = measured.forms(WAVE)
    assert (form.base, form.periods) == (("sin(2*pi*x)",), (None, 1.0))


def test_a_file_is_measured_as_it_is_and_its_start_is_not_known():
    table = read_scattered("a.csv", b"t,x,u\n1,0.1,2\n1.5,0.2,4\n2,0.9,\n3,0.5,1\n")
    problem = fitted_to(WAVE, table)
    assert problem.span == 2
    measured = Sampling(problem, 0, 0.0, 0, 0, table).measured()
    assert (measured.states, measured.initial) == (None, "")
    (form,) = measured.forms(problem)
    assert form.periods == (None, 1.0)
    # nothing holds at the start by form
    assert "t" not in form.factor[0]


def test_a_span_that_suits_ends_where_little_is_left_of_a_decay():
    heat = dataclasses.replace(problems.get("heat", nu=0.1), initial=TextLaw("sin(2*pi*x)"))
    # a wave that decays like exp(-4 pi^2 nu t) has gone nine tenths of its way over the whole span
    rate = 4 * math.pi**2 * 0.1
    expected = -math.log(1 - 0.9 * (1 - math.exp(-rate))) / rate
    assert suiting(heat) == pytest.approx(expected, rel=0.05)


def test_a_random_start_becomes_two_waves_and_a_text_stays():
    assert suited(problems.get("burgers")).initial.text == wave_text(problems.get("burgers"))
    assert suited(WAVE) is WAVE


@pytest.mark.parametrize(("text", "message"), [("x", "periodic"), ("sin(q)", "q"), ("sin(", "expected|end")])
def test_a_start_that_cannot_be_is_refused(text, message):
    with pytest.raises(LimitlabError, match=message):
        begun(WAVE, text)


def test_the_waves_of_a_field_as_text_are_the_field():
    x = np.arange(64) / 64
    u = 0.3 + np.sin(2 * np.pi * x) - 0.5 * np.cos(6 * np.pi * x)
    again = begun(WAVE, text_of(u, WAVE)).initial.sample(WAVE.grid(64), 1, 0, 0, WAVE.values)[0]
    np.testing.assert_allclose(again, u, atol=1e-4)
