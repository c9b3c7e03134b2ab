import math

import ipywidgets as widgets
import pytest

from limitlab import experiments, problems
from limitlab.problems import Parameter
from limitlab_widgets.shared.panels import ProblemPanel, is_echo, option_control, parameter_slider, seconds_text

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
def test_an_echo_is_nearer_than_half_a_stop_and_a_move_is_not(scale):
    slider = parameter_slider(Parameter("k", 1.0, 0.1, 10.0, "rate", scale=scale), 1.0)
    for stops, echo in ((0.4, True), (1.0, False), (-3.0, False)):
        new = 10 ** (stops * slider.step) if scale == "log" else 1.0 + stops * slider.step
        assert is_echo({"owner": slider, "old": 1.0, "new": new}) == echo
