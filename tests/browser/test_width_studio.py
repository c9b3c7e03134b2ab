"""The width studio as a reader has it: a notebook in JupyterLab, real sliders, networks that train beside them."""

import re
import statistics

import pytest
from pages import cut_texts, picture

pytestmark = pytest.mark.browser

STUDIO = """from limitlab_widgets import WidthStudio
studio = WidthStudio(width=64, seeds=4, steps={steps})
studio"""
# what the kernel needs between the slider's message and the last of its own, seen by itself
KERNEL_SIDE = """import statistics, time
spent = []
for place in range(2, 32):
    begun = time.perf_counter()
    studio.time.value = place
    spent.append(1e3 * (time.perf_counter() - begun))
print(f"kernel side {statistics.median(spent):.0f} ms")"""
PLOTS = "[...document.querySelectorAll('.js-plotly-plot')].filter(p => p.offsetParent)"
FUNCTIONS = f"{PLOTS}.find(p => p.data.some(t => t.name === 'limit, mean'))"
DECAY = f"{PLOTS}.find(p => p.data.some(t => t.type === 'bar'))"
LAWS = f"{PLOTS}.find(p => p.layout.xaxis.title?.text === 'width')"
# undefined while the lab lays its cells out anew
MEAN = f"() => {FUNCTIONS}?.data.find(t => t.name === 'limit, mean').y.slice(0, 20).join()"
REMAINS = f"() => {DECAY}?.data.find(t => t.type === 'bar').y.join()"
NETWORKS = f"() => ({FUNCTIONS}).data.find(t => t.name.startsWith('network')).y.length"
POINT = f"() => {PLOTS}.find(p => p.data.some(t => t.name === 'feature'))?.data.at(-1).x[0]"
# pixels of a plot below the page, when its studio is scrolled to the top
BELOW = """() => {{
    document.querySelector('.limitlab-studio').scrollIntoView({{block: 'start'}});
    return {plot}.getBoundingClientRect().bottom - innerHeight;
}}"""
WATCH = f"""() => {{
    window.pressed = 0; window.latencies = [];
    const drawn = new Set();
    document.addEventListener('keydown', () => {{ window.pressed = performance.now(); drawn.clear(); }}, true);
    const plots = {{functions: {FUNCTIONS}, decay: {DECAY}}};
    for (const name in plots) plots[name].on('plotly_afterplot', () => {{
        if (window.pressed) drawn.add(name);
        if (drawn.size < 2) return;
        window.latencies.push(performance.now() - window.pressed);
        window.pressed = 0; drawn.clear();
    }});
}}"""


def slider(page, name):
    """A slider whose accessible name begins so: what a screen reader says, where the label is a formula."""
    return page.locator(f".noUi-handle[aria-label^='{name}']")


def button(page, name):
    buttons = page.locator("button.jupyter-button", has_text=re.compile(f"^\\s*{name}\\s*$"))
    return buttons.locator("visible=true").first


def wait_for_text(page, pattern, seconds=None):
    limit = seconds and 1000 * seconds
    page.locator(".widget-label", has_text=re.compile(pattern)).first.wait_for(timeout=limit)


def opened(open_notebook, *more, steps=200, **size):
    page = open_notebook(STUDIO.format(steps=steps), *more, **size)
    page.wait_for_function(f"() => {PLOTS}.length === 3 && {FUNCTIONS} && {DECAY}")
    fills = f"{PLOTS}.every(p => Math.abs(p.querySelector('.main-svg').clientWidth - p.clientWidth) < 6)"
    page.wait_for_function(f"() => {fills}")
    return page


def changed(page, question, old):
    answer = f"old => {{ const now = ({question})(); return now !== undefined && now !== old; }}"
    page.wait_for_function(answer, arg=old)


def settled(page, question):
    """The answer, once there is one."""
    return page.wait_for_function(f"() => ({question})() !== undefined && {{value: ({question})()}}").json_value()[
        "value"
    ]


def pressed(page, key, times, question):
    """Press a key several times, each after the answer to the one before; median milliseconds to redrawn figures."""
    page.wait_for_timeout(1500)
    page.evaluate(WATCH)
    for count in range(1, times + 1):
        old = page.evaluate(question)
        page.keyboard.press(key)
        changed(page, question, old)
        page.wait_for_function(f"() => window.latencies.length >= {count}")
        page.wait_for_timeout(300)
    return statistics.median(page.evaluate("window.latencies"))


def test_a_reader_moves_the_time_trains_networks_and_stops(open_notebook, run_cell, patience, capsys):
    page = opened(open_notebook, KERNEL_SIDE, width=1600, height=1500)
    picture(page, "width-1-opened")
    before = page.evaluate(MEAN)
    slider(page, "standard deviation of the biases").focus()
    page.keyboard.press("ArrowRight")

    changed(page, MEAN, before)

    button(page, "Train").click()
    wait_for_text(page, r"trained \d+ networks of 5 widths", 5 * patience)
    assert page.evaluate(NETWORKS) == 4 * 98
    page.wait_for_function(f"() => ({LAWS})?.data.some(t => /slope -/.test(t.name))")
    picture(page, "width-2-trained")

    slider(page, "the step of training").focus()
    latency = pressed(page, "ArrowRight", 9, REMAINS)
    picture(page, "width-3-later")
    run_cell(page, 1)
    told = page.locator(".jp-OutputArea-output", has_text="kernel side")
    told.wait_for()
    with capsys.disabled():
        print(f"\ntime to redrawn figures: {latency:.0f} ms; {told.inner_text().strip()}")


def test_a_stop_keeps_the_kernel_free_and_a_high_rate_is_told(open_notebook, run_cell):
    page = opened(open_notebook, "print('free', 6 * 7)", steps=5000, width=1300, height=1900)
    button(page, "Train").click()
    wait_for_text(page, r"width 64: network 1 of 5")
    run_cell(page, 1)
    page.locator(".jp-OutputArea-output", has_text="free 42").wait_for()
    button(page, "Stop").click()
    wait_for_text(page, "stopped")
    assert button(page, "Stop").is_disabled()
    assert button(page, "Train").is_enabled()
    rate = slider(page, "rate of gradient descent")
    rate.focus()
    page.keyboard.press("End")
    error = page.locator(".limitlab-error", has_text="above 2/(largest eigenvalue)")
    error.wait_for()
    picture(page, "width-4-high-rate")
    assert cut_texts(page) == []
    output = "document.querySelector('.jp-OutputArea-output')"
    assert page.evaluate(f"{output}.scrollWidth - {output}.clientWidth") <= 1


def test_a_reader_moves_exponents_and_sees_which_layers_move(open_notebook):
    page = opened(open_notebook, width=1600, height=1500)
    page.locator(".lm-TabBar-tab", has_text="Parametrisation").click()
    page.locator(".limitlab-card b", has_text=re.compile("^feature$")).wait_for()
    page.wait_for_function(f"() => {PLOTS}.some(p => p.data.some(t => t.name === 'feature'))")
    here = settled(page, POINT)
    slider(page, "a + θ").focus()
    page.keyboard.press("ArrowRight")
    page.locator(".limitlab-table td", has_text="-0.125").first.wait_for()
    assert settled(page, POINT) == here
    slider(page, "the rate is η n^-c").focus()
    page.keyboard.press("ArrowLeft")
    page.locator(".limitlab-card b", has_text=re.compile("^unstable$")).wait_for()
    preset = page.locator(".widget-dropdown:has(> .widget-label:text-is('start from')) select")
    preset.select_option(label="NTP, neural tangent")
    page.locator(".limitlab-card b", has_text=re.compile("^kernel$")).wait_for()
    assert settled(page, POINT) == 0.5
    button(page, "Run the check").click()
    wait_for_text(page, "10 networks, 3 steps each")
    page.wait_for_function(f"() => {PLOTS}.some(p => p.data.some(t => t.name === 'step 3'))")
    picture(page, "width-5-parametrisation")
    assert cut_texts(page) == []


def test_the_main_figure_is_whole_in_view_beside_its_controls(open_notebook):
    page = opened(open_notebook, width=1366, height=768)
    assert page.evaluate(BELOW.format(plot=FUNCTIONS)) <= 0
    picture(page, "width-6-laptop")
    unnamed = "() => document.querySelectorAll('.limitlab-studio .noUi-handle:not([aria-label])').length"
    page.wait_for_function(f"() => !({unnamed})()")


def test_on_a_narrow_page_nothing_is_cut_on_either_tab(open_notebook):
    page = opened(open_notebook, width=820, height=1180)
    output = "document.querySelector('.jp-OutputArea-output .limitlab-studio')"
    for tab in ("Limit and width", "Parametrisation"):
        page.locator(".lm-TabBar-tab", has_text=tab).click()
        page.wait_for_timeout(1000)
        picture(page, f"width-7-narrow-{tab.split()[0].lower()}")
        assert cut_texts(page) == []
        assert page.evaluate(f"{output}.scrollWidth - {output}.clientWidth") <= 1
