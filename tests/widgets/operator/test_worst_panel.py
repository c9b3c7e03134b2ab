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
    assert worst.median == pytest.approx(float(studio.state.errors.median()), rel=1e-4)
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
    studio = opened("helmholtz", test_samples=3, train_samples=4, batch_size=2)
    train(studio)
    assert found(studio) is None
    assert "inputs of helmholtz cannot be searched" in studio.worst.state.error


def test_a_medium_of_two_phases_is_searched_and_shown(opened):
    studio = opened("darcy", test_samples=5)
    train(studio)
    worst = found(studio)
    assert worst.error >= worst.largest
    assert worst.median == pytest.approx(float(studio.state.errors.median()), rel=1e-4)
    shown = next(trace for trace in studio.worst.figure.figure.data if trace.name == "prediction")
    assert pytest.approx(worst.functions["prediction"].values[0, 0]) == shown.z.T


def test_a_training_that_goes_on_after_a_pause_leaves_the_model_that_was_looked_at(opened):
    studio = opened("burgers", test_samples=5, epochs=3)
    train(studio)
    state = studio.state
    before = [parameter.clone() for parameter in state.trained["fno"].parameters()]
    for parameter in state.training.result.models["fno", 0].parameters():
        parameter.data += 1.0
    assert all(a.equal(b) for a, b in zip(before, state.trained["fno"].parameters(), strict=True))
