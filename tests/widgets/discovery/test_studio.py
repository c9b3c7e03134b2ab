import threading
from datetime import UTC, datetime

import numpy as np
import pytest
from ipywidgets.widgets.widget import _instances

from limitlab import weights
from limitlab_widgets import DiscoveryStudio

SMALL = {"points": 10, "adam": 30, "quasi_newton": 20, "width": 6, "collocation": 16, "seconds": 1.0, "combinations": 2}


@pytest.fixture
def opened(closed_at_end):
    return lambda problem="linear_decay", **options: closed_at_end(DiscoveryStudio(problem, **{**SMALL, **options}))


@pytest.fixture
def fitted(opened):
    """A studio with an equation."""
    studio = opened()
    for name in ("train", "search", "refit"):
        press(studio, name)
    return studio


def press(studio, name):
    studio.learning.buttons[name].click()
    assert studio.state.learning.wait(120)
    assert studio.state.forecast.wait(120)
    assert studio.learning.error.value == ""


def trace(panel, name, number=0):
    return [one for one in panel.figure.data if one.name == name][number]


def enabled(studio):
    return [name for name, button in studio.learning.buttons.items() if not button.disabled]


def test_a_new_studio_shows_measurements_and_can_train(opened):
    studio = opened("lotka_volterra")
    assert enabled(studio) == ["train"]
    seen = studio.state.measured.seen.values[0]
    for position, name in enumerate(("x", "y")):
        np.testing.assert_allclose(trace(studio.curves, name).y, seen[:, position])
    assert [pair for pair, box in studio.terms.boxes.items() if box.value] == list(studio.state.hidden)


def test_a_new_studio_shows_the_hidden_term_that_ships_beside_the_truth_until_somebody_trains(opened):
    studio = opened("lotka_volterra", points=30)
    label = weights.card("lotka_volterra_upinn").label
    assert label in studio.verdict.value
    assert label in studio.learning.status.value
    learned = studio.state.learning.learned
    np.testing.assert_allclose(trace(studio.hidden, "network").z, learned.map.values[0].T)
    np.testing.assert_allclose(trace(studio.hidden, "truth").z, learned.map.truth[0].T)
    assert len(trace(studio.hidden, "visited").x) == learned.samples.sizes["sample"]
    # of its training there are no losses to be drawn
    assert studio.losses.layout.display == "none"
    assert enabled(studio) == ["train", "search"]
    press(studio, "train")
    assert label not in studio.verdict.value + studio.learning.status.value
    assert studio.losses.layout.display != "none"


def test_a_box_hides_a_term(opened):
    studio = opened("lotka_volterra")
    studio.terms.boxes["x", "alpha*x"].value = True
    studio.terms.boxes["y", "delta*x*y"].value = False
    assert studio.state.hidden == (("x", "alpha*x"), ("x", "-beta*x*y"))


def test_the_steps_follow_each_other_and_every_figure_shows_what_they_found(fitted):
    studio, learning = fitted, fitted.state.learning
    assert enabled(studio) == ["train", "search", "refit"]
    np.testing.assert_allclose(trace(studio.curves, "network").y, learning.learned.states[0, :, 0])
    np.testing.assert_allclose(trace(studio.residuals, "u'").y, learning.learned.residuals[0, 0])
    np.testing.assert_allclose(trace(studio.losses, "residual").y, learning.learned.losses["residual"])
    np.testing.assert_allclose(trace(studio.hidden, "network").y, learning.learned.map.values[0])
    np.testing.assert_allclose(trace(studio.hidden, "truth").y, -learning.learned.map.axes[0])
    losses = [candidate.loss for candidate in learning.fronts["u"]]
    np.testing.assert_allclose(trace(studio.formulas.front, "fitted points").y, losses)
    assert f"{learning.learned.error:.3f}" in studio.verdict.value
    assert "&plusmn;" in studio.formulas.fitted.value
    assert "found: u' = " in studio.summary()[-1]


def test_a_click_at_the_front_picks_refits_and_forecasts(fitted):
    studio, learning = fitted, fitted.state.learning
    # what plotly's widget does with the message of a click
    (front,) = [one for one in studio.formulas.front.figure.data if one.name == "fitted points"]
    points = type("Points", (), {"point_inds": [1]})
    for callback in front._click_callbacks:
        callback(front, points, None)
    assert learning.picked == {"u": 1}
    assert studio.formulas.formula.value == 1
    assert trace(studio.formulas.front, "picked").x[0] == learning.fronts["u"][1].complexity
    assert learning.wait(60)
    assert studio.state.forecast.wait(60)
    assert learning.completed.n_params <= learning.fronts["u"][1].n_params
    assert trace(studio.forecast.figure, "formula").y[0] == pytest.approx(studio.state.forecast.start[0])


def test_the_sliders_of_the_start_move_every_forecast(fitted):
    slider = fitted.forecast.sliders[0]
    slider.value += 10 * slider.step
    assert fitted.state.forecast.start == (slider.value,)
    assert fitted.state.forecast.wait(60)
    for name in ("truth", "formula", "network"):
        assert trace(fitted.forecast.figure, name).y[0] == pytest.approx(slider.value)


def test_a_move_of_the_start_after_a_new_training_began_is_nothing(fitted):
    slider = fitted.forecast.sliders[0]
    fitted.state.learning.train()
    slider.value += 10 * slider.step
    assert fitted.state.learning.wait(60)
    assert fitted.state.forecast.forecasts is None
    assert fitted.forecast.figure.figure is None


def test_what_was_learned_is_marked_as_old_when_a_setting_moves(fitted):
    fitted.measuring.noise.value = 0.05
    assert fitted.state.wait(30)
    assert "trained before noise changed" in fitted.changed.value
    assert "limitlab-stale" in fitted.learned._dom_classes
    fitted.measuring.noise.value = 0.0
    assert fitted.state.wait(30)
    assert fitted.changed.value == ""
    assert "limitlab-stale" not in fitted.learned._dom_classes


def test_controls_are_off_while_a_training_runs_and_stop_keeps_its_figures(opened, until):
    studio = opened(adam=100_000)
    studio.learning.buttons["train"].click()
    until(lambda: studio.state.learning.learned is not None)
    assert enabled(studio) == ["stop"]
    assert studio.measuring.noise.disabled
    assert all(box.disabled for box in studio.terms.boxes.values())
    studio.learning.buttons["stop"].click()
    assert studio.state.learning.wait(30)
    assert enabled(studio) == ["train", "search"]
    assert not studio.measuring.noise.disabled
    assert studio.hidden.figure is not None


def test_another_problem_brings_its_own_boxes_and_figures(opened):
    studio = opened()
    studio.problem.chooser.value = "logistic"
    assert list(studio.terms.boxes) == [("u", "r*u"), ("u", "-r*u^2/K")]
    assert studio.measuring.span.value == pytest.approx(studio.state.span)
    studio.state.choose("lotka_volterra")
    assert studio.problem.chooser.value == "lotka_volterra"
    assert set(studio.terms.boxes) == {("x", "alpha*x"), ("x", "-beta*x*y"), ("y", "-gamma*y"), ("y", "delta*x*y")}


def test_a_file_is_uploaded_with_a_box_for_a_term_that_nobody_knows(opened):
    studio = opened()
    rows = "\n".join(f"{t},{np.exp(-t):.6f}" for t in np.linspace(0, 2, 8))
    send(studio, "mine.csv", f"time,u\n{rows}")
    assert studio.state.wait(30)
    assert "mine.csv: 1 x 8 rows" in studio.measuring.about.value
    assert ("u", "") in studio.terms.boxes
    send(studio, "bad.csv", "time,u\n0,one\n1,2\n2,3\n3,4")
    assert "line 2 of bad.csv must hold numbers" in studio.note.error.value
    studio.measuring.simulated.click()
    assert studio.state.wait(30)
    assert list(studio.terms.boxes) == [("u", "rate*u")]


def send(studio, name, text):
    content, moment = memoryview(text.encode()), datetime(2026, 1, 1, tzinfo=UTC)
    sent = {"name": name, "content": content, "type": "", "size": len(text), "last_modified": moment}
    studio.measuring.upload.value = (sent,)
    assert studio.measuring.upload.value == ()


def test_a_typed_system_is_taken_and_what_is_wrong_with_it_is_shown(opened):
    studio = opened()
    studio.typed.text.value, studio.typed.parameters.value = "x' = a*x - q", "a = 1"
    studio.typed.solve.click()
    assert "unknown name" in studio.typed.error.value
    studio.typed.text.value = "x' = a*x - x^3"
    studio.typed.initial.value = "x = 0.1"
    studio.typed.solve.click()
    assert studio.typed.error.value == ""
    assert set(studio.terms.boxes) == {("x", "a*x"), ("x", "-x^3")}


def test_close_leaves_no_widget_and_no_thread():
    before = len(_instances)
    studio = DiscoveryStudio("linear_decay", **SMALL)
    for name in ("train", "search", "refit"):
        press(studio, name)
    studio.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "limitlab-worker"]
    assert len(_instances) == before


def test_changing_problems_keeps_the_number_of_widgets(opened):
    studio = opened()
    counts = []
    for _ in range(2):
        for name in ("logistic", "lotka_volterra", "linear_decay"):
            studio.problem.chooser.value = name
            assert studio.state.wait(30)
        counts.append(len(_instances))
    assert counts[0] == counts[1]


def test_a_refused_studio_ends_in_its_error(capfd):
    with pytest.raises(Exception, match="one to 3 states"):
        DiscoveryStudio("lorenz_96")
    assert capfd.readouterr().err == ""


def test_a_field_has_boxes_of_its_derivatives_and_says_what_it_lacks(opened):
    studio = opened("heat", points=20)
    assert list(studio.terms.boxes) == [("u", "nu*u_xx")]
    assert list(studio.terms.inputs) == ["u", "u_x", "u_xx"]
    assert studio.measuring.trajectories.disabled
    assert "one field" in studio.measuring.about.value
    assert "Korteweg-de Vries" in studio.absent.value
    assert studio.summary() == ["Heat equation: nu = 0.01", "hidden: nu*u_xx of u"]
    studio.measuring.initial.value = "x"
    assert "periodic" in studio.note.error.value
    assert studio.measuring.initial.value == studio.state.initial
    studio.measuring.initial.value = "cos(2*pi*x) + sin(4*pi*x)"
    assert studio.state.initial == "cos(2*pi*x) + sin(4*pi*x)"
    studio.problem.chooser.value = "linear_decay"
    assert not studio.measuring.trajectories.disabled
    assert studio.measuring.initial.layout.display == "none"


def test_the_path_of_a_field_is_drawn(opened):
    studio = opened("heat", points=30, collocation=32)
    press(studio, "train")
    learned = studio.state.learning.learned
    np.testing.assert_allclose(trace(studio.curves, "network").z, learned.states[0, :, 0].reshape(101, 64))
    np.testing.assert_allclose(
        trace(studio.curves, "error").z, trace(studio.curves, "network").z - trace(studio.curves, "truth").z
    )
    np.testing.assert_allclose(trace(studio.residuals, "residual").z, learned.residuals[0, 0].reshape(101, 64))
    np.testing.assert_allclose(trace(studio.hidden, "visited").y, learned.samples["values"].values[:, 0])
    np.testing.assert_allclose(trace(studio.hidden, "visited").x, learned.samples["truth"].values[:, 0])
    for name in ("search", "refit"):
        press(studio, name)
    text = studio.forecast.sliders[0]
    text.value = "sin(2*pi*x)/2"
    assert studio.state.forecast.start == ("sin(2*pi*x)/2",)
    assert studio.state.forecast.wait(60)
    x = np.arange(64) / 64
    for name in ("truth", "formula"):
        np.testing.assert_allclose(trace(studio.forecast.figure, name).y, np.sin(2 * np.pi * x) / 2, atol=1e-12)
    text.value = "x"
    assert text.value == "sin(2*pi*x)/2"


def test_a_typed_field_is_taken(opened):
    studio = opened()
    studio.typed.text.value = "u_t = D*u_xx - u^3"
    assert studio.typed.length.layout.display != "none"
    # two waves where nothing is said
    assert studio.typed.initial.value == ""
    studio.typed.parameters.value, studio.typed.initial.value = "D = 0.02", "u = sin(pi*x)"
    studio.typed.length.value, studio.typed.span.value = 2.0, 1.0
    studio.typed.solve.click()
    assert studio.typed.error.value == ""
    assert set(studio.terms.boxes) == {("u", "D*u_xx"), ("u", "-u^3")}
    assert studio.state.problem.lengths == (2.0,)
    studio.typed.copy.click()
    assert studio.typed.initial.value == "u = sin(pi*x)"
