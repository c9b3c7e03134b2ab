"""The operator studio as a reader has it: a notebook in JupyterLab, a real slider, real buttons."""

import re
import statistics

import pytest
from pages import picture

pytestmark = pytest.mark.browser

STUDIO = """from limitlab_widgets import OperatorStudio
studio = OperatorStudio("darcy", size="smoke", train_samples=80, epochs=2000, test_resolutions=(16, 32, 64))
studio"""
PLOTS = "[...document.querySelectorAll('.js-plotly-plot')]"
TRIPTYCH = f"{PLOTS}.find(p => p.data.some(t => t.name === 'truth' && t.z))"
CURVE = f"{PLOTS}.find(p => p.layout.xaxis.title?.text === 'training step')"
PREDICTION = (
    f"() => {{ const p = {TRIPTYCH}; return p && p.data.find(t => t.name === 'prediction').z.map(r => [...r]); }}"
)
# pixels of the triptych below the page, when the studio is scrolled to the top
BELOW = f"""() => {{
    document.querySelector('.limitlab-studio').scrollIntoView({{block: 'start'}});
    return ({TRIPTYCH}).getBoundingClientRect().bottom - innerHeight;
}}"""
WATCH = f"""() => {{
    window.pressed = 0; window.latencies = [];
    document.addEventListener('keydown', () => {{ window.pressed = performance.now(); }}, true);
    ({TRIPTYCH}).on('plotly_afterplot', () => {{
        if (window.pressed) {{ window.latencies.push(performance.now() - window.pressed); window.pressed = 0; }}
    }});
}}"""


def button(page, name):
    # another one, of the note on old figures, is not shown while nothing is computed
    return page.locator("button.jupyter-button", has_text=re.compile(f"^\\s*{name}\\s*$")).locator("visible=true")


def slider(page, label):
    return page.locator(f".widget-inline-hbox:has(> .widget-label:text-is('{label}')) .noUi-handle")


def wait_for_text(page, pattern):
    return page.locator(".widget-label", has_text=re.compile(pattern)).first.wait_for()


def step(page):
    text = page.locator(".widget-label", has_text=re.compile(r"step \d+ of")).first.inner_text()
    return int(re.search(r"step (\d+) of", text)[1])


def points(page):
    return page.evaluate(f"() => {{ const p = {CURVE}; return p && p.data.length ? p.data[0].x.length : 0; }}")


def test_a_reader_makes_data_trains_pauses_resumes_stops_and_looks(open_notebook, run_cell, capsys):
    page = open_notebook(STUDIO, "print('free', 6 * 7)")
    button(page, "Make data").wait_for()
    assert button(page, "Pause").is_disabled()
    picture(page, "1-opened", settled=700)

    button(page, "Make data").click()
    wait_for_text(page, "data are ready")
    page.wait_for_function(PREDICTION)
    baseline = page.evaluate(PREDICTION)
    picture(page, "2-data", settled=700)

    button(page, "Train").click()
    wait_for_text(page, r"training fno: step \d+ of 8000.* left")
    assert button(page, "Train").is_disabled()
    before = points(page)
    page.wait_for_function(f"n => ({CURVE}).data[0]?.x.length > n", arg=before)
    run_cell(page, 1)
    page.locator(".jp-OutputArea-output", has_text="free 42").wait_for()
    wait_for_text(page, r"training fno: step \d+ of 8000")
    picture(page, "3-training", settled=700)

    button(page, "Pause").click()
    wait_for_text(page, "paused fno at step")
    halted = step(page)
    page.wait_for_function(f"old => JSON.stringify(({PREDICTION})()) !== JSON.stringify(old)", arg=baseline)
    page.wait_for_timeout(1000)
    assert step(page) == halted
    picture(page, "4-paused", settled=700)

    button(page, "Resume").click()
    wait_for_text(page, "training fno: step")
    page.wait_for_timeout(1000)
    assert step(page) > halted
    button(page, "Stop").click()
    wait_for_text(page, "fno: stopped after")
    assert button(page, "Train").is_enabled()
    assert button(page, "Stop").is_disabled()

    page.wait_for_timeout(1500)
    page.evaluate(WATCH)
    latencies = {}
    for label, presses in (("test function", 7), ("test resolution", 2)):
        slider(page, label).focus()
        for key in ["ArrowRight"] * presses:
            old, seen = page.evaluate(PREDICTION), page.evaluate("window.latencies.length")
            page.keyboard.press(key)
            page.wait_for_function(f"old => JSON.stringify(({PREDICTION})()) !== JSON.stringify(old)", arg=old)
            page.wait_for_function("seen => window.latencies.length > seen", arg=seen)
        latencies[label] = statistics.median(page.evaluate("window.latencies.splice(0)"))
        picture(page, f"5-{label.replace(' ', '-')}", settled=700)
    assert page.evaluate(f"({TRIPTYCH}).data[0].z.length") == 64
    with capsys.disabled():
        print(f"\nslider to new figure: {', '.join(f'{label} {ms:.0f} ms' for label, ms in latencies.items())}")


def test_every_plot_fills_its_panel_and_no_description_is_cut(open_notebook):
    page = open_notebook(
        'from limitlab_widgets import OperatorStudio\nOperatorStudio("burgers", size="smoke")', width=1200
    )
    button(page, "Train").wait_for()
    button(page, "Train").click()
    wait_for_text(page, "fno: trained 4 steps")
    page.wait_for_function(f"() => {PLOTS}.length === 4")
    fills = f"{PLOTS}.every(p => Math.abs(p.querySelector('.main-svg').clientWidth - p.clientWidth) < 5)"
    page.wait_for_function(f"() => {fills}")
    picture(page, "6-burgers", settled=700)
    labels = "[...document.querySelectorAll('.widget-label')].filter(l => !l.querySelector('mjx-container'))"
    assert page.evaluate(f"{labels}.filter(l => l.scrollWidth > l.clientWidth + 1).map(l => l.innerText)") == []
    output = "document.querySelector('.jp-OutputArea-output')"
    assert page.evaluate(f"{output}.scrollWidth - {output}.clientWidth") <= 1


@pytest.mark.parametrize(("width", "height"), [(1366, 768), (820, 1180)])
def test_the_triptych_is_whole_and_old_figures_are_called_old(open_notebook, width, height):
    page = open_notebook(STUDIO, width=width, height=height)
    button(page, "Make data").wait_for()
    button(page, "Make data").click()
    wait_for_text(page, "data are ready")
    page.wait_for_function(PREDICTION)
    page.wait_for_timeout(1000)
    if width > 900:
        assert page.evaluate(BELOW) <= 0
    picture(page, f"7-{width}", settled=700)
    unnamed = "document.querySelectorAll('.limitlab-studio .noUi-handle:not([aria-label])').length"
    page.wait_for_function(f"() => {unnamed} === 0")
    assert page.locator(".limitlab-old").count() == 0
    page.locator(".limitlab-studio select").first.select_option(label="Poisson equation")
    page.locator(".limitlab-old", has_text="problem changed since: make data, or train").wait_for()
    assert page.locator(".limitlab-stale").count() == 1
    output = "document.querySelector('.jp-OutputArea-output .limitlab-studio')"
    assert page.evaluate(f"{output}.scrollWidth - {output}.clientWidth") <= 1
    picture(page, f"8-{width}-old", settled=700)


def test_a_step_in_time_is_trained_rolled_out_and_compared_with_persistence(open_notebook):
    page = open_notebook(
        'from limitlab_widgets import OperatorStudio\nOperatorStudio("burgers", size="smoke")', width=1366, height=768
    )
    page.get_by_label("learn").select_option(label="a step in time, and rollouts")
    button(page, "Train").click()
    wait_for_text(page, r"fno: trained \d+ steps")
    page.get_by_text("after 1 of 3 steps").wait_for()
    growth = f"{PLOTS}.find(p => p.layout.xaxis.title?.text === 'step')"
    page.wait_for_function(f"() => {growth}?.data.length === 2")
    lines = f"{PLOTS}.find(p => p.data.some(t => t.name === 'truth' && t.y))"
    before = page.evaluate(f"[...({lines}).data.find(t => t.name === 'prediction').y]")
    slider(page, "step").focus()
    page.keyboard.press("ArrowRight")
    page.get_by_text("after 2 of 3 steps").wait_for()
    moved = f"old => JSON.stringify([...({lines}).data.find(t => t.name === 'prediction').y]) !== JSON.stringify(old)"
    page.wait_for_function(moved, arg=before)
    page.get_by_label("beside").select_option(label="the input as it is")
    page.wait_for_function(f"() => ({lines})?.data.some(t => t.name === 'error of persistence')")
    picture(page, "9-rollouts", settled=700)


def test_a_reader_learns_from_a_file_of_their_own(open_notebook):
    page = open_notebook(
        "import numpy as np\nfrom limitlab_widgets import OperatorStudio\nx = np.arange(32) / 32\n"
        "a = np.sin(2 * np.pi * (x + np.random.default_rng(0).random((30, 1))))\n"
        'np.savez("waves.npz", x=x, a=a, u=a**2)\nOperatorStudio("burgers", size="smoke")'
    )
    button(page, "Train").wait_for()
    page.locator(".jupyter-widget-Collapse-header", has_text="my data").click()

    def say(label, text):
        box = page.locator(f".widget-text:has(> .widget-label:text-is('{label}')) input")
        box.fill(text)
        box.press("Tab")

    say("path", "wave.npz")
    button(page, "Take the file").click()
    page.locator(".limitlab-error", has_text="wave.npz must be a NumPy archive; there is none").first.wait_for()
    for label, text in (("path", "waves.npz"), ("inputs", "a"), ("targets", "u")):
        say(label, text)
    button(page, "Take the file").click()
    page.locator(".limitlab-note", has_text="waves.npz: 30 functions on 32").first.wait_for()
    picture(page, "8-own-file", settled=700)
    button(page, "Train").click()
    wait_for_text(page, r"fno: trained \d+ steps")
    page.locator(".widget-html", has_text="Fourier neural operator: relative L2 error").first.wait_for()
