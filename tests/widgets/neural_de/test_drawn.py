"""A drawn signal takes the place of one channel of a series; what the classes say is what its code computes."""

import numpy as np
import pytest
import torch

from limitlab_widgets import NeuralDEStudio
from limitlab_widgets.neural_de.code import neural_de_code
from limitlab_widgets.neural_de.drawn import with_drawn


@pytest.fixture
def opened(closed_at_end):
    def open_(data="damped_oscillators", kinds=("ode",), **options):
        studio = closed_at_end(NeuralDEStudio(data, kinds[0], size="smoke", steps=3, width=6, **options))
        # a studio makes its data when it opens
        assert studio.state.training.wait(120)
        for kind in kinds:
            studio.state.kind = kind
            studio.state.training.train()
            assert studio.state.training.wait(120)
            assert studio.state.training.error == ""
            assert studio.state.drawing.wait(60)
        return studio

    return open_


def drawn(studio, values):
    studio.drawing.curve.set_state({"asked": values})
    assert studio.state.drawing.wait(60)
    return studio.state.drawing.said


def line(studio):
    low, high = studio.drawing.curve.ends[2:]
    return np.linspace(0.9 * low, 0.9 * high, 64).tolist()


def test_a_drawn_channel_changes_that_channel_of_that_series_alone(opened):
    data = opened().state.drawing.data
    changed = with_drawn(data, 2, 0, [1.0] * 64).test
    one = data.test.take(torch.tensor([2]))
    assert (changed.values[0, : int(one.lengths), 0] == 1.0).all()
    assert torch.equal(changed.values[..., 1:].nan_to_num(), one.values[..., 1:].nan_to_num())
    assert torch.equal(changed.times, one.times)


def test_every_class_says_what_the_signal_is(opened):
    studio = opened(kinds=("ode", "lsde"))
    said = drawn(studio, line(studio))
    assert set(said.probabilities) == {"ode", "lsde"}
    for table in said.probabilities.values():
        assert tuple(table) == studio.state.drawing.data.test.classes
        assert sum(table.values()) == pytest.approx(1.0, abs=1e-5)
    assert "<td>" in studio.drawing.verdict.value
    # the look is that of the series with the drawn channel
    assert said.look["line"].sizes["sample"] == 1
    studio.drawing.anew.click()
    assert studio.state.drawing.said is None


def test_the_ode_which_sees_the_start_alone_does_not_see_the_end_of_a_drawing(opened):
    studio = opened()
    first = line(studio)
    other = first[:32] + first[31:32] * 32
    assert drawn(studio, first).probabilities == drawn(studio, other).probabilities
    turned = [-value for value in first]
    low, high = studio.drawing.curve.ends[2:]
    assert drawn(studio, np.clip(turned, low, high).tolist()).probabilities != drawn(studio, first).probabilities


def test_the_code_of_a_drawing_says_the_same(opened):
    studio = opened(kinds=("lsde",))
    said = drawn(studio, line(studio))
    namespace = {}
    exec(neural_de_code(studio.state, len(studio.state.moments) - 1, 0), namespace)
    assert namespace["said"] == pytest.approx(said.probabilities["lsde"], abs=1e-6)


def test_what_a_page_may_not_draw_is_refused_and_points_have_no_signal(opened, closed_at_end):
    studio = opened()
    kept = drawn(studio, line(studio))
    studio.drawing.curve.set_state({"asked": [1e9] * 64})
    assert studio.state.drawing.said is kept
    assert "must be a number" in studio.state.drawing.error
    points = closed_at_end(NeuralDEStudio("annuli", size="smoke", steps=2))
    assert points.drawing.curve.layout.display == "none"
    assert "Train a class of series" in points.drawing.about.value
