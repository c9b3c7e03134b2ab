"""A drawn input goes through the solver and the trained operators; what its code computes is what is shown."""

import numpy as np
import pytest
import torch
from ipywidgets.widgets.widget import _instances

from limitlab import problems
from limitlab.errors import InvalidArgument
from limitlab_widgets import OperatorStudio
from limitlab_widgets.operator.code import operator_code
from limitlab_widgets.operator.drawings import Curve, Painting

TINY = {"train_samples": 8, "test_samples": 3, "epochs": 2, "batch_size": 4, "width": 4, "modes": 4}


@pytest.fixture
def opened(closed_at_end):
    def open_(*arguments, train=(), **options):
        studio = closed_at_end(OperatorStudio(*arguments, size="smoke", **{**TINY, **options}))
        for operator in train:
            studio.state.operator = operator
            studio.state.training.train()
            assert studio.state.training.wait(180)
            assert studio.state.training.error == ""
        return studio

    return open_


def drawn(studio, values):
    """What is said to a drawing that a page sent."""
    pad = studio.drawing.curve if studio.state.problem.dimension == 1 else studio.drawing.plane
    pad.set_state({"asked": values})
    assert studio.drawing.state.wait(60)
    return studio.drawing.state.answers


def wave(studio, number=2, height=0.8):
    _, _, low, high = studio.drawing.curve.ends
    turns = 2 * np.pi * number * np.arange(64) / 64
    return ((low + high) / 2 + height * (high - low) / 2 * np.sin(turns)).tolist()


def test_a_drawn_start_has_the_truth_of_the_solver_and_the_answer_of_every_operator(opened):
    studio = opened("burgers", train=("fno", "deeponet"))
    answers = drawn(studio, wave(studio))
    assert set(answers.functions) == {"fno", "deeponet"}
    shown = studio.drawing.state.drawn
    assert shown.values == pytest.approx(wave(studio), abs=1e-3 * (studio.drawing.curve.ends[3] * 2))
    problem, functions = studio.state.problem, answers.functions["fno"]
    start = Curve(shown.values).on(problem.grid(32))
    truth = problem.solve(start, np.array([0.0, problem.span]))[0, -1]
    np.testing.assert_allclose(functions["target"].values[0, 0], truth, rtol=1e-5, atol=1e-6)
    with torch.no_grad():
        said = studio.state.trained["fno"](start.float()[:, None])[0, 0]
    np.testing.assert_allclose(functions["prediction"].values[0, 0], said, rtol=1e-5, atol=1e-5)
    error = float((said - truth).norm() / truth.norm())
    assert answers.errors["fno"] == pytest.approx(error, rel=1e-4)
    assert f"<b>{answers.errors['fno']:.4f}</b>" in studio.drawing.verdict.value
    names = {trace.name for trace in studio.drawing.figure.figure.data}
    assert {"truth", "fno", "deeponet"} <= names


def test_a_drawing_stays_at_another_resolution_and_goes_with_its_problem(opened):
    studio = opened("burgers", train=("fno",))
    coarse = drawn(studio, wave(studio)).functions["fno"]
    studio.state.resolution = 64
    assert studio.drawing.state.wait(60)
    fine = studio.drawing.state.answers.functions["fno"]
    assert fine.sizes["x"] == 64
    # one drawing: both truths are of the same start, straight between the drawn values
    np.testing.assert_allclose(fine["input"].values[..., ::2], coarse["input"].values, atol=1e-6)
    studio.problem.chooser.value = "heat"
    studio.state.training.train()
    assert studio.state.training.wait(180)
    assert studio.drawing.state.drawn is None
    assert studio.drawing.answer.layout.display == "none"


def test_what_a_page_may_not_draw_is_refused_and_changes_nothing(opened):
    studio = opened("burgers", train=("fno",))
    kept = drawn(studio, wave(studio))
    high = studio.drawing.curve.ends[3]
    for hostile in ([high + 1.0] * 64, [0.0] * 63, "x" * 64, [float("nan")] * 64):
        studio.drawing.curve.set_state({"asked": hostile})
        assert studio.drawing.state.answers is kept
        assert "must" in studio.drawing.state.error
    with pytest.raises(InvalidArgument, match="must be a Curve"):
        studio.drawing.state.drawn = Painting(("0",), (1.0,))


def test_begin_anew_shows_the_test_function_that_is_looked_at(opened):
    studio = opened("burgers", train=("fno",))
    drawn(studio, wave(studio))
    studio.sample.value = 2
    assert studio.drawing.state.drawn is not None
    studio.drawing.anew.click()
    assert studio.drawing.state.answers is None
    shown = studio.state.predicted["input"].values[2, 0]
    np.testing.assert_allclose(studio.drawing.curve.values[::2], shown, atol=1e-6)
    studio.sample.value = 1
    assert studio.drawing.curve.values[0] == pytest.approx(float(studio.state.predicted["input"][1, 0, 0]))


def test_a_painted_medium_of_two_phases_has_the_truth_of_the_solver(opened):
    studio = opened("darcy", train=("fno",))
    half = "0" * 16 + "1" * 16
    answers = drawn(studio, half * 32)
    functions, problem = answers.functions["fno"], studio.state.problem
    assert set(np.unique(functions["input"].values)) == {3.0, 12.0}
    fine = torch.full((1, 64, 64), 3.0, dtype=torch.float64)
    fine[:, :, 32:] = 12.0
    truth = problem.solve(fine).reshape(1, 16, 4, 16, 4).mean((2, 4))
    np.testing.assert_allclose(functions["target"].values[0], truth, rtol=1e-5, atol=1e-7)
    # water flows easier where the medium lets it
    assert functions["target"].values[0, 0, :, :8].mean() > functions["target"].values[0, 0, :, 8:].mean()


@pytest.mark.parametrize("name", ["allen_cahn_2d", "navier_stokes"])
def test_a_painted_start_of_a_periodic_plane_has_the_truth_of_the_solver(opened, name):
    studio = opened(problems.get(name, frames=2, span=0.05), train=("fno",))
    half = "0" * 16 + "8" * 16
    functions = drawn(studio, half * 32).functions["fno"]
    problem, size = studio.state.problem, functions.sizes["x"]
    start = Painting((half,) * 32, studio.drawing.state.ground.levels).on(problem.grid(size))
    if name == "navier_stokes":
        # a vorticity has no mean on a torus
        start = start - start.mean()
        truth = problem.solve(start, times=np.array([0.0, problem.span]))[:, -1]
    else:
        truth = problem.solve(start[:, None], np.array([0.0, problem.span]))[:, -1, 0]
    np.testing.assert_allclose(functions["input"].values[0], start, atol=1e-6)
    np.testing.assert_allclose(functions["target"].values[0], truth, atol=1e-6)


@pytest.mark.parametrize(("name", "values"), [("burgers", None), ("darcy", ("01" * 16 + "10" * 16) * 16)])
def test_the_code_of_a_drawing_writes_its_numbers_and_gives_what_is_shown(opened, name, values):
    studio = opened(name, train=("fno",))
    answers = drawn(studio, values or wave(studio, number=3))
    namespace = {}
    exec(operator_code(studio.state, studio.drawing.state), namespace)
    for part in ("input", "target", "prediction"):
        # of single precision: a batch of another size rounds otherwise
        np.testing.assert_allclose(namespace["drawn"][part], answers.functions["fno"][part], rtol=0, atol=2e-5)


@pytest.mark.parametrize(
    ("problem", "options", "goal", "reason"),
    [
        ("burgers", {}, "rollouts", "inputs of rollouts cannot be drawn"),
        ("wave", {}, "operator", "wave starts from 2 fields"),
    ],
    ids=["rollouts", "wave"],
)
def test_what_cannot_be_drawn_is_said_in_words(opened, problem, options, goal, reason):
    studio = opened(problem, **options)
    assert "make data" in studio.drawing.state.reason
    studio.state.goal = goal
    studio.state.training.prepare()
    assert studio.state.training.wait(180)
    assert studio.state.training.error == ""
    assert reason in studio.drawing.about.value
    assert studio.drawing.curve.layout.display == "none"
    assert studio.drawing.plane.layout.display == "none"


def test_before_a_training_the_baseline_answers_and_closing_leaves_no_widget(closed_at_end):
    before = len(_instances)
    studio = OperatorStudio("burgers", size="smoke", **TINY)
    studio.state.training.prepare()
    assert studio.state.training.wait(60)
    answers = drawn(studio, wave(studio))
    assert set(answers.errors) == {"mean"}
    assert {trace.name for trace in studio.drawing.figure.figure.data} >= {"truth", "prediction"}
    studio.close()
    assert len(_instances) == before
