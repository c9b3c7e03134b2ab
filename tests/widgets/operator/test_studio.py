import numpy as np
import pytest
import torch
from ipywidgets.widgets.widget import _instances
from torch import nn

from limitlab import problems, weights
from limitlab_widgets import OperatorStudio


@pytest.fixture
def opened(closed_at_end):
    return lambda *arguments, **options: closed_at_end(OperatorStudio(*arguments, **options))


@pytest.fixture
def burgers(opened):
    """A studio with a trained operator."""
    studio = opened("burgers", size="smoke")
    studio.training.buttons["train"].click()
    assert studio.state.training.wait(180)
    assert studio.training.error.value == ""
    return studio


def shown(panel, name):
    return next(trace for trace in panel.figure.data if trace.name == name)


def enabled(studio):
    return [command for command, button in studio.training.buttons.items() if not button.disabled]


def test_a_new_studio_can_make_data_and_train(opened):
    studio = opened("burgers", size="smoke")
    assert enabled(studio) == ["prepare", "train"]
    assert studio.triptych.figure is None


def test_a_trained_studio_shows_truth_and_prediction(burgers):
    truth = burgers.state.predicted["target"][0, 0].values
    np.testing.assert_array_equal(shown(burgers.triptych, "truth").y, truth)
    assert enabled(burgers) == ["prepare", "train"]
    assert "Fourier neural operator" in burgers.verdict.value


def test_the_sample_slider_moves_the_figure_in_place(burgers):
    figure = burgers.triptych.figure
    burgers.sample.value = 3
    assert burgers.triptych.figure is figure
    for name, variable in (("truth", "target"), ("prediction", "prediction"), ("input", "input")):
        np.testing.assert_array_equal(shown(burgers.triptych, name).y, burgers.state.predicted[variable][3, 0])
    assert "test function 3" in burgers.verdict.value


def test_the_resolution_slider_moves_triptych_spectrum_and_mark(burgers):
    assert burgers.resolution.value == 32
    before = len(shown(burgers.spectrum, "truth").x)
    burgers.resolution.value = 64
    assert len(shown(burgers.triptych, "truth").y) == 64
    assert len(shown(burgers.spectrum, "truth").x) == 2 * before
    assert {shape.x0 for shape in burgers.against_resolution.figure.layout.shapes} == {32, 64}
    assert "64 points" in burgers.verdict.value


def test_the_kept_band_is_that_of_the_trained_operator(burgers):
    (band,) = burgers.spectrum.figure.layout.shapes
    assert band.x1 == burgers.state.settings_of["fno"].modes / 2
    burgers.model.value = "mean"
    assert not burgers.spectrum.figure.layout.shapes


def test_the_error_figure_compares_with_the_baseline(burgers):
    names = [trace.name for trace in burgers.against_resolution.figure.data]
    assert names[:2] == ["fno", "mean"]
    drift = shown(burgers.against_resolution, "fno, from its own answer on the finest grid")
    assert list(drift.x) == [32]
    assert f"{drift.y[0]:.4f}" == f"{float(burgers.state.measured['fno']['drift'].sel(resolution=32).mean()):.4f}"


def test_the_loss_curve_has_every_step(burgers):
    (curve,) = burgers.training.curve.figure.data
    losses = [sum(record["losses"].values()) for record in burgers.state.training.logs["fno", 0]]
    np.testing.assert_allclose(curve.y, losses, rtol=1e-6)


def test_buttons_and_controls_follow_the_phase(opened, until):
    studio = opened("burgers", size="smoke", epochs=5000)
    studio.training.buttons["train"].click()
    training = studio.state.training
    until(lambda: training.phase == "training" and training.done > 2)
    assert enabled(studio) == ["pause", "stop"]
    assert all(control.disabled for control in (studio.operator, studio.problem.chooser, *studio.options.values()))
    assert "left" in studio.training.status.value
    studio.training.buttons["pause"].click()
    assert enabled(studio) == ["resume", "stop"]
    until(lambda: studio.triptych.figure is not None and studio.state.model == "fno")
    studio.training.buttons["resume"].click()
    assert enabled(studio) == ["pause", "stop"]
    studio.training.buttons["stop"].click()
    training.wait(120)
    assert enabled(studio) == ["prepare", "train"]
    assert not studio.operator.disabled


def test_a_setting_that_is_refused_goes_back_and_the_reason_is_shown_and_escaped(opened):
    studio = opened("burgers", size="smoke")
    studio.options["batch_size"].value = 4000
    assert studio.options["batch_size"].value == studio.state.defaults.batch_size
    assert studio.state.options == {}
    assert "batch_size must be &lt;= train_samples (40); got 4000" in studio.note.error.value
    studio.options["batch_size"].value = 4
    assert studio.note.error.value == ""
    assert studio.state.plan()[1].batch_size == 4


def test_a_page_that_rounds_a_setting_changes_nothing_and_a_small_move_does(opened):
    studio = opened("burgers", size="smoke")
    rate = studio.options["learning_rate"]
    start, exponent = rate.value, np.log10(rate.value)
    stop = rate.min + round((exponent - rate.min) / rate.step) * rate.step
    rate.set_state({"value": 10**stop})
    assert studio.state.options == {}
    rate.set_state({"value": 10 ** (exponent + 0.7 * rate.step)})
    assert studio.state.plan()[1].learning_rate == rate.value > start
    studio.state.options = {"width": 10}
    assert studio.state.plan()[1].learning_rate == start


def test_an_error_of_the_training_is_shown_and_escaped(opened):
    studio = opened("burgers", size="smoke", models={"mine": lambda task: nn.Conv1d(1, 2, 1)})
    studio.operator.value = "mine"
    studio.training.buttons["train"].click()
    studio.state.training.wait(120)
    assert (
        "mine must map (batch, 1, *grid) to (batch, 1, *grid); on a grid (32,) it gave" in studio.training.error.value
    )
    assert enabled(studio) == ["prepare", "train"]
    studio.state.training.error = "a < b"
    assert "a &lt; b" in studio.training.error.value


def test_a_model_of_ones_own_is_offered_trained_and_compared(opened):
    studio = opened("burgers", size="smoke", models={"pointwise": nn.Conv1d(1, 1, 1)})
    assert ("pointwise, a model of yours", "pointwise") in studio.operator.options
    for name in ("fno", "pointwise"):
        studio.operator.value = name
        studio.training.buttons["train"].click()
        assert studio.state.training.wait(180)
        assert studio.training.error.value == ""
    assert [trace.name for trace in studio.against_resolution.figure.data][:3] == ["fno", "mean", "pointwise"]
    assert studio.verdict.value.startswith("pointwise, a model of yours: relative L2 error")
    assert studio.options["modes"].disabled
    model = studio.state.training.result.models["pointwise", 0]
    assert isinstance(model.model, nn.Conv1d)
    inputs = studio.state.training.prepared.data.test[32]["input"].values
    np.testing.assert_allclose(
        studio.state.predictions["pointwise"][32]["prediction"], model(torch.as_tensor(inputs)).detach(), atol=1e-6
    )


def test_figures_of_the_problem_before_say_that_they_are_old(burgers):
    def dimmed():
        return "limitlab-stale" in burgers.drawn._dom_classes

    assert not dimmed()
    burgers.problem.sliders["nu"].value = 0.05
    assert dimmed()
    assert "parameters changed since: make data, or train" in burgers.note.text.value
    burgers.problem.sliders["nu"].value = 0.1
    assert not dimmed()
    assert burgers.note.text.value == ""
    burgers.problem.chooser.value = "darcy"
    assert dimmed()
    assert "problem changed since" in burgers.note.text.value
    burgers.training.buttons["prepare"].click()
    assert burgers.state.training.wait(180)
    assert not dimmed()


def test_settings_moved_after_the_training_are_named(burgers):
    assert "trained before" not in burgers.verdict.value
    burgers.options["width"].value += 2
    assert "trained before width changed" in burgers.verdict.value
    burgers.operator.value = "unet"
    assert "trained before width changed" in burgers.verdict.value
    burgers.model.value = "mean"
    assert "trained before" not in burgers.verdict.value


def test_a_change_of_the_problem_leaves_no_widget_behind(opened):
    studio = opened("burgers", size="smoke")
    counts = []
    for name in ("darcy", "burgers") * 4:
        studio.problem.chooser.value = name
        counts.append(len(_instances))
    assert counts[-1] == counts[1]


def test_closing_closes_every_widget(opened):
    before = len(_instances)
    studio = opened("burgers", size="smoke")
    studio.close()
    assert len(_instances) == before


def test_the_picture_says_what_is_shown(burgers):
    assert burgers.summary() == [
        "Viscous Burgers equation, nu = 0.1",
        "Fourier neural operator",
        "prediction of Fourier neural operator",
    ]


def test_a_problem_brings_its_equation_its_sliders_and_its_settings(opened):
    studio = opened("burgers", size="smoke")
    assert [slider.tooltip for slider in studio.problem.sliders.values()] == ["viscosity"]
    studio.options["modes"].value = 10
    studio.problem.chooser.value = "darcy"
    assert studio.state.problem.name == "darcy"
    assert problems.get("darcy").latex() in studio.problem.equation.value
    assert set(studio.problem.sliders) == {"a_low", "a_high", "tau"}
    assert studio.state.options == {}
    assert studio.options["modes"].value == studio.state.defaults.modes


@pytest.mark.parametrize("name", problems.names("pde"))
def test_parameter_sliders_span_their_ranges(opened, name):
    studio = opened(name, size="smoke")
    for parameter in studio.state.problem.parameters:
        slider = studio.problem.sliders[parameter.name]
        for end, expected in (("min", parameter.low), ("max", parameter.high)):
            value = getattr(slider, end)
            slider.value = 10**value if parameter.scale == "log" else value
            assert studio.state.problem.values[parameter.name] == pytest.approx(expected)


def test_moving_a_control_changes_the_plan(opened):
    studio = opened("darcy", size="smoke")
    studio.options["width"].value = 12
    studio.options["padding"].value = 0.1
    studio.problem.sliders["tau"].value = 5.0
    studio.operator.value = "unet"
    _, settings = studio.state.plan()
    assert (settings.width, settings.padding, settings.models) == (12, 0.1, ("unet",))
    assert settings.parameters == ("tau=5.0",)


def test_training_resolutions_divide_the_finest(opened):
    studio = opened("darcy", size="smoke")
    for resolution in studio.options["resolution"].options:
        studio.options["resolution"].value = resolution
        assert studio.state.plan()[1].resolution == resolution


def test_every_control_has_a_description_and_a_tooltip(opened):
    studio = opened("darcy", size="smoke")
    controls = [studio.operator, studio.model, studio.sample, studio.resolution, studio.problem.chooser]
    controls += [*studio.options.values(), *studio.problem.sliders.values(), *studio.training.buttons.values()]
    assert all(control.description and control.tooltip for control in controls)


def test_closing_releases_the_thread(opened, until):
    studio = opened("burgers", size="smoke", epochs=5000)
    studio.training.buttons["train"].click()
    until(lambda: studio.state.training.phase == "training" and studio.state.training.done > 0)
    thread = studio.state.training._thread
    studio.close()
    assert not thread.is_alive()


def test_a_2d_studio_shows_maps(opened):
    studio = opened("darcy", size="smoke")
    studio.training.buttons["train"].click()
    studio.state.training.wait(180)
    assert [trace.name for trace in studio.triptych.figure.data] == ["input", "truth", "prediction", "error"]
    studio.sample.value = 2
    np.testing.assert_array_equal(
        shown(studio.triptych, "prediction").z, studio.state.predicted["prediction"][2, 0].values.T
    )


def test_a_control_that_the_operator_does_not_use_is_off(opened):
    studio = opened("burgers", size="smoke")
    assert not studio.options["padding"].disabled
    studio.operator.value = "unet"
    assert studio.options["padding"].disabled
    assert not studio.options["width"].disabled


def test_two_operators_are_looked_at_side_by_side(opened):
    studio = opened("darcy", size="smoke")
    assert [value for _, value in studio.beside.options] in ([], [""])
    for name in ("fno", "unet"):
        studio.operator.value = name
        studio.training.buttons["train"].click()
        assert studio.state.training.wait(180)
    assert [value for _, value in studio.beside.options] == ["", "fno", "mean"]
    studio.beside.value = "fno"
    names = [trace.name for trace in studio.triptych.figure.data]
    assert names == ["truth", "input", "unet", "error of unet", "fno", "error of fno"]
    studio.sample.value = 2
    for name in ("unet", "fno"):
        predicted = studio.state.predictions[name][studio.state.resolution]
        np.testing.assert_array_equal(shown(studio.triptych, name).z, predicted["prediction"][2, 0].values.T)
    studio.model.value = "fno"
    assert shown(studio.triptych, "prediction") is not None
    studio.model.value = "mean"
    assert shown(studio.triptych, "mean").z.max() < shown(studio.triptych, "truth").z.max()
    studio.options["train_samples"].value += 1
    studio.training.buttons["prepare"].click()
    assert studio.state.training.wait(180)
    assert studio.state.beside == ""
    assert shown(studio.triptych, "prediction") is not None


def test_a_step_in_time_is_learned_and_looked_at_in_rollouts(opened):
    studio = opened("burgers", size="smoke")
    assert studio.step.layout.display == "none"
    studio.goal.value = "rollouts"
    assert {"interval", "frames", "rollout", "history", "unrolled", "pushed"} <= set(studio.options)
    studio.training.buttons["train"].click()
    assert studio.state.training.wait(180)
    assert studio.training.error.value == ""
    assert studio.step.layout.display != "none"
    assert studio.step.max == studio.state.steps == 3
    names = [trace.name for trace in studio.against_resolution.figure.data]
    assert names == ["fno", "persistence"]
    studio.step.value = 3
    predicted = studio.state.predictions["fno"][32].isel(sample=0, channel=0)
    np.testing.assert_array_equal(shown(studio.triptych, "prediction").y, predicted["prediction"].sel(step=3))
    np.testing.assert_array_equal(shown(studio.triptych, "truth").y, predicted["target"].sel(step=3))
    assert "of test function 0 after 3 of 3 steps" in studio.verdict.value
    assert {shape.x0 for shape in studio.against_resolution.figure.layout.shapes} == {3}
    studio.beside.value = "persistence"
    still = shown(studio.triptych, "persistence").y
    np.testing.assert_array_equal(still, predicted["input"].values)


def test_a_steady_problem_has_no_steps_in_time(opened):
    studio = opened("burgers", size="smoke")
    studio.goal.value = "rollouts"
    studio.problem.chooser.value = "darcy"
    assert studio.state.goal == "operator"
    assert [name for _, name in studio.goal.options] == ["operator"]
    assert "rollout" not in studio.options
    studio.problem.chooser.value = "heat"
    assert [name for _, name in studio.goal.options] == ["operator", "rollouts"]


def test_figures_of_another_goal_are_old(burgers):
    burgers.goal.value = "rollouts"
    assert "what is learned changed since" in burgers.note.text.value
    burgers.goal.value = "operator"
    assert burgers.note.text.value == ""


def test_a_model_bound_to_its_grid_says_where_it_has_no_answer(opened):
    studio = opened("burgers", size="smoke")
    studio.operator.value = "lordnet"
    studio.training.buttons["train"].click()
    assert studio.state.training.wait(180)
    assert "relative L2 error" in studio.verdict.value
    studio.resolution.value = 64
    assert "no answer at 64 points per axis, since it takes its training grid alone" in studio.verdict.value


def test_a_model_that_ships_is_looked_at_before_anybody_trains_and_gives_way_to_a_training(opened):
    studio = opened("darcy", epochs=12)
    state = studio.state
    assert state.training.wait(120)
    assert state.training.error == ""
    assert state.models == ("fno", "mean")
    assert weights.card("darcy_fno").label in studio.verdict.value
    assert not state.stale
    assert enabled(studio) == ["prepare", "train"]
    # on functions that it was not trained with it is as good as its card says
    assert float(state.errors.mean()) < 2 * weights.card("darcy_fno").value
    state.options = {"train_samples": 20, "test_samples": 8, "epochs": 1, "width": 8}
    studio.training.buttons["train"].click()
    assert state.training.wait(180)
    assert state.training.error == ""
    assert state.shipped == {}
    assert "shipped weights" not in studio.verdict.value


def test_where_none_ships_the_studio_is_empty_and_says_what_ships_instead(opened):
    studio = opened("darcy", width=12, epochs=12)
    assert studio.state.shipped == {}
    assert studio.verdict.value.endswith("darcy_fno ships with width=24; asked for was width=12.")
    assert studio.triptych.figure is None


def test_another_goal_forgets_the_settings_that_only_the_former_has(opened):
    studio = opened("burgers", size="smoke")
    studio.state.goal = "rollouts"
    studio.settings.controls["interval"].value = 2
    assert studio.state.options == {"interval": 2.0}
    studio.state.goal = "operator"
    assert studio.state.options == {}
    assert "interval" not in studio.settings.controls
