import pytest

from limitlab_widgets import OperatorStudio


@pytest.fixture
def opened(closed_at_end):
    return lambda *arguments, **options: closed_at_end(OperatorStudio(*arguments, size="smoke", **options))


def train(studio):
    studio.state.training.train()
    assert studio.state.training.wait(180)
    assert studio.state.training.error == ""


def found(studio):
    studio.worst.find.click()
    assert studio.worst.state.wait(120)
    return studio.worst.state.found


def test_the_worst_input_is_shown_beside_the_median_and_forgotten_with_its_model(opened):
    studio = opened("burgers", test_samples=5)
    train(studio)
    worst, panel = found(studio), studio.worst
    assert worst.error > worst.largest
    # truths of the search are those of the test set, at another resolution of the solver
    assert worst.median == pytest.approx(float(studio.state.errors.median()), rel=0.05)
    assert f"<b>{worst.error:.4f}</b>" in panel.verdict.value
    shown = next(trace for trace in panel.figure.figure.data if trace.name == "prediction")
    assert shown.y == pytest.approx(worst.functions["prediction"].values[0, 0])
    studio.state.model = "mean"
    assert panel.state.found is None
    assert panel.figure.figure is None
    assert panel.answer.layout.display == "none"


def test_what_cannot_be_searched_is_refused_in_words(opened):
    studio = opened("burgers", test_samples=5)
    assert found(studio) is None
    assert "train" in studio.worst.state.error
    studio = opened("darcy", test_samples=5)
    train(studio)
    assert found(studio) is None
    assert "inputs of darcy cannot be searched" in studio.worst.state.error


def test_a_training_that_goes_on_after_a_pause_leaves_the_model_that_was_looked_at(opened):
    studio = opened("burgers", test_samples=5, epochs=3)
    train(studio)
    state = studio.state
    before = [parameter.clone() for parameter in state.trained["fno"].parameters()]
    for parameter in state.training.result.models["fno", 0].parameters():
        parameter.data += 1.0
    assert all(a.equal(b) for a, b in zip(before, state.trained["fno"].parameters(), strict=True))
