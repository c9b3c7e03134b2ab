"""The solver studio as a reader has it: a notebook in JupyterLab, real sliders, boxes and a typed equation."""

import base64
import re
import statistics

import pytest
from pages import cut_texts, picture

pytestmark = pytest.mark.browser

STUDIO = """from limitlab_widgets import SolverStudio
studio = SolverStudio()
studio"""
PLOTS = "[...document.querySelectorAll('.js-plotly-plot')].filter(p => p.offsetParent)"
TITLE = "(p, axis) => p.layout[axis]?.title?.text ?? ''"
PLOT = {
    "time": f"{PLOTS}.find(p => p.layout.xaxis2 && ({TITLE})(p, 'yaxis') === 'x')",
    "phase": f"{PLOTS}.find(p => ({TITLE})(p, 'xaxis') === 'x')",
    "ladder": f"{PLOTS}.find(p => ({TITLE})(p, 'yaxis').startsWith('step size'))",
}
# the state at three quarters of the time, of the first method
ANSWER = f"""() => {{
    const y = ({PLOT["time"]}).data.find(t => t.name === 'tsit5').y;
    return y[Math.floor(0.75 * y.length)];
}}"""
CURSOR = f"""() => {{
    const mark = ({PLOT["phase"]}).data.find(t => t.name === 'cursor');
    const line = p => p.layout.shapes.find(s => s.name === 'cursor').x0;
    return [line({PLOT["time"]}), line({PLOT["ladder"]}), mark.x[0], mark.y[0]];
}}"""
WATCH = f"""() => {{
    window.pressed = {{}}; window.latencies = {{time: [], phase: [], ladder: []}};
    document.addEventListener('keydown', () => {{
        for (const name in window.latencies) window.pressed[name] = performance.now();
    }}, true);
    const plots = {{time: {PLOT["time"]}, phase: {PLOT["phase"]}, ladder: {PLOT["ladder"]}}};
    for (const name in plots) plots[name].on('plotly_afterplot', () => {{
        if (!window.pressed[name]) return;
        window.latencies[name].push(performance.now() - window.pressed[name]);
        window.pressed[name] = 0;
    }});
}}"""

# the most bytes that a move of a parameter may bring: three figures' whole data are five times that
MOST_BYTES = 100_000
# and that the page may answer: it has been told everything that it shows
MOST_BYTES_SENT = 5_000
STEPS = f"""() => Array.from(({PLOT["ladder"]}).data.find(t => t.name === 'tsit5').y)"""
COUNT = f"""() => {{
    window.redraws = {{time: 0, phase: 0, ladder: 0}};
    const plots = {{time: {PLOT["time"]}, phase: {PLOT["phase"]}, ladder: {PLOT["ladder"]}}};
    for (const name in plots) plots[name].on('plotly_afterplot', () => {{ window.redraws[name] += 1; }});
}}"""


def slider(page, tooltip):
    return page.locator(f".widget-inline-hbox:has([title='{tooltip}']) .noUi-handle")


def field(page, label, kind):
    return page.locator(f".widget-inline-hbox:has(> .widget-label:text-is('{label}')) {kind}")


def box(page, name):
    return page.locator(f".limitlab-choice:has-text('{name}') input[type=checkbox]")


def payload(frame):
    """What a frame of a page's socket carries, bytes of which are told as text in base64."""
    response = frame["response"]
    return base64.b64decode(response["payloadData"]) if response["opcode"] == 2 else response["payloadData"].encode()


def opened(open_notebook, **size):
    page = open_notebook(STUDIO, **size)
    page.wait_for_function(f"() => {PLOTS}.length === 3 && {PLOT['ladder']}")
    fills = f"{PLOTS}.every(p => Math.abs(p.querySelector('.main-svg').clientWidth - p.clientWidth) < 6)"
    page.wait_for_function(f"() => {fills}")
    return page


def pressed(page, key, times, question):
    """Press a key several times, each after the answer to the one before; median milliseconds of each figure."""
    page.wait_for_timeout(1500)
    page.evaluate(WATCH)
    for count in range(1, times + 1):
        old = page.evaluate(question)
        page.keyboard.press(key)
        page.wait_for_function(f"old => JSON.stringify(({question})()) !== JSON.stringify(old)", arg=old)
        page.wait_for_function(f"() => Object.values(window.latencies).every(l => l.length >= {count})")
        page.wait_for_timeout(300)
    return {name: statistics.median(values) for name, values in page.evaluate("window.latencies").items()}


def test_a_reader_moves_a_parameter_adds_a_stiff_method_and_moves_the_cursor(open_notebook, capsys):
    page = opened(open_notebook, width=1600, height=1500)
    picture(page, "solver-1-opened")

    slider(page, "nonlinear damping").focus()
    parameter = pressed(page, "ArrowRight", 7, ANSWER)
    picture(page, "solver-2-parameter")

    box(page, "rodas5").click()
    page.locator(".limitlab-table td", has_text="rodas5").wait_for()
    page.wait_for_function(f"() => ({PLOT['time']}).data.some(t => t.name === 'rodas5')")
    assert page.locator(".limitlab-choice", has_text="rk4").locator("input").is_disabled()
    picture(page, "solver-3-stiff-method")

    slider(page, "the time that every figure marks").focus()
    page.wait_for_function("() => !document.querySelector('.limitlab-table').innerText.includes('…')")
    table = page.locator(".limitlab-table").inner_text()
    cursor = pressed(page, "ArrowRight", 7, CURSOR)
    in_time, in_ladder, *_ = page.evaluate(CURSOR)
    assert in_time == in_ladder
    assert page.locator(".limitlab-table").inner_text() == table
    with capsys.disabled():
        for move, latencies in (("parameter", parameter), ("cursor", cursor)):
            print(f"\n{move} to new figure: {', '.join(f'{n} {ms:.0f} ms' for n, ms in latencies.items())}", end="")
        print()


def test_a_move_sends_what_changed_and_draws_what_is_in_view(open_notebook):
    page = opened(open_notebook, width=1366, height=768)
    received, sent = [], []
    page.evaluate("document.querySelector('.limitlab-studio').scrollIntoView()")
    handle = slider(page, "nonlinear damping")
    handle.focus()
    page.wait_for_function("() => !document.querySelector('.limitlab-table').innerText.includes('…')")
    # the page has told the kernel which figures it shows, and nothing is under way
    page.wait_for_timeout(3000)
    session = page.context.new_cdp_session(page)
    session.on("Network.webSocketFrameReceived", lambda frame: received.append(payload(frame)))
    session.on("Network.webSocketFrameSent", lambda frame: sent.append(payload(frame)))
    session.send("Network.enable")
    page.evaluate(COUNT)
    old, ladder = page.evaluate(ANSWER), page.evaluate(STEPS)
    page.keyboard.press("ArrowRight")
    page.wait_for_function(f"old => ({ANSWER})() !== old", arg=old)
    page.wait_for_function("() => window.redraws.time && window.redraws.phase")
    page.wait_for_timeout(1500)
    # one figure in two reads its margins again where its numbers have become longer
    assert max(page.evaluate("Object.values(window.redraws)")) <= 2
    assert page.evaluate("window.redraws.ladder") == 0
    assert page.evaluate(STEPS) == ladder
    # the picture that a saved notebook keeps is sent at rest, and not by a move
    assert sum(len(frame) for frame in received if b"limitlab-snapshot" not in frame) < MOST_BYTES
    assert sum(map(len, sent)) < MOST_BYTES_SENT
    assert not any(b"traceback" in frame for frame in received)
    page.evaluate(f"({PLOT['ladder']}).scrollIntoView()")
    page.wait_for_function(f"old => JSON.stringify(({STEPS})()) !== JSON.stringify(old)", arg=ladder)
    # it shows the very solution that the other figures show
    table = page.locator(".limitlab-table tr", has_text="tsit5").inner_text().split()
    assert len(page.evaluate(STEPS)) == int(table[2]) + 1


def test_a_reader_types_equations_and_looks_at_noise_and_nothing_is_cut(open_notebook):
    page = opened(open_notebook, width=1300, height=2600)
    page.get_by_text("My own equation").click()
    equations, solve = field(page, "equations", "textarea"), page.locator("button", has_text="Solve it")
    equations.fill("x' = y\ny' = -k*x")
    field(page, "parameters", "input").fill("k = 2")
    solve.click()
    page.wait_for_function(f"() => ({PLOT['phase']})?.layout.yaxis.title.text === 'y'")
    assert cut_texts(page) == []
    picture(page, "solver-4-own-equation")

    shown = page.evaluate(f"({PLOT['phase']}).data.find(t => t.name === 'tsit5').x[100]")
    equations.fill("x' = q*y\ny' = -k*x")
    solve.click()
    error = page.locator(".limitlab-error", has_text="unknown name 'q'")
    error.wait_for()
    assert error.evaluate("e => getComputedStyle(e).color") == "rgb(179, 38, 30)"
    assert page.evaluate(f"({PLOT['phase']}).data.find(t => t.name === 'tsit5').x[100]") == shown
    picture(page, "solver-5-wrong-equation")

    page.get_by_text("My own equation").click()
    page.locator("button", has_text=re.compile("^stochastic$")).click()
    page.wait_for_function(f"() => {PLOTS}.some(p => p.data.some(t => t.name === 'median'))")
    page.locator(".widget-checkbox", has_text="refine one Brownian path").locator("input").click()
    page.wait_for_function(f"() => {PLOTS}.some(p => p.data.some(t => t.name === '512 steps'))")
    picture(page, "solver-6-noise")
    assert cut_texts(page) == []
    output = "document.querySelector('.jp-OutputArea-output')"
    assert page.evaluate(f"{output}.scrollWidth - {output}.clientWidth") <= 1
