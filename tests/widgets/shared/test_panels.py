import math
from functools import partial

import ipywidgets as widgets
import pytest
from traitlets import Float, validate

from limitlab import experiments, problems
from limitlab.errors import check_number
from limitlab.problems import Parameter
from limitlab_widgets.shared.controls import (
    described,
    is_echo,
    linked,
    option_control,
    parameter_slider,
    seconds_text,
)
from limitlab_widgets.shared.panels import ProblemPanel
from limitlab_widgets.shared.state import StudioState

OPTIONS = {option.name: option for option in experiments.get("darcy_fno").options()}


@pytest.mark.parametrize(
    ("name", "kind", "ends"),
    [
        ("loss", widgets.Dropdown, {}),
        ("batch_size", widgets.BoundedIntText, {}),
        ("modes", widgets.IntSlider, {"low": 4, "high": 32}),
        ("padding", widgets.FloatSlider, {"low": 0.0, "high": 0.25}),
        ("learning_rate", widgets.FloatLogSlider, {"low": 1e-4, "high": 1e-1}),
    ],
)
def test_the_control_of_a_setting_suits_its_type_and_holds_its_value(name, kind, ends):
    option = OPTIONS[name]
    control = option_control(option, option.default, **ends)
    assert isinstance(control, kind)
    assert control.value == pytest.approx(option.default) if option.type is float else control.value == option.default
    assert control.tooltip == option.help


def test_a_slider_is_widened_to_hold_the_value():
    assert option_control(OPTIONS["width"], 128, low=8, high=64).max == 128
    assert option_control(OPTIONS["width"], 4, low=8, high=64).min == 4


def test_a_parameter_tells_its_meaning_and_unit():
    slider = parameter_slider(Parameter("nu", 0.1, 0.01, 1.0, "viscosity", "m²/s", "\\nu", "log"), 0.1)
    assert isinstance(slider, widgets.FloatLogSlider)
    assert slider.tooltip == "viscosity [m²/s]"
    assert slider.description == "$\\nu$"


def test_a_problem_panel_gives_the_problem_at_its_sliders():
    panel = ProblemPanel(problems.catalogue("pde"), problems.get("burgers"), tooltip="what is learned")
    panel.sliders["nu"].value = 0.05
    assert panel.problem == problems.get("burgers", nu=0.05)


def test_a_problem_of_ones_own_is_among_the_choices():
    own = problems.parse("u_t = D*u_xx", {"D": 0.01})
    panel = ProblemPanel(problems.catalogue("pde"), own, tooltip="what is learned")
    assert panel.problem is own
    panel.chooser.value = "burgers"
    assert panel.problem.name == "burgers"
    panel.chooser.value = own.name
    assert panel.problem is own


@pytest.mark.parametrize(("seconds", "text"), [(0.2, "1 s"), (12.0, "12 s"), (89.5, "90 s"), (600.0, "10 min")])
def test_durations_read_as_people_say_them(seconds, text):
    assert seconds_text(seconds) == text


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        (Parameter("mu", 0.43, 0.1, 8.0, "damping"), 3.0),
        (Parameter("k", 0.04, 0.01, 0.1, "rate", scale="log"), 0.04),
        (Parameter("v", 0.0, -1.87, 1.95, "speed"), 0.0),
    ],
)
def test_the_value_is_a_stop_of_its_slider(parameter, value):
    slider = parameter_slider(parameter, value)
    place = math.log10(value) if parameter.scale == "log" else value
    stops = (place - slider.min) / slider.step
    assert stops == pytest.approx(round(stops))


@pytest.mark.parametrize("scale", ["linear", "log"])
def test_an_echo_is_the_stop_next_to_the_value_and_everything_else_is_a_move(scale):
    slider = parameter_slider(Parameter("k", 1.0, 0.1, 10.0, "rate", scale=scale), 1.0)

    def away(stops: float) -> float:
        return 10 ** (stops * slider.step) if scale == "log" else 1.0 + stops * slider.step

    current = away(0.3)
    for stops, echo in ((0.0, True), (1e-9, True), (0.4, False), (1.0, False), (-3.0, False)):
        assert is_echo(slider, away(stops), current) == echo


class Circle(StudioState):
    """A circle whose radius is positive; its area is found in the worker."""

    decides = ("radius",)
    radius = Float(1.0)
    area = Float(0.0)

    @validate("radius")
    def _positive(self, proposal):
        return check_number("radius", proposal["value"], low=0.1)

    def answer(self):
        self.work(partial(self._measure, self.radius), patience=5.0)

    def _measure(self, radius, check):
        with self.lock:
            check()
            self.area = math.pi * radius**2


def radius_slider(circle):
    return linked(circle, "radius", described(widgets.FloatSlider, "r", "radius", min=0.1, max=2.1, step=0.1))


def test_a_linked_control_and_its_trait_show_the_same():
    circle = Circle()
    slider = radius_slider(circle)
    slider.value = 1.5
    assert (circle.radius, circle.area) == (1.5, math.pi * 1.5**2)
    circle.radius = 3.0
    assert (slider.value, slider.max) == (3.0, 3.0)


def test_small_moves_of_a_linked_control_add_up():
    circle = Circle()
    slider = radius_slider(circle)
    for _ in range(20):
        slider.set_state({"value": slider.value + 0.04})
        assert circle.radius == slider.value


def test_a_value_that_is_refused_goes_back_and_the_reason_is_told_until_the_next_change():
    circle = Circle()
    box = linked(circle, "radius", described(widgets.FloatText, "r", "radius"))
    box.value = -1.0
    assert (box.value, circle.radius) == (1.0, 1.0)
    assert "radius must be a number >= 0.1" in circle.error
    box.value = math.nan
    assert (box.value, circle.radius) == (1.0, 1.0)
    box.value = 2.0
    assert (circle.error, circle.radius) == ("", 2.0)
