import threading

import numpy as np
import pytest
from ipywidgets.widgets.widget import _instances

from limitlab.errors import InvalidArgument, UnknownName
from limitlab_widgets import WidthStudio
from limitlab_widgets.width import closed_form
from limitlab_widgets.width import state as width_state

SMALL = {"width": 16, "seeds": 2, "steps": 20}


@pytest.fixture
def opened(monkeypatch, closed_at_end):
    monkeypatch.setattr(width_state, "DRIFT_WIDTHS", (16, 32))
    monkeypatch.setattr(width_state, "DRIFT_SEEDS", 2)
    # the closed form is there when a control was moved, on a busy machine too
    monkeypatch.setattr(closed_form, "PATIENCE", 60)
    return lambda **options: closed_at_end(WidthStudio(**{**SMALL, **options}))


def trained(studio):
    studio.networks.run.start.click()
    assert studio.state.wait(60)
    assert studio.state.error == ""


def trace(panel, name):
    (found,) = (trace for trace in panel.figure.data if trace.name == name)
    return found


def test_the_figures_show_the_closed_form_at_the_time_of_the_slider(opened):
    studio = opened()
    state, views = studio.state, studio.figures
    for record in (0, 3, len(state.study.steps) - 1):
        studio.time.value = record
        mean, std = (state.limit[name][record] for name in ("mean", "std"))
        np.testing.assert_allclose(trace(views.functions, "limit, mean").y, mean, atol=1e-6)
        band = np.array(trace(views.functions, "limit, mean ± 2 deviations").y)
        np.testing.assert_allclose(band[: len(mean)], mean + 2 * std, atol=1e-5)
        remaining = np.abs(1 - state.study.rate * state.limit["eigenvalue"]) ** state.step
        np.testing.assert_allclose(views.decay.figure.data[0].y, remaining, atol=1e-5)
        assert studio.clock.value == f"{state.step} of 20 steps"


def test_the_time_moves_the_figures_in_place(opened):
    studio = opened()
    panels = (studio.figures.functions, studio.figures.decay)
    before, uids = [panel.figure for panel in panels], [[t.uid for t in panel.figure.data] for panel in panels]
    studio.time.value += 2
    assert [panel.figure for panel in panels] == before
    assert [[t.uid for t in panel.figure.data] for panel in panels] == uids


def test_networks_appear_beside_the_band_and_move_with_the_time(opened):
    studio = opened()
    state = studio.state
    trained(studio)
    for record in (1, 4):
        studio.time.value = record
        shown = np.array(trace(studio.figures.functions, "networks").y).reshape(2, -1)[:, :-1]
        for seed, run in state.ensemble.items():
            np.testing.assert_allclose(shown[seed], run["network"][record], atol=1e-5)


def test_the_heat_map_is_the_kernel_of_one_network_beside_the_limit(opened):
    studio = opened(points=8)
    assert studio.state.wait(30)
    own, limit = (np.array(trace.z) for trace in studio.figures.kernels.figure.data)
    np.testing.assert_allclose(own, studio.state.kernel, rtol=1e-5)
    np.testing.assert_allclose(limit, studio.state.study.kernels.ntk[:8, :8], rtol=1e-5)
    off = np.linalg.norm(own - limit) / np.linalg.norm(limit)
    assert f"off by {off:.0%}" in studio.figures.about_kernels.value


def test_the_drift_has_its_slope_in_the_legend(opened):
    studio = opened()
    assert studio.figures.laws.layout.display == "none"
    trained(studio)
    drift = studio.state.drift["drift"].mean("seed")
    slope = float(np.log2(drift.sel(width=32) / drift.sel(width=16)))
    assert trace(studio.figures.laws, f"drift in training, slope {slope:.2f}")


def test_controls_set_the_state_and_follow_it(opened):
    studio = opened()
    state = studio.state
    studio.regression.depth.value = 3
    studio.regression.activation.value = "tanh"
    studio.networks.width.value = 32
    assert (state.depth, state.activation, state.width) == (3, "tanh", 32)
    assert state.regression.depth == 3
    state.points = 20
    assert studio.regression.points.value == 20
    assert len(studio.figures.decay.figure.data[0].y) == 20


def test_a_page_that_rounds_a_slider_changes_nothing(opened):
    studio = opened(weight_variance=1.83)
    revision = studio.state.revision
    studio.regression.weight_variance.value = 1.85
    assert studio.state.revision == revision
    assert studio.state.weight_variance == 1.83


def test_fewer_steps_keep_the_time_inside(opened):
    studio = opened(steps=400)
    studio.time.value = studio.time.max
    studio.networks.steps.value = 50
    assert studio.state.step <= 50
    assert studio.time.value <= studio.time.max == len(studio.state.study.steps) - 1


def test_divergence_is_drawn_within_the_frame_and_told_in_red(opened):
    studio = opened(rate=2.5, steps=1000)
    studio.time.value = studio.time.max
    band = np.array(trace(studio.figures.functions, "limit, mean ± 2 deviations").y)
    assert np.isfinite(band).all()
    assert np.abs(band).max() > 10
    assert float(np.max(studio.figures.decay.figure.data[0].y)) == pytest.approx(1.5)
    assert 'class="limitlab-error"' in studio.note.value
    studio.networks.rate.value = 1.0
    assert studio.note.value == ""


def test_buttons_offer_what_can_be_done(opened, until):
    studio = opened(steps=5000, width=64)
    run = studio.networks.run
    assert (run.start.disabled, run.halt.disabled) == (False, True)
    run.start.click()
    assert (run.start.disabled, run.halt.disabled) == (True, False)
    until(lambda: "network 1 of" in run.status.value)
    run.halt.click()
    assert (run.start.disabled, run.halt.disabled) == (False, True)
    assert run.status.value == "stopped"


def test_a_failure_is_shown_as_text(opened, monkeypatch):
    def refuse(depth, width):
        raise InvalidArgument(f"no room for <b>{width}</b>")

    monkeypatch.setattr(width_state, "require_room", refuse)
    studio = opened()
    assert studio.state.wait(30)
    assert "no room for &lt;b&gt;16&lt;/b&gt;" in studio.networks.run.error.value
    assert studio.networks.run.status.value == "failed"


def test_a_bad_option_is_named():
    with pytest.raises(UnknownName, match="unknown option of WidthStudio 'widht'; did you mean 'width'"):
        WidthStudio(widht=64)


def test_the_regime_follows_the_sliders_and_the_point_does_not_follow_the_shift(opened):
    page = opened().scaling
    assert ">feature</b>" in page.regime.value

    def point():
        marked = page.plane.figure.data[-1]
        return float(marked.x[0]), float(marked.y[0])

    assert point() == (0.5, 0.0)
    page.theta.value = 0.25
    assert point() == (0.5, 0.0)
    assert "<td>-0.5</td>" in page.exponents.value
    assert ">feature</b>" in page.regime.value
    page.c.value = 1.0
    assert point() == (0.5, 1.0)
    assert ">trivial</b>" in page.regime.value
    page.preset.value = "ntp"
    assert (page.readout.value, page.c.value, page.theta.value) == (0.5, 0.0, 0.0)
    assert ">kernel</b>" in page.regime.value


def test_the_coordinate_check_is_drawn_beside_what_is_predicted(opened, monkeypatch):
    monkeypatch.setattr("limitlab_widgets.width.scaling_state.WIDTHS", (64, 128))
    page = opened().scaling
    page.preset.value = "ntp"
    assert page.fan.layout.display == "none"
    page.run.start.click()
    assert page.state.wait(60)
    check = page.state.check["change"].mean("seed").sel(module="h1", step=3)
    line = next(trace for trace in page.fan.figure.data if trace.name == "step 3")
    np.testing.assert_allclose(line.y, check, rtol=1e-5)
    assert "<td>predicted</td><td>-0.5</td><td>-0.5</td><td>0</td>" in page.verdict.value
    page.optimizer.value = "adam"
    assert "those of SGD" in page.verdict.value


def test_every_control_has_a_description_and_a_tooltip(opened):
    studio = opened()
    left, right, page = studio.regression, studio.networks, studio.scaling
    controls = [studio.time, *left.children, right.rate, right.steps, right.width, right.seeds]
    controls += [right.run.start, right.run.halt, page.run.start, page.run.halt]
    controls += [page.preset, page.readout, page.c, page.theta, page.optimizer, page.octave]
    assert all(control.description and control.tooltip for control in controls)


def test_closing_releases_the_threads(opened):
    studio = opened(steps=5000)
    studio.networks.run.start.click()
    studio.scaling.run.start.click()
    workers = [studio.state._worker, studio.state._kernel_worker, studio.scaling.state._worker]
    threads = [worker._thread for worker in workers if worker._thread is not None]
    assert len(threads) >= 2
    studio.close()
    assert not any(thread.is_alive() for thread in threads)


def test_closing_closes_every_widget(opened):
    before = len(_instances)
    studio = opened()
    studio.close()
    assert len(_instances) == before


def test_small_moves_of_a_slider_add_up(opened):
    studio = opened()
    rate = studio.networks.rate
    for _ in range(3):
        rate.set_state({"value": rate.value + 0.4 * rate.step})
        assert studio.state.rate == rate.value
    assert studio.state.rate == pytest.approx(1.06)


def test_a_refused_value_goes_back_and_is_told(opened):
    studio = opened()
    studio.networks.rate.value = float("nan")
    assert studio.networks.rate.value == studio.state.rate == 1.0
    assert "rate must be a number" in studio.networks.run.error.value
    studio.networks.rate.value = 1.5
    assert studio.networks.run.error.value == ""


def test_figures_that_wait_for_a_closed_form_are_called_old(opened, monkeypatch):
    studio, release = opened(), threading.Event()
    find = closed_form.closed_form
    monkeypatch.setattr(closed_form, "PATIENCE", 0.01)
    monkeypatch.setattr(closed_form, "closed_form", lambda regression: release.wait(60) and find(regression))
    studio.regression.depth.value = 3
    assert "limitlab-stale" in studio.figures._dom_classes
    release.set()
    assert studio.state.wait(60)
    assert "limitlab-stale" not in studio.figures._dom_classes
    assert studio.state.regression.depth == 3


def test_the_picture_says_what_is_shown(opened):
    studio = opened()
    studio.time.value = studio.time.max
    assert studio.summary()[1] == "step 20 of 20, 0 networks of width 16"
