import ipywidgets as widgets
import pytest

from limitlab import experiments, problems
from limitlab.problems import Parameter
from limitlab_widgets.panels import ProblemPanel, option_control, parameter_slider, seconds_text

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
