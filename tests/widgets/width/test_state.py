import html
import math
import subprocess
import sys
import threading

import numpy as np
import pytest
import torch

from limitlab.errors import InvalidArgument, UnknownName
from limitlab.infinite_width import (
    ACTIVATIONS,
    KernelDynamics,
    Network,
    empirical_ntk,
    kernels,
    mlp,
    parametrization,
    width_exponents,
)
from limitlab.infinite_width.circle import on_circle
from limitlab.training import TrainingDiverged, seeds
from limitlab_widgets import WidthState
from limitlab_widgets.width import closed_form
from limitlab_widgets.width import state as width_state
from limitlab_widgets.width import training as width_training
from limitlab_widgets.width.regression import EXPERIMENT, NONLINEARITIES, TARGETS, Regression
from limitlab_widgets.width.scaling_state import PRESETS, ScalingState
from limitlab_widgets.width.training import require_room

SMALL = {"width": 16, "seeds": 2, "steps": 20}


@pytest.fixture
def opened(monkeypatch, closed_at_end):
    monkeypatch.setattr(width_state, "DRIFT_WIDTHS", (16, 32))
    monkeypatch.setattr(width_state, "DRIFT_SEEDS", 2)
    # the closed form is there when the setting of a value returns, on a busy machine too
    monkeypatch.setattr(closed_form, "PATIENCE", 60)
    return lambda kind=WidthState, **options: closed_at_end(kind(**options))


def done(state):
    assert state.wait(60)
    assert state.error == ""


@pytest.mark.filterwarnings("ignore::limitlab.infinite_width.IllConditioned")
def test_all_activations_and_targets_are_those_of_the_library_and_have_a_kernel():
    assert set(NONLINEARITIES) <= set(ACTIVATIONS)
    for name in NONLINEARITIES:
        study = EXPERIMENT.prepare(Regression(activation=name).settings, False).data.study
        assert bool(torch.isfinite(study.dynamics.eigenvalues).all())
    assert all(bool(torch.isfinite(Regression(target=name).values).all()) for name in TARGETS)


def test_warnings_of_networks_are_for_the_reader_and_not_for_stderr():
    """In a process of its own: pytest would take the warnings that leave the state."""
    script = """
from limitlab_widgets import WidthStudio
from limitlab_widgets.width import state as module
module.DRIFT_WIDTHS, module.DRIFT_SEEDS = (16, 32), 1
studio = WidthStudio(depth=1, activation="relu", width=16, seeds=2, steps=20, rate=1.99, bias_scale=0.0, points=14)
studio.state.begin()
assert studio.state.wait(120)
print(studio.state.warning)
print(studio.networks.run.warning.value)
print(studio.state.note)
studio.close()
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    warning, shown, note = done.stdout.splitlines()
    assert "the kernel's eigenvalues reach from" in warning
    assert html.escape(warning) in shown
    assert "smallest eigenvalues are lost in rounding" in note


@pytest.mark.parametrize(("activation", "bias", "lost"), [("relu", 0.0, True), ("erf", 0.5, False)])
def test_a_note_says_that_eigenvalues_are_lost_however_often_the_form_is_asked_for(activation, bias, lost):
    regression = Regression(depth=1, activation=activation, bias_scale=bias, points=14, steps=20)
    notes = [closed_form.closed_form(regression).note for _ in range(2)]
    assert ["lost in rounding" in note for note in notes] == [lost, lost]


def test_the_closed_form_is_that_of_the_kernel_at_every_recorded_step(opened):
    state = opened(depth=3, activation="erf", rate=1.5, **SMALL)
    regression = state.regression
    architecture = mlp(3, "erf", 2.0, 0.01)
    x, there = on_circle(regression.angles), on_circle(regression.all_angles)
    kernel, cross = kernels(architecture, x).ntk, kernels(architecture, there, x).ntk
    eta = 1.5 / float(torch.linalg.eigvalsh(kernel)[-1])
    assert state.study.rate == pytest.approx(eta, rel=1e-10)
    curve = KernelDynamics(kernel, regression.values, law="discrete", rate=eta).elsewhere(cross)
    for record, step in enumerate(state.study.steps):
        np.testing.assert_allclose(state.limit["mean"][record], curve(float(step)), atol=1e-8)


def test_the_time_only_selects(opened):
    state = opened(**SMALL)
    revision, study = state.revision, state.study
    state.record = 3
    assert state.step == study.steps[3]
    assert (state.revision, state.study) == (revision, study)


def test_nothing_is_trained_before_it_is_asked_for(opened):
    state = opened(**SMALL)
    done(state)
    assert state.ensemble == {}
    assert state.phase == "idle"
    own = empirical_ntk(Network(mlp(2, "relu", 2.0, 0.01), 2, 16, seed=0), state.study.x, outputs="trace")
    np.testing.assert_array_equal(state.kernel, own.numpy())


def test_networks_descend_on_half_the_squared_error(opened):
    """The recorded outputs are those of a loop written out, w <- w - eta grad, to rounding."""
    state = opened(**SMALL)
    state.begin()
    done(state)
    x, there = on_circle(state.regression.angles), on_circle(state.regression.all_angles)
    eta = 1 / float(torch.linalg.eigvalsh(kernels(mlp(2, "relu", 2.0, 0.01), x).ntk)[-1])
    assert list(state.ensemble) == [0, 1]
    for seed, run in state.ensemble.items():
        network = Network(mlp(2, "relu", 2.0, 0.01), 2, 16, seed=seeds(seed, 1)[0])
        for step in range(21):
            if step in run["step"]:
                np.testing.assert_allclose(run["network"].sel(step=step), network(there)[:, 0].detach(), atol=1e-9)
            loss = 0.5 * (network(x)[:, 0] - state.regression.values).square().sum()
            weights = list(network.parameters())
            with torch.no_grad():
                for weight, gradient in zip(weights, torch.autograd.grad(loss, weights), strict=True):
                    weight -= eta * gradient
    assert state.drift.sizes == {"width": 2, "seed": 2}
    assert float(state.drift["drift"].sel(width=16, seed=1)) == float(state.ensemble[1]["drift"])


def test_another_width_trains_only_what_is_missing_and_another_setting_everything(opened):
    state = opened(**SMALL)
    state.begin()
    done(state)
    before = state.ensemble
    state.width = 32
    done(state)
    state.width = 16
    assert all(state.ensemble[seed] is run for seed, run in before.items())
    state.seeds = 3
    done(state)
    assert list(state.ensemble) == [0, 1, 2]
    state.bias_scale = 0.5
    assert state.ensemble == {}
    done(state)
    assert list(state.ensemble) == [0, 1, 2]


def test_a_stop_ends_the_training_between_two_steps_and_changes_begin_no_other(opened, until):
    state = opened(width=64, seeds=5, steps=5000)
    state.begin()
    until(lambda: "network 1 of 5" in state.activity)
    state.stop()
    assert state.wait(5)
    assert (state.phase, state.activity) == ("idle", "stopped")
    state.rate = 0.5
    assert state.wait(10)
    assert state.ensemble == {}


def test_a_newer_question_drops_the_one_under_way(opened, until):
    state = opened(width=16, seeds=1, steps=5000)
    state.begin()
    until(lambda: "network 1" in state.activity)
    state.steps = 20
    done(state)
    assert state.ensemble[0].sizes["step"] == len(state.study.steps)


def test_a_rate_above_the_threshold_diverges_in_theory_and_is_told(opened):
    state = opened(rate=2.5, **SMALL)
    assert "factor 1.50" in state.note
    spread = state.limit["std"].values.max(1)
    passed = state.study.steps[-1] - state.study.steps[-3]
    assert spread[-1] / spread[-3] == pytest.approx(1.5**passed, rel=0.01)
    state.begin()
    done(state)
    assert len(state.ensemble) + len(state.failures) >= 2
    state.rate = 1.9
    assert state.note == ""


def test_a_network_that_diverges_is_told_as_text_and_the_others_follow(opened, monkeypatch):
    train = width_training.recorded_training

    def diverging(settings, prepared, width, seed, watch):
        if seed == 1:
            raise TrainingDiverged(7, "loss", math.inf, "lower the rate")
        return train(settings, prepared, width, seed, watch)

    monkeypatch.setattr(width_training, "recorded_training", diverging)
    state = opened(**SMALL)
    state.begin()
    done(state)
    assert list(state.ensemble) == [0]
    assert set(state.failures) == {(16, 1), (32, 1)}
    assert state.failures[16, 1].startswith("width 16, seed 1: ")
    assert state.drift.sizes == {"width": 2, "seed": 1}


def test_modes_that_rounding_hides_are_told(opened):
    assert "lost in rounding" in opened(activation="linear", bias_scale=0.0, **SMALL).note


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"depth": 7}, r"depth must be a whole number >= 1 <= 6; got 7"),
        ({"weight_variance": -1.0}, r"weight_variance must be a number >= 0.5 <= 4; got -1.0"),
        ({"bias_scale": "a"}, r"bias_scale must be a number >= 0 <= 1; got 'a'"),
        ({"width": 0}, r"width must be a power of two from 16 to 4096; got 0"),
        ({"width": 100}, r"width must be a power of two"),
        ({"seeds": 21}, r"seeds must be a whole number >= 1 <= 20; got 21"),
        ({"activation": "rely"}, r"unknown activation 'rely'; did you mean 'relu'\?"),
        ({"target": "line"}, r"unknown target 'line'"),
        ({"models": {"mine": torch.nn.Linear(2, 1)}}, "WidthStudio takes no models: .*with_rivals"),
        ({"dept": 3}, r"unknown option of WidthStudio 'dept'; did you mean 'depth'\?"),
    ],
)
def test_bad_options_are_named(options, message):
    error = UnknownName if message.startswith("unknown") else InvalidArgument
    with pytest.raises(error, match=message):
        WidthState(**options)


@pytest.mark.parametrize(
    ("name", "value"),
    [("depth", 9), ("rate", math.nan), ("weight_variance", -1.0), ("width", 100), ("seeds", 0), ("record", 1000)],
)
def test_a_refused_value_leaves_the_state_as_it_was(opened, name, value):
    state = opened(**SMALL)
    form, before = state.closed_form, getattr(state, name)
    with pytest.raises(InvalidArgument, match=f"{name} must be a"):
        setattr(state, name, value)
    assert getattr(state, name) == before
    assert state.closed_form is form
    state.bias_scale = 0.3
    assert state.regression.bias_scale == 0.3


def test_several_changes_have_one_answer_and_an_exception_undoes_them(opened):
    state = opened(**SMALL)
    revision = state.revision
    with state.together():
        state.depth, state.points, state.steps = 1, 8, 30
    assert state.revision == revision + 1
    with pytest.raises(InvalidArgument), state.together():
        state.depth, state.points = 2, 1000
    assert (state.depth, state.points, state.regression.depth) == (1, 8, 1)


def test_a_slow_closed_form_leaves_the_caller_free_and_the_old_one_is_called_old(opened, monkeypatch, until):
    state, release = opened(**SMALL), threading.Event()
    find = closed_form.closed_form

    def slow(regression):
        assert release.wait(60)
        return find(regression)

    monkeypatch.setattr(closed_form, "PATIENCE", 0.01)
    monkeypatch.setattr(closed_form, "closed_form", slow)
    old = state.closed_form
    state.depth = 3
    assert state.search.stale
    assert state.closed_form is old
    state.points = 8
    release.set()
    done(state)
    assert (state.regression.depth, state.regression.points) == (3, 8)
    assert not state.search.stale
    assert len(state.limit["eigenvalue"]) == 8


def test_a_stop_soon_after_a_change_of_the_width_keeps_the_kernel_coming(opened, until):
    state = opened(width=16, seeds=2, steps=5000)
    state.begin()
    until(lambda: state.phase == "working")
    state.width = 64
    state.stop()
    done(state)
    assert state.kernel is not None
    assert state.phase == "idle"


def test_a_network_that_does_not_fit_is_refused_before_it_is_made():
    with pytest.raises(
        InvalidArgument, match=r"6 hidden layers of width 1048576 needs .* take a smaller width or depth"
    ):
        require_room(6, 2**20)


def test_presets_have_the_regimes_of_the_theory(opened):
    state = opened(ScalingState)
    expected = {"sp": "unstable", "sp-lazy": "kernel", "ntp": "kernel", "mup": "feature", "mfp": "feature"}
    assert set(PRESETS) == set(expected)
    for name, regime in expected.items():
        state.preset = name
        assert state.abc == parametrization(name, hidden=1 if name == "mfp" else 2)
        assert state.abc.regime == regime


def test_a_smaller_c_explodes(opened):
    state = opened(ScalingState)
    state.c = -0.5
    assert state.abc.regime == "unstable"


def test_a_shift_leaves_the_check_unchanged_and_c_does_not(opened, monkeypatch):
    monkeypatch.setattr("limitlab_widgets.width.scaling_state.WIDTHS", (64, 128))
    state = opened(ScalingState)
    found = []
    for moved in ({}, {"theta": 0.25}, {"c": 0.5}):
        for name, value in moved.items():
            setattr(state, name, value)
        assert state.check is None
        state.begin()
        done(state)
        found.append(state.check["change"].values)
    np.testing.assert_allclose(found[1], found[0], rtol=2e-3, atol=1e-6)
    assert np.abs(found[2] - found[0]).max() > 0.01


def test_a_preset_brings_its_exponents_with_one_answer_and_bad_ones_are_refused(opened):
    state = opened(ScalingState)
    state.c = 0.5
    revision = state.revision
    state.preset = "ntp"
    assert (state.readout, state.c, state.theta) == (0.5, 0.0, 0.0)
    assert state.revision == revision + 1
    with state.together():
        state.preset, state.c = "mup", 0.25
    assert state.c == 0.25
    for name, value in (("c", math.inf), ("readout", math.nan), ("theta", 100.0), ("octave", 3)):
        with pytest.raises(InvalidArgument, match=f"{name} must be a"):
            setattr(state, name, value)
    with pytest.raises(InvalidArgument), state.together():
        state.preset, state.octave = "sp", 3
    assert (state.preset, state.c, state.octave) == ("mup", 0.25, -2)


def test_the_check_tells_a_kernel_from_features(opened):
    state = opened(ScalingState)
    slopes = {}
    for name in ("ntp", "mup"):
        state.preset = name
        state.begin()
        done(state)
        last = state.check["change"].isel(step=-1, drop=True)
        slopes[name] = float(width_exponents(last).sel(module="h2"))
    assert slopes["ntp"] == pytest.approx(-0.5, abs=0.15)
    assert slopes["mup"] == pytest.approx(0.0, abs=0.15)


def test_adam_compares_standard_and_maximal_update(opened):
    state = opened(ScalingState)
    state.optimizer = "adam"
    assert state.octave == -6
    state.begin()
    done(state)
    output = width_exponents(state.check["change"].isel(step=-1, drop=True)).sel(module="output")
    assert float(output.sel(parametrization="SP")) > 0.5
    assert abs(float(output.sel(parametrization="µP"))) < 0.2
