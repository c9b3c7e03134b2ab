import itertools
from functools import partial

import numpy as np
import pytest

from limitlab import problems
from limitlab_widgets import SolverStudio
from limitlab_widgets.shared import budget


@pytest.fixture
def opened(closed_at_end):
    return lambda *arguments: closed_at_end(SolverStudio(*arguments))


def line(panel, name, number=0):
    """The number-th highlighted line of a method in a figure."""
    return [trace for trace in panel.figure.data if trace.name == name][number]


def cursor_times(panel):
    return {shape.x0 for shape in panel.figure.layout.shapes if shape.name == "cursor"}


def shown(part):
    return part.layout.display != "none"


def test_all_figures_show_the_solutions_of_the_state(opened):
    studio = opened("damped_oscillator")
    state, views = studio.state, studio.figures
    assert state.methods == ("tsit5", "dopri8")
    for method in state.methods:
        own = state.solution.sel({"method": method}).isel(sample=0)
        for number, component in enumerate(("x", "v")):
            path = line(views.time, method, number)
            np.testing.assert_array_equal(path.x, own["time"])
            np.testing.assert_allclose(path.y, own["y"].sel(state=component), rtol=1e-6, atol=1e-6)
        phase = line(views.phase, method)
        np.testing.assert_allclose(phase.x, own["y"].sel(state="x"), rtol=1e-6, atol=1e-6)
        sizes = own["step_size"].where(own["accepted"]).dropna("step")
        np.testing.assert_allclose(line(views.ladder, method).y[:-1], sizes, rtol=1e-6)


def test_a_parameter_moves_every_figure_in_place(opened):
    studio = opened("damped_oscillator")
    views = studio.figures
    panels = (views.time, views.phase, views.ladder)
    before = [panel.figure for panel in panels]
    old = [np.array(line(panel, "tsit5").y) for panel in panels]
    studio.problem.sliders["zeta"].value = 0.3
    assert studio.state.problem.values["zeta"] == 0.3
    assert [panel.figure for panel in panels] == before
    for panel, values in zip(panels, old, strict=True):
        assert not np.array_equal(line(panel, "tsit5").y, values)


def test_the_cursor_moves_lines_and_mark_without_solving(opened):
    studio = opened("damped_oscillator")
    state, views = studio.state, studio.figures
    revision = state.revision
    studio.cursor.value = 125
    assert state.cursor == pytest.approx(state.span / 4)
    assert state.revision == revision
    for panel in (views.time, views.ladder):
        assert cursor_times(panel) == {state.cursor}
    mark = line(views.phase, "cursor")
    here = state.solution["y"].isel(sample=0).interp(time=state.cursor)
    np.testing.assert_allclose(mark.x, here.sel(state="x"), atol=1e-6)
    np.testing.assert_allclose(mark.y, here.sel(state="v"), atol=1e-6)
    assert studio.time.value == f"{state.cursor:.4g}"


def test_the_first_point_is_the_initial_state_of_the_sliders(opened):
    studio = opened("damped_oscillator")
    studio.start.initial[1].value = -1.0
    assert studio.state.initial == (1.0, -1.0)
    assert line(studio.figures.phase, "tsit5").y[0] == -1.0
    studio.problem.chooser.value = "lotka_volterra"
    assert studio.state.initial == ()
    assert [slider.value for slider in studio.start.initial] == pytest.approx(studio.state.start[0].tolist())


def test_a_page_that_rounds_a_slider_changes_nothing(opened):
    studio = opened("damped_oscillator")
    slider, span = studio.problem.sliders["omega"], studio.start.span
    omega = slider.value + 0.3 * slider.step
    studio.state.problem = studio.state.problem.with_parameters(omega=omega)
    end = span.value - 0.3 * span.step
    studio.state.span = end
    revision = studio.state.revision
    # the page puts each handle on the stop next to it, and says so
    slider.value, span.value = slider.value - 0.3 * slider.step, span.value + 0.3 * span.step
    studio.methods.tolerance.value = 9.99999999999998e-04
    assert studio.state.revision == revision
    assert studio.state.problem.values["omega"] == omega
    assert studio.state.span == end


def test_small_moves_add_up(opened):
    studio = opened("damped_oscillator")
    slider = studio.problem.sliders["omega"]
    for _ in range(5):
        slider.set_state({"value": slider.value + 0.4 * slider.step})
        assert studio.state.problem.values["omega"] == pytest.approx(slider.value, abs=0.5 * slider.step)


def test_a_component_that_is_picked_leaves_the_axis_where_it_was(opened):
    studio = opened("double_pendulum")
    axes, state = studio.figures.axes, studio.state
    first, second = axes[0].value, axes[1].value
    axes[1].value = first
    assert [axis.value for axis in axes] == [second, first, "plane"]
    phase = studio.figures.phase.figure.layout
    assert (phase.xaxis.title.text, phase.yaxis.title.text) != ("", "")
    axes[2].value = first
    assert len(set(studio.figures.components)) == 3
    studio.start.span.value = studio.start.span.max
    reach = max(float(max(trace.x)) for trace in studio.figures.ladder.figure.data if trace.name == "tsit5")
    assert reach > 0.9 * state.span


def test_the_cursor_stands_on_a_logarithmic_axis_at_any_stop(opened):
    studio = opened("van_der_pol_mild")
    studio.start.log_time.value = True
    for stop in (0, 1, 250, 500):
        studio.cursor.value = stop
        assert studio.cursor.value == stop
        for panel in (studio.figures.time, studio.figures.ladder):
            assert panel.figure.layout.xaxis.type == "log"
            (time,) = cursor_times(panel)
            assert 1e-7 * studio.state.span <= time <= studio.state.span


def test_figures_without_a_solution_are_not_shown(opened):
    studio = opened("lorenz")
    studio.kind.value = "sde"
    studio.problem.chooser.value = "levy_area"
    studio.methods.control.value = "tolerance"
    views = studio.figures
    assert not any(shown(part) for part in (views.time, views.ladder, views.fan, views.marginal))
    assert (views.legend.value, studio.table.value) == ("", "")
    assert "no scheme can choose its steps" in studio.failures.value
    studio.cursor.value = 100
    studio.methods.control.value = "steps"
    assert shown(views.time)
    assert cursor_times(views.time) == {studio.state.cursor}


def test_old_figures_are_dimmed_and_a_stop_button_ends_the_solve(opened, monkeypatch, until, by_torch):
    studio = opened("lorenz")
    state, note = studio.state, studio.note
    monkeypatch.setattr(state, "_patience", 0.0)
    state.tolerance, state.max_steps = 1e-13, 10**6
    studio.state.span = 1e6
    until(lambda: "solving by" in note.text.value)
    assert shown(note.stop)
    assert "limitlab-stale" in studio.answer._dom_classes
    note.stop.click()
    assert state.wait(30)
    assert "stopped" in note.text.value
    assert not shown(note.stop)
    studio.problem.chooser.value = "linear_decay"
    until(lambda: not state.stale)
    assert "limitlab-stale" not in studio.answer._dom_classes
    assert not shown(note.text)


def test_a_studio_is_described_in_a_picture(opened):
    studio = opened("lorenz")
    drawn = studio._drawn()
    assert "Lorenz" in drawn
    assert "<path" in drawn
    assert "Run this cell" in drawn


def test_a_box_adds_a_method_and_one_stays(opened):
    studio = opened("linear_decay")
    studio.methods.boxes["rodas5"].value = True
    assert studio.state.methods == ("tsit5", "dopri8", "rodas5")
    assert [name for name, box in studio.methods.boxes.items() if box.value] == ["tsit5", "dopri8", "rodas5"]
    for method in ("rodas5", "dopri8", "tsit5"):
        studio.methods.boxes[method].value = False
    assert studio.state.methods == ("tsit5",)
    assert studio.methods.boxes["tsit5"].value


def test_boxes_of_methods_that_cannot_be_used_are_off_and_say_why(opened):
    studio = opened("linear_decay")
    boxes = studio.methods.boxes
    assert boxes["rk4"].disabled
    assert "fixed steps" in boxes["rk4"].tooltip
    assert boxes["leapfrog"].disabled
    assert f"euler, midpoint, rk4, leapfrog, yoshida4: {boxes['rk4'].tooltip}" in studio.methods.refused.value
    studio.methods.control.value = "steps"
    assert not boxes["rk4"].disabled
    assert boxes["leapfrog"].disabled
    assert shown(studio.methods.steps)
    assert not shown(studio.methods.tolerance)


def test_the_table_counts_what_the_log_holds_and_knows_the_error(opened):
    studio = opened("linear_decay")
    assert studio.state.wait(30)
    solution = studio.state.solutions["tsit5"]
    (row,) = (row for row in studio.table.value.split("<tr>") if "tsit5" in row)
    for count in (solution["accepted"].sum(), solution["function_evaluations"].sum()):
        assert f"<td>{int(count)}</td>" in row
    assert f"{studio.state.errors['tsit5']:.1e}" in row
    assert "the exact solution" in studio.table.value


def test_a_failure_is_shown_and_goes_away(opened):
    studio = opened("blow_up")
    studio.start.span.value = studio.start.span.max
    assert "dopri8: blow-up at t = 1" in studio.failures.value
    studio.problem.chooser.value = "linear_decay"
    assert studio.failures.value == ""


def test_a_part_of_a_solution_is_called_one(opened, monkeypatch, by_torch):
    monkeypatch.setattr(budget, "CLOCK", partial(next, itertools.count(0.0, 0.01)))
    studio = opened("lorenz")
    studio.state.methods, studio.state.seconds = ("kvaerno5", "kvaerno3"), 0.4
    until = studio.state.solved.reached["kvaerno5"]
    assert f"kvaerno5: stopped at t = {until:.4g} of 25, as there are 0.4 s" in studio.failures.value
    for told in (studio.figures.legend.value, studio.table.value):
        assert f", to t&nbsp;=&nbsp;{until:.4g} alone" in told
    assert line(studio.figures.time, "kvaerno5").x[-1] <= until
    studio.methods.seconds.value = 60.0
    assert "alone" not in studio.figures.legend.value + studio.table.value


def test_an_own_equation_is_solved_and_shown(opened):
    studio = opened("linear_decay")
    typed = studio.typed
    typed.text.value, typed.parameters.value, typed.initial.value = "x' = y\ny' = -k*x", "k = 4", "x = 1; y = 0"
    typed.span.value = 3.0
    typed.solve.click()
    assert typed.error.value == ""
    assert studio.state.span == 3.0
    assert studio.problem.chooser.value == "own_equation"
    assert list(studio.problem.sliders) == ["k"]
    assert studio.state.problem.latex() in studio.problem.equation.value
    np.testing.assert_allclose(line(studio.figures.phase, "dopri8").x[-1], np.cos(6.0), atol=1e-3)


@pytest.mark.parametrize(
    ("box", "text", "message"),
    [
        ("text", "x' = <b>", "unexpected"),
        ("parameters", "k is 4", "parameters must be like &#x27;a = 2, b = 0.5&#x27;; cannot read &#x27;k is 4&#x27;"),
        ("initial", "z = 1", "unknown state &#x27;z&#x27;"),
    ],
)
def test_a_wrong_entry_is_told_in_red_and_the_old_problem_stays(opened, box, text, message):
    studio = opened("linear_decay")
    getattr(studio.typed, box).value = text
    studio.typed.solve.click()
    assert 'class="limitlab-error"' in studio.typed.error.value
    assert message in studio.typed.error.value
    assert "<b>" not in studio.typed.error.value
    assert studio.state.problem.name == "linear_decay"


def test_the_problem_that_is_picked_can_be_edited(opened):
    studio = opened("lotka_volterra")
    studio.typed.copy.click()
    before = studio.state.solutions["dopri8"]["y"]
    studio.typed.solve.click()
    assert studio.state.problem.title == "Your system"
    np.testing.assert_allclose(studio.state.solutions["dopri8"]["y"][0, -1], before[0, -1], rtol=1e-6)


def test_a_stochastic_problem_shows_its_spread_and_its_noise(opened):
    studio = opened("linear_decay")
    studio.kind.value = "sde"
    state, views = studio.state, studio.figures
    assert state.problem.name == "geometric_brownian"
    assert [shown(part) for part in (views.fan, views.marginal, views.ladder)] == [True, True, False]
    studio.cursor.value = 250
    assert cursor_times(views.fan) == cursor_times(views.time) == {0.5}
    first = state.solutions["euler_maruyama"]["y"].isel(state=0)
    np.testing.assert_allclose(line(views.fan, "median").y, first.median("sample"), rtol=1e-6)
    (bars,) = views.marginal.figure.data
    assert np.sum(np.array(bars.y) * bars.width) == pytest.approx(1.0, abs=0.05)
    assert not shown(views.refinement)
    views.refine.value = True
    assert shown(views.refinement)
    assert len(views.noise.figure.data) == len(views.refined.figure.data) == 3


def test_half_the_step_sees_the_same_noise(opened):
    studio = opened("ornstein_uhlenbeck")
    ends = []
    for steps in (128, 256):
        studio.methods.steps.value = steps
        ends.append(studio.state.solutions["sra1"]["y"][:, -1])
    np.testing.assert_allclose(*ends, atol=2e-3)


def test_three_components_are_shown_in_space_and_two_of_them_in_a_plane(opened):
    studio = opened("sir")
    assert studio.figures.components == ["S", "I", "R"]
    assert line(studio.figures.phase, "tsit5").type == "scatter3d"
    studio.figures.axes[2].value = "plane"
    assert line(studio.figures.phase, "tsit5").type == "scatter"
    studio.figures.axes[0].value = "R"
    own = studio.state.solutions["tsit5"]["y"].sel(state="R").isel(sample=0)
    np.testing.assert_allclose(line(studio.figures.phase, "tsit5").x, own, rtol=1e-6, atol=1e-6)


def test_arrows_are_the_field_of_plane_systems_that_do_not_change_with_time(opened):
    def arrows(studio):
        return [trace for trace in studio.figures.phase.figure.data if trace.name == "direction field"]

    assert arrows(opened("damped_oscillator"))
    driven = problems.parse("x' = y; y' = -x + cos(3*t)", initial={"x": 1.0, "y": 0.0}, span=5.0)
    assert not arrows(opened(driven))


def test_a_problem_on_many_sites_shows_the_components_that_are_picked(opened):
    studio = opened("lorenz_96")
    assert studio.start.initial == []
    assert {trace.yaxis for trace in studio.figures.time.figure.data} == {"y", "y2"}


def test_every_control_has_a_description_and_a_tooltip(opened):
    studio = opened("geometric_brownian")
    methods, typed = studio.methods, studio.typed
    controls = [studio.problem.chooser, studio.cursor, studio.figures.refine, *studio.problem.sliders.values()]
    controls += [methods.tolerance, methods.steps, methods.max_steps, methods.paths, methods.seed]
    controls += [*methods.boxes.values(), *studio.start.initial, studio.start.span]
    controls += [typed.text, typed.parameters, typed.initial, typed.span, typed.calculus, typed.solve, typed.copy]
    assert all(control.description and control.tooltip for control in controls)
    assert all(axis.tooltip for axis in studio.figures.axes)


def test_closing_releases_the_thread(opened):
    studio = opened("lotka_volterra")
    # a problem with sites, whose reference takes torch long enough to be at work when the studio is closed
    studio.state.choose("kuramoto")
    thread = studio.state._worker._thread
    studio.close()
    assert thread is None or not thread.is_alive()
