"""One cache for all studio tests, so that the same functions are made once; and a reader who acts at random."""

import random
import threading

import pytest

pytest.importorskip("ipywidgets", reason="the extra `lab` is not installed")


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _own_cache(cache, monkeypatch):
    monkeypatch.setenv("LIMITLAB_HOME", str(cache))


@pytest.fixture(scope="session", autouse=True)
def _time_stands_still():
    """A studio ends long solves by the clock, which a busy machine would make it do; tests of that have clocks."""
    from limitlab_widgets.shared import budget

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(budget, "CLOCK", lambda: 0.0)
        yield


@pytest.fixture
def by_torch(monkeypatch):
    """No machine code: torch makes all solves, and looks at the clock at every attempt."""
    from limitlab.solvers.native import choice

    monkeypatch.setattr(choice, "_missing", lambda: "numba cannot be used here: no module")


@pytest.fixture
def closed_at_end():
    """`closed_at_end(state)` gives the state back, and closes it when the test is over."""
    held = []

    def hold(state):
        held.append(state)
        return state

    yield hold
    for state in held:
        state.close()


@pytest.fixture
def until():
    """Wait for a condition that a thread brings about."""
    import time

    def wait(condition, seconds: float = 30.0) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "the condition did not come about"
            time.sleep(0.005)

    return wait


@pytest.fixture
def walk(monkeypatch):
    """`walk(studio, actions, check, seed)`: move a control or press a button at random, and call `check` after each.

    choices: values to pick from, by control, where its own are too many or too slow. avoid: controls to leave
    alone, by what they are called; those that are not displayed are left alone too.
    No thread may end with an exception.
    """
    import ipywidgets as widgets

    from limitlab_widgets.shared.command import Command

    raised = []
    monkeypatch.setattr(threading, "excepthook", lambda args: raised.append(repr(args.exc_value)))
    chosen = (widgets.Dropdown, widgets.ToggleButtons, widgets.SelectionSlider)
    moved = (widgets.IntSlider, widgets.FloatSlider, widgets.FloatLogSlider, widgets.BoundedIntText, widgets.Checkbox)

    def value_for(control, dice):
        if isinstance(control, chosen):
            return dice.choice([option[1] if isinstance(option, tuple) else option for option in control.options])
        if isinstance(control, widgets.Checkbox):
            return not control.value
        if isinstance(control, widgets.BoundedIntText):
            return max(control.min, min(control.max, control.value + dice.choice([-3, -1, 1, 3])))
        if isinstance(control, widgets.IntSlider):
            return dice.randint(control.min, control.max)
        # what a page sends: a stop of the track, or a number that was typed into the readout
        stops = round((control.max - control.min) / control.step)
        place = control.min + (control.max - control.min) * dice.choice([dice.randint(0, stops) / stops, dice.random()])
        return control.base**place if isinstance(control, widgets.FloatLogSlider) else place

    def walked(studio, actions, check, seed, *, choices=(), avoid=()):
        dice, narrowed = random.Random(seed), dict(choices)
        for number in range(actions):
            controls = [part for part in displayed(studio) if isinstance(part, (Command, *chosen, *moved))]
            # a choice of nothing is no choice
            free = [
                c for c in controls if not c.disabled and c.description not in avoid and getattr(c, "options", (0,))
            ]
            control = dice.choice(free)
            if isinstance(control, Command):
                action = f"press {control.description}"
                control.click()
            else:
                value = dice.choice(narrowed[control]) if control in narrowed else value_for(control, dice)
                action = f"{control.description} = {value}"
                control.value = value
            assert not raised, f"action {number}, {action}: a thread raised {raised}"
            check(f"action {number}, {action}")

    return walked


def displayed(part):
    """The widgets that a page shows, in its order."""
    # asked of what is stored, as a layout is made where one asks for it; that of a plotly figure is another thing
    if getattr(part._trait_values.get("layout"), "display", None) == "none":
        return
    yield part
    for child in getattr(part, "children", ()):
        yield from displayed(child)
