import numpy as np
import pytest
from ipywidgets.widgets.widget import _instances

from limitlab.errors import UnknownName
from limitlab_widgets import NeuralDEStudio
from limitlab_widgets.neural_de.sources import WAY_TITLES


@pytest.fixture
def opened(closed_at_end):
    def make(data="annuli", kind="ode", **options):
        studio = closed_at_end(NeuralDEStudio(data, kind, size="smoke", **options))
        assert studio.state.training.wait(60)
        return studio

    return make


def train(studio):
    studio.training.buttons["train"].click()
    assert studio.state.training.wait(120)
    assert studio.state.probe.wait(60)
    assert (studio.training.error.value, studio.note.error.value) == ("", "")
    return studio


def traces(panel):
    return {trace.name: trace for trace in panel.figure.data}


def shown(part):
    return part.layout.display != "none"


def test_a_new_studio_shows_its_data_and_can_train(opened):
    studio = opened()
    assert [name for name, button in studio.training.buttons.items() if not button.disabled] == ["prepare", "train"]
    assert "untrained" in studio.verdict.value
    assert {"class 0", "class 1"} <= set(traces(studio.paths))
    assert shown(studio.no_path)
    assert not shown(studio.settings.controls["missing"])


def test_figures_show_the_moment_that_is_picked(opened, monkeypatch):
    monkeypatch.setattr("limitlab_widgets.shared.training.PEEK", 0.0)
    studio = train(opened("pendulum", "ode"))
    state = studio.state
    assert studio.moment.value == studio.moment.max == len(state.moments) - 1
    for number in (studio.moment.max, 0):
        studio.moment.value = number
        look = state.moments[number].look
        name = str(look["channel"].values[0])
        np.testing.assert_allclose(traces(studio.paths)[name].y, look["line"].values[0, :, 0], rtol=1e-6)
    assert set(traces(studio.steps)) - {"rejected"} == {"step 0"}
    calls = traces(studio.calls)["ode"]
    assert calls.x.tolist() == [moment.step for moment in state.moments]
    assert calls.y.tolist() == [moment.calls for moment in state.moments]


def test_the_share_missing_at_test_moves_the_mark_and_the_gaps(opened):
    studio = train(opened("damped_oscillators", "lsde"))
    studio.kind.chooser.value = "naive"
    train(studio)
    studio.rate.value = 0.7
    assert studio.state.probe.wait(60)
    accuracies = studio.state.probe.accuracies
    for name, value in accuracies.items():
        mark = traces(studio.missing)[f"{name}, now"]
        assert (mark.x[0], mark.y[0]) == (0.7, value)
    assert set(accuracies) == {"lsde", "naive"}
    assert len(traces(studio.gaps)["missing"].x) > 10
    studio.shown.value = "lsde"
    assert studio.state.probe.wait(60)
    assert studio.state.probe.shown == "lsde"


def test_data_bring_the_classes_that_fit_and_say_why_others_do_not(opened):
    studio = opened()
    assert [name for _, name in studio.kind.chooser.options] == ["ode", "augmented", "second_order", "hamiltonian"]
    assert "lsde" in studio.kind.others.value
    studio.source.chooser.value = "spirals"
    assert [name for _, name in studio.kind.chooser.options][:3] == ["ode", "cde", "naive"]
    assert "hamiltonian" in studio.kind.others.value
    assert studio.settings.controls["method"].value == "midpoint"
    assert shown(studio.settings.controls["missing"])
    assert "the data changed" in studio.note.text.value


def test_ways_of_regularisation_are_those_that_the_class_can_have(opened):
    studio = opened("spirals", "cde")
    way = studio.settings.controls["way"]
    assert [name for _, name in way.options] == ["plain"]
    studio.kind.chooser.value = "ode"
    assert [name for _, name in way.options] == ["plain"]
    studio.settings.controls["method"].value = "tsit5"
    assert {name for _, name in way.options} == set(WAY_TITLES)
    way.value = "ernode"
    studio.settings.controls["weight"].value = 10.0
    settings = studio.state.plan()[1]
    assert (settings.way, settings.weight, settings.method) == ("ernode", 10.0, "tsit5")


def test_a_value_that_is_refused_goes_back_and_the_reason_is_said(opened):
    studio = opened("pendulum")
    studio.settings.controls["way"].value = "srnode"
    studio.settings.controls["method"].value = "bosh3"
    state = studio.state
    assert (state.value("way"), state.value("method")) == ("srnode", "tsit5")
    assert studio.settings.controls["method"].value == "tsit5"
    assert "stiffness" in studio.note.error.value


def test_controls_rest_while_a_training_runs(opened, until):
    studio = opened("annuli", steps=100_000, samples=4)
    studio.training.buttons["train"].click()
    until(lambda: studio.state.training.phase == "training")
    parts = [studio.source.chooser, studio.kind.chooser, studio.settings.controls["tolerance"], studio.source.upload]
    until(lambda: all(part.disabled for part in parts))
    studio.training.buttons["stop"].click()
    assert studio.state.training.wait(30)
    assert not any(part.disabled for part in parts)


def test_a_refused_studio_leaves_nothing():
    with pytest.raises(UnknownName):
        NeuralDEStudio("annuly")


def test_closing_leaves_no_widget():
    before = len(_instances)
    studio = NeuralDEStudio("annuli", size="smoke")
    assert studio.state.training.wait(60)
    studio.close()
    assert len(_instances) == before
